/** The trail of decisions, newest first. */

import { useEffect, useRef } from 'preact/hooks';

import { duration, number, spoken, time } from '../format';
import { Icon } from '../icons';
import { triggerTitle, type Decision } from '../model';
import { Chip, Empty } from '../parts';

export function directionOf(decision: { from?: number; to: number }): 'up' | 'down' | 'stays' {
  if (decision.from === undefined || decision.from === decision.to) return 'stays';
  return decision.to > decision.from ? 'up' : 'down';
}

/** What a bound means, for who does not know the word. */
const BOUNDS: Record<string, string> = {
  MaxReplicas: 'the maximum',
  MinReplicas: 'the minimum',
  ScaleUpLimit: 'the HPA’s limit on scaling up',
  ScaleDownLimit: 'the HPA’s limit on scaling down',
  ScaleUpStabilized: 'the HPA’s stabilization window for scaling up',
  ScaleDownStabilized: 'the HPA’s stabilization window for scaling down',
  Tolerance: 'the HPA’s tolerance',
  Paused: 'the pause',
  Fallback: 'the fallback',
  Cooldown: 'the cooldown period',
  Formula: 'the formula',
};

export function boundInWords(bound: string): string {
  return BOUNDS[bound] ?? bound;
}

export function Decisions({ decisions, chosen, onChoose, now }: {
  decisions: Decision[]; chosen: string | undefined; onChoose: (id: string | undefined) => void; now: number;
}) {
  const place = useRef<HTMLOListElement>(null);
  useEffect(() => {
    const list = place.current;
    const item = list?.querySelector<HTMLElement>('[data-chosen="true"]');
    // The list moves by itself, the page around it does not.
    if (!list || !item || list.contains(document.activeElement)) return;
    if (item.offsetTop < list.scrollTop) list.scrollTop = item.offsetTop - 8;
    else if (item.offsetTop + item.offsetHeight > list.scrollTop + list.clientHeight) {
      list.scrollTop = item.offsetTop + item.offsetHeight - list.clientHeight + 8;
    }
  }, [chosen]);
  if (decisions.length === 0) return <Empty>No decision is on record.</Empty>;
  return (
    <ol class="decisions" ref={place} tabIndex={0} aria-label="Decisions, newest first">
      {[...decisions].reverse().map((decision) => (
        <Item key={decision.metadata.name} decision={decision} chosen={chosen === decision.metadata.name} onChoose={onChoose} now={now} />
      ))}
    </ol>
  );
}

function Item({ decision, chosen, onChoose, now }: {
  decision: Decision; chosen: boolean; onChoose: (id: string | undefined) => void; now: number;
}) {
  const direction = directionOf(decision);
  const id = decision.metadata.name;
  const left = decision.until ? (Date.parse(decision.until) - now) / 1000 : 0;
  return (
    <li class={`decision ${direction}`} data-chosen={chosen} onMouseEnter={() => onChoose(id)} onMouseLeave={() => onChoose(undefined)}>
      <details onFocusIn={() => onChoose(id)} onFocusOut={() => onChoose(undefined)}>
        <summary>
          <span class="when">{time(decision.time, now)}</span>
          <span class="move">
            <Icon name={direction} class={direction} />
            {direction === 'stays'
              ? <span><span class="hidden">stays at </span>{decision.to}</span>
              : <span>{decision.from}<span class="hidden"> to </span><span aria-hidden="true"> → </span><b>{decision.to}</b></span>}
          </span>
          <span class="by">{decision.by}</span>
          <span class="why">{spoken(decision.message, now)}{left > 0 ? <span class="left"> · {duration(left)} left</span> : null}</span>
        </summary>
        <Why decision={decision} now={now} />
      </details>
    </li>
  );
}

/** The data behind the sentence. */
function Why({ decision, now }: { decision: Decision; now: number }) {
  const { triggers = [], bounds = [] } = decision;
  return (
    <div class="data">
      <p>
        <Chip>{decision.reason}</Chip>
        {bounds.map((bound) => <Chip key={bound} tone="warn" title={bound}>held by {boundInWords(bound)}</Chip>)}
        {decision.formulaValue === undefined ? null : <span class="dim">the formula gives {number(decision.formulaValue)}</span>}
        {decision.until ? <span class="dim">until {time(decision.until, now)}</span> : null}
      </p>
      {triggers.length > 0 ? (
        <table>
          <thead><tr><th scope="col">Trigger</th><th scope="col">Value</th><th scope="col">Target</th><th scope="col">Asks for</th></tr></thead>
          <tbody>
            {triggers.map((trigger) => (
              <tr key={trigger.index}>
                <th scope="row">{triggerTitle(trigger)}{decision.winner === trigger.index ? <Chip tone="accent">decides</Chip> : null}</th>
                {trigger.error !== undefined
                  ? <td colSpan={3} class="bad">{trigger.error}</td>
                  : <><td>{trigger.value === undefined ? 'not read' : number(trigger.value)}</td><td>{number(trigger.target)}</td><td>{number(trigger.asksFor)}</td></>}
              </tr>
            ))}
          </tbody>
        </table>
      ) : null}
    </div>
  );
}
