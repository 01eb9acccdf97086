/** A cluster in the shape of the contract: what `ebb ui --export` would write of it. The same at each call. */

import type { Condition, Decision, Detail, Export, Hpa, ObjectEvent, ReadingPoint, Row, ScaledObject, Trigger, TriggerInfo, Window } from '../src/model';

export const NOW = Date.parse('2026-11-27T21:03:00Z');

export function iso(secondsAgo: number): string {
  return new Date(NOW - secondsAgo * 1000).toISOString();
}

/** Numbers from 0 to 1 that look random and are always the same. */
export function random(seed: number): () => number {
  let state = seed * 2654435761 + 1;
  return () => {
    state = (Math.imul(state ^ (state >>> 15), 2246822519) + 3266489917) | 0;
    return ((state ^ (state >>> 13)) >>> 0) / 4294967296;
  };
}

export function row(more: Partial<Row> & { name: string }): Row {
  return {
    namespace: 'shop', target: { kind: 'Deployment', name: more.name.replace(/-scaler$/, '') }, min: 0, max: 10, replicas: 0, ready: 'True',
    active: 'False', paused: false, fallback: false, driver: 'Ebb', triggers: ['rabbitmq'], problems: [], spark: [], ...more,
  };
}

/** A row's history and its change from a list of counts over the last hour. */
function over(counts: number[]): Pick<Row, 'spark' | 'changed' | 'replicas'> {
  const step = 3600 / counts.length;
  const spark: [number, number][] = [];
  counts.forEach((count, index) => {
    if (spark[spark.length - 1]?.[1] !== count) spark.push([Math.round(NOW / 1000 - 3600 + index * step), count]);
  });
  const last = spark[spark.length - 1]!;
  return { spark, replicas: last[1], ...(spark.length > 1 ? { changed: new Date(last[0] * 1000).toISOString() } : {}) };
}

function condition(type: string, status: string, reason: string, message: string, ago = 1800): Condition {
  return { type, status, reason, message, lastTransitionTime: iso(ago) };
}

const READY = condition('Ready', 'True', 'ScaledObjectReady', 'ScaledObject is defined correctly and is ready for scaling', 86_400 * 3);

function object(from: Row, triggers: Trigger[], spec: Record<string, unknown>, conditions: Condition[]): ScaledObject {
  return {
    apiVersion: 'keda.sh/v1alpha1',
    kind: 'ScaledObject',
    metadata: {
      name: from.name, namespace: from.namespace, creationTimestamp: iso(86_400 * 3), generation: 4,
      labels: { 'scaledobject.keda.sh/name': from.name, team: 'checkout' },
    },
    spec: { scaleTargetRef: { name: from.target.name }, minReplicaCount: from.min, maxReplicaCount: from.max, ...spec, triggers },
    status: { conditions, hpaName: `keda-hpa-${from.name}`, externalMetricNames: triggers.map((trigger, index) => `s${index}-${trigger.type}-${trigger.name ?? 'metric'}`) },
  };
}

function hpa(from: Row, metrics: { name: string; target: string; current?: string }[], conditions: Condition[]): Hpa {
  return {
    metadata: { name: `keda-hpa-${from.name}` },
    spec: {
      minReplicas: Math.max(1, from.min), maxReplicas: from.max,
      metrics: metrics.map(({ name, target }) => ({ type: 'External', external: { metric: { name }, target: { type: 'AverageValue', averageValue: target } } })),
      behavior: {
        scaleUp: { stabilizationWindowSeconds: 0, selectPolicy: 'Max', policies: [{ type: 'Percent', value: 100, periodSeconds: 15 }, { type: 'Pods', value: 4, periodSeconds: 15 }] },
        scaleDown: { stabilizationWindowSeconds: 300, selectPolicy: 'Max', policies: [{ type: 'Percent', value: 100, periodSeconds: 15 }] },
      },
    },
    status: {
      ...(from.replicas === undefined ? {} : { currentReplicas: from.replicas, desiredReplicas: from.wanted ?? from.replicas }),
      lastScaleTime: iso(95),
      currentMetrics: metrics.filter(({ current }) => current !== undefined).map(({ name, current }) => (
        { type: 'External', external: { metric: { name }, current: { averageValue: current! } } })),
      conditions,
    },
  };
}

const HPA_GOOD = [
  condition('AbleToScale', 'True', 'ReadyForNewScale', 'recommended size matches current size', 2400),
  condition('ScalingActive', 'True', 'ValidMetricFound', 'the HPA was able to successfully calculate a replica count from external metric', 2400),
  condition('ScalingLimited', 'False', 'DesiredWithinRange', 'the desired count is within the acceptable range', 900),
];

/** An hour of a queue that fills twice: the readings, the replicas, the decisions. */
function queue(name: string): Pick<Detail, 'readings' | 'decisions'> & { spark: [number, number][] } {
  const noise = random(7);
  const triggers: TriggerInfo[] = [
    { index: 0, type: 'rabbitmq', name: 'orders', metric: 's0-rabbitmq-orders', target: 20, activation: 5 },
    { index: 1, type: 'prometheus', name: 'latency', metric: 's1-prometheus', target: 0.25, activation: 0.5 },
  ];
  const points: ReadingPoint[] = [];
  const replicasAt = (ago: number): number => {
    const steps: [number, number][] = [[3600, 0], [2712, 1], [2697, 4], [2682, 7], [1830, 6], [1740, 4], [1500, 2], [1290, 1], [1002, 0], [512, 1], [497, 5], [482, 8], [95, 9]];
    return [...steps].reverse().find(([since]) => ago <= since)?.[1] ?? 0;
  };
  const backlog = (ago: number): number => {
    const hill = (begin: number, rise: number, fall: number, height: number): number => {
      const since = begin - ago;
      if (since < 0) return 0;
      return since < rise ? (height * since) / rise : height * Math.exp(-(since - rise) / fall);
    };
    return hill(2720, 260, 420, 142) + hill(520, 200, 900, 190);
  };
  for (let ago = 3600; ago > 600; ago -= 60) {
    const values = [5, 30, 55].map((part) => Math.max(0, Math.round(backlog(ago - part) * (0.94 + 0.12 * noise()))));
    const late = 0.05 + backlog(ago) / 900 + noise() * 0.03;
    const gap = ago <= 2000 && ago > 1860;
    points.push({
      time: iso(ago), seconds: 55, replicas: replicasAt(ago - 55),
      values: [{ last: values[2]!, min: Math.min(...values), max: Math.max(...values) }, gap ? null : { last: round(late), min: round(late * 0.85), max: round(late * 1.2) }],
    });
  }
  for (let ago = 600; ago >= 0; ago -= 5) {
    const value = Math.max(0, Math.round(backlog(ago) * (0.96 + 0.08 * noise())));
    const late = round(0.05 + backlog(ago) / 900 + noise() * 0.03);
    points.push({ time: iso(ago), seconds: 0, replicas: replicasAt(ago), values: [{ last: value, min: value, max: value }, { last: late, min: late, max: late }] });
  }
  const all: [number, number, number, string, string, string, string[]][] = [
    [2712, 0, 1, 'Ebb', 'Activated', 'trigger orders (rabbitmq) is active: 12 is above 5', []],
    [2697, 1, 4, 'HPA', 'MetricsAboveTarget', 'trigger orders (rabbitmq) asks for 6 replicas: its value is 104, its target 20; the HPA\'s scale-up policy bounds it', ['ScaleUpLimit']],
    [2682, 4, 7, 'HPA', 'MetricsAboveTarget', 'trigger orders (rabbitmq) asks for 7 replicas: its value is 140, its target 20', []],
    [1980, 7, 7, 'Ebb', 'TriggerFailed', 'stays: prometheus trigger "latency": cannot reach http://prometheus:9090: connection refused', []],
    [1830, 7, 6, 'HPA', 'MetricsBelowTarget', 'trigger orders (rabbitmq) asks for 3 replicas: its value is 47, its target 20; the HPA\'s stabilization window bounds it', ['ScaleDownStabilized']],
    [1740, 6, 4, 'HPA', 'MetricsBelowTarget', 'trigger orders (rabbitmq) asks for 2 replicas: its value is 38, its target 20; the HPA\'s stabilization window bounds it', ['ScaleDownStabilized']],
    [1500, 4, 2, 'HPA', 'MetricsBelowTarget', 'trigger orders (rabbitmq) asks for 2 replicas: its value is 26, its target 20', []],
    [1302, 2, 2, 'Ebb', 'Cooldown', `stays: no trigger is active; the cooldown ends at ${iso(1002).replace('.000Z', 'Z')}`, []],
    [1290, 2, 1, 'HPA', 'MetricsBelowTarget', 'trigger orders (rabbitmq) asks for 1 replica: its value is 4, its target 20', []],
    [1002, 1, 0, 'Ebb', 'Deactivated', 'no trigger is active, and the cooldown is over', []],
    [512, 0, 1, 'Ebb', 'Activated', 'trigger orders (rabbitmq) is active: 9 is above 5', []],
    [497, 1, 5, 'HPA', 'MetricsAboveTarget', 'trigger orders (rabbitmq) asks for 7 replicas: its value is 138, its target 20; the HPA\'s scale-up policy bounds it', ['ScaleUpLimit']],
    [482, 5, 8, 'HPA', 'MetricsAboveTarget', 'trigger orders (rabbitmq) asks for 8 replicas: its value is 158, its target 20', []],
    [95, 8, 9, 'HPA', 'MetricsAboveTarget', 'trigger orders (rabbitmq) asks for 9 replicas: its value is 172, its target 20', []],
  ];
  const decisions = all.map(([ago, from, to, by, reason, message, bounds], index): Decision => {
    const value = Math.round(backlog(ago - 5));
    const failed = reason === 'TriggerFailed';
    return {
      metadata: { name: `${name}-${(index + 1).toString(16)}`, namespace: 'shop' }, time: iso(ago), scaledObject: name,
      target: { kind: 'Deployment', name: 'orders' }, from, to, by, reason, message, bounds,
      ...(reason === 'Cooldown' ? { until: iso(1002) } : {}),
      triggers: [
        { index: 0, name: 'orders', type: 'rabbitmq', metric: 's0-rabbitmq-orders', value, target: 20, activation: 5, active: value > 5, asksFor: Math.ceil(value / 20) },
        failed
          ? { index: 1, name: 'latency', type: 'prometheus', metric: 's1-prometheus', target: 0.25, activation: 0.5, error: 'cannot reach http://prometheus:9090: connection refused' }
          : { index: 1, name: 'latency', type: 'prometheus', metric: 's1-prometheus', value: 0.09, target: 0.25, activation: 0.5, active: false, asksFor: 1 },
      ],
      winner: 0,
    };
  });
  const spark = decisions.filter((one) => one.from !== one.to).map((one): [number, number] => [Date.parse(one.time) / 1000, one.to]);
  return { readings: { since: iso(3600), thinned: false, triggers, points }, decisions, spark: [[NOW / 1000 - 3600, 0], ...spark] };
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}

function events(name: string): ObjectEvent[] {
  return [
    { time: iso(512), type: 'Normal', reason: 'KEDAScaleTargetActivated', message: `Scaled apps/v1.Deployment shop/${name} from 0 to 1, triggered by rabbitmqScaler`, count: 2, object: `ScaledObject ${name}` },
    { time: iso(482), type: 'Normal', reason: 'SuccessfulRescale', message: 'New size: 8; reason: external metric s0-rabbitmq-orders above target', count: 1, object: `HorizontalPodAutoscaler keda-hpa-${name}` },
    { time: iso(1002), type: 'Normal', reason: 'KEDAScaleTargetDeactivated', message: `Deactivated apps/v1.Deployment shop/${name} from 1 to 0`, count: 1, object: `ScaledObject ${name}` },
    { time: iso(1980), type: 'Warning', reason: 'KEDAScalerFailed', message: 'prometheus trigger "latency": cannot reach http://prometheus:9090: connection refused; check serverAddress', count: 3, object: `ScaledObject ${name}` },
  ];
}

function orders(): Detail {
  const name = 'orders-scaler';
  const { readings, decisions, spark } = queue(name);
  const line = row({
    name, target: { kind: 'Deployment', name: 'orders' }, min: 0, max: 20, replicas: 9, wanted: 10, active: 'True', driver: 'HPA',
    triggers: ['rabbitmq', 'prometheus'], spark, changed: iso(95),
  });
  const triggers: Trigger[] = [
    { type: 'rabbitmq', name: 'orders', metadata: { queueName: 'orders', hostFromEnv: 'RABBITMQ_URL', mode: 'QueueLength', value: '20', activationValue: '5' } },
    { type: 'prometheus', name: 'latency', metadata: { serverAddress: 'http://prometheus:9090', query: 'histogram_quantile(0.95, sum(rate(orders_seconds_bucket[2m])) by (le))', threshold: '0.25', activationThreshold: '0.5' } },
  ];
  return {
    row: line,
    object: object(line, triggers, { pollingInterval: 5, cooldownPeriod: 300 }, [
      READY, condition('Active', 'True', 'ScalerActive', 'Scaling is performed because triggers are active', 512),
      condition('Fallback', 'False', 'NoFallbackFound', 'No fallbacks are active on this scaled object', 1850), condition('Paused', 'False', 'NotPaused', 'Scaling is not paused', 86_400),
    ]),
    hpa: hpa(line, [{ name: 's0-rabbitmq-orders', target: '20', current: '19800m' }, { name: 's1-prometheus', target: '250m', current: '92m' }], HPA_GOOD),
    events: events(name), decisions, ...(readings ? { readings } : {}), windows: [], now: iso(0),
  };
}

/** Office hours of a week, and a nightly run that begins before midnight. */
function windows(): Window[] {
  const found: Window[] = [];
  for (let day = 0; day < 9; day++) {
    const at = (hour: number): Date => new Date(2026, 10, 27 + day, hour);
    const working = ![0, 6].includes(at(0).getDay());
    if (working) found.push({ trigger: 0, from: at(8).toISOString(), to: at(18).toISOString(), replicas: 5 });
    found.push({ trigger: 1, from: at(22).toISOString(), to: at(26).toISOString(), replicas: 2 });
  }
  return found;
}

function office(): Detail {
  const line = row({
    name: 'office-scaler', target: { kind: 'Deployment', name: 'backoffice' }, min: 1, max: 8, active: 'False', driver: 'HPA',
    triggers: ['cron', 'cron', 'rabbitmq'], ...over([5, 5, 5, 5, 1, 1, 1, 1, 1, 1, 1, 1]),
  });
  const triggers: Trigger[] = [
    { type: 'cron', name: 'office hours', metadata: { timezone: 'Europe/London', start: '0 8 * * 1-5', end: '0 18 * * 1-5', desiredReplicas: '5' } },
    { type: 'cron', name: 'nightly', metadata: { timezone: 'Europe/London', start: '0 22 * * *', end: '0 2 * * *', desiredReplicas: '2' } },
    { type: 'rabbitmq', metadata: { queueName: 'reports', hostFromEnv: 'RABBITMQ_URL', mode: 'QueueLength', value: '5' } },
  ];
  const infos: TriggerInfo[] = [
    { index: 0, type: 'cron', name: 'office hours', metric: 's0-cron', target: 1 }, { index: 1, type: 'cron', name: 'nightly', metric: 's1-cron', target: 1 },
    { index: 2, type: 'rabbitmq', metric: 's2-rabbitmq-reports', target: 5 },
  ];
  const points: ReadingPoint[] = [];
  for (let ago = 3600; ago >= 0; ago -= ago > 600 ? 60 : 30) {
    const open = ago > 2400 ? 5 : 0;
    const one = (value: number) => ({ last: value, min: value, max: value });
    points.push({ time: iso(ago), seconds: ago > 600 ? 30 : 0, values: [one(open), one(0), one(ago % 420 < 90 ? 2 : 0)], replicas: ago > 2400 ? 5 : 1 });
  }
  return {
    row: line,
    object: object(line, triggers, {}, [READY, condition('Active', 'False', 'ScalerNotActive', 'Scaling is not performed because triggers are not active', 2400)]),
    hpa: hpa(line, infos.map((info) => ({ name: info.metric!, target: String(info.target), current: '0' })), HPA_GOOD),
    events: [],
    decisions: [{
      metadata: { name: 'office-scaler-1', namespace: 'shop' }, time: iso(2400), scaledObject: 'office-scaler', from: 5, to: 1, by: 'HPA', reason: 'MetricsBelowTarget',
      message: 'trigger 2 (rabbitmq) asks for 1 replica: its value is 2, its target 5; minReplicaCount bounds it', bounds: ['MinReplicas'],
    }],
    readings: { since: iso(3600), thinned: false, triggers: infos, points }, windows: windows(), now: iso(0),
  };
}

function failing(): Detail {
  const line = row({
    namespace: 'billing', name: 'invoices-scaler', min: 1, max: 6, fallback: true, driver: 'Fallback', triggers: ['kafka'],
    problems: [
      { severity: 'warning', text: 'the fallback sets the replicas: trigger 0 has failed 12 times' },
      { severity: 'warning', text: 's0-kafka-invoices cannot be read: it has failed 12 times' },
    ],
    ...over([1, 1, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3]),
  });
  const infos: TriggerInfo[] = [{ index: 0, type: 'kafka', metric: 's0-kafka-invoices', target: 10 }];
  const points: ReadingPoint[] = [];
  for (let ago = 3600; ago >= 0; ago -= 60) {
    const value = 12 + ((ago / 60) % 7);
    points.push({ time: iso(ago), seconds: ago > 600 ? 30 : 0, values: [ago < 1500 ? null : { last: value, min: value - 3, max: value + 4 }], replicas: ago > 3000 ? 1 : ago > 1500 ? 2 : 3 });
  }
  return {
    row: line,
    object: {
      ...object(line, [{ type: 'kafka', metadata: { bootstrapServers: 'kafka:9092', topic: 'invoices', consumerGroup: 'invoices', lagThreshold: '10' }, authenticationRef: { name: 'kafka-credentials' } }], { fallback: { failureThreshold: 3, replicas: 3 } }, [
        READY, condition('Active', 'True', 'ScalerActive', 'Scaling is performed because triggers are active'), condition('Fallback', 'True', 'FallbackExists', 'At least one trigger is falling back on this scaled object', 1440),
      ]),
    },
    hpa: hpa(line, [{ name: 's0-kafka-invoices', target: '10', current: '10' }], HPA_GOOD),
    events: [{ time: iso(40), type: 'Warning', reason: 'KEDAScalerFailed', message: 'kafka trigger: SASL authentication failed: the broker refuses the credentials of TriggerAuthentication billing/kafka-credentials; check username and password', count: 12, object: 'ScaledObject invoices-scaler' }],
    decisions: [{
      metadata: { name: 'invoices-scaler-4', namespace: 'billing' }, time: iso(1440), scaledObject: 'invoices-scaler', from: 2, to: 3, by: 'HPA', reason: 'Fallback',
      message: 'the fallback is in effect, as kafka trigger 0: SASL authentication failed', bounds: [],
      triggers: [{ index: 0, type: 'kafka', metric: 's0-kafka-invoices', target: 10, error: 'SASL authentication failed' }],
    }],
    readings: { since: iso(3600), thinned: true, triggers: infos, points }, windows: [], now: iso(0),
  };
}

const OTHERS: Row[] = [
  row({ name: 'checkout-scaler', min: 2, max: 30, driver: 'HPA', active: 'True', wanted: 14, triggers: ['prometheus'], ...over([4, 4, 6, 6, 9, 8, 8, 10, 10, 12, 12, 12]) }),
  row({ name: 'emails-scaler', max: 5, driver: 'HPA', active: 'True', triggers: ['rabbitmq'], problems: [{ severity: 'warning', text: 'the HPA wants more than the maximum of 5' }], ...over([0, 1, 3, 5, 5, 5, 5, 5, 5, 5, 5, 5]) }),
  row({ name: 'exports-scaler', namespace: 'billing', paused: true, driver: 'Paused', problems: [{ severity: 'note', text: 'scaling is paused at 2 replicas' }], ...over([4, 4, 2, 2, 2, 2]) }),
  row({ name: 'images-scaler', namespace: 'media', max: 40, driver: 'HPA', active: 'True', triggers: ['kafka'], ...over([3, 5, 9, 14, 22, 30, 26, 18, 12, 9, 8, 8]) }),
  row({ name: 'ledger-scaler', namespace: 'billing', ready: 'False', driver: 'Nobody', triggers: ['rabbitmq'], problems: [{ severity: 'error', text: 'the target billing/ledger has no container with the variable RABBITMQ_URL: hostFromEnv of trigger 0 finds nothing' }] }),
  row({ name: 'mails-scaler', namespace: 'media', triggers: ['rabbitmq', 'rabbitmq', 'cron'], ...over([1, 1, 0, 0, 0, 0, 1, 0, 0, 0]) }),
  row({ name: 'payments-scaler', namespace: 'billing', min: 3, max: 12, driver: 'HPA', active: 'True', triggers: ['prometheus', 'cpu'], ...over([3, 3, 4, 4, 4, 5, 5, 4, 4, 4]) }),
  row({ name: 'reindex-scaler', namespace: 'search', triggers: ['kafka'], ...over([0, 0, 2, 4, 4, 2, 0, 0, 0, 0]) }),
  row({ name: 'stock-scaler', driver: 'HPA', active: 'True', triggers: ['apache-kafka'], problems: [{ severity: 'error', text: 'the HPA cannot work: unable to get external metric shop/s0-kafka-stock' }], ...over([2, 2, 2, 2, 2]) }),
  row({ name: 'suggest-scaler', namespace: 'search', target: { kind: 'StatefulSet', name: 'suggest' }, min: 1, max: 4, driver: 'HPA', active: 'True', triggers: ['prometheus'], ...over([1, 1, 2, 2, 1, 1]) }),
  row({ name: 'thumbs-scaler', namespace: 'media', triggers: ['rabbitmq'], ...over([0, 0, 0]) }),
  row({ name: 'webhooks-scaler', driver: 'HPA', active: 'True', max: 15, triggers: ['rabbitmq'], ...over([1, 3, 3, 2, 6, 6, 4, 4, 5, 3]) }),
];

export function world(): Export {
  const details = [orders(), office(), failing()];
  return {
    at: iso(0), hello: { version: '0.1.0', context: 'production', server: 'https://10.0.0.1:6443', namespaces: [], simulates: true },
    trail: { state: 'ok', message: '' }, rows: [...details.map((one) => one.row), ...OTHERS], details,
  };
}

/** `count` rows that differ. */
export function many(count: number): Export {
  const next = random(3);
  const kinds = ['rabbitmq', 'kafka', 'prometheus', 'cron'];
  const rows = Array.from({ length: count }, (_, index): Row => {
    const max = 5 + Math.floor(next() * 40);
    const counts = Array.from({ length: 12 }, () => Math.floor(next() * max * 0.6));
    return row({
      namespace: `team-${String(index % 40).padStart(2, '0')}`, name: `app-${String(index).padStart(5, '0')}`, max, driver: counts[11] === 0 ? 'Ebb' : 'HPA',
      active: counts[11] === 0 ? 'False' : 'True', triggers: [kinds[index % 4]!], ...over(counts),
      problems: index % 97 === 5 ? [{ severity: 'error', text: `trigger 0 of app ${index} cannot be read` }] : [],
    });
  });
  return { ...world(), rows, details: [] };
}

/** The same tree with every text replaced: what a user controls is a script. Times, and the words that the page compares, stay. */
export function hostile<T>(value: T, key = ''): T {
  const keep = /^(time|from|to|start|since|at|until|now|changed|creationTimestamp|lastTransitionTime|lastScaleTime|severity|state|status|averageValue|kind|apiVersion)$/;
  if (typeof value === 'string') {
    if (keep.test(key)) return value;
    return `<img src=x onerror="window.hacked='${key}'"><script>window.hacked='${key}'</script>"'\${alert(1)} ${value}` as T;
  }
  if (Array.isArray(value)) return value.map((one) => hostile(one as unknown, key)) as T;
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, hostile(one as unknown, name)])) as T;
  }
  return value;
}
