// Every page in every look: light and dark, desktop and phone; with what opens on
// it opened. Each must be accessible, fit, and be without script errors.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { keepScreen, openPage, shoot, until } from './lib.mjs';

const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

export async function assertAccessible(page, name) {
  // Through the debugger, since the page's own policy rightly refuses injected scripts.
  const found = await page.evaluate(`${axe}; axe.run(document, { resultTypes: ['violations'] })`);
  const words = found.violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.target.join(' ')).join(', ')}`);
  assert.deepEqual(words, [], `${name}: axe-core`);
}

const sizes = { desktop: { width: 1440, height: 900 }, phone: { width: 360, height: 740 } };
export const looks = Object.entries(sizes).flatMap(([size, box]) => ['light', 'dark'].map((colorScheme) => ({ name: `${size}-${colorScheme}`, ...box, colorScheme })));

/**
 * `places`: addresses by name. `dialogs`: for a place, the buttons whose dialogs are looked at too.
 * `kept`: for a look and a place, the name of the picture that the documentation shows.
 */
export async function lookAtAll(browser, base, places, { dialogs = {}, kept = {} } = {}) {
  for (const look of looks) {
    const page = await openPage(browser, look);
    for (const [name, where] of Object.entries(places)) {
      const what = `${name} ${look.name}`;
      await page.goto(base + where);
      await page.getByRole('heading').first().waitFor();
      await until('the page to be loaded', async () => (await page.locator('.skeleton').count()) === 0);
      await shoot(page, `demo-${name}-${look.name}`);
      const picture = kept[look.name]?.[name];
      if (picture) await keepScreen(page, picture);
      await page.evaluate(() => document.querySelectorAll('details').forEach((d) => (d.open = true)));
      await assertAccessible(page, what);
      assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth), `${what}: no sideways scrolling`);
      for (const button of dialogs[name] ?? []) {
        await page.getByRole('button', { name: button, exact: true }).first().click();
        await page.getByRole('dialog').waitFor();
        await assertAccessible(page, `${what}, dialog ${button}`);
        await shoot(page, `demo-${name}-${look.name}-${button.toLowerCase().replaceAll(' ', '-')}`);
        await page.keyboard.press('Escape');
        await page.getByRole('dialog').waitFor({ state: 'hidden' });
      }
      assert.deepEqual(page.problems, [], `${what}: script errors`);
    }
    await page.context().close();
  }
}
