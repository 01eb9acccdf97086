/**
 * A browser for the end-to-end tests: it reads a step a line as JSON from standard input, and answers each with a line.
 *
 * Steps: open (url, dark), text (of), count (of), click (of), fill (of, with), press (keys), evaluate (code), axe, complaints,
 * picture (path). A step that fails answers {"error"}.
 */

import { createInterface } from 'node:readline';

import { launched, open, violations, type Opened } from './browser/browser';

interface Step {
  do: string;
  url?: string;
  dark?: boolean;
  of?: string;
  with?: string;
  keys?: string;
  code?: string;
  path?: string;
}

let opened: Opened | undefined;

async function taken(step: Step): Promise<unknown> {
  if (step.do === 'open') {
    await opened?.context.close();
    opened = await open(step.url!, '', { dark: step.dark ?? false });
    return opened.page.url();
  }
  if (!opened) throw new Error('no page is open');
  const { page } = opened;
  const first = (): ReturnType<typeof page.locator> => page.locator(step.of!).first();
  switch (step.do) {
    case 'text': return first().innerText({ timeout: 500 });
    case 'count': return page.locator(step.of!).count();
    case 'click': return first().click({ timeout: 5_000 });
    case 'fill': return first().fill(step.with!, { timeout: 5_000 });
    case 'value': return first().inputValue({ timeout: 500 });
    case 'press': return page.keyboard.press(step.keys!);
    case 'evaluate': return page.evaluate(step.code!);
    case 'axe': return violations(page);
    case 'complaints': return opened.complaints.splice(0);
    case 'picture': return page.screenshot({ path: step.path! }).then(() => null);
    default: throw new Error(`no step ${step.do}`);
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const answer = await taken(JSON.parse(line) as Step).then(
    (value) => ({ value: value ?? null }),
    (error: unknown) => ({ error: String(error) }),
  );
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
await (await launched()).close();
