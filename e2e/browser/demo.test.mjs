// The demo as a new user meets it: one command, and within two minutes the page
// says which service leaks, in which function, how fast, with saved profiles.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import test from 'node:test';
import { promisify } from 'node:util';
import { bin, getJSON, openBrowser, openPage, screens, shoot, start, tempDir, until } from './lib.mjs';
import { assertAccessible, lookAtAll } from './looks.mjs';

/** Pages whose pictures the documentation keeps, by look, and under which names. */
const kept = {
  'desktop-light': { fleet: 'fleet', service: 'service', alert: 'alert', alerts: 'alerts', diff: 'profile', profiles: 'profiles', hub: 'hub', grid: 'grid' },
  'desktop-dark': { service: 'service-dark' },
  'phone-dark': { fleet: 'fleet-phone', alert: 'alert-phone' },
};

test('the demo shows the leaking service, its function and its profile', async (t) => {
  const demo = start(t, bin('memwatch-hub'), ['demo', '--listen', '127.0.0.1:0', '--for', '15m', '--data', await tempDir(t)]);
  const started = Date.now();
  const [base] = await demo.line(/http:\/\/127\.0\.0\.1:\d+/);

  const browser = await openBrowser(t);
  const page = await openPage(browser);
  await page.goto(base);

  const leaking = await until(
    'a leaking service with its function and profile',
    async () => {
      const services = await getJSON(`${base}/api/services`);
      const { profiles } = await getJSON(`${base}/api/profiles`);
      return services.find(
        (s) => s.verdict?.state === 'leaking' && s.verdict.kind === 'heap' && s.verdict.culprits.length > 0 &&
          profiles.some((p) => p.service === s.name && p.role === 'leaking' && p.baseId),
      );
    },
    120,
  );
  const culprit = leaking.verdict.culprits[0];
  t.diagnostic(`${leaking.name} leaks in ${culprit.function} after ${Math.round((Date.now() - started) / 1000)} s: ${leaking.verdict.summary}`);
  assert.match(culprit.function, /^main\./);
  assert.ok(leaking.verdict.growthBytesPerSecond.estimate > 0);

  const services = await getJSON(`${base}/api/services`);
  assert.equal(services[0].verdict.state, 'leaking', 'the worst comes first');

  // For the documentation, a leak that has been seen for a while.
  if (screens) await until('two minutes of readings', async () => (await getJSON(`${base}/api/services/${leaking.name}/metrics?limit=1`)).total > 120, 240);

  // The fleet page says so in words, and one click leads to the service.
  const short = culprit.function.split('/').at(-1);
  await page.getByText(short, { exact: false }).first().waitFor({ timeout: 20_000 });
  await page.getByText('Leaking').first().waitFor();
  await assertAccessible(page, 'fleet');
  await page.keyboard.press('?');
  await page.getByRole('dialog', { name: 'Keyboard' }).waitFor();
  await assertAccessible(page, 'help');
  await page.keyboard.press('Escape');
  await shoot(page, 'demo-fleet');
  await page.getByRole('link', { name: leaking.name, exact: true }).click(); // the first click
  await page.getByRole('heading', { name: 'Where it grows' }).waitFor();
  await page.getByText(short, { exact: false }).first().waitFor();
  await page.locator('canvas').first().waitFor();
  await assertAccessible(page, 'service');
  await shoot(page, 'demo-service');

  // The second click ends at the function itself: its line in the stack, the
  // flame graph of what grew, and the table that it leads.
  await page.getByRole('link', { name: 'Open the alert' }).click();
  await page.getByRole('heading', { name: /What grew: \+/ }).waitFor();
  assert.ok((await page.locator('.stack-list [data-own=true]').first().innerText()).includes(culprit.function));
  await page.locator('canvas[aria-roledescription="flame graph"]').waitFor();

  // Somebody takes it, and the others see who and why.
  await page.getByRole('button', { name: 'Acknowledge' }).click();
  await page.getByLabel('Your name').fill('Ada');
  await page.getByLabel('Why').fill('the fix is being deployed');
  await page.getByRole('dialog').getByRole('button', { name: 'Acknowledge' }).click();
  await page.getByRole('listitem').filter({ hasText: 'Acknowledged by Ada: the fix is being deployed' }).waitFor();

  // One alert for the leak, and its evidence opens in go tool pprof.
  const { alerts } = await getJSON(`${base}/api/alerts?service=${leaking.name}`);
  assert.equal(alerts.filter((a) => a.type === 'leak').length, 1);
  const { profiles } = await getJSON(`${base}/api/profiles?service=${leaking.name}`);
  const proof = profiles.find((p) => p.role === 'leaking' && p.kind === 'heap');
  const url = (id) => `${base}/api/profiles/${id}`;
  const home = await tempDir(t);
  const { stdout } = await promisify(execFile)('go', ['tool', 'pprof', '-sample_index=inuse_space', '-top', `-diff_base=${url(proof.baseId)}`, url(proof.id)], {
    env: { ...process.env, PPROF_TMPDIR: home },
  });
  const top = stdout.split('\n').filter((line) => /\d+%/.test(line) && !/Showing|Dropped/.test(line))[0];
  assert.ok(top?.includes(culprit.leaf) || top?.includes(culprit.function), `top of the diff is the culprit:\n${stdout}`);

  // A profile brought by a person, and any two compared.
  await page.goto(`${base}/profiles`);
  const own = Buffer.from(await (await fetch(url(proof.id))).arrayBuffer());
  await page.locator('input[type=file]').setInputFiles({ name: 'own.pb.gz', mimeType: 'application/octet-stream', buffer: own });
  await page.waitForURL(/\/profiles\/upload-/);
  await page.locator('canvas').first().waitFor();
  await page.getByRole('link', { name: 'Profiles', exact: true }).first().click();
  await page.getByRole('checkbox', { name: 'Compare uploads, Heap, Uploaded' }).check();
  await page.getByRole('checkbox', { name: `Compare ${leaking.name}, Heap, Baseline` }).first().check();
  await page.getByRole('link', { name: 'Compare', exact: true }).click();
  await page.getByRole('heading', { name: /grew by/ }).waitFor();
  const ui = await fetch(`${base}/pprof/${proof.id}/?base=${proof.baseId}`);
  assert.ok(ui.ok && (await ui.text()).includes(culprit.leaf), 'pprof’s own page shows the function');

  const diff = `/profiles/${proof.id}?base=${proof.baseId}`;
  const places = {
    fleet: '/',
    grid: '/?view=grid',
    nothing: '/?q=no-such-service',
    service: `/services/${leaking.name}`,
    alerts: '/alerts',
    alert: `/alerts/${alerts.find((a) => a.type === 'leak').id}`,
    profiles: '/profiles',
    profile: `/profiles/${proof.id}`,
    diff,
    inverted: `${diff}&view=inverted`,
    around: `${diff}&fn=${encodeURIComponent(culprit.function)}`,
    hub: '/hub',
    lost: '/no/such/page',
  };
  await lookAtAll(browser, base, places, { kept, dialogs: { alert: ['Acknowledge', 'Silence', 'Expected', 'Resolve', 'Lift'] } });

  const healthy = (await getJSON(`${base}/api/services`)).find((s) => /catalog|healthy/.test(s.name));
  assert.ok(healthy && healthy.verdict?.state !== 'leaking', 'the healthy service is not accused');
  assert.deepEqual(page.problems, [], 'script errors');

  const { code } = await demo.stop('SIGINT');
  assert.equal(code, 0, demo.output());
});
