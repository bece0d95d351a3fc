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
 * The rate per second of a counter that only rises while a process lives;
 * nothing across a restart.
 */
export function rate(readings: readonly Reading[], signal: Signal): Column {
  return pairwise(readings, (before, after, seconds) => {
    const rise = difference(before, after, signal);
    return rise === null ? null : rise / seconds;
  });
}

/** The rise of one counter for each unit of another: pause per cycle. */
export function perUnit(readings: readonly Reading[], signal: Signal, unit: Signal): Column {
  return pairwise(readings, (before, after) => {
    const rise = difference(before, after, signal);
    const units = difference(before, after, unit);
    return rise === null || !units ? null : rise / units;
  });
}

function difference(before: Sample, after: Sample, signal: Signal): number | null {
  const [a, b] = [before[signal], after[signal]];
  return a === undefined || b === undefined || b < a ? null : b - a;
}

function pairwise(readings: readonly Reading[], value: (before: Sample, after: Sample, seconds: number) => Point): Column {
  const column: Column = { times: [], values: [] };
  for (let i = 1; i < readings.length; i++) {
    const [before, after] = [readings[i - 1], readings[i]];
    if (!before || !after) continue;
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
  /** Seconds between the first and the last value. */
  seconds: number;
}

/** What a column says at a glance; undefined when it is empty. */
export function span(column: Column): Span | undefined {
  let out: Span | undefined;
  let start = 0;
  column.values.forEach((value, i) => {
    if (value === null) return;
    const time = column.times[i] ?? 0;
    if (!out) {
      out = { first: value, last: value, min: value, max: value, seconds: 0 };
      start = time;
    }
    out.last = value;
    out.min = Math.min(out.min, value);
    out.max = Math.max(out.max, value);
    out.seconds = time - start;
  });
  return out;
}

/** "rose from 120 MiB to 410 MiB in 1 h": the message of a chart in words. */
export function describe(column: Column, format: (v: number) => string, duration: (s: number) => string): string {
  const s = span(column);
  if (!s) return 'no readings in this range';
  const range = s.max - s.min;
  if (s.seconds === 0) return `is ${format(s.last)}`;
  const moved = Math.abs(s.last - s.first);
  if (range <= Math.abs(s.max) * 0.1 || moved < range * 0.3) {
    return format(s.min) === format(s.max) ? `steady at ${format(s.last)}` : `${format(s.last)} now, between ${format(s.min)} and ${format(s.max)}`;
  }
  return `${s.last > s.first ? 'rose' : 'fell'} from ${format(s.first)} to ${format(s.last)} in ${duration(s.seconds)}`;
}
