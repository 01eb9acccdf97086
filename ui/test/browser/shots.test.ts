/** The pictures of docs/pictures, written where SHOTS names the folder. */

import { mkdirSync } from 'node:fs';
import { resolve } from 'node:path';
import { after, test } from 'node:test';

import { NOW, world } from '../world';
import { launched, open, reportPage } from './browser';
import { answered, report } from './program';
import { served } from './served';

after(async () => (await launched()).close());

const folder = process.env.SHOTS;

/** The edit in the picture of the what-if panel. */
const EDIT: [string, string] = ['maxReplicaCount: 20', 'maxReplicaCount: 5'];

test('pictures of every state', { skip: folder === undefined && 'SHOTS=folder writes them' }, async () => {
  const into = resolve(folder!);
  mkdirSync(into, { recursive: true });
  const data = world();
  const server = await served(data, (yaml) => answered(data.details[0]!.readings!, yaml));
  const page = server.url;
  const states: [string, string, string, number][] = [
    ['overview', page, '', 860], ['detail', page, '#/so/shop/orders-scaler', 1180], ['calendar', page, '#/so/shop/office-scaler', 1180],
    ['failing', page, '#/so/billing/invoices-scaler', 1000], ['what-if', page, '#/so/shop/orders-scaler/what-if', 1100], ['report', reportPage(report()), '', 1050],
  ];
  for (const [name, url, fragment, height] of states) {
    for (const dark of [false, true]) {
      const opened = await open(url, fragment, { dark, height, now: NOW });
      if (name === 'what-if') {
        const editor = opened.page.getByLabel('ScaledObject as YAML');
        await editor.fill((await editor.inputValue()).replace(...EDIT));
        await editor.blur();
        await opened.page.getByRole('img', { name: /^Replicas: edited between 0 and 5/ }).waitFor();
      }
      await opened.page.waitForTimeout(400);
      await opened.page.screenshot({ path: `${into}/${name}-${dark ? 'dark' : 'light'}.png` });
      await opened.context.close();
    }
  }
  server.close();
});
