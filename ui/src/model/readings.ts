// Readings as columns, ready to be drawn: pure functions from messages to
// arrays. Time is in Unix seconds here, as uPlot wants it.
import type { Metrics, Sample, Signal } from '../api/types.ts';
import { MiB } from './format.ts';

export interface Reading {
  /** Unix milliseconds. */
  time: number;
  instance: string;
  sample: Sample;
}

export type Point = number | null;

/** The message's sample; one of the original agent is made from its flat fields, where zero is absent. */
export function reading(message: Metrics): Reading | undefined {
  const time = message.sample?.timestamp ?? message.timestamp;
  if (time === null || message.scrapeError) return undefined;
  return { time, instance: message.instance ?? '', sample: message.sample ?? flatSample(message, time) };
}

function flatSample(m: Metrics, timestamp: number): Sample {
  const sample: Sample = { timestamp };
  const set = (signal: Signal, value: number) => {
    if (value > 0) sample[signal] = value;
  };
  set('heapAllocBytes', m.heapUsedMB * MiB);
  set('heapSysBytes', m.heapTotalMB * MiB);
  set('rssBytes', m.rssMB * MiB);
  set('externalBytes', m.externalMB * MiB);
  set('latencySeconds', m.eventLoopDelayMs / 1000);
  return sample;
}

export interface Column {
  times: number[];
  values: Point[];
}

export function byInstance(readings: readonly Reading[]): Map<string, Reading[]> {
  const groups = new Map<string, Reading[]>();
  for (const r of readings) {
    const group = groups.get(r.instance);
    if (group) group.push(r);
    else groups.set(r.instance, [r]);
  }
  return groups;
}

/** One signal of one instance over time. */
export function level(readings: readonly Reading[], signal: Signal): Column {
  return { times: readings.map((r) => r.time / 1000), values: readings.map((r) => r.sample[signal] ?? null) };
}

/**
 * The rate per second of a counter that only rises while a process lives, over
 * the last `window` seconds (or one step, where steps are longer); nothing
 * across a restart.
 */
export function rate(readings: readonly Reading[], signal: Signal, window = 0): Column {
  return over(readings, window, (before, after, seconds) => {
    const rise = difference(before, after, signal);
    return rise === null ? null : rise / seconds;
  });
}

/** The rise of one counter for each unit of another: pause per cycle. */
export function perUnit(readings: readonly Reading[], signal: Signal, unit: Signal, window = 0): Column {
  return over(readings, window, (before, after) => {
    const rise = difference(before, after, signal);
    const units = difference(before, after, unit);
    return rise === null || !units ? null : rise / units;
  });
}

function difference(before: Sample, after: Sample, signal: Signal): number | null {
  if (before.startTime !== after.startTime) return null;
  const [a, b] = [before[signal], after[signal]];
  return a === undefined || b === undefined || b < a ? null : b - a;
}

function over(readings: readonly Reading[], window: number, value: (before: Sample, after: Sample, seconds: number) => Point): Column {
  const column: Column = { times: [], values: [] };
  let first = 0;
  for (let i = 1; i < readings.length; i++) {
    const after = readings[i];
    while (first < i - 1 && after && after.time - (readings[first]?.time ?? 0) > window * 1000) first++;
    const before = readings[first];
    if (!before || !after) continue;
    const begun = after.time - (readings[0]?.time ?? 0) >= (window * 1000) / 2;
    if (!begun && i < readings.length - 1) continue; // a part of the window would exaggerate
    const seconds = (after.time - before.time) / 1000;
    column.times.push(after.time / 1000);
    column.values.push(seconds > 0 ? value(before.sample, after.sample, seconds) : null);
  }
  return column;
}

/** Puts a hole where readings are missing for much longer than usual, so that no line pretends. */
export function withGaps(column: Column): Column {
  const usual = medianStep(column.times);
  if (usual === 0) return column;
  const out: Column = { times: [], values: [] };
  column.times.forEach((time, i) => {
    const before = column.times[i - 1];
    if (before !== undefined && time - before > usual * 4) {
      out.times.push(before + usual);
      out.values.push(null);
    }
    out.times.push(time);
    out.values.push(column.values[i] ?? null);
  });
  return out;
}

function medianStep(times: readonly number[]): number {
  const steps: number[] = [];
  for (let i = 1; i < times.length; i++) steps.push((times[i] ?? 0) - (times[i - 1] ?? 0));
  steps.sort((a, b) => a - b);
  return steps[steps.length >> 1] ?? 0;
}

/** At most `limit` points, keeping the lowest and the highest of every bucket. */
export function downsample(column: Column, limit: number): Column {
  const n = column.times.length;
  if (n <= limit || limit < 4) return column;
  const keep = new Set<number>([0, n - 1]);
  const buckets = Math.floor((limit - 2) / 2);
  for (let b = 0; b < buckets; b++) {
    const [from, to] = [Math.floor((b * n) / buckets), Math.floor(((b + 1) * n) / buckets)];
    let low = from;
    let high = from;
    for (let i = from; i < to; i++) {
      const v = column.values[i];
      if (v == null) continue;
      if (v < (column.values[low] ?? Infinity)) low = i;
      if (v > (column.values[high] ?? -Infinity)) high = i;
    }
    keep.add(low).add(high);
  }
  const order = [...keep].sort((a, b) => a - b);
  return { times: order.map((i) => column.times[i] ?? 0), values: order.map((i) => column.values[i] ?? null) };
}

export interface Span {
  first: number;
  last: number;
  min: number;
  max: number;
  /** The newest value itself. */
  now: number;
  /** Seconds between the first and the last value. */
  seconds: number;
}

/** What a column says at a glance, its ends evened over a tenth; undefined when it is empty. */
export function span(column: Column): Span | undefined {
  const known = column.values.flatMap((value, i) => (value === null ? [] : [{ value, time: column.times[i] ?? 0 }]));
  const [start, end] = [known[0], known.at(-1)];
  if (!start || !end) return undefined;
  const tenth = Math.ceil(known.length / 10);
  const mean = (part: typeof known) => part.reduce((sum, p) => sum + p.value, 0) / part.length;
  let [min, max] = [Infinity, -Infinity];
  for (const { value } of known) {
    min = Math.min(min, value);
    max = Math.max(max, value);
  }
  return { first: mean(known.slice(0, tenth)), last: mean(known.slice(-tenth)), min, max, now: end.value, seconds: end.time - start.time };
}

/** "rose from 120 MiB to 410 MiB in 1 h": the message of a chart in words. */
export function describe(column: Column, format: (v: number) => string, duration: (s: number) => string): string {
  const s = span(column);
  if (!s) return 'no readings in this range';
  const range = s.max - s.min;
  if (s.seconds === 0) return format(s.now);
  const moved = Math.abs(s.last - s.first);
  if (range <= Math.abs(s.max) * 0.05 || moved < range * 0.5) {
    return format(s.min) === format(s.max) ? `steady at ${format(s.now)}` : `${format(s.now)} now, between ${format(s.min)} and ${format(s.max)}`;
  }
  return `${s.last > s.first ? 'rose' : 'fell'} from ${format(s.first)} to ${format(s.last)} in ${duration(s.seconds)}`;
}
