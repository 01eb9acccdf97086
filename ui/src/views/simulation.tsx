/** A simulation's charts and its summary: for the what-if panel and for a report. */

import type { ComponentChildren } from 'preact';
import { useMemo, useRef, useState } from 'preact/hooks';

import { Chart, type Across, type Line, type Mark, type Shade } from '../chart';
import { duration, number, time } from '../format';
import { Icon } from '../icons';
import { triggerTitle, type Run, type Simulation, type Summary } from '../model';
import { Empty } from '../parts';
import { join, runTable, seconds, thin, words, type Column } from '../series';
import { nearest, levelsOf } from './charts';
import { directionOf } from './decisions';

/** A line beside the runs: what really happened. */
export interface Happened {
  times: number[];
  replicas: Column;
}

const MOST = 4_000;

/** The charts, `children`, and the decisions below. */
export function SimulationCharts({ simulation, happened, children }: {
  simulation: Simulation; happened?: Happened | undefined; children?: ComponentChildren;
}) {
  const [chosen, choose] = useState<string | undefined>(undefined);
  const runs = simulation.runs;
  const [first, second] = runs;
  const tables = useMemo(() => runs.map((run) => runTable(simulation, run)), [simulation]);
  const main = tables[0];
  const range = useMemo<[number, number]>(() => {
    const times = main?.times ?? [];
    return [times[0] ?? 0, (times[times.length - 1] ?? 1) + simulation.step];
  }, [main]);
  const marks = useMemo<Mark[]>(() => marksOf(simulation, first), [simulation]);
  const shades = useMemo<Shade[]>(() => shadesOf(simulation, first), [simulation]);
  if (!first || !main) return <Empty>The simulation has no run.</Empty>;
  const common = { range, shades, chosen, onChoose: choose };
  const closed = tables.some((table) => table.backlog.some((value) => value !== null));
  return (
    <>
      {first.triggers.map((trigger, place) => (
        <Panel
          key={trigger.index} title={triggerTitle(trigger)} swatch={`series-${place % 5}`} times={main.times}
          columns={[{ label: 'value', color: `series-${place % 5}`, column: main.values[place]!.last, fill: true, stepped: trigger.type === 'cron' }]}
          across={levels(runs, place)} height={124} {...common}
        />
      ))}
      {closed ? (
        <Panel
          title="Backlog" swatch="series-1" times={main.times} across={[]} height={124} {...common}
          columns={tables.map((table, index) => ({ label: runs[index]!.name, color: index === 0 ? 'series-1' : 'series-2', column: table.backlog, thin: index > 0, fill: index === 0 }))}
        />
      ) : null}
      <ReplicasPanel runs={runs} tables={tables} happened={happened} marks={marks} common={common} />
      {children}
      <DecisionList simulation={simulation} run={first} other={second} chosen={chosen} onChoose={choose} />
    </>
  );
}

/** The targets of a trigger in all runs: the second run's only where it differs. */
function levels(runs: Run[], place: number): Across[] {
  const [first, second] = runs;
  const own = levelsOf(first!.triggers[place]!);
  const other = second?.triggers[place];
  if (other?.target !== undefined && other.target !== first!.triggers[place]!.target) {
    own.push({ label: `target in ${second!.name}`, value: other.target, color: 'target', shown: true, dotted: true });
  }
  return own;
}

function marksOf(simulation: Simulation, run: Run | undefined): Mark[] {
  const start = seconds(simulation.start);
  const moves = (run?.decisions ?? []).map((decision, index) => ({ decision, index })).filter(({ decision }) => directionOf(decision) !== 'stays');
  // Many marks say nothing any more.
  return moves.length > 60 ? [] : moves.map(({ decision, index }) => (
    { at: start + decision.t, up: directionOf(decision) === 'up', id: String(index) }));
}

function shadesOf(simulation: Simulation, run: Run | undefined): Shade[] {
  const start = seconds(simulation.start);
  return (run?.windows ?? []).map((window) => ({ from: start + window.from, to: start + window.to }));
}

interface Common {
  range: [number, number];
  shades: Shade[];
  chosen: string | undefined;
  onChoose: (id: string | undefined) => void;
}

function Panel({ title, swatch, times, columns, across, height, marks = [], note = '', legend, integer, ...common }: Common & {
  title: string; swatch: string; times: number[]; columns: Line[]; across: Across[]; height: number; marks?: Mark[];
  note?: string; legend?: boolean; integer?: boolean;
}) {
  const thinned = useMemo(() => thin(times, columns.map((line) => line.column), MOST), [times, columns]);
  const lines = useMemo(() => columns.map((line, index) => ({ ...line, column: thinned.columns[index]! })), [thinned]);
  const [at, setAt] = useState<number | undefined>(undefined);
  const latest = useRef<number | undefined>(undefined);
  const move = (next: number | undefined): void => {
    if (next === latest.current) return;
    latest.current = next;
    setAt(next);
  };
  const value = (column: Column): number | null => (at === undefined ? words(column).most : nearest(thinned.times, column, at));
  const spoken = lines.map((line) => {
    const { least, most } = words(line.column);
    return `${line.label} between ${number(least)} and ${number(most)}`;
  });
  return (
    <div class="one-chart">
      <div class="chart-head">
        {legend ? null : <i class={`swatch ${swatch}`} />}
        <h3>{title}</h3>
        {legend
          ? lines.map((line) => (
            <span key={line.label} class="entry"><i class={`swatch ${line.color} ${line.dashed ? 'dashed' : ''}`} />{line.label} <b>{number(value(line.column))}</b></span>
          ))
          : <b>{number(value(lines[0]!.column))}</b>}
        <span class="dim">{at === undefined ? 'at most' : `at ${time(at * 1000, at * 1000)}`}{note ? ` · ${note}` : ''}</span>
      </div>
      <Chart
        label={`${title}: ${spoken.join('; ')}`} times={thinned.times} lines={lines} across={across} marks={marks} height={height}
        onCursor={move} {...(integer ? { integer } : {})} {...common}
      />
    </div>
  );
}

function ReplicasPanel({ runs, tables, happened, marks, common }: {
  runs: Run[]; tables: ReturnType<typeof runTable>[]; happened: Happened | undefined; marks: Mark[]; common: Common;
}) {
  const main = tables[0]!;
  const { times, columns } = useMemo(() => {
    const lines: Line[] = tables.map((table, index) => ({
      label: runs[index]!.name, color: index === 0 ? 'accent' : 'series-1', column: table.replicas, stepped: true, thin: index > 0, fill: index === 0,
    }));
    if (!happened) return { times: main.times, columns: lines };
    const joined = join({ times: main.times, column: main.replicas }, { times: happened.times, column: happened.replicas });
    return {
      times: joined.times,
      columns: [
        { ...lines[0]!, column: joined.first },
        { label: 'happened', color: 'dim', column: joined.second, stepped: true, dashed: true },
      ],
    };
  }, [tables, happened]);
  const run = runs[0]!;
  const across = useMemo<Across[]>(() => [
    { label: 'max', value: run.max, color: 'dim' }, ...(run.min > 0 ? [{ label: 'min', value: run.min, color: 'dim' }] : []),
  ], [run]);
  return (
    <Panel
      title="Replicas" swatch="accent" times={times} columns={columns} across={across} height={170} marks={marks}
      legend={columns.length > 1} integer {...common}
    />
  );
}

function DecisionList({ simulation, run, other, chosen, onChoose }: {
  simulation: Simulation; run: Run; other: Run | undefined; chosen: string | undefined; onChoose: (id: string | undefined) => void;
}) {
  const start = Date.parse(simulation.start);
  const [most, setMost] = useState(100);
  const shown = run.decisions.slice(0, most);
  return (
    <details class="numbers" open={run.decisions.length <= 30}>
      <summary>{`Decisions of ${run.name}: ${run.decisions.length}`}{other ? ` (${other.name}: ${other.decisions.length})` : ''}</summary>
      {run.decisions.length === 0 ? <Empty>Nothing was decided.</Empty> : null}
      <ol class="plain-decisions" tabIndex={0} aria-label="Decisions of the simulation">
        {shown.map((decision, index) => {
          const direction = directionOf(decision);
          return (
            <li key={index} data-chosen={chosen === String(index)} onMouseEnter={() => onChoose(String(index))} onMouseLeave={() => onChoose(undefined)}>
              <span class="when">{time(start + decision.t * 1000, start)}</span>
              <span class="move"><Icon name={direction} class={direction} />{decision.from === undefined || direction === 'stays' ? '' : `${decision.from} → `}<b>{decision.to}</b></span>
              <span class="by">{decision.by}</span>
              <span class="why">{decision.message}</span>
            </li>
          );
        })}
      </ol>
      {run.decisions.length > most ? <button type="button" onClick={() => setMost(most + 400)}>Show more</button> : null}
    </details>
  );
}

interface Figure {
  title: string;
  /** Whether less is better. Undefined: neither is. */
  less?: boolean;
  get: (summary: Summary) => number | undefined;
  show: (value: number) => string;
}

const FIGURES: Figure[] = [
  { title: 'Replica-hours', less: true, get: (of) => of.replicaHours, show: number },
  { title: 'Price', less: true, get: (of) => of.price, show: number },
  { title: 'Peak', get: (of) => of.peak, show: number },
  { title: 'Time at zero', get: (of) => of.secondsAtZero, show: duration },
  { title: 'Longest backlog', less: true, get: (of) => of.longestBacklog, show: number },
  { title: 'Longest wait', less: true, get: (of) => of.longestWaitSeconds, show: duration },
  { title: 'Scalings', less: true, get: (of) => of.scalings, show: number },
  { title: 'Reversals', less: true, get: (of) => of.reversals, show: number },
];

/** The figures of all runs beside each other. The change is that of the last against the first. */
export function SummaryTable({ runs }: { runs: { name: string; summary: Partial<Summary> }[] }) {
  const figures = FIGURES.filter((figure) => runs.some((run) => figure.get(run.summary as Summary) !== undefined));
  return (
    <div class="table" tabIndex={0} role="region" aria-label="Summary as a table">
      <table class="summary">
        <thead>
          <tr><th scope="col">Figure</th>{runs.map((run, index) => <th scope="col" class="figure" key={index}>{run.name}</th>)}{runs.length > 1 ? <th scope="col" class="figure">Change</th> : null}</tr>
        </thead>
        <tbody>
          {figures.map((figure) => {
            const values = runs.map((run) => figure.get(run.summary as Summary));
            return (
              <tr key={figure.title}>
                <th scope="row">{figure.title}</th>
                {values.map((value, index) => <td key={index} class="figure">{value === undefined ? '–' : figure.show(value)}</td>)}
                {runs.length > 1 ? <Difference figure={figure} before={values[0]} after={values[values.length - 1]} /> : null}
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}

function Difference({ figure, before, after }: { figure: Figure; before: number | undefined; after: number | undefined }) {
  if (before === undefined || after === undefined) return <td class="figure dim">–</td>;
  const by = after - before;
  if (by === 0) return <td class="figure dim">same</td>;
  const tone = figure.less === undefined ? '' : by < 0 === figure.less ? 'good' : 'warn';
  const percent = before !== 0 ? ` (${by > 0 ? '+' : '−'}${number(Math.abs(Math.round((by / before) * 100)))} %)` : '';
  return <td class={`figure ${tone}`}>{by > 0 ? '+' : '−'}{figure.show(Math.abs(by))}{percent}</td>;
}

