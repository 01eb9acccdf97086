/** Small parts that several views share. */

import type { ComponentChildren } from 'preact';

import { Icon } from './icons';
import type { Driver, Problem, Row } from './model';

export function Chip({ tone, children, title }: { tone?: string; children: ComponentChildren; title?: string }) {
  return <span class={`chip ${tone ?? ''}`} {...(title ? { title } : {})}>{children}</span>;
}

/** The state of a ScaledObject in one word. */
export function stateOf(row: Row): { word: string; tone: string } {
  if (row.problems.some((problem) => problem.severity === 'error')) return { word: 'failing', tone: 'bad' };
  if (row.paused) return { word: 'paused', tone: 'quiet' };
  if (row.fallback) return { word: 'fallback', tone: 'warn' };
  if (row.problems.some((problem) => problem.severity === 'warning')) return { word: 'warning', tone: 'warn' };
  if (row.active === 'True') return { word: 'active', tone: 'good' };
  return { word: row.ready === 'Unknown' ? 'new' : 'idle', tone: 'quiet' };
}

export function Dot({ row }: { row: Row }) {
  const { word, tone } = stateOf(row);
  return <span class={`dot ${tone}`} title={word}><span class="hidden">{word}</span></span>;
}

const DRIVERS: Record<Driver, { tone: string; title: string }> = {
  Ebb: { tone: '', title: 'Ebb sets the replicas: between zero and one' },
  HPA: { tone: 'accent', title: 'The HorizontalPodAutoscaler sets the replicas' },
  Paused: { tone: 'quiet', title: 'Scaling is paused: nothing sets the replicas' },
  Fallback: { tone: 'warn', title: 'A trigger cannot be read: the fallback sets the replicas' },
  Nobody: { tone: 'bad', title: 'The ScaledObject is not served: nothing sets the replicas' },
};

export function DriverChip({ driver }: { driver: Driver }) {
  const known = DRIVERS[driver] ?? { tone: '', title: driver };
  return <Chip tone={known.tone} title={known.title}>{driver}</Chip>;
}

export function ProblemText({ problem }: { problem: Problem }) {
  const tone = { error: 'bad', warning: 'warn', note: 'dim' }[problem.severity];
  return (
    <span class={`problem ${tone}`} title={problem.text}>
      <Icon name={problem.severity} />
      <span class="hidden">{problem.severity}: </span>
      <span class="text">{problem.text}</span>
    </span>
  );
}

/** Replicas as a number, what is asked for, and a bar up to the maximum. */
export function Replicas({ row, large }: { row: Row; large?: boolean }) {
  const { replicas, wanted, min, max } = row;
  const share = (value: number): string => `${Math.min(100, (100 * value) / Math.max(1, max))}%`;
  const moves = wanted !== undefined && replicas !== undefined && wanted !== replicas;
  return (
    <span class={`replicas ${large ? 'large' : ''}`}>
      <span class="figures">
        <b>{replicas ?? '?'}</b>
        {moves ? <span class="wanted"><span class="hidden">, wanted: </span><span aria-hidden="true">→</span>{wanted}</span> : null}
        <span class="of"> {large ? `of ${min}…${max}` : `/ ${max}`}</span>
      </span>
      <span class="bar" aria-hidden="true">
        <span class={`full ${replicas !== undefined && replicas >= max ? 'top' : ''}`} style={{ width: share(replicas ?? 0) }} />
        {min > 0 && min < max ? <span class="tick" style={{ left: share(min) }} /> : null}
      </span>
    </span>
  );
}

export function Section({ title, aside, children, id }: {
  title: string; aside?: ComponentChildren; children: ComponentChildren; id: string;
}) {
  return (
    <section class="panel" aria-labelledby={id}>
      <header><h2 id={id}>{title}</h2>{aside ? <div class="aside">{aside}</div> : null}</header>
      {children}
    </section>
  );
}

export function Empty({ children }: { children: ComponentChildren }) {
  return <p class="empty">{children}</p>;
}
