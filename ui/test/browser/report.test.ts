import assert from 'node:assert/strict';
import { after, test } from 'node:test';

import type { Simulation } from '../../src/model';
import { simulation } from '../simulated';
import { hostile } from '../world';
import { launched, open, reportPage, violations } from './browser';

after(async () => (await launched()).close());

test('a report draws values, backlog, replicas and windows, and compares two runs', async () => {
  const { page, complaints, context } = await open(reportPage(simulation()));
  assert.match(await page.getByRole('heading', { level: 1 }).innerText(), /so\.yaml against other\.yaml/);
  assert.equal(await page.locator('.chart canvas').count(), 4);
  const summary = await page.getByLabel('Summary as a table').innerText();
  for (const figure of ['Replica-hours', 'Price', 'Peak', 'Time at zero', 'Longest backlog', 'Longest wait', 'Scalings', 'Reversals', 'Change']) assert.ok(summary.includes(figure), figure);
  const { summary: first } = simulation().runs[0]!;
  assert.ok(summary.includes(String(first.peak)));
  await page.locator('.u-over').last().hover();
  await page.getByText(/^at \d\d:\d\d/).first().waitFor();
  assert.deepEqual(complaints, []);
  await context.close();
});

test('one run without a closed loop has neither a backlog nor a comparison', async () => {
  const made = simulation();
  const run = made.runs[0]!;
  const points = run.points.map(({ backlog: _, ...point }) => point);
  const { longestBacklog: _, longestWaitSeconds: __, price: ___, ...summary } = run.summary;
  const single: Simulation = { ...made, runs: [{ ...run, points, summary }] };
  const { page, complaints, context } = await open(reportPage(single));
  assert.equal(await page.locator('.chart canvas').count(), 3);
  assert.doesNotMatch(await page.getByLabel('Summary as a table').innerText(), /Change|Backlog|Price/);
  assert.deepEqual(complaints, []);
  await context.close();
});

test('a script in a name, a message or a metric stays text', async () => {
  const { page, complaints, context } = await open(reportPage(hostile(simulation())));
  await page.locator('summary').first().click();
  assert.equal(await page.evaluate(() => (window as unknown as { hacked?: string }).hacked), undefined);
  assert.equal(await page.locator('img, #app script').count(), 0);
  assert.ok((await page.locator('h1').innerText()).includes('<img src=x'));
  assert.deepEqual(complaints, []);
  await context.close();
});

test('a page without a simulation says how to get one', async () => {
  const { page, context } = await open(reportPage('' as unknown as Simulation));
  assert.match(await page.locator('main').innerText(), /This page has no simulation/);
  await context.close();
});

test('axe finds nothing in a report, dark or light', async () => {
  for (const dark of [false, true]) {
    const { page, context } = await open(reportPage(simulation()), '', { dark });
    assert.deepEqual(await violations(page), []);
    await context.close();
  }
});
