// A large fleet: the grid as one drawing that pointer and keys can walk; the list
// that is printed; and a connection that breaks and goes on at its place.
import assert from 'node:assert/strict';
import net from 'node:net';
import test from 'node:test';
import { agentOf, leakOf, readingOf } from './agent.mjs';
import { bin, getJSON, openBrowser, openPage, shoot, start, tempDir, until } from './lib.mjs';
import { lookAtAll } from './looks.mjs';

async function hubWith(t, services) {
  const hub = start(t, bin('memwatch-hub'), ['serve', '--listen', '127.0.0.1:0', '--data', await tempDir(t)]);
  const [base, port] = await hub.line(/http:\/\/127\.0\.0\.1:(\d+)/);
  const agent = await agentOf(t, base);
  const began = Date.now() - 3_600_000;
  const read = (at, live) => agent.read(Array.from({ length: services }, (_, i) => readingOf(`svc-${String(i).padStart(3, '0')}`, 'one', at, live, began)));
  await read(Date.now() - 1_000, 50);
  return { base, port: Number(port), agent, began, read };
}

test('700 services as a grid, by pointer and by keys, and on paper', async (t) => {
  const { base } = await hubWith(t, 700);
  const browser = await openBrowser(t);
  const page = await openPage(browser);
  await page.goto(`${base}/?view=grid`);
  await page.locator('.heat-map canvas').waitFor();
  const link = page.locator('.heat-link');
  await link.focus();
  assert.match(await link.getAttribute('aria-label'), /^svc-000: /);
  await page.keyboard.press('ArrowRight');
  await page.keyboard.press('j');
  assert.match(await link.getAttribute('aria-label'), /^svc-002: /);
  await page.keyboard.press('Enter');
  await page.waitForURL(/\/services\/svc-002$/);
  await page.goBack();
  const canvas = page.locator('.heat-map canvas');
  await canvas.waitFor();
  const box = await canvas.boundingBox();
  await page.mouse.move(box.x + 8, box.y + 8);
  await page.locator('.heat-tip', { hasText: 'svc-000' }).waitFor();
  await shoot(page, 'fleet-grid');
  await page.mouse.click(box.x + 8, box.y + 8);
  await page.waitForURL(/\/services\/svc-000$/);

  await page.goto(base);
  await page.locator('.fleet-row').first().waitFor();
  assert.ok((await page.locator('.fleet-row').count()) < 100, 'only what is seen is drawn');
  await page.evaluate(() => dispatchEvent(new Event('beforeprint')));
  assert.equal(await page.locator('.fleet-row').count(), 500, 'the worst 500 are printed');
  await page.evaluate(() => dispatchEvent(new Event('afterprint')));
  await until('the window again', async () => (await page.locator('.fleet-row').count()) < 100);
  await lookAtAll(browser, base, { many: '/?view=grid', list: '/' });
  assert.deepEqual(page.problems, [], 'script errors');
});

/** A way to the hub that can be cut. */
async function wayTo(t, port) {
  const open = new Set();
  let cut = false;
  const server = net.createServer((from) => {
    if (cut) return void from.destroy();
    const to = net.connect(port, '127.0.0.1');
    for (const socket of [from, to]) {
      open.add(socket);
      socket.on('error', () => {}).on('close', () => (open.delete(socket), from.destroy(), to.destroy()));
    }
    from.pipe(to).pipe(from);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => (open.forEach((s) => s.destroy()), server.close()));
  return {
    base: `http://127.0.0.1:${server.address().port}`,
    cut: () => ((cut = true), open.forEach((s) => s.destroy())),
    mend: () => (cut = false),
  };
}

test('a connection that breaks keeps what is shown, and goes on at its place', async (t) => {
  const { base, port, read } = await hubWith(t, 3);
  const way = await wayTo(t, port);
  const page = await openPage(await openBrowser(t));
  const asked = [];
  page.on('request', (request) => asked.push(new URL(request.url()).pathname));
  await page.goto(way.base);
  await page.getByText('50 MiB').first().waitFor();
  await page.getByText('Live', { exact: true }).waitFor();
  const before = asked.filter((p) => p === '/api/services').length;

  way.cut();
  await page.getByText('Disconnected from the hub.').waitFor();
  assert.ok(await page.getByText('50 MiB').first().isVisible(), 'what was known stays');
  await read(Date.now(), 60); // said while the page is away
  assert.equal((await getJSON(`${base}/api/services`)).length, 3);
  way.mend();
  await page.getByText('60 MiB').first().waitFor();
  await page.getByText('Disconnected from the hub.').waitFor({ state: 'hidden' });
  assert.equal(asked.filter((p) => p === '/api/services').length, before, 'nothing is asked for anew');
});

test('keys walk, the tab shows the worst, and the browser tells of a leak that begins', async (t) => {
  const { base, agent, began } = await hubWith(t, 3);
  const page = await openPage(await openBrowser(t));
  await page.addInitScript(() => {
    window.told = [];
    window.Notification = class {
      static permission = 'default';
      static requestPermission = async () => (window.Notification.permission = 'granted');
      constructor(title) {
        window.told.push(title);
      }
    };
  });
  await page.goto(`${base}/alerts`);
  await page.getByRole('button', { name: 'Tell me in this browser' }).click();
  await page.getByRole('button', { name: 'Telling you in this browser: stop' }).waitFor();
  await page.getByRole('link', { name: 'Fleet', exact: true }).click();
  await page.locator('[data-row]').first().waitFor();
  assert.equal(await page.title(), 'memwatch');
  assert.equal(await page.locator('link[rel=icon]').getAttribute('href'), '/icons/unknown.svg');

  for (const key of ['j', 'j', 'k', 'j']) await page.keyboard.press(key);
  assert.equal(await page.evaluate(() => document.activeElement.textContent), 'svc-001');
  await page.keyboard.press('/');
  await page.keyboard.type('002');
  await until('one row', async () => (await page.locator('[data-row]').count()) === 1);
  assert.match(page.url(), /\?q=002$/);
  await page.keyboard.press('Escape');
  await until('all rows', async () => (await page.locator('[data-row]').count()) === 3);

  const now = Date.now();
  await agent.read([readingOf('svc-002', 'one', now, 70, began, leakOf(now))]);
  await until('the notification', async () => (await page.evaluate(() => window.told.join())) === 'svc-002 leaks heap memory in cart.(*Cache).Put');
  await until('the title', async () => (await page.title()) === '(1 leaking) memwatch');
  assert.equal(await page.locator('link[rel=icon]').getAttribute('href'), '/icons/leaking.svg');
  assert.deepEqual(page.problems, [], 'script errors');
});
