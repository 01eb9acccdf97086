/** Simulations by the program itself, for pictures. EBB names it. */

import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';

import type { Readings, Run, Simulation, WhatIfAnswer } from '../../src/model';
import { random } from '../world';

const PROGRAM = process.env.EBB ?? resolve('../target/release/ebb');
const FOLDER = resolve('target/simulations');

function file(name: string, text: string): string {
  mkdirSync(FOLDER, { recursive: true });
  const path = `${FOLDER}/${name}`;
  writeFileSync(path, text);
  return path;
}

function simulate(input: string, ...flags: string[]): Simulation {
  return JSON.parse(execFileSync(PROGRAM, ['simulate', ...flags, '--output', 'json'], { input, maxBuffer: 1 << 28 }).toString()) as Simulation;
}

/** What the what-if panel shows of an edit, under these readings. */
export function answered(readings: Readings, yaml: string): WhatIfAnswer {
  const lines = readings.points.map((point) => [point.time, ...point.values.map((value) => value?.last ?? '')].join(','));
  const trace = file('readings.csv', `${['time', ...readings.triggers.map((trigger) => trigger.name)].join(',')}\n${lines.join('\n')}\n`);
  const made = simulate(yaml, '-', '--trace', trace, '--replicas', '0', '--step', '5s');
  return { simulation: { ...made, runs: made.runs.map((run): Run => ({ ...run, name: 'edited' })) }, notes: [] };
}

/** Ten days of a shop, under two limits. */
export function report(): Simulation {
  const next = random(5);
  const rows = Array.from({ length: 10 * 288 }, (_, index) => {
    const hour = (index / 12) % 24;
    const weekend = Math.floor(index / 288) % 7 > 4 ? 0.45 : 1;
    const wave = 150 * Math.exp(-(((hour - 11) / 2.4) ** 2)) + 105 * Math.exp(-(((hour - 19.5) / 1.5) ** 2)) - 4;
    return `${index * 300},${Math.max(0, Math.round(wave * weekend * (0.85 + 0.3 * next())))}`;
  });
  const trace = file('ten-days.csv', `time,orders\n${rows.join('\n')}\n`);
  const manifest = (max: number, target: number): string => `apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: {name: orders-scaler, namespace: shop}
spec:
  scaleTargetRef: {name: orders}
  maxReplicaCount: ${max}
  triggers:
  - type: rabbitmq
    name: orders
    metadata: {queueName: orders, mode: QueueLength, value: "${target}", host: "amqp://rabbit"}
  - type: cron
    name: office hours
    metadata: {timezone: Europe/London, start: "0 8 * * 1-5", end: "0 18 * * 1-5", desiredReplicas: "3"}
`;
  const [before, after] = [file('so.yaml', manifest(12, 10)), file('so-new.yaml', manifest(8, 20))];
  return simulate('', before, '--against', after, '--trace', trace, '--start', '2026-11-16T00:00:00Z', '--price', '0.045');
}
