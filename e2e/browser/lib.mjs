// What the browser tests share: programs that are started and always ended,
// waiting for a condition, and a Chromium that keeps to this machine.
import { spawn } from 'node:child_process';
import { mkdtemp, mkdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const here = path.dirname(fileURLToPath(import.meta.url));
export const root = path.resolve(here, '../..');
export const bin = (name) => path.join(root, 'bin', name);
export const shots = path.join(here, 'out');

/** A temporary folder that goes when the test ends. */
export async function tempDir(t) {
  const dir = await mkdtemp(path.join(tmpdir(), 'memwatch-e2e-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

/** Starts a program; `line(re)` waits for output that matches. */
export function start(t, file, args, options = {}) {
  const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
  let output = '';
  const waiting = new Set();
  const ended = new Promise((resolve) => {
    child.on('exit', (code, signal) => resolve({ code, signal }));
    child.on('error', (error) => resolve({ error }));
  });
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (data) => {
      output += data;
      for (const check of waiting) check();
    });
  }
  const program = {
    pid: child.pid,
    output: () => output,
    kill: (signal) => child.kill(signal),
    ended,
    line(re) {
      return new Promise((resolve, reject) => {
        const check = () => {
          const found = output.match(re);
          if (!found) return;
          waiting.delete(check);
          resolve(found);
        };
        waiting.add(check);
        ended.then((how) => reject(new Error(`${path.basename(file)} ended (${JSON.stringify(how)}) before ${re}:\n${output}`)));
        check();
      });
    },
    async stop(signal = 'SIGTERM') {
      child.kill(signal);
      return ended;
    },
  };
  t.after(async () => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGTERM');
      const late = setTimeout(() => child.kill('SIGKILL'), 10_000);
      await ended;
      clearTimeout(late);
    }
  });
  return program;
}

/** Polls until `check` gives something true, and returns it. */
export async function until(what, check, seconds = 60) {
  const end = Date.now() + seconds * 1000;
  let last;
  for (;;) {
    try {
      const got = await check();
      if (got) return got;
      last = got;
    } catch (error) {
      last = error;
    }
    if (Date.now() > end) throw new Error(`waited ${seconds} s for ${what}; last: ${last instanceof Error ? last.message : JSON.stringify(last)}`);
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}

export async function getJSON(url) {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`GET ${url}: ${answer.status} ${await answer.text()}`);
  return answer.json();
}

/** A Chromium from the system, without any traffic of its own. */
export async function openBrowser(t) {
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  });
  t.after(() => browser.close());
  await mkdir(shots, { recursive: true });
  return browser;
}

/** A page that fails the test on any script error or policy violation. */
export async function openPage(browser, { width = 1440, height = 900, colorScheme = 'light' } = {}) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme, reducedMotion: 'reduce' });
  const page = await context.newPage();
  page.problems = [];
  page.on('pageerror', (error) => page.problems.push(String(error)));
  page.on('console', (message) => {
    if (message.type() === 'error') page.problems.push(message.text());
  });
  return page;
}

/** A picture into out/, for whoever wants to look at what a test saw. */
export const shoot = (page, name) => page.screenshot({ path: path.join(shots, `${name}.png`) });

/** The folder for the pictures that the documentation shows; without one (npm run screens) none are made. */
export const screens = process.env.MEMWATCH_SCREENS;

export const keepScreen = (page, name) => screens && page.screenshot({ path: path.join(screens, `${name}.png`) });
