/** The fragment of the page's address, which names the view. */

export type Route =
  | { view: 'overview' }
  | { view: 'detail'; namespace: string; name: string; whatIf: boolean };

export function parse(fragment: string): Route {
  const [first, namespace, name, last] = fragment.replace(/^#\/?/, '').split('/').map(decoded);
  if (first === 'so' && namespace && name) {
    return { view: 'detail', namespace, name, whatIf: last === 'what-if' };
  }
  return { view: 'overview' };
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

export function path(row: { namespace: string; name: string }, whatIf = false): string {
  const parts = ['so', row.namespace, row.name, ...(whatIf ? ['what-if'] : [])];
  return `#/${parts.map(encodeURIComponent).join('/')}`;
}
