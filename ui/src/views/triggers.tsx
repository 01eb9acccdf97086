/** Each trigger's value against its target and its activation threshold, with what it asks for. */

import { number } from '../format';
import { triggerTitle, type DecisionTrigger, type Detail } from '../model';
import { Chip } from '../parts';

/** What is known of a trigger: of the specification, the last decision and the last reading, the later one wins. */
export function known(detail: Detail, index: number): DecisionTrigger {
  const spec = detail.object.spec.triggers[index]!;
  const decided = [...detail.decisions].reverse().find((decision) => decision.triggers?.some((one) => one.index === index));
  const then = decided?.triggers?.find((one) => one.index === index);
  const place = detail.readings?.triggers.findIndex((one) => one.index === index) ?? -1;
  const info = detail.readings?.triggers[place];
  const points = detail.readings?.points ?? [];
  const last = points[points.length - 1];
  const found: DecisionTrigger = { ...then, ...info, index, type: spec.type, ...(spec.name ? { name: spec.name } : {}) };
  if (place >= 0 && last) {
    const value = last.values[place];
    if (value) {
      found.value = value.last;
      delete found.error;
    } else delete found.value;
  }
  return found;
}

export function Triggers({ detail }: { detail: Detail }) {
  const last = [...detail.decisions].reverse().find((decision) => decision.winner !== undefined);
  const rows = detail.object.spec.triggers.map((_, index) => known(detail, index));
  return (
    <div class="table" tabIndex={0} role="region" aria-label="Triggers as a table">
      <table>
        <thead>
          <tr>
            <th scope="col">Trigger</th><th scope="col">State</th><th scope="col" class="figure">Value</th>
            <th scope="col" class="figure">Target</th><th scope="col" class="figure">Activation</th><th scope="col" class="figure">Asks for</th>
          </tr>
        </thead>
        <tbody>
          {rows.map((trigger) => {
            const health = trigger.metric ? detail.object.status?.health?.[trigger.metric] : undefined;
            const failing = trigger.error !== undefined || health?.status === 'Failing';
            const active = trigger.active ?? (trigger.metric ? detail.object.status?.triggersActivity?.[trigger.metric]?.isActive : undefined);
            return (
              <tr key={trigger.index}>
                <th scope="row">
                  {triggerTitle(trigger)} {last?.winner === trigger.index && rows.length > 1 ? <Chip tone="accent">decides</Chip> : null}
                  {trigger.metric ? <span class="dim small">{trigger.metric}</span> : null}
                </th>
                <td>
                  {failing ? <Chip tone="bad" {...(trigger.error ? { title: trigger.error } : {})}>cannot be read</Chip>
                    : active === undefined ? <span class="dim">–</span> : <Chip tone={active ? 'good' : 'quiet'}>{active ? 'active' : 'inactive'}</Chip>}
                </td>
                <td class="figure">{number(trigger.value)}</td>
                <td class="figure">{number(trigger.target)}</td>
                <td class="figure">{number(trigger.activation)}</td>
                <td class="figure">{number(trigger.asksFor)}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}
