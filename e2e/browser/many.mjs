// Five thousand instances in the page, each read every ten seconds: a load
// generator that speaks as agents do, the real hub, and Chromium with what it
// measured. Figures, not a test: they depend on the machine.
//   npm run bench                (INSTANCES=5000 MINUTES=3)
import assert from 'node:assert/strict';
import os from 'node:os';
import test from 'node:test';
import { agents, MiB } from './load.mjs';
import { bin, getJSON, openBrowser, openPage, shoot, start, tempDir, until } from './lib.mjs';

const instances = Number(process.env.INSTANCES ?? 5000);
const minutes = Number(process.env.MINUTES ?? 3);

const quantile = (list, q) => [...list].sort((a, b) => a - b)[Math.min(list.length - 1, Math.floor(list.length * q))] ?? NaN;
const rounded = (list, q) => Math.round(quantile(list, q) * 10) / 10;

/** Frame times while the wheel turns, in ms. */
async function scrollFrames(page, seconds) {
  await page.evaluate(() => {
    window.frames_ = [];
    let before = performance.now();
    const step = (now) => {
      window.frames_.push(now - before);
      before = now;
      window.raf_ = requestAnimationFrame(step);
    };
    window.raf_ = requestAnimationFrame(step);
  });
  await page.mouse.move(700, 600);
  for (const end = Date.now() + seconds * 1000; Date.now() < end;) {
    await page.mouse.wheel(0, 240);
    await page.waitForTimeout(30);
  }
  return page.evaluate(() => (cancelAnimationFrame(window.raf_), window.frames_.slice(1)));
}

const chip = (page, name) => page.getByRole('button', { name: new RegExp(`^${name}`) }).first();

/** Finds where to click before it is measured: looking for a button among thousands of elements is no work of the page's own. */
async function clicking(page, name) {
  const box = await chip(page, name).boundingBox();
  return () => page.mouse.click(box.x + box.width / 2, box.y + box.height / 2);
}

/** How long each of the reader's actions took until it was painted, in ms (Event Timing). */
async function interactions(page) {
  await page.evaluate(() => {
    window.events_ = [];
    new PerformanceObserver((list) => list.getEntries().forEach((e) => e.interactionId && window.events_.push([e.name, e.duration]))).observe({ type: 'event', durationThreshold: 16, buffered: false });
  });
  for (const word of ['svc-1', 'cache', 'team-7', '']) {
    await page.locator('[data-search]').fill('');
    await page.locator('[data-search]').pressSequentially(word, { delay: 120 });
    await page.waitForTimeout(300);
  }
  for (const name of ['Leaking', 'Suspect', 'All', 'Grid', 'List']) {
    await (await clicking(page, name))();
    await page.waitForTimeout(700);
  }
  for (let i = 0; i < 12; i++) await page.keyboard.press('j', { delay: 60 });
  await page.waitForTimeout(500);
  return page.evaluate(() => window.events_);
}

test(`${instances} instances`, async (t) => {
  const hub = start(t, bin('memwatch-hub'), ['serve', '--listen', '127.0.0.1:0', '--data', await tempDir(t)]);
  const [base] = await hub.line(/http:\/\/127\.0\.0\.1:\d+/);
  await agents(t, base, instances);
  await until('all instances', async () => (await getJSON(`${base}/api/stats`)).totalInstances === instances, 60);
  await until('a reading of each', async () => (await getJSON(`${base}/api/stats`)).readings > instances, 60);

  const browser = await openBrowser(t);
  const page = await openPage(browser);
  const opened = Date.now();
  await page.goto(base);
  await page.locator('.fleet-row').first().waitFor({ timeout: 60_000 });
  const load = Date.now() - opened;
  const cdp = await page.context().newCDPSession(page);
  await cdp.send('Performance.enable', { timeDomain: 'threadTicks' }); // what the page's thread itself spent, whoever else works
  const busy = async () => (await cdp.send('Performance.getMetrics')).metrics.find((m) => m.name === 'TaskDuration').value * 1000;
  const cpu = async (run) => {
    const before = await busy();
    const out = await run();
    return [out, (await busy()) - before];
  };
  const [, idle] = await cpu(() => page.waitForTimeout(10_000));
  const [rest, scrolling] = await cpu(() => scrollFrames(page, 10));
  await page.evaluate(() => scrollTo(0, 0));
  const costs = {};
  for (const name of ['Leaking', 'All', 'Grid', 'List']) {
    const click = await clicking(page, name);
    const [, ms] = await cpu(async () => {
      await click();
      await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve))));
    });
    costs[name] = Math.round(ms);
    assert.equal(await chip(page, name).getAttribute('aria-pressed'), 'true', name);
    await page.waitForTimeout(500);
  }
  const events = await interactions(page);
  await shoot(page, 'many-fleet');

  const heap = [];
  for (let i = 0; i <= minutes; i++) {
    if (i) await page.waitForTimeout(60_000);
    await cdp.send('HeapProfiler.collectGarbage');
    const { metrics } = await cdp.send('Performance.getMetrics');
    heap.push(Math.round((metrics.find((m) => m.name === 'JSHeapUsedSize').value / MiB) * 10) / 10);
  }
  const durations = events.map(([, ms]) => ms);
  const say = (text) => t.diagnostic(text);
  say(`load average of the machine: ${os.loadavg().map((n) => n.toFixed(1)).join(' ')} on ${os.cpus().length} processors`);
  say(`first row after ${load} ms`);
  say(`frames while scrolling: ${rest.length}, p50 ${rounded(rest, 0.5)} ms, p95 ${rounded(rest, 0.95)} ms, longest ${rounded(rest, 1)} ms`);
  say(`work of the page's thread: ${Math.round(idle / 10)} ms a second at rest, ${Math.round((scrolling / rest.length) * 10) / 10} ms a frame while scrolling; to show ${Object.entries(costs).map(([what, ms]) => `${what} ${ms} ms`).join(', ')}`);
  say(`interactions of 16 ms and more: ${durations.length}, p50 ${rounded(durations, 0.5)} ms, p95 ${rounded(durations, 0.95)} ms, longest ${rounded(durations, 1)} ms (${events.find(([, d]) => d === Math.max(...durations))?.[0]})`);
  say(`heap of the tab after GC, minute by minute: ${heap.join(', ')} MiB`);
});
