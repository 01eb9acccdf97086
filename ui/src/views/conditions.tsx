/** Conditions and events. */

import { age, moment } from '../format';
import type { Condition, ObjectEvent } from '../model';
import { Chip, Empty } from '../parts';

/** Whether a condition is as one wishes. Undefined: it is neither good nor bad. */
function good(condition: Condition, goodWhenFalse: string[]): boolean | undefined {
  if (condition.status === 'Unknown' || condition.type === 'Paused') return undefined;
  if (goodWhenFalse.includes(condition.type)) return condition.status === 'True' ? false : undefined;
  if (condition.type === 'Active' || condition.type === 'ScalingActive') return condition.status === 'True' ? true : undefined;
  return condition.status === 'True';
}

export function Conditions({ all, now, goodWhenFalse = ['Fallback'] }: {
  all: Condition[]; now: number; goodWhenFalse?: string[];
}) {
  if (all.length === 0) return <Empty>There are no conditions yet.</Empty>;
  return (
    <ul class="conditions">
      {all.map((condition) => {
        const is = good(condition, goodWhenFalse);
        return (
          <li key={condition.type}>
            <span class="type"><Chip tone={is === undefined ? 'quiet' : is ? 'good' : 'bad'}>{condition.type} {condition.status}</Chip></span>
            <span class="text">
              <b>{condition.reason}</b> {condition.message}
              {condition.lastTransitionTime
                ? <time class="dim" dateTime={condition.lastTransitionTime} title={moment(condition.lastTransitionTime)}> {age(condition.lastTransitionTime, now)}</time>
                : null}
            </span>
          </li>
        );
      })}
    </ul>
  );
}

export function Events({ all, now }: { all: ObjectEvent[]; now: number }) {
  if (all.length === 0) return <Empty>There are no events. Kubernetes keeps them for an hour.</Empty>;
  return (
    <ul class="events" tabIndex={0} aria-label="Events, newest first">
      {all.map((event, index) => (
        <li key={`${event.time} ${event.reason} ${index}`}>
          <time class="when" dateTime={event.time} title={moment(event.time)}>{age(event.time, now)}</time>
          <span class="text">
            <b class={event.type === 'Warning' ? 'warn' : ''}>{event.type === 'Warning' ? <span class="hidden">Warning: </span> : null}{event.reason}</b>
            {event.count > 1 ? <span class="dim"> ×{event.count}</span> : null}
            <span class="dim"> {event.object}</span>
            <span class="message">{event.message}</span>
          </span>
        </li>
      ))}
    </ul>
  );
}
