/** A row's replicas over the last hour, as a small step line. */

import type { Seconds } from '../model';

const WIDTH = 132;
const HEIGHT = 26;
const SPAN = 3_600;

/** The line's corners, from the left edge `now - SPAN` to `now`. */
export function corners(spark: [Seconds, number][], now: Seconds, max: number): [number, number][] {
  const x = (at: Seconds): number => Math.max(0, Math.min(WIDTH, ((at - now + SPAN) / SPAN) * WIDTH));
  const highest = Math.max(1, ...spark.map(([, value]) => value));
  const top = Math.max(highest, Math.min(max, highest * 1.3));
  const y = (value: number): number => HEIGHT - 2 - (value / top) * (HEIGHT - 4);
  const found: [number, number][] = [];
  let last: number | undefined;
  for (const [at, value] of spark) {
    if (last !== undefined) found.push([x(at), y(last)]);
    // What was before the left edge is only where the line comes from.
    if (at < now - SPAN) found.length = 0;
    found.push([x(at), y(value)]);
    last = value;
  }
  if (last !== undefined) found.push([WIDTH, y(last)]);
  return found;
}

export function Spark({ spark, now, max }: { spark: [Seconds, number][]; now: Seconds; max: number }) {
  const points = corners(spark, now, max);
  if (points.length === 0) return <svg class="spark" width={WIDTH} height={HEIGHT} aria-hidden="true" />;
  const line = points.map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`).join('L');
  const [first] = points;
  return (
    <svg class="spark" width={WIDTH} height={HEIGHT} viewBox={`0 0 ${WIDTH} ${HEIGHT}`} aria-hidden="true">
      <path class="area" d={`M${first![0].toFixed(1)} ${HEIGHT - 2}L${line}L${WIDTH} ${HEIGHT - 2}z`} />
      <path class="line" d={`M${line}`} />
    </svg>
  );
}

/** The same in words. */
export function inWords(spark: [Seconds, number][]): string {
  if (spark.length === 0) return 'no history';
  const values = spark.map(([, value]) => value);
  const [least, most] = [Math.min(...values), Math.max(...values)];
  return least === most ? `steady at ${least}` : `between ${least} and ${most}, ${spark.length - 1} changes`;
}
