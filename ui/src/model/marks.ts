// What happened to a service, as marks over its readings: alerts, saved profiles,
// restarts and new versions. Pure.
import type { Alert, Capture, Release } from '../api/types.ts';
import { clock } from './format.ts';
import type { Reading } from './readings.ts';
import { alertTitle } from './story.ts';

export interface Mark {
  /** Unix ms. */
  time: number;
  kind: 'alert' | 'capture' | 'restart' | 'deploy';
  label: string;
}

interface Happened {
  alerts: readonly Alert[];
  captures: readonly Capture[];
  releases: readonly Release[];
  groups: ReadonlyMap<string, readonly Reading[]>;
  /** The instances whose restarts count. */
  shown: readonly string[];
}

export function marksOf({ alerts, captures, releases, groups, shown }: Happened): Mark[] {
  const marks: Mark[] = [];
  for (const a of alerts) if (a.timestamp !== null && a.type === 'leak') marks.push({ time: a.timestamp, kind: 'alert', label: alertTitle(a) });
  for (const c of captures) if (c.timestamp !== null) marks.push({ time: c.timestamp, kind: 'capture', label: c.filename });
  // The first version is where the hub's knowledge begins, and replaced none.
  for (const r of releases.slice(1)) if (r.since !== null) marks.push({ time: r.since, kind: 'deploy', label: `version ${r.version}` });
  for (const name of shown) marks.push(...restarts(name, groups.get(name) ?? []));
  return marks.sort((a, b) => a.time - b.time);
}

function restarts(name: string, readings: readonly Reading[]): Mark[] {
  const marks: Mark[] = [];
  let before: number | undefined;
  for (const { sample } of readings) {
    const start = sample.startTime;
    if (start !== undefined && before !== undefined && start !== before) marks.push({ time: start, kind: 'restart', label: `${name} restarted` });
    before = start ?? before;
  }
  return marks;
}

const kindWord: Record<Mark['kind'], string> = { alert: 'alert', capture: 'saved profile', restart: 'restart', deploy: 'new version' };

/** The marks of a range in words, the newest first: what the shapes over a chart say to whoever does not see them. */
export function markWords(marks: readonly Mark[], from: number, to: number, now: number): string[] {
  return marks.filter((m) => m.time >= from && m.time <= to).reverse().map((m) => `${clock(m.time, now)} ${kindWord[m.kind]}: ${m.label}`);
}
