import assert from 'node:assert/strict';
import { test } from 'node:test';

import { choose, matches, severity, type Choice } from '../src/list';
import { keyOf } from '../src/model';
import { many, row, world } from './world';

const ALL: Choice = { text: '', namespace: '', group: 'all', sort: 'wrong', down: false };
const names = (choice: Partial<Choice>): string[] => choose(world().rows, { ...ALL, ...choice }).map((one) => one.name);

test('the worst come first, and equals are in the order of their names', () => {
  const found = choose(world().rows, ALL);
  const ranks = found.map(severity);
  assert.deepEqual(ranks, [...ranks].sort((a, b) => b - a));
  const good = found.filter((one) => severity(one) === 0).map(keyOf);
  assert.deepEqual(good, [...good].sort());
});

test('each order turns around, and names stay the second key', () => {
  const up = names({ sort: 'name' });
  assert.deepEqual(names({ sort: 'name', down: true }), [...up].reverse());
  const counts = choose(world().rows, { ...ALL, sort: 'replicas' }).map((one) => one.replicas ?? -1);
  assert.deepEqual(counts, [...counts].sort((a, b) => b - a));
  for (const sort of ['target', 'driver', 'triggers', 'changed'] as const) assert.equal(names({ sort }).length, up.length);
});

test('every word of the filter has to occur, anywhere and in any case', () => {
  const one = row({ name: 'Orders', triggers: ['rabbitmq'], problems: [{ severity: 'note', text: 'paused by Ann' }] });
  for (const text of ['', '  ', 'ORD', 'shop ord', 'rabbit PAUSED', 'deployment']) assert.ok(matches(one, text), text);
  for (const text of ['orders kafka', 'x', 'shoporders']) assert.ok(!matches(one, text), text);
});

test('groups and namespaces choose', () => {
  assert.deepEqual(names({ group: 'paused' }), ['exports-scaler']);
  assert.ok(names({ group: 'zero' }).includes('thumbs-scaler'));
  assert.ok(names({ group: 'wrong' }).every((name) => !['exports-scaler', 'orders-scaler'].includes(name)));
  assert.ok(names({ namespace: 'media' }).length === 3);
});

test('ten thousand rows are chosen and ordered within a frame or two', () => {
  const { rows } = many(10_000);
  const begun = performance.now();
  for (let round = 0; round < 10; round++) choose(rows, { ...ALL, text: 'app 7', sort: 'replicas' });
  assert.ok((performance.now() - begun) / 10 < 100);
});
