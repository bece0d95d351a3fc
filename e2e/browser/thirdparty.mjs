// Two real servers that nobody here wrote, under light load, watched for
// MINUTES (10): no scrape error, no alert, judged healthy, shown in the page.
// `make third-party` builds them and runs this.
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import path from 'node:path';
import test from 'node:test';
import { bin, getJSON, openBrowser, openPage, shoot, start, tempDir, until } from './lib.mjs';

const minutes = Number(process.env.MINUTES ?? 10);
const server = (name) => bin(path.join('thirdparty', name));

const freePort = () =>
  new Promise((resolve) => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });

/** Runs a short command again and again until stopped. */
function load(t, every, file, args) {
  let running = true;
  let runs = 0;
  const done = (async () => {
    while (running) {
      const p = start(t, file, args(runs));
      await p.ended;
      runs++;
      await new Promise((resolve) => setTimeout(resolve, every));
    }
  })();
  return async () => {
    running = false;
    await done;
    return runs;
  };
}

test(`nats-server and etcd are read without error and judged healthy for ${minutes} min`, { timeout: (minutes + 4) * 60_000 }, async (t) => {
  const dir = await tempDir(t);
  const [nats, natsProfile, client, peer] = [await freePort(), await freePort(), await freePort(), await freePort()];
  start(t, server('nats-server'), ['-a', '127.0.0.1', '-p', String(nats), '--profile', String(natsProfile)]);
  start(t, server('server'), [
    '--enable-pprof', '--data-dir', path.join(dir, 'etcd'), '--log-level', 'error',
    '--listen-client-urls', `http://127.0.0.1:${client}`, '--advertise-client-urls', `http://127.0.0.1:${client}`,
    '--listen-peer-urls', `http://127.0.0.1:${peer}`, '--initial-advertise-peer-urls', `http://127.0.0.1:${peer}`, '--initial-cluster', `default=http://127.0.0.1:${peer}`,
  ]);

  const hub = start(t, bin('memwatch-hub'), ['serve', '--listen', '127.0.0.1:0', '--data', path.join(dir, 'data')]);
  const [base] = await hub.line(/http:\/\/127\.0\.0\.1:\d+/);
  const config = path.join(dir, 'config.yaml');
  const metricsPort = await freePort();
  await writeFile(config, `dashboardUrl: ${base.replace('http', 'ws')}
checkInterval: 2s
listen: 127.0.0.1:${metricsPort}
snapshotPath: ${dir}/snapshots
stateDir: ${dir}/state
spool: {dir: ${dir}/spool}
targets:
  - {service: nats, instance: nats-1, url: "http://127.0.0.1:${natsProfile}"}
  - {service: etcd, instance: etcd-1, url: "http://127.0.0.1:${client}"}
`);
  await until('etcd', async () => (await fetch(`http://127.0.0.1:${client}/health`)).ok);
  await until('nats', async () => (await fetch(`http://127.0.0.1:${natsProfile}/debug/pprof/`)).ok);
  const agent = start(t, bin('memwatchd'), ['run', '--config', config]);

  const stopNats = load(t, 500, server('nats'), () => ['--server', `nats://127.0.0.1:${nats}`, 'bench', 'pub', 'orders', '--msgs', '2000', '--size', '256', '--no-progress']);
  const stopEtcd = load(t, 200, server('etcdctl'), (n) => ['--endpoints', `http://127.0.0.1:${client}`, 'put', `key-${n % 50}`, `value-${n}`]);

  const browser = await openBrowser(t);
  const page = await openPage(browser);
  await page.goto(base);
  const end = Date.now() + minutes * 60_000;
  const states = new Set();
  while (Date.now() < end) {
    await new Promise((resolve) => setTimeout(resolve, 5000));
    for (const s of await getJSON(`${base}/api/services`)) if (s.verdict) states.add(`${s.name} ${s.verdict.state}`);
  }
  t.diagnostic(`load: ${await stopNats()} nats runs, ${await stopEtcd()} etcd puts; states seen: ${[...states].join(', ')}`);

  const services = await getJSON(`${base}/api/services`);
  for (const name of ['nats', 'etcd']) {
    const s = services.find((x) => x.name === name);
    assert.equal(s?.status, 'connected', name);
    assert.equal(s.verdict.state, 'healthy', `${name}: ${s.verdict.summary}`);
    const { total } = await getJSON(`${base}/api/services/${name}/metrics`);
    t.diagnostic(`${name}: ${total} readings; ${s.verdict.summary}`);
    assert.ok(total > minutes * 20, `${name}: ${total} readings`);
    await page.getByText(name, { exact: true }).first().waitFor();
  }
  assert.ok(![...states].some((s) => s.endsWith('leaking')), [...states].join());
  assert.deepEqual((await getJSON(`${base}/api/alerts`)).alerts, []);
  const metrics = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();
  const errors = metrics.split('\n').filter((line) => /scrape_errors_total/.test(line) && !line.startsWith('#') && !/ 0$/.test(line));
  assert.deepEqual(errors, [], 'scrape errors');
  await shoot(page, 'third-party');
  assert.equal((await agent.stop()).code, 0);
});
