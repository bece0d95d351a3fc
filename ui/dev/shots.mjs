// Pictures of every page in both themes and two sizes, into dev/out, with
// axe-core's findings and everything the console complained about.
//   node dev/shots.mjs [name-filter]        (a mock hub must listen; MEMWATCH_HUB)
import { mkdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const base = process.env.MEMWATCH_HUB ?? 'http://127.0.0.1:4000';
const out = path.join(path.dirname(fileURLToPath(import.meta.url)), 'out');
const only = process.argv[2] ?? '';
const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

const pages = (process.env.PAGES ?? 'fleet=/ service=/services/checkout suspect=/services/notify unreachable=/services/payments alerts=/alerts alert=/alerts/01J9A1 profiles=/profiles profile=/profiles/01J9LEAK diff=/profiles/01J9LEAK?base=01J9BASE hub=/hub')
  .split(' ').map((p) => [p.slice(0, p.indexOf('=')), p.slice(p.indexOf('=') + 1)]);
const looks = [
  ['desktop-light', { width: 1440, height: 900 }, 'light'],
  ['desktop-dark', { width: 1440, height: 900 }, 'dark'],
  ['phone-light', { width: 360, height: 740 }, 'light'],
  ['phone-dark', { width: 360, height: 740 }, 'dark'],
];

await mkdir(out, { recursive: true });
const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
});
for (const [look, viewport, colorScheme] of looks) {
  const context = await browser.newContext({ viewport, colorScheme, reducedMotion: 'reduce' });
  for (const [name, where] of pages) {
    if (!`${name}-${look}`.includes(only)) continue;
    const page = await context.newPage();
    const problems = [];
    page.on('pageerror', (error) => problems.push(String(error)));
    page.on('console', (message) => ['error', 'warning'].includes(message.type()) && problems.push(message.text()));
    await page.goto(base + where);
    await page.getByRole('heading').first().waitFor();
    await page.waitForTimeout(1500);
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    if (wide > 0) problems.push(`scrolls sideways by ${wide} px`);
    const found = await page.evaluate(`${axe}; axe.run(document, { resultTypes: ['violations'] })`);
    for (const v of found.violations) problems.push(`axe ${v.id}: ${v.nodes.slice(0, 3).map((n) => `${n.target.join(' ')} (${(n.any[0] ?? n.all[0] ?? n.none[0])?.message ?? ''})`).join('; ')}`);
    await page.screenshot({ path: path.join(out, `${name}-${look}.png`), fullPage: true });
    console.log(`${name}-${look}: ${problems.length ? problems.join('\n    ') : 'fine'}`);
    await page.close();
  }
  await context.close();
}
await browser.close();
