import assert from 'node:assert/strict';
import { test } from 'node:test';

import { diff, hunks } from '../src/diff';
import { age, duration, number, quantity, spoken, time } from '../src/format';
import type { ScaledObject } from '../src/model';
import { manifest, yaml } from '../src/yaml';
import { random, world } from './world';

test('durations have their two largest units', () => {
  const cases: [number, string][] = [[0, '0 s'], [0.4, '0 s'], [45, '45 s'], [60, '1 min'], [245, '4 min 5 s'], [3600, '1 h'], [3725, '1 h 2 min'], [190_000, '2 d 4 h'], [86_400, '1 d'], [-5, '0 s']];
  for (const [seconds, text] of cases) assert.equal(duration(seconds), text);
  assert.equal(age('2026-11-27T21:00:00Z', Date.parse('2026-11-27T21:04:05Z')), '4 min');
  assert.equal(age('2026-11-27T21:00:00Z', Date.parse('2026-11-27T20:59:00Z')), 'now');
  assert.equal(age('nonsense', 0), '–');
});

test('a time in a text is that of the clock on the wall', () => {
  const now = Date.parse('2026-11-27T12:00:00Z');
  const end = '2026-11-27T12:05:00Z';
  assert.equal(spoken(`ends at ${end}; then ${end}`, now), `ends at ${time(end, now)}; then ${time(end, now)}`);
  assert.equal(spoken('queue 2026-11-27 has 5', now), 'queue 2026-11-27 has 5');
});

test('numbers are short, and what is no number is a dash', () => {
  const cases: [number | undefined | null, string][] = [[0, '0'], [1234, '1,234'], [0.123456, '0.1235'], [1234567, '1.23M'], [undefined, '–'], [null, '–'], [NaN, '–']];
  for (const [value, text] of cases) assert.equal(number(value), text);
});

test('quantities of Kubernetes are numbers', () => {
  const cases: [string | undefined, number | undefined][] = [['19800m', 19.8], ['20', 20], ['1Ki', 1024], ['1e3', 1000], ['2k', 2000], ['', undefined], [undefined, undefined], ['x', undefined], ['1x', undefined]];
  for (const [text, value] of cases) assert.equal(quantity(text), value);
});

test('a difference applied to the old text gives the new one', () => {
  const next = random(5);
  for (let round = 0; round < 200; round++) {
    const text = (): string => Array.from({ length: Math.floor(next() * 12) + 1 }, () => 'abc'[Math.floor(next() * 3)]).join('\n');
    const [before, after] = [text(), text()];
    const lines = diff(before, after);
    const kept = (kinds: string[]): string => lines.filter((line) => kinds.includes(line.kind)).map((line) => line.text).join('\n');
    assert.equal(kept(['same', 'removed']), before);
    assert.equal(kept(['same', 'added']), after);
  }
  assert.ok(diff('a\nb\n', 'a\nb').every((line) => line.kind === 'same'));
});

test('hunks leave out what is far from a change', () => {
  const before = Array.from({ length: 30 }, (_, index) => `line ${index}`);
  const after = before.with(10, 'changed').with(25, 'changed too');
  const shown = hunks(diff(before.join('\n'), after.join('\n')), 2);
  assert.deepEqual(shown.map((line) => line?.kind ?? 'gap'), ['same', 'same', 'removed', 'added', 'same', 'same', 'gap', 'same', 'same', 'removed', 'added', 'same', 'same']);
  assert.deepEqual(hunks(diff('a', 'a')), []);
});

test('what another reader would take for something else is in quotation marks', () => {
  const cases: [unknown, string][] = [
    ['orders', 'orders\n'], ['5', '"5"\n'], ['true', '"true"\n'], ['no', '"no"\n'], ['0 8 * * 1-5', '"0 8 * * 1-5"\n'], ['a: b', '"a: b"\n'], ['a #b', '"a #b"\n'],
    ['', '""\n'], [' a', '" a"\n'], ['a ', '"a "\n'], ['- a', '"- a"\n'], ['*a', '"*a"\n'], ['a\nb', '"a\\nb"\n'], ['http://x:9090', 'http://x:9090\n'], ['a:', '"a:"\n'],
    ['1e3', '"1e3"\n'], ['.5', '".5"\n'], ['null', '"null"\n'], ['~', '"~"\n'], ['ü', '"ü"\n'], [5, '5\n'], [true, 'true\n'], [[], '[]\n'], [{}, '{}\n'],
    [{ a: [1, { b: 'c', d: ['e'] }], f: {} }, 'a:\n- 1\n- b: c\n  d:\n  - e\nf: {}\n'], [[['a'], []], '- - a\n- []\n'],
  ];
  for (const [value, text] of cases) assert.equal(yaml(value), text);
});

test('a manifest has what its user wrote', () => {
  const object = world().details[0]!.object;
  const labelled: ScaledObject = { ...object, metadata: { ...object.metadata, annotations: { 'kubectl.kubernetes.io/last-applied-configuration': '{}' } } };
  const text = manifest(labelled);
  assert.ok(text.startsWith('apiVersion: keda.sh/v1alpha1\nkind: ScaledObject\nmetadata:\n  name: orders-scaler\n  namespace: shop\n  labels:\n    team: checkout\nspec:\n'), text);
  for (const absent of ['status', 'last-applied', 'scaledobject.keda.sh/name', 'creationTimestamp']) assert.ok(!text.includes(absent), absent);
});
