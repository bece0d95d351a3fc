// A heap profile of 50,000 samples, of a real program, brought to the hub and
// opened in Chromium. Figures, not a test: they depend on the machine.
//   npm run bench:profile        (STACKS=50000)
import { execFile } from 'node:child_process';
import path from 'node:path';
import test from 'node:test';
import { promisify } from 'node:util';
import { bin, openBrowser, openPage, root, shoot, start, tempDir } from './lib.mjs';

const stacks = Number(process.env.STACKS ?? 50_000);
const times = 5;

test(`a profile of ${stacks} stacks`, async (t) => {
  const dir = await tempDir(t);
  const program = path.join(dir, 'target');
  await promisify(execFile)('go', ['build', '-o', program, './bench/target'], { cwd: root });
  const target = start(t, program, ['-stacks', String(stacks), '-churn', '0']);
  const [service] = await target.line(/http:\/\/127\.0\.0\.1:\d+/);
  const profile = Buffer.from(await (await fetch(`${service}/debug/pprof/heap`)).arrayBuffer());
  const hub = start(t, bin('memwatch-hub'), ['serve', '--listen', '127.0.0.1:0', '--data', dir]);
  const [base] = await hub.line(/http:\/\/127\.0\.0\.1:\d+/);
  const saved = await (await fetch(`${base}/api/profiles?filename=large.pb.gz`, { method: 'POST', body: profile, headers: { 'Content-Type': 'application/octet-stream' } })).json();

  const browser = await openBrowser(t);
  const opened = [];
  const served = [];
  for (let i = 0; i < times; i++) {
    const page = await openPage(browser); // with nothing kept from the time before
    await page.goto(`${base}/profiles`);
    await page.getByRole('heading', { name: /saved profile/ }).waitFor();
    const began = Date.now();
    await page.locator(`a[href="/profiles/${saved.id}"]`).click();
    await page.locator('canvas').first().waitFor();
    await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve))));
    opened.push(Date.now() - began);
    const asked = Date.now();
    const answer = await fetch(`${base}/api/profiles/${saved.id}/flamegraph`);
    t.diagnostic(`the flame graph's answer: ${Math.round((await answer.arrayBuffer()).byteLength / 1024)} KiB in ${Date.now() - asked} ms`);
    served.push(Date.now() - asked);
    await shoot(page, 'large-profile');
    await page.context().close();
  }
  const median = (list) => [...list].sort((a, b) => a - b)[list.length >> 1];
  t.diagnostic(`profile of ${Math.round(profile.length / 1024)} KiB: opened in ${median(opened)} ms (${opened.join(', ')}), of which the hub takes ${median(served)} ms`);
});
