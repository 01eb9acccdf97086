/** The JSON that `ebb ui` and `ebb simulate` give the page. */

/** Seconds since 1970, as uPlot counts. */
export type Seconds = number;

export type Severity = 'error' | 'warning' | 'note';

export interface Problem {
  severity: Severity;
  text: string;
}

/** Who sets the replicas now. */
export type Driver = 'Ebb' | 'HPA' | 'Paused' | 'Fallback' | 'Nobody';

/** One line of the overview. */
export interface Row {
  namespace: string;
  name: string;
  target: { kind: string; name: string };
  min: number;
  max: number;
  /** Absent: unknown. */
  replicas?: number;
  /** The count that the HPA asks for. */
  wanted?: number;
  ready: Status;
  active: Status;
  paused: boolean;
  fallback: boolean;
  driver: Driver;
  /** The types of the triggers. */
  triggers: string[];
  problems: Problem[];
  /** The last change of replicas. */
  changed?: string;
  /** Replicas since when, oldest first: a step line. */
  spark: [Seconds, number][];
}

export type Status = 'True' | 'False' | 'Unknown';

/** A decision of the trail, `decisions.ebb.dev/v1alpha1`. */
export interface Decision {
  metadata: { name: string; namespace: string };
  time: string;
  scaledObject: string;
  target?: { kind: string; name: string };
  from?: number;
  to: number;
  by: string;
  reason: string;
  message: string;
  until?: string;
  triggers?: DecisionTrigger[];
  winner?: number;
  /** The value of a formula, where one takes the triggers' place. */
  formulaValue?: number;
  bounds?: string[];
}

export interface DecisionTrigger {
  index: number;
  name?: string;
  type: string;
  metric?: string;
  value?: number;
  target?: number;
  activation?: number;
  active?: boolean;
  asksFor?: number;
  error?: string;
}

export interface TriggerInfo {
  index: number;
  type: string;
  name?: string;
  metric?: string;
  target?: number;
  activation?: number;
}

export interface ReadingPoint {
  time: string;
  /** From the first reading of the point to its last. 0: one reading. */
  seconds: number;
  values: ({ last: number; min: number; max: number } | null)[];
  replicas?: number;
  /** The replicas that Ebb, which only observes, would have had. */
  shadow?: number;
}

/** The readings of a ScaledObject that the leader remembers. */
export interface Readings {
  since: string;
  thinned: boolean;
  triggers: TriggerInfo[];
  points: ReadingPoint[];
}

export interface Condition {
  type: string;
  status: string;
  reason?: string;
  message?: string;
  lastTransitionTime?: string;
}

export interface Trigger {
  type: string;
  name?: string;
  metadata?: Record<string, string>;
  metricType?: string;
  authenticationRef?: { name: string; kind?: string };
}

export interface ScaledObject {
  apiVersion: string;
  kind: string;
  metadata: {
    name: string;
    namespace: string;
    labels?: Record<string, string>;
    annotations?: Record<string, string>;
    creationTimestamp?: string;
    generation?: number;
  };
  spec: {
    scaleTargetRef: { name: string; kind?: string; apiVersion?: string };
    minReplicaCount?: number;
    maxReplicaCount?: number;
    idleReplicaCount?: number;
    pollingInterval?: number;
    cooldownPeriod?: number;
    triggers: Trigger[];
    [key: string]: unknown;
  };
  status?: {
    conditions?: Condition[];
    hpaName?: string;
    health?: Record<string, { numberOfFailures?: number; status?: string }>;
    lastActiveTime?: string;
    triggersActivity?: Record<string, { isActive?: boolean }>;
    externalMetricNames?: string[];
    [key: string]: unknown;
  };
}

export interface MetricValue {
  value?: string;
  averageValue?: string;
  averageUtilization?: number;
}

export interface Hpa {
  metadata: { name: string };
  spec: {
    minReplicas?: number;
    maxReplicas: number;
    metrics?: HpaMetric[];
    behavior?: Record<string, HpaRules>;
  };
  status?: {
    currentReplicas?: number;
    desiredReplicas?: number;
    lastScaleTime?: string;
    currentMetrics?: HpaMetric[];
    conditions?: Condition[];
  };
}

export interface HpaMetric {
  type: string;
  external?: { metric: { name: string }; target?: MetricValue & { type: string }; current?: MetricValue };
  resource?: { name: string; target?: MetricValue & { type: string }; current?: MetricValue };
}

export interface HpaRules {
  stabilizationWindowSeconds?: number;
  selectPolicy?: string;
  tolerance?: string;
  policies?: { type: string; value: number; periodSeconds: number }[];
}

export interface ObjectEvent {
  time: string;
  type: string;
  reason: string;
  message: string;
  count: number;
  /** Kind and name of the object that it is about. */
  object: string;
}

/** An open cron window of the coming week. */
export interface Window {
  trigger: number;
  from: string;
  to: string;
  replicas?: number;
}

export interface Detail {
  row: Row;
  object: ScaledObject;
  hpa?: Hpa;
  events: ObjectEvent[];
  /** Oldest first. */
  decisions: Decision[];
  readings?: Readings;
  windows: Window[];
  /** When it was put together, by the clock of `ebb ui`. */
  now: string;
}

/** Whether the trail of decisions can be read. */
export interface Trail {
  state: 'ok' | 'absent' | 'forbidden' | 'unreachable';
  message: string;
}

export interface Hello {
  version: string;
  context: string;
  server: string;
  /** Empty: all of them. */
  namespaces: string[];
  /** Whether the what-if panel can simulate. */
  simulates: boolean;
}

/** Whether the API server answers. */
export interface Cluster {
  state: 'ok' | 'lost';
  message: string;
}

/** The data of a page that `ebb ui --export` writes. */
export interface Export {
  at: string;
  hello: Hello;
  trail: Trail;
  rows: Row[];
  details: Detail[];
}

/** A simulation, as `ebb simulate -o json` prints it. */
export interface Simulation {
  kind: 'Simulation';
  start: string;
  step: number;
  runs: Run[];
}

/** What `ebb ui` says of an edited ScaledObject. */
export interface WhatIfAnswer {
  simulation: Simulation;
  /** Warnings of `ebb check`, and what the simulation leaves out or assumes. */
  notes: string[];
}

export interface Run {
  name: string;
  min: number;
  max: number;
  triggers: TriggerInfo[];
  points: { t: number; replicas: number; wanted?: number; values: (number | null)[]; backlog?: number }[];
  decisions: { t: number; from?: number; to: number; by: string; reason: string; message: string }[];
  windows: { trigger: number; from: number; to: number }[];
  summary: Summary;
}

export interface Summary {
  replicaHours: number;
  peak: number;
  secondsAtZero: number;
  longestBacklog?: number;
  longestWaitSeconds?: number;
  scalings: number;
  reversals: number;
  price?: number;
}

export function keyOf(row: { namespace: string; name: string }): string {
  return `${row.namespace}/${row.name}`;
}

/** What a trigger is called: its name, or its type and place. */
export function triggerTitle(trigger: { index: number; type: string; name?: string }): string {
  return trigger.name ? `${trigger.name} (${trigger.type})` : `${trigger.type} #${trigger.index}`;
}
