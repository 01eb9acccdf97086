/** The few pictures of the page, drawn in the color of the text beside them. */

export function Logo() {
  return (
    <svg class="logo" viewBox="0 0 32 32" aria-hidden="true">
      <path d="M3 12c4.3 0 4.3-5 8.7-5s4.3 5 8.6 5S24.700 7 29 7" />
      <path d="M3 19c4.300 0 4.300-5 8.700-5s4.300 5 8.600 5 4.400-5 8.700-5" opacity=".65" />
      <path d="M3 26c4.300 0 4.300-5 8.700-5s4.300 5 8.600 5 4.400-5 8.700-5" opacity=".35" />
    </svg>
  );
}

const PATHS = {
  sun: 'M8 4.500a3.500 3.500 0 1 0 0 7 3.500 3.500 0 0 0 0-7zM8 .8v1.400M8 13.800v1.400M.8 8h1.400M13.800 8h1.400M2.900 2.900l1 1M12.100 12.100l1 1M2.900 13.100l1-1M12.100 3.900l1-1',
  moon: 'M13.500 9.800A6 6 0 0 1 6.200 2.500a6 6 0 1 0 7.300 7.300z',
  auto: 'M8 1.500a6.500 6.500 0 1 0 0 13zM8 1.500a6.500 6.500 0 0 1 0 13',
  back: 'M9.500 3 4.500 8l5 5',
  search: 'M7 2.500a4.500 4.500 0 1 0 0 9 4.500 4.500 0 0 0 0-9zM10.300 10.300l3.200 3.200',
  up: 'M8 12.500v-9M4 7.500l4-4 4 4',
  down: 'M8 3.500v9M4 8.500l4 4 4-4',
  stays: 'M3 8h10',
  error: 'M8 1.500a6.500 6.500 0 1 0 0 13 6.500 6.500 0 0 0 0-13zM8 4.500v4.300M8 11.200v.1',
  warning: 'M8 2 1.500 13.500h13zM8 6.500v3.300M8 11.700v.1',
  note: 'M8 1.500a6.500 6.500 0 1 0 0 13 6.500 6.500 0 0 0 0-13zM8 7.200v4M8 4.700v.1',
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name, class: kind = '' }: { name: IconName; class?: string }) {
  return <svg class={`icon ${kind}`} viewBox="0 0 16 16" aria-hidden="true"><path d={PATHS[name]} /></svg>;
}
