import assert from 'node:assert/strict';
import { after, test } from 'node:test';

import { hostile, many, world } from '../world';
import { exportedPage, launched, open, violations, type Opened } from './browser';

after(async () => (await launched()).close());

async function closed(opened: Opened): Promise<void> {
  assert.deepEqual(opened.complaints, []);
  await opened.context.close();
}

const rows = '.row:not(.head)';

test('the overview has a line for each ScaledObject, the worst first', async () => {
  const opened = await open(exportedPage(world()));
  const { page } = opened;
  assert.equal(await page.locator(rows).count(), world().rows.length);
  assert.match(await page.locator(rows).first().innerText(), /ledger-scaler/);
  assert.equal(await page.locator('.foot').innerText(), '15 ScaledObjects');
  await closed(opened);
});

test('groups, namespaces and words choose, and a head orders', async () => {
  const opened = await open(exportedPage(world()));
  const { page } = opened;
  await page.getByRole('button', { name: 'Paused' }).click();
  assert.equal(await page.locator(rows).count(), 1);
  await page.getByRole('button', { name: /All$/ }).click();
  await page.getByLabel('Namespace').selectOption('media');
  assert.equal(await page.locator(rows).count(), 3);
  await page.getByLabel('Namespace').selectOption('');
  await page.keyboard.press('/');
  await page.keyboard.type('kafka invoices');
  assert.equal(await page.locator(rows).count(), 1);
  await page.keyboard.press('ControlOrMeta+a');
  await page.keyboard.type('nothing like that');
  assert.match(await page.locator('.nothing').innerText(), /fits the filter/);
  await page.keyboard.press('ControlOrMeta+a');
  await page.keyboard.press('Delete');
  await page.getByRole('columnheader', { name: 'Replicas' }).getByRole('button').click();
  assert.match(await page.locator(rows).first().innerText(), /checkout-scaler/);
  assert.equal(await page.getByRole('columnheader', { name: 'Replicas' }).getAttribute('aria-sort'), 'ascending');
  await page.getByRole('columnheader', { name: 'Replicas' }).getByRole('button').click();
  assert.equal(await page.getByRole('columnheader', { name: 'Replicas' }).getAttribute('aria-sort'), 'descending');
  await closed(opened);
});

test('the keyboard goes through the rows, opens one, and comes back to it', async () => {
  const opened = await open(exportedPage(world()));
  const { page } = opened;
  const grid = page.getByRole('grid');
  await grid.focus();
  for (let step = 0; step < 4; step++) await page.keyboard.press('ArrowDown');
  assert.equal(await grid.getAttribute('aria-activedescendant'), 'row-4');
  const name = await page.locator('#row-4 a').innerText();
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { level: 1 }).or(page.locator('.nothing')).first().waitFor();
  assert.ok(decodeURIComponent(page.url()).includes(name), page.url());
  await page.keyboard.press('Escape');
  await page.locator(rows).first().waitFor();
  assert.equal(await page.getByRole('grid').getAttribute('aria-activedescendant'), 'row-4');
  await page.getByRole('grid').focus();
  await page.keyboard.press('End');
  assert.equal(await page.getByRole('grid').getAttribute('aria-activedescendant'), 'row-14');
  await closed(opened);
});

test('of ten thousand rows only those in sight exist, and scrolling is smooth', async () => {
  const opened = await open(exportedPage(many(10_000)));
  const { page } = opened;
  assert.ok((await page.locator(rows).count()) < 60);
  // What script, styles and layout take of a core for a frame while somebody scrolls from the first row to the last.
  const steps = 120;
  const session = await opened.context.newCDPSession(page);
  await session.send('Performance.enable', { timeDomain: 'threadTicks' });
  const spent = async (): Promise<number> => {
    const { metrics } = await session.send('Performance.getMetrics');
    const of = ['ScriptDuration', 'LayoutDuration', 'RecalcStyleDuration'];
    return metrics.filter(({ name }) => of.includes(name)).reduce((sum, { value }) => sum + value, 0);
  };
  const cost = async (pixels: number): Promise<number> => {
    const before = await spent();
    await page.evaluate(async ([count, by]) => {
      const grid = document.querySelector('.grid')!;
      grid.scrollTop = 0;
      for (let step = 0; step <= count!; step++) {
        grid.scrollTop += by!;
        await new Promise(requestAnimationFrame);
      }
    }, [steps, pixels]);
    return (((await spent()) - before) / steps) * 1000;
  };
  // A turn of the wheel, and a jump at which every row is another.
  const [wheel, jump] = [await cost(120), await cost(3_800)];
  console.log(`a turn of the wheel takes ${wheel.toFixed(1)} ms of a core, a jump ${jump.toFixed(1)} ms`);
  assert.ok(wheel < 10, `${wheel} ms`);
  assert.ok(jump < 33, `${jump} ms`);
  assert.ok((await page.locator(rows).count()) < 60);
  assert.match(await page.locator(rows).last().innerText(), /app-\d+/);
  await page.getByLabel(/^Filter/).fill('team-07 app-00');
  await page.waitForFunction(() => document.querySelector('.foot')!.textContent!.startsWith('25 of'));
  await closed(opened);
});

test('one object shows its readings, its decisions with their why, its HPA and its events', async () => {
  const opened = await open(exportedPage(world()), '#/so/shop/orders-scaler');
  const { page } = opened;
  assert.match(await page.getByRole('heading', { level: 1 }).innerText(), /orders-scaler$/);
  assert.equal(await page.locator('.chart canvas').count(), 3);
  const chart = await page.getByRole('img', { name: /orders \(rabbitmq\): now/ }).getAttribute('aria-label');
  assert.match(chart!, /target 20; between 0 and \d+/);
  const decisions = page.getByLabel('Decisions, newest first');
  assert.equal(await decisions.locator('li').count(), 14);
  assert.match(await decisions.locator('li').first().innerText(), /8\s*to\s*→\s*9/);
  await decisions.locator('summary').nth(2).press('Enter');
  assert.match(await decisions.locator('li').nth(2).innerText(), /held by the HPA’s limit on scaling up[^]*orders \(rabbitmq\)[^]*decides/);
  assert.match(await page.getByLabel('Metrics of the HPA').innerText(), /19\.8 a replica\s+20 a replica\s+99 %/);
  assert.match(await page.getByLabel('Events, newest first').innerText(), /KEDAScalerFailed/);
  await page.getByText('As a table').click();
  assert.match(await page.getByLabel('Readings as a table').innerText(), /not read/);
  await closed(opened);
});

test('a chart is more than a blank canvas, and the cursor shows the value under it', async () => {
  const opened = await open(exportedPage(world()), '#/so/shop/orders-scaler');
  const { page } = opened;
  const colors = await page.locator('.chart canvas').evaluateAll((all) => all.map((canvas) => {
    const { data } = (canvas as HTMLCanvasElement).getContext('2d')!.getImageData(0, 0, (canvas as HTMLCanvasElement).width, (canvas as HTMLCanvasElement).height);
    const seen = new Set<number>();
    for (let at = 0; at < data.length; at += 4) if (data[at + 3]! > 200) seen.add((data[at]! << 16) | (data[at + 1]! << 8) | data[at + 2]!);
    return seen.size;
  }));
  assert.ok(colors.every((count) => count > 3), String(colors));
  const head = page.locator('.chart-head b').first();
  const before = await head.innerText();
  const box = (await page.locator('.u-over').first().boundingBox())!;
  await page.mouse.move(box.x + box.width * 0.28, box.y + box.height / 2);
  await page.locator('.chart-head b.looked').first().waitFor();
  assert.notEqual(await head.innerText(), before);
  assert.equal(await page.locator('.chart-head b.looked').count(), 3, 'all charts share the cursor');
  await closed(opened);
});

test('a decision that is looked at is marked in both places', async () => {
  const opened = await open(exportedPage(world()), '#/so/shop/orders-scaler');
  const { page } = opened;
  await page.locator('.decision').nth(1).hover();
  assert.equal(await page.locator('.decision[data-chosen=true]').count(), 1);
  // Under the mark of the activation, some 8 min and a half before the end of the hour.
  const box = (await page.locator('.u-over').first().boundingBox())!;
  await page.mouse.move(box.x + box.width * (1 - 512 / 3600), box.y + 10);
  await page.locator('.decision[data-chosen=true]').first().waitFor();
  assert.match(await page.locator('.decision[data-chosen=true]').innerText(), /orders \(rabbitmq\) is active: 9 is above 5/);
  await closed(opened);
});

test('cron windows are on a calendar of the coming week', async () => {
  const opened = await open(exportedPage(world()), '#/so/shop/office-scaler');
  const { page } = opened;
  assert.equal(await page.locator('.calendar li').count(), 7);
  assert.match(await page.locator('.calendar li').first().innerText(), /office hours \(cron\), 08:00 to 18:00: 5 replicas/);
  assert.equal(await page.locator('.calendar .block.open-right').count(), 7);
  await closed(opened);
});

test('without the trail of decisions the rest is there, and the page says so', async () => {
  const data = world();
  const details = data.details.map(({ readings: _, ...detail }) => ({ ...detail, decisions: [] }));
  const opened = await open(exportedPage({ ...data, details, trail: { state: 'absent', message: 'This cluster serves no decisions.' } }), '#/so/shop/orders-scaler');
  const { page } = opened;
  assert.match(await page.getByRole('status').filter({ hasText: 'missing' }).innerText(), /This cluster serves no decisions/);
  assert.equal(await page.locator('.chart canvas').count(), 1, 'the replicas that were seen');
  assert.match(await page.getByLabel('Metrics of the HPA').innerText(), /s0-rabbitmq-orders/);
  assert.match(await page.getByLabel('Decisions').or(page.locator('section:has(#decisions)')).first().innerText(), /No decision is on record/);
  await closed(opened);
});

test('an edit gives the YAML and its difference', async () => {
  const opened = await open(exportedPage(world()), '#/so/shop/orders-scaler/what-if');
  const { page } = opened;
  const editor = page.getByLabel('ScaledObject as YAML');
  const text = await editor.inputValue();
  assert.match(text, /maxReplicaCount: 20/);
  await editor.fill(text.replace('maxReplicaCount: 20', 'maxReplicaCount: 30'));
  const difference = page.getByLabel('Difference of the YAML');
  assert.match(await difference.innerText(), /- {3}maxReplicaCount: 20\s+\+ {3}maxReplicaCount: 30/);
  const [saved] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: /^Save/ }).click()]);
  assert.equal(saved.suggestedFilename(), 'orders-scaler.yaml');
  await page.getByRole('button', { name: 'Undo all' }).click();
  assert.equal(await editor.inputValue(), text);
  await closed(opened);
});

test('an address of nothing says so', async () => {
  const opened = await open(exportedPage(world()), '#/so/shop/no-such');
  assert.match(await opened.page.locator('h1.nothing').innerText(), /There is no ScaledObject no-such in the namespace shop/);
  await closed(opened);
});

test('a script in any text that a user controls stays text', async () => {
  const data = hostile(world());
  const hrefs = data.details.map((one) => `#/so/${encodeURIComponent(one.row.namespace)}/${encodeURIComponent(one.row.name)}`);
  for (const fragment of ['', ...hrefs, ...hrefs.map((href) => `${href}/what-if`), '#/so/<img src=x onerror=alert(1)>/<script>']) {
    const opened = await open(exportedPage(data), fragment);
    const { page } = opened;
    for (const summary of await page.locator('.decision summary').all()) await summary.click();
    assert.equal(await page.evaluate(() => (window as unknown as { hacked?: string }).hacked), undefined);
    assert.equal(await page.locator('img, #app script, iframe, object, [onerror], [style*="url("]').count(), 0, fragment);
    assert.ok((await page.locator('body').innerText()).includes('<img src=x'), fragment);
    await closed(opened);
  }
});

test('axe finds nothing, in any state, dark or light', async () => {
  const absent = { ...world(), trail: { state: 'absent' as const, message: 'This cluster serves no decisions.' } };
  const states: [string, string][] = [
    ['overview', exportedPage(world())],
    ['nothing', exportedPage({ ...world(), rows: [], details: [] })],
    ['orders', `${exportedPage(world())}#/so/shop/orders-scaler`],
    ['office', `${exportedPage(world())}#/so/shop/office-scaler`],
    ['failing', `${exportedPage(world())}#/so/billing/invoices-scaler`],
    ['absent', `${exportedPage(absent)}#/so/shop/orders-scaler`],
    ['what-if', `${exportedPage(world())}#/so/shop/orders-scaler/what-if`],
    ['missing', `${exportedPage(world())}#/so/shop/none`],
  ];
  for (const [name, address] of states) {
    for (const dark of [false, true]) {
      const [url, fragment] = address.split('#');
      const opened = await open(url!, fragment === undefined ? '' : `#${fragment}`, { dark });
      assert.deepEqual(await violations(opened.page), [], `${name}, ${dark ? 'dark' : 'light'}`);
      await closed(opened);
    }
  }
});

test('the switch of colors goes round and is kept', async () => {
  const opened = await open(exportedPage(world()), '', { dark: true });
  const { page } = opened;
  const theme = () => page.evaluate(() => document.documentElement.dataset.theme);
  assert.equal(await theme(), 'dark');
  await page.getByRole('button', { name: /^Colors: auto/ }).click();
  assert.equal(await theme(), 'light');
  await page.reload();
  assert.equal(await theme(), 'light');
  await page.getByRole('button', { name: /^Colors: light/ }).click();
  assert.equal(await theme(), 'dark');
  await closed(opened);
});

test('a narrow window shows everything too', async () => {
  for (const fragment of ['#/so/shop/orders-scaler', '#/so/shop/office-scaler', '#/so/shop/orders-scaler/what-if']) {
    const opened = await open(exportedPage(world()), fragment, { width: 390, height: 800 });
    const wider = await opened.page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(wider <= 0, `${fragment} is ${wider} pixels wider than the window`);
    await closed(opened);
  }
});
