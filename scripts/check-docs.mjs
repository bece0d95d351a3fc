// See scripts/check-docs.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

let ran = 0;
let links = 0;
const failures = [];

function run(script, work) {
  return new Promise((resolve) => {
    const child = spawn('bash', ['-euo', 'pipefail', '-c', script], {
      env: { ...process.env, PATH: `${path.resolve('bin')}:${process.env.PATH}`, WORK: work },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    child.stdout.on('data', (data) => (output += data));
    child.stderr.on('data', (data) => (output += data));
    child.on('exit', (code, signal) => resolve({ status: signal ?? code, output }));
  });
}

for (const file of process.argv.slice(2)) {
  const text = readFileSync(file, 'utf8');
  for (const [, target] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
    if (/^[a-z]+:/.test(target) || target.startsWith('#')) continue;
    links++;
    const where = path.join(path.dirname(file), target.split('#')[0]);
    if (!existsSync(where)) failures.push(`${file}: link to ${target}: no such file`);
  }
  const work = mkdtempSync(path.join(tmpdir(), 'memwatch-docs-'));
  for (const [, want, script] of text.matchAll(/^```sh test(?:=(\d+))?\n([\s\S]*?)^```/gm)) {
    ran++;
    const { status, output } = await run(script, work);
    if (status !== Number(want ?? 0)) failures.push(`${file}: exit ${status}, want ${want ?? 0}:\n${script}${output}`);
    else console.log(`ok  ${file}: ${script.trim().split('\n').at(-1)}`);
  }
  rmSync(work, { recursive: true, force: true });
}

for (const failure of failures) console.error(failure);
console.log(`${ran} command blocks run, ${links} links followed, ${failures.length} failures`);
process.exit(failures.length ? 1 : 0);
