// See scripts/check-docs.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

let ran = 0;
let read = 0;
let links = 0;
const failures = [];

function run(args, work) {
  return new Promise((resolve) => {
    const child = spawn('bash', args, {
      env: { ...process.env, PATH: `${path.resolve('bin')}:${process.env.PATH}`, WORK: work },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    child.stdout.on('data', (data) => (output += data));
    child.stderr.on('data', (data) => (output += data));
    child.on('exit', (code, signal) => resolve({ status: signal ?? code, output }));
  });
}

/** The headings of a file, as links name them. */
function headings(file) {
  const text = readFileSync(file, 'utf8').replace(/^```[\s\S]*?^```/gm, '');
  return [...text.matchAll(/^#+ (.*)$/gm)].map(([, title]) => title.toLowerCase().replace(/[^\p{L}\p{N} _-]/gu, '').trim().replace(/ /g, '-'));
}

const helps = new Map();
async function help(command) {
  if (!helps.has(command)) helps.set(command, await run(['-c', `${command} --help`]));
  return helps.get(command);
}

/** What is wrong with a command line that is not run. */
async function wrong(line) {
  const words = line.replace(/(^|\s)#.*$/, '').split(/[|;>]|&&/)[0].trim().split(/\s+/);
  const [program, ...rest] = words;
  if (program === 'make') {
    const { status, output } = await run(['-c', `make -n ${rest.join(' ')}`]);
    return status === 0 ? '' : output;
  }
  if (/^(scripts|deploy|examples)\//.test(program)) return existsSync(program) ? '' : 'no such file';
  if (program !== 'memwatchd' && program !== 'memwatch-hub') return '';
  const end = rest.indexOf('--');
  const own = end < 0 ? rest : rest.slice(0, end);
  let command = program;
  for (const word of own) {
    if (!/^[a-z-]+$/.test(word) || word.startsWith('-')) break;
    const { output } = await help(command);
    if (!new RegExp(`^  ${word} `, 'm').test(output)) break;
    command += ` ${word}`;
  }
  const { output } = await help(command);
  if (command === program) return `${program} has no such command`;
  const unknown = own.filter((w) => /^--?[a-z]/.test(w)).map((w) => w.split('=')[0]).filter((w) => !new RegExp(`(^|\\s)${w}\\b`, 'm').test(output));
  return unknown.length ? `${command} has no ${unknown.join(', ')}` : '';
}

for (const file of process.argv.slice(2)) {
  const text = readFileSync(file, 'utf8');
  for (const [, target] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
    if (/^[a-z]+:/.test(target)) continue;
    links++;
    const [place, heading] = target.split('#');
    const where = place ? path.join(path.dirname(file), place) : file;
    if (!existsSync(where)) failures.push(`${file}: link to ${target}: no such file`);
    else if (heading && where.endsWith('.md') && !headings(where).includes(heading)) failures.push(`${file}: link to ${target}: no such heading`);
  }
  const work = mkdtempSync(path.join(tmpdir(), 'memwatch-docs-'));
  for (const [, test, want, script] of text.matchAll(/^```sh( test(?:=(\d+))?)?\n([\s\S]*?)^```/gm)) {
    if (!test) {
      read++;
      const { status, output } = await run(['-n', '-c', script], work);
      if (status !== 0) failures.push(`${file}: no shell:\n${script}${output}`);
      for (const line of script.replaceAll('\\\n', ' ').split('\n')) {
        const said = await wrong(line);
        if (said) failures.push(`${file}: ${line.trim()}: ${said}`);
      }
      continue;
    }
    ran++;
    const { status, output } = await run(['-euo', 'pipefail', '-c', script], work);
    if (status !== Number(want ?? 0)) failures.push(`${file}: exit ${status}, want ${want ?? 0}:\n${script}${output}`);
    else console.log(`ok  ${file}: ${script.trim().split('\n').at(-1)}`);
  }
  rmSync(work, { recursive: true, force: true });
}

for (const failure of failures) console.error(failure);
console.log(`${ran} command blocks run, ${read} read, ${links} links followed, ${failures.length} failures`);
process.exit(failures.length ? 1 : 0);
