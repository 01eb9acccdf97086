/** JSON as YAML, in the layout of `kubectl get -o yaml`. */

import type { ScaledObject } from './model';

/** The words that a YAML 1.1 reader, as kubectl is one, takes for something else than text. */
const WORDS = /^(?:~|null|true|false|yes|no|on|off|y|n|\.inf|\.nan|=|<<)$/i;
/** What may be a number or a date. */
const NUMBER = /^[-+.]?[0-9]/;
const PLAIN = /^[A-Za-z0-9_./$(][^\n\r\t]*$/;

function text(value: string): string {
  const harmless = PLAIN.test(value) && !WORDS.test(value) && !NUMBER.test(value);
  const special = /: |:$| #|[\u0000-\u001f\u007f-\u009f\u2028\u2029\ufeff]|\s$/.test(value);
  // JSON's strings are YAML's: what JSON leaves as it is, YAML escapes in the same notation.
  return harmless && !special ? value : JSON.stringify(value).replace(/[\u007f-\u009f\u2028\u2029\ufeff]/g, escaped);
}

function escaped(letter: string): string {
  return `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

/** Writes a value. `null` and `undefined` in an object are left out. */
export function yaml(value: unknown, indent = ''): string {
  if (Array.isArray(value)) {
    if (value.length === 0) return `${indent}[]\n`;
    return value.map((item) => {
      if (!isTree(item)) return `${indent}- ${scalar(item)}\n`;
      return `${indent}- ${yaml(item, `${indent}  `).slice(indent.length + 2)}`;
    }).join('');
  }
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value).filter(([, item]) => item !== undefined && item !== null);
    if (entries.length === 0) return `${indent}{}\n`;
    return entries.map(([key, item]) => {
      if (!isTree(item)) return `${indent}${text(key)}: ${scalar(item)}\n`;
      const deeper = Array.isArray(item) ? indent : `${indent}  `;
      return `${indent}${text(key)}:\n${yaml(item, deeper)}`;
    }).join('');
  }
  return `${indent}${scalar(value)}\n`;
}

/** Whether it takes lines of its own. */
function isTree(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.keys(value).length > 0;
}

function scalar(value: unknown): string {
  if (Array.isArray(value)) return '[]';
  if (typeof value === 'object' && value !== null) return '{}';
  return typeof value === 'string' ? text(value) : String(value);
}

const APPLIED = 'kubectl.kubernetes.io/last-applied-configuration';

/** A ScaledObject as its user would write it: without what the cluster has added. */
export function manifest(object: ScaledObject): string {
  const { name, namespace, labels, annotations } = object.metadata;
  const own = without(labels, ['scaledobject.keda.sh/name']);
  const metadata = { name, namespace, labels: own, annotations: without(annotations, [APPLIED]) };
  return yaml({ apiVersion: object.apiVersion, kind: object.kind, metadata, spec: object.spec });
}

function without(map: Record<string, string> | undefined, keys: string[]): Record<string, string> | undefined {
  const entries = Object.entries(map ?? {}).filter(([key]) => !keys.includes(key));
  return entries.length > 0 ? Object.fromEntries(entries) : undefined;
}
