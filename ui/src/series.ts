/** Readings, decisions and simulations as the columns that a chart draws. */

import type { Decision, ReadingPoint, Readings, Run, Seconds, Simulation, Summary } from './model';

/** A column: null is a gap. */
export type Column = (number | null)[];

export interface Table {
  times: Seconds[];
  /** For each trigger: the last value, and the lowest and highest of what the point covers. */
  values: { last: Column; low: Column; high: Column }[];
  replicas: Column;
  /** The replicas that Ebb would have had where it only observes. Empty where it scales. */
  shadow: Column;
}

export function seconds(text: string): Seconds {
  return Date.parse(text) / 1000;
}

/** The readings from `from` on. A pause in them is a gap of the lines, not a straight line across. */
export function table(readings: Readings, from: Seconds = -Infinity): Table {
  const made: Table = { times: [], values: readings.triggers.map(() => ({ last: [], low: [], high: [] })), replicas: [], shadow: [] };
  const points = readings.points.filter((point) => end(point) >= from);
  const usual = usualStep(points);
  let before: ReadingPoint | undefined;
  for (const point of points) {
    if (before && seconds(point.time) - end(before) > Math.max(5 * usual, 90)) push(made, end(before) + usual, undefined);
    // What was the same for a while is a line, not a slope towards its end.
    if (point.seconds > 0 && isSteady(point)) push(made, seconds(point.time), point);
    push(made, end(point), point);
    before = point;
  }
  if (made.shadow.every((value) => value === null)) made.shadow = [];
  return made;
}

/** The moment of a point's last reading: of its values and its replicas. */
function end(point: ReadingPoint): Seconds {
  return seconds(point.time) + point.seconds;
}

function isSteady(point: ReadingPoint): boolean {
  return point.values.every((value) => value === null || value.min === value.max);
}

function push(made: Table, at: Seconds, point: ReadingPoint | undefined): void {
  made.times.push(at);
  made.values.forEach((columns, index) => {
    const value = point?.values[index];
    columns.last.push(value?.last ?? null);
    columns.low.push(value?.min ?? null);
    columns.high.push(value?.max ?? null);
  });
  made.replicas.push(point?.replicas ?? null);
  made.shadow.push(point?.shadow ?? null);
}

function usualStep(points: ReadingPoint[]): Seconds {
  const steps: number[] = [];
  for (let index = 1; index < points.length; index++) {
    steps.push(seconds(points[index]!.time) - end(points[index - 1]!));
  }
  steps.sort((a, b) => a - b);
  return steps[Math.floor(steps.length / 2)] ?? 0;
}

/** Whether a trigger's points cover more than one reading, so that lowest and highest differ from the last one. */
export function hasRange(readings: Readings): boolean {
  return readings.points.some((point) => point.seconds > 0);
}

/** The summary in words of a column, for who does not see the chart. */
export function words(column: Column): { last: number | null; least: number | null; most: number | null } {
  let [last, least, most]: (number | null)[] = [null, null, null];
  for (const value of column) {
    if (value === null) continue;
    last = value;
    least = Math.min(least ?? value, value);
    most = Math.max(most ?? value, value);
  }
  return { last: last!, least: least!, most: most! };
}

/** The decisions that changed the replicas or their reason, within a range. */
export function marks(decisions: Decision[], from: Seconds): { at: Seconds; decision: Decision }[] {
  return decisions.map((decision) => ({ at: seconds(decision.time), decision })).filter(({ at }) => at >= from);
}

/** The counts that decisions have set, with the moment of each. The first is the count before them, since `known`. */
export function steps(decisions: Decision[], known: Seconds): [Seconds, number][] {
  const made: [Seconds, number][] = decisions.map((decision) => [seconds(decision.time), decision.to]);
  const [first] = decisions;
  if (first?.from !== undefined) made.unshift([Math.min(known, seconds(first.time)), first.from]);
  return made;
}

/** The replicas that there were: at the moment of each decision, and from the readings where no decision is on record. */
export function replicasOf(readings: Readings, decisions: Decision[]): { times: Seconds[]; replicas: Column } {
  const read = table(readings);
  const [first, last] = [read.times[0] ?? 0, read.times[read.times.length - 1] ?? 0];
  const decided = steps(decisions, first);
  const moments = decided.map(([at]) => at).filter((at) => at > first && at < last);
  const times = [...new Set([...read.times, ...moments])].sort((a, b) => a - b);
  const seen = resample(read.times.map((at, index) => [at, read.replicas[index] ?? null]), times);
  const known = resample(decided, times);
  // A reading without a count is a time of which nobody knows.
  return { times, replicas: times.map((_, index) => (seen[index] === null ? null : (known[index] ?? seen[index]!))) };
}

/** A run's points as a table, with what was asked for, and the backlog where the loop is closed. */
export function runTable(simulation: Simulation, run: Run): Table & { wanted: Column; backlog: Column } {
  const start = seconds(simulation.start);
  const column = (pick: (point: Run['points'][number]) => number | null | undefined): Column =>
    run.points.map((point) => pick(point) ?? null);
  return {
    times: run.points.map((point) => start + point.t),
    values: run.triggers.map((_, index) => {
      const last = column((point) => point.values[index]);
      return { last, low: last, high: last };
    }),
    replicas: column((point) => point.replicas),
    shadow: [],
    wanted: column((point) => point.wanted),
    backlog: column((point) => point.backlog),
  };
}

/** A step line `(time, value)` at other times: the last step that is not later. */
export function resample(steps: [Seconds, number | null][], times: Seconds[]): Column {
  let next = 0;
  let value: number | null = null;
  return times.map((at) => {
    while (next < steps.length && steps[next]![0] <= at) value = steps[next++]![1];
    return value;
  });
}

/** Columns of two tables over the union of their times. */
export function join(a: { times: Seconds[]; column: Column }, b: { times: Seconds[]; column: Column }): {
  times: Seconds[];
  first: Column;
  second: Column;
} {
  const times = [...new Set([...a.times, ...b.times])].sort((x, y) => x - y);
  const spread = (from: { times: Seconds[]; column: Column }): Column => {
    const last = from.times[from.times.length - 1] ?? -Infinity;
    const column = resample(from.times.map((at, index) => [at, from.column[index] ?? null]), times);
    return column.map((value, index) => (times[index]! <= last ? value : null));
  };
  return { times, first: spread(a), second: spread(b) };
}

/** At most `most` points of a long history: of each stretch its first, lowest and highest point stay. */
export function thin(times: Seconds[], columns: Column[], most: number): { times: Seconds[]; columns: Column[] } {
  if (times.length <= most) return { times, columns };
  const stretch = Math.ceil((times.length * (1 + 2 * columns.length)) / most);
  const kept = new Set<number>([0, times.length - 1]);
  for (let begin = 0; begin < times.length; begin += stretch) {
    kept.add(begin);
    for (const column of columns) {
      let [low, high] = [begin, begin];
      for (let index = begin; index < Math.min(begin + stretch, times.length); index++) {
        if ((column[index] ?? Infinity) < (column[low] ?? Infinity)) low = index;
        if ((column[index] ?? -Infinity) > (column[high] ?? -Infinity)) high = index;
      }
      kept.add(low).add(high);
    }
  }
  const order = [...kept].sort((a, b) => a - b);
  return {
    times: order.map((index) => times[index]!),
    columns: columns.map((column) => order.map((index) => column[index] ?? null)),
  };
}

/** The figures that the replicas alone give. */
export function summaryOf({ times, replicas }: { times: number[]; replicas: Column }): Partial<Summary> {
  let [area, zero, peak, scalings, reversals, direction] = [0, 0, 0, 0, 0, 0];
  let before: number | null = null;
  replicas.forEach((value, index) => {
    const length = (times[index + 1] ?? times[index]!) - times[index]!;
    if (value === null) return;
    area += value * length;
    if (value === 0) zero += length;
    peak = Math.max(peak, value);
    if (before !== null && value !== before) {
      scalings++;
      const next = Math.sign(value - before);
      if (direction !== 0 && next !== direction) reversals++;
      direction = next;
    }
    before = value;
  });
  return { replicaHours: Math.round((area / 3600) * 1000) / 1000, peak, secondsAtZero: zero, scalings, reversals };
}
