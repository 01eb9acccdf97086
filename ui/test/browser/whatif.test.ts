import assert from 'node:assert/strict';
import { after, test } from 'node:test';

import { whatIf } from '../simulated';
import { NOW, hostile, world } from '../world';
import { launched, open, violations, type Opened } from './browser';
import { served, type Answer, type Served } from './served';

after(async () => (await launched()).close());

const REFUSED = 'the ScaledObject is not valid:\norders-scaler.yaml:12: error: ScaledObject shop/orders-scaler: spec.maxReplicaCount: -1 is too small';

/** A wrong maximum is refused, as `ebb check` does. */
const answer: Answer = (yaml) => {
  const max = Number(/maxReplicaCount: (.*)/.exec(yaml)?.[1]);
  return max >= 0 ? whatIf(world().details[0]!.readings!, max) : REFUSED;
};

async function panel(with_ = answer, data = world()): Promise<Opened & { server: Served }> {
  const server = await served(data, with_);
  const { namespace, name } = data.details[0]!.row;
  const opened = await open(server.url, `#/so/${encodeURIComponent(namespace)}/${encodeURIComponent(name)}/what-if`, { now: NOW });
  return { ...opened, server };
}

async function closed({ complaints, context, server }: Opened & { server: Served }, expected?: RegExp): Promise<void> {
  assert.deepEqual(complaints.filter((one) => !expected?.test(one)), []);
  await context.close();
  server.close();
}

test('an edited ScaledObject is simulated beside what happened', async () => {
  const opened = await panel();
  const { page, server } = opened;
  const summary = page.getByLabel('Summary as a table');
  assert.match(await summary.innerText(), /happened\s+edited\s+Change[^]*Peak\s+9\s+10/);
  const chart = page.getByRole('img', { name: /^Replicas: edited between 0 and 10; happened between 0 and 9/ });
  await chart.waitFor();
  assert.match(await page.locator('.what-if').innerText(), /Decisions of edited: \d+/);

  const editor = page.getByLabel('ScaledObject as YAML');
  const text = await editor.inputValue();
  await editor.fill(text.replace('maxReplicaCount: 20', 'maxReplicaCount: 4'));
  await page.getByRole('img', { name: /^Replicas: edited between 0 and 4/ }).waitFor();
  assert.match(await summary.innerText(), /Peak\s+9\s+4/);
  assert.match(await page.getByLabel('Difference of the YAML').innerText(), /maxReplicaCount: 4/);
  assert.deepEqual([...new Set(server.asked)], ['GET /api/stream', 'POST /api/simulate'], 'nothing else is asked for');
  await closed(opened);
});

test('a mistake is shown as ebb check words it, and the last simulation stays', async () => {
  const opened = await panel();
  const { page } = opened;
  const chart = page.getByRole('img', { name: /^Replicas: edited/ });
  await chart.waitFor();
  const editor = page.getByLabel('ScaledObject as YAML');
  const text = await editor.inputValue();
  await editor.fill(text.replace('maxReplicaCount: 20', 'maxReplicaCount: -1'));
  await page.locator('.notice.bad').waitFor();
  assert.equal(await page.locator('.notice.bad').innerText(), REFUSED);
  assert.equal(await editor.getAttribute('aria-invalid'), 'true');
  assert.ok(await chart.isVisible());
  assert.deepEqual(await violations(page), []);
  await page.getByRole('button', { name: 'Undo all' }).click();
  await page.locator('.notice.bad').waitFor({ state: 'detached' });
  // The browser logs each answer that is an error.
  await closed(opened, /422/);
});

test('what the simulation leaves out is noted, and nothing in it becomes markup', async () => {
  const data = { ...hostile(world()), hello: world().hello };
  const noted = { ...hostile(whatIf(world().details[0]!.readings!, 20)), notes: ['<img src=x onerror="window.hacked=1"> is left out'] };
  const opened = await panel(() => noted, data);
  const { page } = opened;
  await page.locator('pre.notice', { hasText: 'is left out' }).waitFor();
  await page.locator('summary').first().click();
  assert.equal(await page.evaluate(() => (window as unknown as { hacked?: string }).hacked), undefined);
  assert.equal(await page.locator('img, #app script').count(), 0);
  await closed(opened);
});

test('axe finds nothing in a simulated edit, dark or light, and a narrow window shows all of it', async () => {
  const server = await served(world(), answer);
  for (const options of [{ dark: false }, { dark: true }, { width: 390, height: 800 }]) {
    const { page, complaints, context } = await open(server.url, '#/so/shop/orders-scaler/what-if', { ...options, now: NOW });
    await page.getByRole('img', { name: /^Replicas: edited/ }).waitFor();
    assert.deepEqual(await violations(page), []);
    const wider = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(wider <= 0, `${wider} pixels wider than the window`);
    assert.deepEqual(complaints, []);
    await context.close();
  }
  server.close();
});
