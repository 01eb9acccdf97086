/** One ScaledObject: what it does, and why. */

import { useState } from 'preact/hooks';

import { detail as detailStore, link, trail as trailStore } from '../data';
import { age, duration, spoken, time } from '../format';
import { Icon } from '../icons';
import { type Decision, type Detail, type Trail } from '../model';
import { Chip, Dot, DriverChip, ProblemText, Replicas, Section } from '../parts';
import { path } from '../route';
import { useNow, useStore } from '../store';
import { Calendar } from './calendar';
import { Charts } from './charts';
import { Conditions, Events } from './conditions';
import { Decisions } from './decisions';
import { HpaView } from './hpa';
import { Triggers } from './triggers';
import { WhatIf } from './whatif';

export function DetailView({ namespace, name, whatIf }: { namespace: string; name: string; whatIf: boolean }) {
  const detail = useStore(detailStore);
  if (detail === undefined) return <main id="main" class="detail"><h1 class="nothing">Loading {namespace}/{name}…</h1></main>;
  if (detail === null) {
    return (
      <main id="main" class="detail">
        <h1 class="nothing">There is no ScaledObject {name} in the namespace {namespace}.</h1>
        <p class="nothing"><a href="#/">See all ScaledObjects</a></p>
      </main>
    );
  }
  return <Known detail={detail} whatIf={whatIf} />;
}

function Known({ detail, whatIf }: { detail: Detail; whatIf: boolean }) {
  const { row } = detail;
  const exported = useStore(link) === 'exported';
  const ticking = useNow(1_000);
  // Nothing goes on in a page that was exported.
  const now = exported ? Date.parse(detail.now) : ticking;
  return (
    <main id="main" class="detail">
      <header class="top">
        <a class="back" href="#/" aria-label="All ScaledObjects"><Icon name="back" /></a>
        <div class="title">
          <h1><Dot row={row} />{row.name}</h1>
          <p class="dim">{row.namespace} · scales {row.target.kind} <b>{row.target.name}</b></p>
        </div>
        <Replicas row={row} large />
        <DriverChip driver={row.driver} />
        <nav class="tabs" aria-label="Views">
          <a href={path(row)} {...(whatIf ? {} : { 'aria-current': 'page' as const })}>Now</a>
          <a href={path(row, true)} {...(whatIf ? { 'aria-current': 'page' as const } : {})}>What if</a>
        </nav>
      </header>
      {whatIf ? <WhatIf detail={detail} /> : <Now detail={detail} now={now} />}
    </main>
  );
}

function Now({ detail, now }: { detail: Detail; now: number }) {
  const [chosen, choose] = useState<string | undefined>(undefined);
  const trail = useStore(trailStore);
  const { row, object, decisions } = detail;
  const cron = object.spec.triggers.some((trigger) => trigger.type === 'cron');
  const last = decisions[decisions.length - 1];
  return (
    <>
      {last || row.problems.length > 0 ? (
        <div class="why-now">
          {last ? <Sentence decision={last} now={now} /> : null}
          {row.problems.map((problem) => <ProblemText key={problem.severity + problem.text} problem={problem} />)}
        </div>
      ) : null}
      <TrailNotice trail={trail} />
      <div class="columns">
        <div class="wide">
          <Charts detail={detail} now={now} chosen={chosen} onChoose={choose} />
          <Section id="triggers" title="Triggers"><Triggers detail={detail} /></Section>
          <Section id="hpa" title="HorizontalPodAutoscaler" aside={detail.hpa ? <span class="dim">{detail.hpa.metadata.name}</span> : null}>
            <HpaView hpa={detail.hpa} now={now} />
          </Section>
        </div>
        <div class="narrow">
          <Section id="decisions" title="Decisions" aside={detail.readings ? <span class="dim">on record since {time(detail.readings.since, now)}</span> : null}>
            <Decisions decisions={decisions} chosen={chosen} onChoose={choose} now={now} />
          </Section>
          {cron ? (
            <Section id="calendar" title="Cron windows" aside={<span class="dim">{zone()}</span>}>
              <Calendar windows={detail.windows} triggers={object.spec.triggers} now={now} />
            </Section>
          ) : null}
          <Section id="conditions" title="Conditions"><Conditions all={object.status?.conditions ?? []} now={now} /></Section>
          <Section id="events" title="Events"><Events all={detail.events} now={now} /></Section>
        </div>
      </div>
    </>
  );
}

function zone(): string {
  return Intl.DateTimeFormat().resolvedOptions().timeZone;
}

/** The last decision as the page's first sentence. */
function Sentence({ decision, now }: { decision: Decision; now: number }) {
  const left = decision.until ? (Date.parse(decision.until) - now) / 1000 : 0;
  return (
    <p class="sentence">
      <Chip title={time(decision.time, now)}>{age(decision.time, now)}{age(decision.time, now) === 'now' ? '' : ' ago'}</Chip>
      <span>{spoken(decision.message, now)}</span>
      {left > 0 ? <span class="left">{duration(left)} left</span> : null}
    </p>
  );
}

/** What is missing, and why, while the trail cannot be read. */
export function TrailNotice({ trail }: { trail: Trail | undefined }) {
  if (!trail || trail.state === 'ok') return null;
  return (
    <p class="notice warn" role="status">
      <Icon name="warning" />
      <span>{trail.message} Decisions and readings are missing here; status, HPA and events are complete.</span>
    </p>
  );
}
