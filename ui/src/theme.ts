/** Dark or light: the system's wish, or the user's. */

import { Store } from './store';

export type Theme = 'auto' | 'light' | 'dark';

const KEY = 'ebb-theme';
const system = matchMedia('(prefers-color-scheme: dark)');

function stored(): Theme {
  try {
    const value = localStorage.getItem(KEY);
    return value === 'light' || value === 'dark' ? value : 'auto';
  } catch {
    return 'auto'; // A page from a file may have no storage.
  }
}

export const theme = new Store<Theme>(stored());
/** The colors in use: `dark` or `light`. Charts are drawn again when it changes. */
export const colors = new Store<'dark' | 'light'>('light');

function apply(): void {
  const chosen = theme.get();
  const dark = chosen === 'dark' || (chosen === 'auto' && system.matches);
  document.documentElement.dataset.theme = dark ? 'dark' : 'light';
  colors.set(dark ? 'dark' : 'light');
}

export function choose(next: Theme): void {
  theme.set(next);
  try {
    if (next === 'auto') localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, next);
  } catch {
    // It holds for this page then.
  }
  apply();
}

system.addEventListener('change', apply);
apply();

/** A color of the style sheet, as a canvas needs it. */
export function color(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}
