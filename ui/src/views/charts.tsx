/** The charts of a ScaledObject: each trigger's value against its target, and the replicas against their bounds. */

import { useMemo, useRef, useState } from 'preact/hooks';

import { Chart, type Across, type Line, type Mark, type Shade } from '../chart';
import { number, time } from '../format';
import { triggerTitle, type Detail, type TriggerInfo } from '../model';
import { Chip, Empty, Section } from '../parts';
import { hasRange, marks as marksOf, resample, seconds, steps, table, words, type Column, type Table } from '../series';
import { directionOf } from './decisions';

const RANGES: [number, string][] = [[600, '10 min'], [3_600, '1 h']];

interface Props {
  detail: Detail;
  now: number;
  chosen: string | undefined;
  onChoose: (id: string | undefined) => void;
}

export function Charts({ detail, now, chosen, onChoose }: Props) {
  const [asked, setSpan] = useState<number | undefined>(undefined);
  const { readings } = detail;
  // A record that has just begun has little to show of an hour.
  const young = readings !== undefined && now - Date.parse(readings.since) < 900_000;
  const span = asked ?? (young ? 600 : 3_600);
  // The axis moves on once in five seconds: a line that creeps is hard to read.
  const end = Math.ceil(now / 5_000) * 5;
  const range = useMemo<[number, number]>(() => [end - span, end], [end, span]);
  const data = useMemo(() => (readings ? table(readings, end - 3_700) : undefined), [readings, end]);
  const marks = useMemo<Mark[]>(() => marksOf(detail.decisions, range[0]).map(({ at, decision }) => {
    const direction = directionOf(decision);
    return { at, id: decision.metadata.name, up: direction === 'stays' ? undefined : direction === 'up' };
  }), [detail.decisions, range]);
  const shades = useMemo<Shade[]>(() => openWindows(detail, range), [detail, range]);
  const common = { range, marks, chosen, onChoose };
  return (
    <Section
      id="charts" title="Readings and replicas"
      aside={(
        <div class="segments" role="group" aria-label="Time">
          {RANGES.map(([length, title]) => (
            <button type="button" key={length} aria-pressed={span === length} onClick={() => setSpan(length)}>{title}</button>
          ))}
        </div>
      )}
    >
      {data && readings
        ? readings.triggers.map((trigger, index) => (
          <TriggerChart key={trigger.index} place={index} trigger={trigger} data={data} ranged={hasRange(readings)} shades={shades} {...common} />
        ))
        : null}
      <ReplicasChart detail={detail} data={data} shades={shades} {...common} />
      {readings?.thinned ? <p class="dim small">The record of readings is thinned: it has fewer points than there were readings.</p> : null}
      {data && readings ? <Numbers data={data} triggers={readings.triggers} now={now} /> : null}
    </Section>
  );
}

/** The windows of cron triggers that are in sight. */
function openWindows(detail: Detail, [from, to]: [number, number]): Shade[] {
  const all = detail.windows.map((window) => ({ from: seconds(window.from), to: seconds(window.to) }));
  return all.filter((shade) => shade.to > from && shade.from < to);
}

interface Common {
  range: [number, number];
  marks: Mark[];
  shades: Shade[];
  chosen: string | undefined;
  onChoose: (id: string | undefined) => void;
}

/** What the head of a chart shows: the value under the cursor, or the last one. */
function useValue(times: number[], column: Column): [number | null, (at: number | undefined) => void, boolean] {
  const [at, setAt] = useState<number | undefined>(undefined);
  const value = at === undefined ? words(column).last : nearest(times, column, at);
  const latest = useRef<number | undefined>(undefined);
  const move = (next: number | undefined): void => {
    if (next === latest.current) return;
    latest.current = next;
    setAt(next);
  };
  return [value, move, at !== undefined];
}

export function nearest(times: number[], column: Column, at: number): number | null {
  let best = -1;
  for (let index = 0; index < times.length; index++) {
    if (best < 0 || Math.abs(times[index]! - at) < Math.abs(times[best]! - at)) best = index;
  }
  return best < 0 ? null : (column[best] ?? null);
}

function Head({ swatch, title, value, note, looked }: {
  swatch: string; title: string; value: number | null; note: string; looked: boolean;
}) {
  return (
    <div class="chart-head">
      <i class={`swatch ${swatch}`} />
      <h3>{title}</h3>
      <b class={looked ? 'looked' : ''}>{value === null ? '–' : number(value)}</b>
      <span class="dim">{note}</span>
    </div>
  );
}

function TriggerChart({ trigger, place, data, ranged, ...common }: Common & {
  trigger: TriggerInfo; place: number; data: Table; ranged: boolean;
}) {
  const columns = data.values[place] ?? { last: [], low: [], high: [] };
  const paint = `series-${place % 5}`;
  const cron = trigger.type === 'cron';
  const lines = useMemo<Line[]>(() => {
    const band: Line[] = ranged && !cron ? [
      { label: 'highest', color: paint, column: columns.high, band: true },
      { label: 'lowest', color: paint, column: columns.low, band: true },
    ] : [];
    return [...band, { label: 'value', color: paint, column: columns.last, fill: !ranged || cron, stepped: cron }];
  }, [columns, ranged, paint, cron]);
  const across = useMemo<Across[]>(() => levelsOf(trigger), [trigger.target, trigger.activation]);
  const [value, move, looked] = useValue(data.times, columns.last);
  const { least, most } = words(columns.last);
  const title = triggerTitle(trigger);
  const note = trigger.target === undefined ? '' : `target ${number(trigger.target)}`;
  return (
    <div class="one-chart">
      <Head swatch={paint} title={title} value={value} note={note} looked={looked} />
      <Chart
        label={`${title}: now ${number(value)}, ${note}; between ${number(least)} and ${number(most)}`}
        times={data.times} lines={lines} across={across} height={128} onCursor={move} {...common}
      />
    </div>
  );
}

export function levelsOf(trigger: TriggerInfo): Across[] {
  const levels: Across[] = [];
  if (trigger.target !== undefined) levels.push({ label: 'target', value: trigger.target, color: 'target', shown: true });
  if (trigger.activation !== undefined && trigger.activation > 0) {
    levels.push({ label: 'activation', value: trigger.activation, color: 'dim', dotted: true });
  }
  return levels;
}

function ReplicasChart({ detail, data, ...common }: Common & { detail: Detail; data: Table | undefined }) {
  const { row } = detail;
  const { readings, decisions } = detail;
  const { times, column, shadow } = useMemo(() => {
    // Both lines are of the same moments.
    if (data && data.shadow.length > 0) return { times: data.times, column: data.replicas, shadow: data.shadow };
    // Decisions have the moment of each change, and readings are from poll to poll. Without both: what was seen of the status.
    if (decisions.length === 0 && data?.replicas.some((value) => value !== null)) return { times: data.times, column: data.replicas, shadow: [] };
    const [from, to] = common.range;
    const known = decisions.length > 0 ? steps(decisions, readings ? seconds(readings.since) : from) : row.spark;
    const at = [...new Set([...known.map(([at]) => Math.max(at, from)), to])].filter((one) => one <= to).sort((a, b) => a - b);
    return { times: at, column: resample(known, at), shadow: [] };
  }, [data, row.spark, decisions, readings, common.range]);
  const lines = useMemo<Line[]>(() => {
    const made: Line[] = [{ label: 'replicas', color: 'accent', column, stepped: true, fill: true }];
    if (shadow.length > 0) made.push({ label: 'with Ebb', color: 'series-1', column: shadow, stepped: true, dashed: true });
    return made;
  }, [column, shadow]);
  const across = useMemo<Across[]>(() => {
    const levels: Across[] = [{ label: 'max', value: row.max, color: 'dim' }];
    if (row.min > 0) levels.push({ label: 'min', value: row.min, color: 'dim' });
    return levels;
  }, [row.min, row.max]);
  const [value, move, looked] = useValue(times, column);
  if (times.length === 0) return <Empty>No replicas are on record yet.</Empty>;
  const { least, most } = words(column);
  const wouldBe = words(shadow).last;
  const beside = wouldBe === null ? '' : `; with Ebb ${number(wouldBe)}`;
  return (
    <div class="one-chart">
      <Head swatch="accent" title="Replicas" value={value} note={`${row.min} to ${row.max}${beside}`} looked={looked} />
      <Chart
        label={`Replicas: now ${number(value)}; between ${number(least)} and ${number(most)}; ${row.min} to ${row.max} are allowed${beside}`}
        times={times} lines={lines} across={across} height={150} onCursor={move} integer {...common}
      />
    </div>
  );
}

/** The same as numbers: for who does not see the chart, and to copy. */
function Numbers({ data, triggers, now }: { data: Table; triggers: TriggerInfo[]; now: number }) {
  const [open, setOpen] = useState(false);
  const order = data.times.map((_, index) => index).slice(-400).reverse();
  return (
    <details class="numbers" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>As a table</summary>
      {open ? (
        <div class="table" tabIndex={0} role="region" aria-label="Readings as a table">
          <table>
            <thead>
              <tr>
                <th scope="col">Time</th>
                {triggers.map((trigger) => <th scope="col" key={trigger.index}>{triggerTitle(trigger)}</th>)}
                <th scope="col">Replicas</th>
              </tr>
            </thead>
            <tbody>
              {order.map((index) => (
                <tr key={data.times[index]}>
                  <th scope="row">{time(data.times[index]! * 1000, now)}</th>
                  {data.values.map((columns, place) => {
                    const value = columns.last[index];
                    return <td key={place}>{value === null ? <Chip tone="warn">not read</Chip> : number(value)}</td>;
                  })}
                  <td>{number(data.replicas[index])}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      ) : null}
    </details>
  );
}
