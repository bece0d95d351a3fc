// What a service's page shows of several instances: each by itself, restarts and
// new versions as marks, what a culprit held over time; and the hub's page who calls.
import assert from 'node:assert/strict';
import test from 'node:test';
import { agentOf, leakOf, readingOf } from './agent.mjs';
import { bin, openBrowser, openPage, shoot, start, tempDir } from './lib.mjs';
import { lookAtAll } from './looks.mjs';

const minute = 60_000;

test('several instances: marks, side by side, the culprit’s past, and who calls the hub', async (t) => {
  const hub = start(t, bin('memwatch-hub'), ['serve', '--listen', '127.0.0.1:0', '--data', await tempDir(t)]);
  const [base] = await hub.line(/http:\/\/127\.0\.0\.1:\d+/);
  const agent = await agentOf(t, base);
  const now = Date.now();
  const began = now - 60 * minute;
  const names = ['shop-a', 'shop-b', 'shop-c'];
  for (const name of names) await agent.register('shop', name, { version: '1.4.0', namespace: 'prod' });
  for (let i = 0; i < 60; i++) {
    const at = now - (60 - i) * 20_000;
    const restarted = i >= 30 ? at - (i - 30) * 20_000 - 5_000 : began;
    await agent.read(names.map((name, n) => readingOf('shop', name, at, 40 + 10 * n + (n === 0 ? i : 0), n === 1 ? restarted : began, n === 0 && i === 59 ? leakOf(now) : undefined)));
  }
  await agent.register('shop', 'shop-b', { version: '1.5.0', namespace: 'prod' });

  const browser = await openBrowser(t);
  const page = await openPage(browser);
  await page.goto(`${base}/`);
  await page.getByRole('heading', { name: 'shop leaks; it reaches the assumed limit of 1 GiB in 8 h.' }).waitFor();
  await page.goto(`${base}/services/shop`);
  await page.getByText('Time to assumed limit').waitFor();
  await page.getByRole('img', { name: 'from 20 MiB to 27 MiB' }).waitFor(); // the culprit's past
  await page.locator('summary', { hasText: 'marks in this range' }).click();
  await page.getByText('restart: shop-b restarted').waitFor();
  await page.getByText('new version: version 1.5.0').waitFor();
  await page.locator('summary', { hasText: 'Data table' }).first().click();
  await page.getByRole('region', { name: 'Process memory: data' }).getByRole('cell', { name: 'shop-c' }).first().waitFor();

  await page.getByRole('button', { name: 'Side by side' }).click();
  const each = page.locator('.multiples li');
  await each.first().waitFor();
  assert.equal(await each.count(), 3);
  await page.getByLabel('What is drawn').selectOption('goroutines');
  await page.getByText('all from 0 to 40').waitFor();
  assert.match(new URL(page.url()).search, /view=each&signal=goroutines/);
  await shoot(page, 'service-each');
  await page.locator('.multiples').getByRole('button', { name: /^shop-c/ }).click();
  await page.locator('.u-over').first().waitFor();
  assert.equal(new URL(page.url()).searchParams.get('instance'), 'shop-c');

  await page.goto(`${base}/hub`);
  const row = page.getByRole('region', { name: 'Agents' }).getByRole('row').nth(1);
  assert.match(await row.innerText(), /v0\.0\.1-test\s+3\s+180/);
  await page.getByText('Leaks ever').waitFor();
  assert.deepEqual(page.problems, [], 'script errors');

  await page.emulateMedia({ media: 'print' });
  await page.goto(`${base}/services/shop`);
  await page.locator('canvas').first().waitFor();
  assert.equal(await page.locator('.topbar').isVisible(), false, 'on paper there is nothing to press');
  assert.ok((await page.pdf()).length > 10_000);

  await lookAtAll(browser, base, { each: '/services/shop?view=each', overlaid: '/services/shop', agents: '/hub' });
});
