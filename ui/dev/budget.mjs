// What the fleet page loads before it shows anything, in gzip: printed after every
// build, and more than the budget is an error.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

const budget = 150_000;
const dist = path.join(path.dirname(fileURLToPath(import.meta.url)), '../dist');
const page = readFileSync(path.join(dist, 'index.html'), 'utf8');
const waiting = [...page.matchAll(/(?:src|href)="([^"]+\.js)"/g)].map((m) => path.join(dist, m[1]));
const seen = new Set();
let total = 0;
for (let file = waiting.pop(); file; file = waiting.pop()) {
  if (seen.has(file)) continue;
  seen.add(file);
  const code = readFileSync(file, 'utf8');
  total += gzipSync(code, { level: 6 }).length;
  // Static imports are loaded with it; import() is not.
  for (const [, from] of code.matchAll(/(?:^|[;}\n])import(?:[^"'();]*from)?["']([^"']+)["']/g)) waiting.push(path.resolve(path.dirname(file), from));
}
console.log(`first load of the fleet page: ${(total / 1000).toFixed(1)} kB of JavaScript in ${seen.size} files (gzip; budget ${budget / 1000} kB)`);
if (total > budget) process.exit(1);
