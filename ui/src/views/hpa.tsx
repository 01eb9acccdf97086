/** The HorizontalPodAutoscaler as its controller sees it. */

import { age, duration, number, quantity } from '../format';
import type { Hpa, HpaMetric, HpaRules, MetricValue } from '../model';
import { Chip, Empty } from '../parts';
import { Conditions } from './conditions';

interface MetricRow {
  name: string;
  target: string;
  current: string;
  /** Current over target. */
  ratio: number | undefined;
}

function shown(value: MetricValue | undefined): string {
  if (!value) return '–';
  if (value.averageUtilization !== undefined) return `${value.averageUtilization} %`;
  if (value.averageValue !== undefined) return `${number(quantity(value.averageValue))} a replica`;
  return number(quantity(value.value));
}

function inNumbers(value: MetricValue | undefined): number | undefined {
  return value?.averageUtilization ?? quantity(value?.averageValue) ?? quantity(value?.value);
}

function nameOf(metric: HpaMetric): string {
  return metric.external?.metric.name ?? metric.resource?.name ?? metric.type;
}

export function metrics(hpa: Hpa): MetricRow[] {
  const current = new Map((hpa.status?.currentMetrics ?? []).map((metric) => [nameOf(metric), metric.external?.current ?? metric.resource?.current]));
  return (hpa.spec.metrics ?? []).map((metric) => {
    const name = nameOf(metric);
    const target = metric.external?.target ?? metric.resource?.target;
    const is = current.get(name);
    const [wanted, has] = [inNumbers(target), inNumbers(is)];
    const ratio = wanted !== undefined && has !== undefined && wanted > 0 ? has / wanted : undefined;
    return { name, target: shown(target), current: shown(is), ratio };
  });
}

/** The rules of one direction as a sentence. */
export function rules(direction: string, behavior: HpaRules): string {
  const words: string[] = [];
  if (behavior.selectPolicy === 'Disabled') words.push('off');
  else {
    const policies = (behavior.policies ?? []).map((policy) => {
      const amount = policy.type === 'Percent' ? `${policy.value} %` : `${policy.value} ${policy.value === 1 ? 'pod' : 'pods'}`;
      return `${amount} in ${duration(policy.periodSeconds)}`;
    });
    if (policies.length > 0) words.push(`at most ${policies.join(behavior.selectPolicy === 'Min' ? ' and ' : ' or ')}`);
    if (behavior.stabilizationWindowSeconds) words.push(`the ${direction === 'scaleUp' ? 'lowest' : 'highest'} count of ${duration(behavior.stabilizationWindowSeconds)}`);
    if (behavior.tolerance) words.push(`tolerance ${behavior.tolerance}`);
  }
  return words.join('; ') || 'the cluster’s rules';
}

export function HpaView({ hpa, now }: { hpa: Hpa | undefined; now: number }) {
  if (!hpa) return <Empty>There is no HPA. Ebb makes one when the ScaledObject is ready, and removes it during a pause.</Empty>;
  const { status, spec } = hpa;
  return (
    <div class="hpa">
      <dl class="facts">
        <div><dt>Current</dt><dd>{number(status?.currentReplicas)}</dd></div>
        <div><dt>Wanted</dt><dd>{number(status?.desiredReplicas)}</dd></div>
        <div><dt>Bounds</dt><dd>{number(spec.minReplicas ?? 1)} to {number(spec.maxReplicas)}</dd></div>
        <div><dt>Last scaled</dt><dd>{status?.lastScaleTime ? `${age(status.lastScaleTime, now)} ago` : 'never'}</dd></div>
      </dl>
      <div class="table" tabIndex={0} role="region" aria-label="Metrics of the HPA">
        <table>
          <thead><tr><th scope="col">Metric</th><th scope="col" class="figure">Current</th><th scope="col" class="figure">Target</th><th scope="col">Current of target</th></tr></thead>
          <tbody>
            {metrics(hpa).map((metric) => (
              <tr key={metric.name}>
                <th scope="row">{metric.name}</th>
                <td class="figure">{metric.current}</td>
                <td class="figure">{metric.target}</td>
                <td>{metric.ratio === undefined ? <span class="dim">–</span> : <Ratio ratio={metric.ratio} />}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <dl class="rules">
        {(['scaleUp', 'scaleDown'] as const).map((direction) => (
          <div key={direction}>
            <dt>{direction === 'scaleUp' ? 'Scaling up' : 'Scaling down'}</dt>
            <dd>{rules(direction, spec.behavior?.[direction] ?? {})}</dd>
          </div>
        ))}
      </dl>
      <Conditions all={status?.conditions ?? []} now={now} goodWhenFalse={['ScalingLimited']} />
    </div>
  );
}

function Ratio({ ratio }: { ratio: number }) {
  const percent = Math.round(ratio * 100);
  const tone = Math.abs(ratio - 1) <= 0.1 ? 'good' : ratio > 1 ? 'warn' : '';
  return (
    <span class="ratio">
      <span class="bar" aria-hidden="true"><span class={`full ${tone}`} style={{ width: `${Math.min(100, percent / 2)}%` }} /><span class="tick" style={{ left: '50%' }} /></span>
      {Math.abs(ratio - 1) <= 0.1 ? <Chip tone="good" title="Within the HPA's usual tolerance of 10 %">{percent} %</Chip> : <span>{percent} %</span>}
    </span>
  );
}
