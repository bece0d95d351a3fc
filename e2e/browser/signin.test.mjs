// A hub that asks who comes: signing in leads back to where one was, and out
// again; when a session ends under the page, it says so.
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import test from 'node:test';
import { bin, openBrowser, openPage, shoot, start, tempDir } from './lib.mjs';

test('signing in leads back to the page, and out again', async (t) => {
  const data = await tempDir(t);
  const secret = path.join(data, 'password');
  const config = path.join(data, 'hub.yaml');
  await writeFile(secret, 'correct horse battery staple\n', { mode: 0o600 });
  await writeFile(config, 'auth:\n  required: true\n');
  const add = start(t, bin('memwatch-hub'), ['user', 'add', 'ada', '--role', 'operator', '--data', data, '--password-file', secret]);
  assert.equal((await add.ended).code, 0, add.output());
  const hub = start(t, bin('memwatch-hub'), ['serve', '--config', config, '--listen', '127.0.0.1:0', '--data', data]);
  const [base] = await hub.line(/http:\/\/127\.0\.0\.1:\d+/);

  const page = await openPage(await openBrowser(t));
  await page.goto(`${base}/?state=leaking`);
  await page.locator('input[name=name]').fill('ada');
  await page.locator('input[name=password]').fill('correct horse battery staple');
  await shoot(page, 'signin');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Nothing is watched yet.' }).waitFor();
  assert.equal(new URL(page.url()).search, '?state=leaking');
  await page.getByRole('button', { name: 'Sign out ada' }).click();
  await page.locator('input[name=password]').waitFor();
  await page.locator('input[name=name]').fill('ada');
  await page.locator('input[name=password]').fill('correct horse battery staple');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Nothing is watched yet.' }).waitFor();

  await page.context().clearCookies(); // as when a session ends
  await page.getByRole('link', { name: 'Profiles', exact: true }).first().click();
  await page.getByRole('heading', { name: 'Sign in to see this' }).waitFor();
  await page.getByRole('main').getByRole('link', { name: 'Sign in' }).click();
  await page.waitForURL(/\/login\?next=%2Fprofiles/);
});
