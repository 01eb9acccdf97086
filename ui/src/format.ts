/** Numbers, times and durations as the page shows them. */

const plain = new Intl.NumberFormat('en', { maximumSignificantDigits: 4 });
const compact = new Intl.NumberFormat('en', { notation: 'compact', maximumSignificantDigits: 3 });
const clock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const short = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit' });
const day = new Intl.DateTimeFormat('en-GB', { weekday: 'short', day: 'numeric', month: 'short' });
const full = new Intl.DateTimeFormat('en-GB', {
  day: 'numeric', month: 'short', year: 'numeric', hour: '2-digit', minute: '2-digit', second: '2-digit',
});

export function number(value: number | undefined | null): string {
  if (value === undefined || value === null || !Number.isFinite(value)) return '–';
  return Math.abs(value) >= 100_000 ? compact.format(value) : plain.format(value);
}

/** Hours, minutes and seconds of a time, with the date if it is another day than `now`. */
export function time(text: string | number | Date, now: number = Date.now()): string {
  const at = new Date(text);
  if (Number.isNaN(at.getTime())) return '–';
  const same = at.toDateString() === new Date(now).toDateString();
  return same ? clock.format(at) : `${day.format(at)} ${clock.format(at)}`;
}

/** Hours and minutes. */
export function hour(text: string | number | Date): string {
  return short.format(new Date(text));
}

export function date(at: Date): string {
  return day.format(at);
}

export function moment(text: string | number): string {
  return full.format(new Date(text));
}

/** A duration in its two largest units: `45 s`, `4 min 5 s`, `3 h 2 min`, `2 d 4 h`. */
export function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return '–';
  const whole = Math.max(0, Math.round(seconds));
  const parts: [number, string][] = [[86_400, 'd'], [3_600, 'h'], [60, 'min'], [1, 's']];
  const first = parts.findIndex(([unit]) => whole >= unit);
  if (first < 0) return '0 s';
  let rest = whole;
  const words: string[] = [];
  for (const [unit, word] of parts.slice(first, first + 2)) {
    const count = Math.floor(rest / unit);
    rest -= count * unit;
    if (count > 0) words.push(`${count} ${word}`);
  }
  return words.join(' ');
}

/** The largest unit alone, for narrow columns: `now`, `45 s`, `4 min`. */
export function age(text: string | undefined, now: number): string {
  if (!text) return '–';
  const seconds = (now - Date.parse(text)) / 1000;
  if (!Number.isFinite(seconds)) return '–';
  if (seconds < 1) return 'now';
  return duration(seconds).split(' ').slice(0, 2).join(' ');
}

/** `1 replica`, `2 replicas`. */
export function count(value: number, word: string): string {
  return `${number(value)} ${word}${value === 1 ? '' : 's'}`;
}

/** A Kubernetes quantity as a number: `500m` is 0.5. Absent or unreadable: undefined. */
export function quantity(text: string | undefined): number | undefined {
  const found = /^([+-]?[0-9.]+(?:[eE][+-]?[0-9]+)?)([numkMGTPE]|[KMGTPE]i)?$/.exec(text ?? '');
  if (!found) return undefined;
  const scales: Record<string, number> = {
    n: 1e-9, u: 1e-6, m: 1e-3, k: 1e3, M: 1e6, G: 1e9, T: 1e12, P: 1e15, E: 1e18,
    Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30, Ti: 2 ** 40, Pi: 2 ** 50, Ei: 2 ** 60,
  };
  const value = Number(found[1]) * (found[2] ? (scales[found[2]] ?? NaN) : 1);
  return Number.isFinite(value) ? value : undefined;
}

/** A text of Ebb with its times of day as the reader's clock shows them. */
export function spoken(text: string, now: number): string {
  return text.replace(/\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)/g, (found) => time(found, now));
}
