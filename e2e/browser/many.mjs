// Five thousand instances in the page, each read every ten seconds: a load
// generator that speaks as agents do, the real hub, and Chromium with what it
// measured. Figures, not a test: they depend on the machine.
//   npm run bench                (INSTANCES=5000 MINUTES=3)
import { randomUUID } from 'node:crypto';
import os from 'node:os';
import test from 'node:test';
import WebSocket from 'ws';
import { bin, getJSON, openBrowser, openPage, shoot, start, tempDir, until } from './lib.mjs';

const instances = Number(process.env.INSTANCES ?? 5000);
const minutes = Number(process.env.MINUTES ?? 3);
const everyMs = 10_000;
const sockets = 50;
const slices = 100; // of an interval: no instance is read at the same moment as all others
const MiB = 2 ** 20;

const nameOf = (i) => `svc-${String(i).padStart(4, '0')}`;
const instanceOf = (i) => `${nameOf(i)}-0`;

/** One in 100 leaks, one in 60 is suspect, the others move about. */
function reading(i, now, began) {
  const seconds = (now - began) / 1000;
  const rate = i % 100 === 0 ? 20_000 + i : 0;
  const live = Math.round((60 + (i % 300)) * MiB + rate * seconds + MiB * 3 * Math.sin(seconds / 40 + i));
  const state = i % 100 === 0 ? 'leaking' : i % 60 === 7 ? 'suspect' : 'healthy';
  const grows = state !== 'healthy';
  return {
    type: 'metrics', v: 1, id: randomUUID(), service: nameOf(i), instance: instanceOf(i), timestamp: now,
    heapUsedMB: live / MiB, heapTotalMB: (live * 1.5) / MiB, rssMB: (live * 1.6) / MiB, externalMB: 0, eventLoopDelayMs: 0.4, leakDetected: false, memoryGrowthMB: 0,
    sample: { timestamp: now, startTime: began - 3_600_000, liveHeapBytes: live, heapAllocBytes: Math.round(live * 1.2), heapInuseBytes: Math.round(live * 1.3), heapSysBytes: Math.round(live * 1.5), sysBytes: Math.round(live * 1.6), rssBytes: Math.round(live * 1.6), limitBytes: 1024 * MiB, numGC: Math.round(seconds), goroutines: 40 + (i % 9) },
    verdict: {
      state, kind: grows ? 'heap' : 'none', severity: state === 'leaking' ? 'warning' : 'none', since: grows ? began - 3_600_000 : null, growthBytesPerSecond: { estimate: rate, low: rate * 0.9, high: rate * 1.1 }, growthBytes: rate * 3600,
      limitBytes: 1024 * MiB, limitSource: 'cgroup', timeToLimitSeconds: rate ? 30_000 + i : null, timeToLimitLowSeconds: rate ? 28_000 : null, timeToLimitHighSeconds: rate ? 33_000 : null, confidence: 0.9,
      culprits: grows ? [{ function: 'example.com/shop/cart.(*Cache).Put', leaf: 'bytes.growSlice', ownFrame: '', file: 'cart/cache.go', line: 42, stack: [], growthBytesPerSecond: rate, liveBytes: live, liveObjects: 1000, share: 0.9, certainty: 'certain' }] : [],
      gates: [], summary: `${nameOf(i)} is ${state}`,
    },
  };
}

async function agents(t, base) {
  const began = Date.now();
  const all = await Promise.all(Array.from({ length: sockets }, async () => {
    const socket = new WebSocket(base.replace('http', 'ws') + '/ws/agent');
    await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
    return socket;
  }));
  for (let i = 0; i < instances; i++) all[i % sockets].send(JSON.stringify({ type: 'registration', v: 1, id: randomUUID(), service: nameOf(i), instance: instanceOf(i), labels: { namespace: `team-${i % 20}` }, agent: 'load', timestamp: began }));
  let slice = 0;
  const timer = setInterval(() => {
    const now = Date.now();
    const batches = new Map();
    for (let i = slice; i < instances; i += slices) batches.set(i % sockets, [...(batches.get(i % sockets) ?? []), reading(i, now, began)]);
    slice = (slice + 1) % slices;
    for (const [socket, messages] of batches) all[socket].send(JSON.stringify({ type: 'batch', v: 1, id: randomUUID(), messages }));
  }, everyMs / slices);
  t.after(() => {
    clearInterval(timer);
    all.forEach((socket) => socket.close());
  });
}

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
  for (const name of [/^Leaking/, /^Suspect/, /^All/, /^Grid/, /^List/]) {
    await page.getByRole('button', { name }).first().click();
    await page.waitForTimeout(700);
  }
  for (let i = 0; i < 12; i++) await page.keyboard.press('j', { delay: 60 });
  await page.waitForTimeout(500);
  return page.evaluate(() => window.events_);
}

test(`${instances} instances`, async (t) => {
  const hub = start(t, bin('memwatch-hub'), ['serve', '--listen', '127.0.0.1:0', '--data', await tempDir(t)]);
  const [base] = await hub.line(/http:\/\/127\.0\.0\.1:\d+/);
  await agents(t, base);
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
  for (const name of [/^Leaking/, /^All/, /^Grid/, /^List/]) {
    const [, ms] = await cpu(async () => {
      await page.getByRole('button', { name }).first().click();
      await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve))));
    });
    costs[name.source.slice(1)] = Math.round(ms);
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
