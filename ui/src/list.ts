/** The order and the selection of the overview's rows. */

import { keyOf, type Row, type Severity } from './model';

export type SortKey = 'wrong' | 'name' | 'target' | 'replicas' | 'driver' | 'triggers' | 'changed';
export type Group = 'all' | 'wrong' | 'active' | 'zero' | 'paused';

export interface Choice {
  text: string;
  namespace: string;
  group: Group;
  sort: SortKey;
  down: boolean;
}

const RANK: Record<Severity, number> = { error: 3, warning: 2, note: 1 };

/** How bad the worst problem is: 0 for none. */
export function severity(row: Row): number {
  return row.problems.reduce((worst, problem) => Math.max(worst, RANK[problem.severity]), 0);
}

export function inGroup(row: Row, group: Group): boolean {
  switch (group) {
    case 'all': return true;
    case 'wrong': return severity(row) >= RANK.warning;
    case 'active': return row.active === 'True';
    case 'zero': return row.replicas === 0;
    case 'paused': return row.paused;
  }
}

/** Whether each word of `text` occurs somewhere in the row. */
export function matches(row: Row, text: string): boolean {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return true;
  const parts = [row.namespace, row.name, row.target.kind, row.target.name, row.driver, ...row.triggers];
  const hay = [...parts, ...row.problems.map((problem) => problem.text)].join('\n').toLowerCase();
  return words.every((word) => hay.includes(word));
}

function byKey(sort: SortKey): (a: Row, b: Row) => number {
  switch (sort) {
    case 'wrong': return (a, b) => severity(b) - severity(a);
    case 'name': return () => 0;
    case 'target': return (a, b) => compare(a.target.name, b.target.name);
    case 'replicas': return (a, b) => (b.replicas ?? -1) - (a.replicas ?? -1);
    case 'driver': return (a, b) => compare(a.driver, b.driver);
    case 'triggers': return (a, b) => compare(a.triggers.join(), b.triggers.join());
    case 'changed': return (a, b) => Date.parse(b.changed ?? '1970-01-01') - Date.parse(a.changed ?? '1970-01-01');
  }
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** The chosen rows in the chosen order. Equal ones are in the order of their namespaces and names. */
export function choose(rows: Iterable<Row>, choice: Choice): Row[] {
  const chosen: Row[] = [];
  for (const row of rows) {
    const there = choice.namespace === '' || row.namespace === choice.namespace;
    if (there && inGroup(row, choice.group) && matches(row, choice.text)) chosen.push(row);
  }
  const first = byKey(choice.sort);
  const sign = choice.down ? -1 : 1;
  const named = choice.sort === 'name' ? sign : 1;
  return chosen.sort((a, b) => sign * first(a, b) || named * compare(keyOf(a), keyOf(b)));
}
