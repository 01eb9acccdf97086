/** A chart over time: lines, bands, lines across, shaded windows and marks, with a cursor that all charts share. */

import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import uPlot from 'uplot';

import { number } from './format';
import type { Column } from './series';
import { useStore } from './store';
import { color, colors } from './theme';

export interface Line {
  label: string;
  /** A color of the style sheet. */
  color: string;
  column: Column;
  stepped?: boolean;
  dashed?: boolean;
  thin?: boolean;
  fill?: boolean;
  /** Fills the space to the next line, and draws neither. */
  band?: boolean;
}

/** A level, such as a target. */
export interface Across {
  label: string;
  value: number;
  color: string;
  dotted?: boolean;
  /** The axis grows until the level is in sight. */
  shown?: boolean;
}

export interface Mark {
  at: number;
  up: boolean | undefined;
  id: string;
}

export interface Shade {
  from: number;
  to: number;
}

export interface ChartProps {
  label: string;
  times: number[];
  lines: Line[];
  across?: Across[];
  marks?: Mark[];
  shades?: Shade[];
  /** The mark that is looked at. */
  chosen?: string | undefined;
  onChoose?: (id: string | undefined) => void;
  range?: [number, number];
  height: number;
  /** The time under the cursor, where somebody looks at one. */
  onCursor?: (at: number | undefined) => void;
  integer?: boolean;
}

const REACH = 9;

function css(name: string, alpha?: string): string {
  return alpha ? color(name) + alpha : color(name);
}

/** The highest value that the axis has to show. */
export function top(lines: Line[], across: Across[]): number {
  let most = 0;
  for (const line of lines) for (const value of line.column) if (value !== null && value > most) most = value;
  const reach = most;
  for (const level of across) {
    // A far-away limit does not press the line onto the floor.
    if (level.shown || level.value <= reach * 1.6) most = Math.max(most, level.value);
  }
  return most > 0 ? most * 1.12 : 1;
}

function plugin(props: () => ChartProps): uPlot.Plugin {
  return {
    hooks: {
      drawClear: (chart) => shades(chart, props()),
      draw: (chart) => {
        levels(chart, props());
        drawMarks(chart, props());
      },
      setCursor: (chart) => {
        const { onCursor, onChoose, marks = [] } = props();
        const left = chart.cursor.left ?? -1;
        const there = left >= 0;
        onCursor?.(there ? chart.posToVal(left, 'x') : undefined);
        if (!onChoose || !there || !chart.over.matches(':hover')) return;
        let near: { id: string; distance: number } | undefined;
        for (const mark of marks) {
          const distance = Math.abs(chart.valToPos(mark.at, 'x') - left);
          if (distance <= REACH && distance < (near?.distance ?? Infinity)) near = { id: mark.id, distance };
        }
        onChoose(near?.id);
      },
    },
  };
}

function shades(chart: uPlot, { shades: all = [] }: ChartProps): void {
  const { ctx, bbox } = chart;
  ctx.save();
  ctx.fillStyle = css('shade');
  for (const shade of all) {
    const left = Math.max(chart.valToPos(shade.from, 'x', true), bbox.left);
    const right = Math.min(chart.valToPos(shade.to, 'x', true), bbox.left + bbox.width);
    if (right > left) ctx.fillRect(left, bbox.top, right - left, bbox.height);
  }
  ctx.restore();
}

function levels(chart: uPlot, { across = [] }: ChartProps): void {
  const { ctx, bbox } = chart;
  const ratio = devicePixelRatio;
  ctx.save();
  ctx.lineWidth = ratio;
  ctx.font = `${11 * ratio}px system-ui, sans-serif`;
  ctx.textAlign = 'right';
  const taken: number[] = [];
  // Of levels that lie close, the more important one has the room for a text.
  for (const level of [...across].sort((a, b) => Number(b.shown ?? false) - Number(a.shown ?? false))) {
    const y = Math.round(chart.valToPos(level.value, 'y', true)) + 0.5;
    if (y < bbox.top - 1 || y > bbox.top + bbox.height + 1) continue;
    ctx.strokeStyle = css(level.color);
    ctx.fillStyle = css(level.color);
    ctx.setLineDash(level.dotted ? [2 * ratio, 3 * ratio] : [6 * ratio, 4 * ratio]);
    ctx.beginPath();
    ctx.moveTo(bbox.left, y);
    ctx.lineTo(bbox.left + bbox.width, y);
    ctx.stroke();
    const below = y - bbox.top < 14 * ratio;
    const base = below ? y + 12 * ratio : y - 4 * ratio;
    if (taken.every((other) => Math.abs(other - base) >= 12 * ratio)) {
      halo(ctx, `${level.label} ${number(level.value)}`, bbox.left + bbox.width - 4 * ratio, base, ratio);
      taken.push(base);
    }
  }
  ctx.restore();
}

function halo(ctx: CanvasRenderingContext2D, text: string, x: number, y: number, ratio: number): void {
  ctx.save();
  ctx.setLineDash([]);
  ctx.lineWidth = 3 * ratio;
  ctx.lineJoin = 'round';
  ctx.strokeStyle = css('panel');
  ctx.strokeText(text, x, y);
  ctx.restore();
  ctx.fillText(text, x, y);
}

function drawMarks(chart: uPlot, { marks = [], chosen }: ChartProps): void {
  const { ctx, bbox } = chart;
  const ratio = devicePixelRatio;
  ctx.save();
  // A dashed line that was drawn before leaves its dashes.
  ctx.setLineDash([]);
  for (const mark of marks) {
    const x = Math.round(chart.valToPos(mark.at, 'x', true)) + 0.5;
    if (x < bbox.left - 1 || x > bbox.left + bbox.width + 1) continue;
    const is = mark.id === chosen;
    const paint = css(mark.up === undefined ? 'dim' : mark.up ? 'up' : 'down');
    ctx.strokeStyle = paint;
    ctx.fillStyle = paint;
    ctx.globalAlpha = is ? 1 : 0.28;
    ctx.lineWidth = (is ? 1.5 : 1) * ratio;
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    ctx.globalAlpha = is ? 1 : 0.9;
    const size = (is ? 5.5 : 4) * ratio;
    const y = bbox.top + 7 * ratio;
    ctx.beginPath();
    if (mark.up === undefined) ctx.arc(x, y, size * 0.6, 0, 7);
    else {
      const tip = mark.up ? -1 : 1;
      ctx.moveTo(x, y + tip * size);
      ctx.lineTo(x - size, y - tip * size * 0.8);
      ctx.lineTo(x + size, y - tip * size * 0.8);
    }
    ctx.closePath();
    ctx.fill();
  }
  ctx.restore();
}

function series(line: Line): uPlot.Series {
  const paint = css(line.color);
  return {
    label: line.label,
    stroke: line.band ? 'transparent' : paint,
    width: line.band ? 0 : line.thin ? 1.25 : 1.75,
    points: { show: false },
    ...(line.dashed ? { dash: [5, 4] } : {}),
    ...(line.fill ? { fill: css(line.color, '22') } : {}),
    ...(line.stepped ? { paths: uPlot.paths.stepped!({ align: 1 }) } : {}),
    spanGaps: false,
  };
}

function bands(lines: Line[]): uPlot.Band[] {
  return lines.flatMap((line, index) =>
    line.band && lines[index + 1]?.band ? [{ series: [index + 1, index + 2] as [number, number], fill: css(line.color, '2e') }] : []);
}

function options(props: () => ChartProps, width: number): uPlot.Options {
  const { lines, height, integer } = props();
  const axis = {
    stroke: css('dim'), font: '11px system-ui, sans-serif', grid: { stroke: css('grid'), width: 1 },
    ticks: { show: false }, border: { show: false },
  };
  return {
    width,
    height,
    legend: { show: false },
    padding: [6, 20, 0, 0],
    cursor: {
      sync: { key: 'ebb', setSeries: false },
      drag: { x: false, y: false },
      points: { size: 7 },
      y: false,
    },
    scales: {
      x: { time: true, range: (_, low, high) => props().range ?? [low, high] },
      y: { range: () => [0, top(props().lines, props().across ?? [])] },
    },
    axes: [
      { ...axis, size: 22, gap: 4, space: 70, values: hours },
      { ...axis, size: 46, gap: 6, space: 28, values: (_, ticks) => ticks.map((tick) => number(tick)), ...(integer ? { incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000] } : {}) },
    ],
    series: [{}, ...lines.map(series)],
    bands: bands(lines),
    plugins: [plugin(props)],
  };
}

/** The axis of times: hours and minutes, and the day where one begins. */
const hours: uPlot.Axis.DynamicValues = (_, ticks, __, ___, step) =>
  ticks.map((tick) => {
    const at = new Date(tick * 1000);
    const pad = (value: number): string => String(value).padStart(2, '0');
    if (step >= 86_400 || (at.getHours() === 0 && at.getMinutes() === 0 && step >= 3_600)) {
      return `${at.getDate()} ${at.toLocaleString('en-GB', { month: 'short' })}`;
    }
    const minute = `${pad(at.getHours())}:${pad(at.getMinutes())}`;
    return step < 60 ? `${minute}:${pad(at.getSeconds())}` : minute;
  });

export function Chart(props: ChartProps) {
  const place = useRef<HTMLDivElement>(null);
  const chart = useRef<uPlot | undefined>(undefined);
  const latest = useRef(props);
  latest.current = props;
  const dark = useStore(colors);
  const [width, setWidth] = useState(0);
  // A chart is made anew only if its lines are others.
  const shape = JSON.stringify([props.lines.map(({ column: _, ...line }) => line), props.height, dark]);

  useLayoutEffect(() => {
    const element = place.current!;
    const observer = new ResizeObserver(() => setWidth(Math.floor(element.clientWidth)));
    observer.observe(element);
    setWidth(Math.floor(element.clientWidth));
    return () => observer.disconnect();
  }, []);

  useLayoutEffect(() => {
    if (width === 0) return;
    const made = new uPlot(options(() => latest.current, width), data(latest.current), place.current!);
    made.root.setAttribute('aria-hidden', 'true');
    chart.current = made;
    return () => {
      made.destroy();
      chart.current = undefined;
    };
  }, [shape, width > 0]);

  useLayoutEffect(() => {
    const made = chart.current;
    if (made && width > 0 && made.width !== width) made.setSize({ width, height: props.height });
  }, [width]);

  useEffect(() => {
    chart.current?.setData(data(props));
  }, [props.times, props.lines, props.range?.[0], props.range?.[1], JSON.stringify(props.across), props.shades]);

  useEffect(() => {
    chart.current?.redraw(false);
  }, [props.chosen, props.marks]);

  return <div ref={place} class="chart" role="img" aria-label={props.label} style={{ height: `${props.height}px` }} />;
}

function data(props: ChartProps): uPlot.AlignedData {
  return [props.times, ...props.lines.map((line) => line.column)] as uPlot.AlignedData;
}
