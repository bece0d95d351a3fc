// Where a Go process has its memory: parts stacked on each other, for one
// instance. Pure: readings in, lines out.
import type { Sample } from '../api/types.ts';
import { withGaps, type Column, type Point, type Reading } from '../model/readings.ts';
import type { Line } from './chart.tsx';

interface Part {
  label: string;
  color: string;
  of: (s: Sample) => number | undefined;
}

const minus = (a: number | undefined, ...rest: (number | undefined)[]): number | undefined =>
  a === undefined || rest.includes(undefined) ? undefined : Math.max(0, rest.reduce<number>((left, b) => left - (b ?? 0), a));

/** From the bottom up; together they are what the runtime holds of the system's memory. */
const parts: Part[] = [
  { label: 'Alive', color: '--series-1', of: (s) => s.liveHeapBytes },
  { label: 'Awaiting collection', color: '--series-2', of: (s) => minus(s.heapAllocBytes, s.liveHeapBytes) },
  { label: 'Unused in spans', color: '--series-3', of: (s) => minus(s.heapInuseBytes, s.heapAllocBytes) },
  { label: 'Idle, not returned', color: '--series-6', of: (s) => minus(s.heapIdleBytes, s.heapReleasedBytes) },
  { label: 'Stacks', color: '--series-4', of: (s) => s.stackInuseBytes },
  { label: 'Runtime', color: '--series-8', of: (s) => minus(s.sysBytes, s.heapSysBytes, s.stackInuseBytes) },
];

const mostReadings = 400;

/** The parts, the tallest sum first so that each is painted over the next; empty where the target is no Go program. */
export function memoryStack(readings: readonly Reading[]): Line[] {
  const kept = thin(readings, mostReadings);
  const times = kept.map((r) => r.time / 1000);
  const own = parts.map((part) => kept.map((r): Point => part.of(r.sample) ?? null));
  const lines: Line[] = [];
  let below: Point[] = times.map(() => 0);
  parts.forEach(({ label, color }, i) => {
    const values = own[i] ?? [];
    if (values.every((v) => v === null)) return;
    below = below.map((sum, at) => (sum === null || values[at] == null ? null : sum + (values[at] ?? 0)));
    lines.unshift({ label, color, width: 1, fill: 'solid', column: gapped(times, below), shown: gapped(times, values) });
  });
  if (lines.length < 2) return [];
  const rss = kept.map((r): Point => r.sample.rssBytes ?? null);
  lines.push({ label: 'RSS', color: '--text', width: 1.75, column: gapped(times, rss) });
  return lines;
}

const gapped = (times: number[], values: Point[]): Column => withGaps({ times, values });

/** Evenly chosen, the first and the last among them: the parts must stay of the same moments. */
function thin(readings: readonly Reading[], limit: number): Reading[] {
  if (readings.length <= limit) return [...readings];
  const step = (readings.length - 1) / (limit - 1);
  return Array.from({ length: limit }, (_, i) => readings[Math.round(i * step)]).filter((r) => r !== undefined);
}
