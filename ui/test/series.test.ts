import assert from 'node:assert/strict';
import { test } from 'node:test';

import { parse, path } from '../src/address';
import { wall, week } from '../src/calendar';
import { changed } from '../src/data';
import { join, replicasOf, resample, runTable, steps, summaryOf, table, thin, words } from '../src/series';
import { corners } from '../src/views/spark';
import { visible } from '../src/views/virtual';
import { simulation } from './simulated';
import { iso, row, world } from './world';

test('a pause in the readings is a gap', () => {
  const point = (ago: number) => ({ time: iso(ago), seconds: 0, values: [{ last: 1, min: 1, max: 1 }], replicas: 1 });
  const readings = { since: iso(900), thinned: false, triggers: [{ index: 0, type: 'x' }], points: [900, 870, 840, 300, 270].map(point) };
  assert.deepEqual(table(readings).values[0]!.last, [1, 1, 1, null, 1, 1]);
  assert.equal(table(readings, Date.parse(iso(300)) / 1000).times.length, 2);
});

test('a value that stays for a while is a line from its first reading to its last', () => {
  const one = (value: number, low = value) => [{ last: value, min: low, max: value }];
  const points = [
    { time: iso(100), seconds: 30, values: one(5), replicas: 1 },
    { time: iso(60), seconds: 30, values: one(9, 2), replicas: 2 },
    { time: iso(20), seconds: 0, values: one(7), replicas: 2 },
  ];
  const made = table({ since: iso(900), thinned: false, triggers: [{ index: 0, type: 'x' }], points });
  const ago = made.times.map((at) => Math.round(Date.parse(iso(0)) / 1000 - at));
  assert.deepEqual([ago, made.values[0]!.last, made.replicas], [[100, 70, 30, 20], [5, 5, 9, 7], [1, 1, 2, 2]]);
});

test('the replicas that Ebb would have had are a line of their own', () => {
  const point = (ago: number, replicas: number, shadow?: number) => ({
    time: iso(ago), seconds: 0, values: [null], replicas, ...(shadow === undefined ? {} : { shadow }),
  });
  const triggers = [{ index: 0, type: 'x' }];
  const observed = table({ since: iso(900), thinned: false, triggers, points: [point(90, 3), point(60, 3, 5), point(30, 5, 5)] });
  assert.deepEqual([observed.replicas, observed.shadow], [[3, 3, 5], [null, 5, 5]]);
  const served = table({ since: iso(900), thinned: false, triggers, points: [point(90, 3), point(60, 4)] });
  assert.deepEqual(served.shadow, []);
});

test('what could not be read is a gap of its trigger alone', () => {
  const made = table(world().details[0]!.readings!);
  assert.ok(made.values[1]!.last.includes(null));
  assert.ok(!made.values[0]!.last.includes(null));
  assert.equal(made.times.length, made.replicas.length);
  assert.deepEqual(words([null, 3, 1, null]), { last: 1, least: 1, most: 3 });
  assert.deepEqual(words([null]), { last: null, least: null, most: null });
});

test('steps hold until the next one', () => {
  assert.deepEqual(resample([[10, 1], [20, 2]], [5, 10, 15, 20, 99]), [null, 1, 1, 2, 2]);
  const joined = join({ times: [0, 10], column: [1, 2] }, { times: [5, 15], column: [7, 8] });
  assert.deepEqual(joined, { times: [0, 5, 10, 15], first: [1, 1, 2, null], second: [null, 7, 7, 8] });
});

test('decisions are steps, and before the first there was its count', () => {
  const { decisions } = world().details[0]!;
  const made = steps(decisions, 5);
  assert.deepEqual(made[0], [5, 0]);
  assert.deepEqual(made.slice(1).map(([, to]) => to), decisions.map((one) => one.to));
  assert.deepEqual(steps([], 5), []);
});

test('a long history keeps its extremes', () => {
  const times = Array.from({ length: 100_000 }, (_, index) => index);
  const column = times.map((time) => (time === 54_321 ? 1000 : time === 77_777 ? -5 : time % 10));
  const made = thin(times, [column], 4_000);
  assert.ok(made.times.length <= 4_100, String(made.times.length));
  for (const extreme of [1000, -5]) assert.ok(made.columns[0]!.includes(extreme));
  assert.deepEqual([made.times[0], made.times[made.times.length - 1]], [0, 99_999]);
  assert.equal(thin([1, 2], [[1, 2]], 10).times.length, 2);
});

test('what happened has the moment of each decision, and the readings where none is on record', () => {
  const points = [100, 80, 60, 40, 20].map((ago, index) => (
    { time: iso(ago), seconds: 0, values: [], ...(index === 4 ? {} : { replicas: ago > 70 ? 1 : 3 }) }));
  const readings = { since: iso(100), thinned: false, triggers: [], points };
  const decided = { ...world().details[0]!.decisions[0]!, time: iso(73), from: 1, to: 3 };
  const late = { ...decided, time: iso(5), from: 3, to: 9 };
  const ago = (times: number[]) => times.map((at) => Math.round(Date.parse(iso(0)) / 1000 - at));
  const made = replicasOf(readings, [decided, late]);
  assert.deepEqual([ago(made.times), made.replicas], [[100, 80, 73, 60, 40, 20], [1, 1, 3, 3, 3, null]]);
  assert.deepEqual(replicasOf(readings, []).replicas, [1, 1, 3, 3, null]);
  const steady = { ...readings, points: [{ time: iso(100), seconds: 60, values: [], replicas: 2 }] };
  assert.deepEqual([ago(replicasOf(steady, []).times), replicasOf(steady, []).replicas], [[100, 40], [2, 2]]);
});

test('the words of a long column need no long call', () => {
  assert.deepEqual(words(Array.from({ length: 300_000 }, (_, index) => index - 1)), { last: 299_998, least: -1, most: 299_998 });
});

test('a run is a table with a column for each trigger', () => {
  const made = simulation();
  const columns = runTable(made, made.runs[0]!);
  assert.equal(columns.values.length, 2);
  assert.ok([columns.times, columns.replicas, columns.backlog].every((column) => column.length === made.runs[0]!.points.length));
});

test('the summary of what happened counts steps and turns', () => {
  const made = summaryOf({ times: [0, 3600, 7200, 10_800, 14_400], replicas: [0, 4, 2, 2, null] });
  assert.deepEqual(made, { replicaHours: 8, peak: 4, secondsAtZero: 3600, scalings: 2, reversals: 1 });
});

test('a window past midnight is on both days', () => {
  const now = new Date(2026, 10, 27, 12);
  const days = week([{ trigger: 0, from: new Date(2026, 10, 27, 22).toISOString(), to: new Date(2026, 10, 28, 2, 30).toISOString(), replicas: 2 }], now);
  assert.equal(days.length, 7);
  assert.deepEqual(days[0]!.blocks, [{ trigger: 0, replicas: 2, from: 22, to: 24, continues: { before: false, after: true } }]);
  assert.deepEqual(days[1]!.blocks, [{ trigger: 0, replicas: 2, from: 0, to: 2.5, continues: { before: true, after: false } }]);
  assert.deepEqual(days[2]!.blocks, []);
  assert.equal(wall(new Date(2026, 10, 27, 9, 45)), 9.75);
});

test('a window of a week fills every day, and one that ends at midnight ends its own', () => {
  const at = (day: number) => new Date(2026, 10, day).toISOString();
  const days = week([{ trigger: 0, from: at(20), to: at(30) }], new Date(2026, 10, 27, 12));
  assert.deepEqual(days.map((day) => day.blocks.length), [1, 1, 1, 0, 0, 0, 0]);
  assert.deepEqual(days[2]!.blocks[0], { trigger: 0, from: 0, to: 24, continues: { before: true, after: false } });
});

test('an address leads back to the object that it is of', () => {
  for (const one of [{ namespace: 'shop', name: 'a.b-c' }, { namespace: 'x', name: 'ü/?#%' }]) {
    for (const whatIf of [false, true]) assert.deepEqual(parse(path(one, whatIf)), { view: 'detail', ...one, whatIf });
  }
  for (const other of ['', '#', '#/', '#/so/only', '#/nonsense/a/b', '#/so//b']) assert.deepEqual(parse(other), { view: 'overview' });
});

test('only rows in sight and a few beyond exist', () => {
  assert.deepEqual(visible(0, 460, 10_000), { from: 0, to: 16 });
  const middle = visible(46 * 5000, 460, 10_000);
  assert.ok(middle.from === 4994 && middle.to === 5016, JSON.stringify(middle));
  assert.deepEqual(visible(46 * 5000, 460, 3), { from: 3, to: 3 });
  assert.deepEqual(visible(0, 460, 0), { from: 0, to: 0 });
});

test('a small line begins at the left edge with what was before', () => {
  const found = corners([[-10_000, 4], [-1_800, 2]], 0, 10);
  assert.equal(found[0]![0], 0);
  assert.equal(found[found.length - 1]![0], 132);
  assert.equal(found.length, 4);
  assert.deepEqual(corners([], 0, 10), []);
});

test('rows change, come and go', () => {
  const before = new Map([['shop/a', row({ name: 'a' })], ['shop/b', row({ name: 'b' })]]);
  const after = changed(before, { reset: false, rows: [row({ name: 'b', replicas: 5 }), row({ name: 'c' })], gone: ['shop/a'] });
  assert.deepEqual([...after.keys()], ['shop/b', 'shop/c']);
  assert.equal(after.get('shop/b')!.replicas, 5);
  assert.equal(before.size, 2);
  assert.deepEqual([...changed(before, { reset: true, rows: [], gone: [] }).keys()], []);
});
