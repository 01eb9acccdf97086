/** A simulation in the shape of the contract: a day of a shop, with two limits on its replicas. */

import type { Readings, Run, Simulation, WhatIfAnswer } from '../src/model';
import { random } from './world';

const STEP = 60;

function run(name: string, max: number, target: number): Run {
  const noise = random(11);
  const points: Run['points'] = [];
  const decisions: Run['decisions'] = [];
  const windows = [{ trigger: 1, from: 8 * 3600, to: 18 * 3600 }];
  const recent: number[] = [];
  let [backlog, replicas, idle, worst, reversals, direction] = [0, 0, 0, 0, 0, 0];
  for (let t = 0; t < 86_400; t += STEP) {
    const hour = t / 3600;
    const arrivals = Math.max(0, 0.4 + 9 * Math.exp(-(((hour - 11) / 2.2) ** 2)) + 6 * Math.exp(-(((hour - 19) / 1.3) ** 2)) - 0.6) * (0.9 + 0.2 * noise()) * STEP;
    backlog = Math.max(0, backlog + arrivals - replicas * 0.9 * STEP);
    const open = hour >= 8 && hour < 18 ? 3 : 0;
    const wanted = Math.max(Math.ceil(backlog / target), open);
    // The HPA remembers the highest count of five minutes.
    recent.push(Math.min(max, wanted));
    if (recent.length > 5) recent.shift();
    const bounded = Math.max(...recent);
    const value = Math.round(backlog);
    idle = value > 5 || open > 0 ? 0 : idle + STEP;
    let next = replicas;
    if (bounded > replicas) next = Math.min(bounded, Math.max(replicas * 2, replicas + 4, 1));
    else if (bounded < replicas) next = Math.max(bounded, 1);
    if (idle >= 300) next = 0;
    if (next !== replicas) {
      const sign = Math.sign(next - replicas);
      if (direction !== 0 && sign !== direction) reversals++;
      direction = sign;
      const by = replicas === 0 || next === 0 ? 'Ebb' : 'HPA';
      const why = next === 0 ? 'no trigger was active for 300 s' : open > wanted - 1 && value === 0 ? 'the window of office hours asks for 3' : `orders has ${value} messages at ${target} a replica`;
      decisions.push({ t, from: replicas, to: next, by, reason: next > replicas ? 'ScaledUp' : 'ScaledDown', message: why });
      replicas = next;
    }
    worst = Math.max(worst, backlog);
    points.push({ t, replicas, wanted, values: [value, open], backlog: value });
  }
  const sum = points.reduce((all, point) => all + point.replicas, 0);
  return {
    name, min: 0, max,
    triggers: [{ index: 0, type: 'rabbitmq', name: 'orders', metric: 's0-rabbitmq-orders', target, activation: 5 }, { index: 1, type: 'cron', name: 'office hours', metric: 's1-cron', target: 1 }],
    points, decisions, windows,
    summary: {
      replicaHours: Math.round((sum * STEP) / 36) / 100, peak: Math.max(...points.map((point) => point.replicas)), secondsAtZero: points.filter((point) => point.replicas === 0).length * STEP,
      longestBacklog: Math.round(worst), longestWaitSeconds: Math.round(worst / (max * 0.9)), scalings: decisions.length, reversals, price: Math.round(sum * STEP / 36 * 0.045) / 100,
    },
  };
}

export function simulation(): Simulation {
  return { kind: 'Simulation', start: '2026-11-26T00:00:00Z', step: STEP, runs: [run('so.yaml', 10, 40), run('other.yaml', 16, 20)] };
}

/** What an edit of the maximum would have made of readings: a model without the HPA's rules. */
export function whatIf(readings: Readings, max: number): WhatIfAnswer {
  const start = Date.parse(readings.since) / 1000;
  const points: Run['points'] = [];
  const decisions: Run['decisions'] = [];
  for (const point of readings.points) {
    const t = Date.parse(point.time) / 1000 - start;
    const value = point.values[0]?.last ?? 0;
    const before = points[points.length - 1]?.replicas ?? 0;
    const replicas = Math.min(max, Math.ceil(value / 20));
    if (replicas !== before) {
      decisions.push({ t, from: before, to: replicas, by: before === 0 || replicas === 0 ? 'Ebb' : 'HPA', reason: replicas > before ? 'ScaledUp' : 'ScaledDown', message: `orders has ${value} messages` });
    }
    points.push({ t, replicas, wanted: replicas, values: point.values.map((one) => one?.last ?? null) });
  }
  const summary = { replicaHours: 2.5, peak: Math.max(...points.map((point) => point.replicas)), secondsAtZero: 1200, scalings: decisions.length, reversals: 3 };
  const run: Run = { name: 'edited', min: 0, max, triggers: readings.triggers, points, decisions, windows: [], summary };
  return { simulation: { kind: 'Simulation', start: readings.since, step: 5, runs: [run] }, notes: [] };
}
