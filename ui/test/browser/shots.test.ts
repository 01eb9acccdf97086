/** The pictures of docs/pictures, written where SHOTS names the folder. */

import { mkdirSync } from 'node:fs';
import { resolve } from 'node:path';
import { after, test } from 'node:test';

import { simulation } from '../simulated';
import { world } from '../world';
import { exportedPage, launched, open, reportPage } from './browser';

after(async () => (await launched()).close());

const folder = process.env.SHOTS;

test('pictures of every state', { skip: folder === undefined && 'SHOTS=folder writes them' }, async () => {
  const into = resolve(folder!);
  mkdirSync(into, { recursive: true });
  const page = exportedPage(world());
  const states: [string, string, string, number][] = [
    ['overview', page, '', 860], ['detail', page, '#/so/shop/orders-scaler', 1180], ['calendar', page, '#/so/shop/office-scaler', 1180],
    ['failing', page, '#/so/billing/invoices-scaler', 1000], ['what-if', page, '#/so/shop/orders-scaler/what-if', 1000], ['report', reportPage(simulation()), '', 1250],
  ];
  for (const [name, url, fragment, height] of states) {
    for (const dark of [false, true]) {
      const opened = await open(url, fragment, { dark, height });
      await opened.page.waitForTimeout(250);
      await opened.page.screenshot({ path: `${into}/${name}-${dark ? 'dark' : 'light'}.png` });
      await opened.context.close();
    }
  }
});
