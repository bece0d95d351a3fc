// The original Node agent, as it is: three message types over a plain
// WebSocket to "/", no subprotocol, no instance, no ids. Its readings must show
// in REST and in the page, and survive a hub that is killed.
import assert from 'node:assert/strict';
import test from 'node:test';
import WebSocket from 'ws';
import { bin, getJSON, openBrowser, openPage, shoot, start, tempDir, until } from './lib.mjs';

const listening = /https?:\/\/127\.0\.0\.1:(\d+)/;

async function connect(port) {
  const socket = new WebSocket(`ws://127.0.0.1:${port}`);
  await new Promise((resolve, reject) => {
    socket.once('open', resolve);
    socket.once('error', reject);
  });
  return socket;
}

const send = (socket, message) => socket.send(JSON.stringify(message));

function reading(timestamp, heapUsedMB, leakDetected) {
  return {
    type: 'metrics',
    service: 'orders-node',
    heapUsedMB,
    heapTotalMB: heapUsedMB + 12.5,
    rssMB: heapUsedMB + 55.25,
    externalMB: 1.75,
    eventLoopDelayMs: 20.31,
    timestamp,
    leakDetected,
    memoryGrowthMB: leakDetected ? 62.5 : 0.4,
  };
}

test('a version-0 session shows in REST and in the page, and survives kill -9', async (t) => {
  const data = await tempDir(t);
  const serve = (port) => start(t, bin('memwatch-hub'), ['serve', '--listen', `127.0.0.1:${port}`, '--data', data]);
  let hub = serve(0);
  const [, port] = await hub.line(listening);
  const api = `http://127.0.0.1:${port}/api`;

  let agent = await connect(port);
  const t0 = Date.now() - 30_000;
  send(agent, { type: 'registration', service: 'orders-node', timestamp: t0 });
  for (let i = 0; i < 12; i++) send(agent, reading(t0 + i * 1000, 80 + i, false));
  send(agent, reading(t0 + 12_000, 145, true));
  send(agent, reading(t0 + 13_000, 146, true));
  send(agent, {
    type: 'snapshot',
    service: 'orders-node',
    filename: 'orders-node-heap-2026.heapsnapshot',
    filepath: 'snapshots/orders-node-heap-2026.heapsnapshot',
    timestamp: t0 + 14_000,
  });

  const leaks = async () => (await getJSON(`${api}/alerts?service=orders-node`)).alerts.filter((a) => a.type === 'leak');
  await until('the snapshot alert', async () => (await getJSON(`${api}/alerts`)).alerts.some((a) => a.type === 'snapshot' && a.filename?.includes('heapsnapshot')));
  assert.equal((await leaks()).length, 1, 'two leakDetected readings are one alert');

  const metrics = await getJSON(`${api}/services/orders-node/metrics?limit=100`);
  assert.equal(metrics.service, 'orders-node');
  assert.equal(metrics.total, 14);
  assert.equal(metrics.metrics.at(-1).heapUsedMB, 146);
  assert.equal(metrics.metrics.at(-1).eventLoopDelayMs, 20.31);

  const [service] = await getJSON(`${api}/services`);
  assert.equal(service.name, 'orders-node');
  assert.equal(service.status, 'connected');
  assert.equal(service.lastMetrics.heapUsedMB, 146);

  const stats = await getJSON(`${api}/stats`);
  assert.equal(stats.totalServices, 1);
  assert.equal(stats.connectedServices, 1);

  const browser = await openBrowser(t);
  const page = await openPage(browser);
  await page.goto(`http://127.0.0.1:${port}/`);
  await page.getByText('orders-node').first().waitFor();
  await shoot(page, 'v0-fleet');

  await hub.stop('SIGKILL');
  await page.getByText('Disconnected from the hub.').waitFor();
  assert.match(await page.title(), /^\(offline\)/);
  assert.ok(await page.getByText('orders-node').first().isVisible(), 'what was known stays');
  agent.terminate();
  hub = serve(port);
  await hub.line(listening);
  assert.equal((await getJSON(`${api}/services/orders-node/metrics?limit=100`)).total, 14, 'history after kill -9');
  assert.equal((await leaks()).length, 1, 'alerts after kill -9');

  agent = await connect(port);
  send(agent, { type: 'registration', service: 'orders-node', timestamp: t0 + 15_000 });
  send(agent, reading(t0 + 13_000, 146, true)); // a resend
  send(agent, reading(t0 + 16_000, 147, true));
  await until('the reading after the restart', async () => (await getJSON(`${api}/services/orders-node/metrics?limit=100`)).total === 15);
  assert.equal((await leaks()).length, 1, 'no alert is doubled');

  send(agent, { type: 'nonsense' });
  agent.send('{not json');
  await until('the refusals on /metrics', async () => /memwatch_hub_[a-z_]*(refused|rejected|errors)[a-z_]*\{[^}]*\} [1-9]/.test(await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()));
  assert.equal((await getJSON(`${api}/stats`)).totalServices, 1, 'the hub lives');
  await until('the page to see the hub again', () => page.getByText(/reconnect|connection lost|disconnected from/i).count().then((n) => n === 0));
  agent.close();
});
