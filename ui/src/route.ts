/** Which view is open: the fragment of the address. */

import { parse, type Route } from './address';
import { Store } from './store';

export { path, type Route } from './address';

export const route = new Store<Route>(parse(location.hash));

addEventListener('hashchange', () => route.set(parse(location.hash)));

export function go(fragment: string): void {
  location.hash = fragment;
}
