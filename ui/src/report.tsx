/** The report of `ebb simulate --out report.html`: one file, which reads a simulation from its own page. */

import { render } from 'preact';

import { count, duration, moment } from './format';
import { Icon, Logo } from './icons';
import type { Simulation } from './model';
import { Section } from './parts';
import { useStore } from './store';
import { choose, theme, type Theme } from './theme';
import { SimulationCharts, SummaryTable } from './views/simulation';

const NEXT: Record<Theme, Theme> = { auto: 'light', light: 'dark', dark: 'auto' };

function Report({ simulation }: { simulation: Simulation }) {
  const { runs } = simulation;
  const last = runs[0]?.points[runs[0].points.length - 1];
  const length = (last?.t ?? 0) + simulation.step;
  const now = useStore(theme);
  const icon = { auto: 'auto', light: 'sun', dark: 'moon' } as const;
  return (
    <>
      <header class="bar">
        <span class="brand"><Logo /><b>Ebb</b></span>
        <span class="context">Simulation</span>
        <span class="space" />
        <button type="button" class="theme" onClick={() => choose(NEXT[now])} aria-label={`Colors: ${now}. Switch to ${NEXT[now]}.`} title={`Colors: ${now}`}><Icon name={icon[now]} /></button>
      </header>
      <main class="report">
        <header class="top"><div class="title">
          <h1>{runs.map((run) => run.name).join(' against ')}</h1>
          <p class="dim">{duration(length)} from {moment(simulation.start)} · {count(runs[0]?.points.length ?? 0, 'point')}, one each {duration(simulation.step)}</p>
        </div></header>
        <Section id="summary" title="Summary"><SummaryTable runs={runs} /></Section>
        <Section id="simulation" title="Values and replicas"><SimulationCharts simulation={simulation} /></Section>
      </main>
    </>
  );
}

function Failure({ text }: { text: string }) {
  return <main class="report"><p class="notice bad">{text}</p></main>;
}

function read(): Simulation | string {
  const text = document.getElementById('simulation-data')?.textContent?.trim() ?? '';
  try {
    const data = JSON.parse(text || 'null') as Simulation | null;
    return data?.kind === 'Simulation' ? data : 'This page has no simulation: ebb simulate --out report.html writes one.';
  } catch (error) {
    return `The simulation in this page cannot be read: ${String(error)}`;
  }
}

const simulation = read();
const place = document.getElementById('app')!;
render(typeof simulation === 'string' ? <Failure text={simulation} /> : <Report simulation={simulation} />, place);
