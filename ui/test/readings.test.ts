import { describe, expect, it } from 'vitest';
import { appended } from '../src/live/series.ts';
import { duration } from '../src/model/format.ts';
import * as r from '../src/model/readings.ts';
import { now, sample, update } from './make.ts';

const at = (seconds: number, change: Parameters<typeof sample>[1]): r.Reading => ({ time: now + seconds * 1000, instance: 'a', sample: sample(now + seconds * 1000, change) });
const column = (...values: r.Point[]): r.Column => ({ times: values.map((_, i) => i * 10), values });

describe('a reading', () => {
  it('of the original agent is made from its flat fields, where zero is absent', () => {
    const { v: _, ...old } = update({ heapUsedMB: 2, rssMB: 0, eventLoopDelayMs: 5 });
    expect(r.reading({ ...old, type: 'metrics' })?.sample).toEqual({ timestamp: now, heapAllocBytes: 2 * 2 ** 20, latencySeconds: 0.005 });
  });

  it('that failed is none', () => {
    expect(r.reading({ ...update(), type: 'metrics', scrapeError: { endpoint: 'x', reason: 'refused', message: 'no' } })).toBeUndefined();
  });

  it('leaves an absent signal absent', () => {
    expect(r.level([at(0, { liveHeapBytes: 5 }), at(10, {})], 'liveHeapBytes').values).toEqual([5, null]);
  });
});

describe('a rate', () => {
  it('is the rise for each second', () => {
    expect(r.rate([at(0, { numGC: 10 }), at(10, { numGC: 30 })], 'numGC').values).toEqual([2]);
  });

  it('says nothing across a restart', () => {
    expect(r.rate([at(0, { numGC: 10 }), at(10, { numGC: 3 })], 'numGC').values).toEqual([null]);
    expect(r.rate([at(0, { numGC: 10, startTime: 1 }), at(10, { numGC: 30, startTime: 2 })], 'numGC').values).toEqual([null]);
  });

  it('is evened over its window, once that is half full', () => {
    const steps = [0, 0, 1, 1, 1, 2].map((numGC, i) => at(i * 10, { numGC }));
    const out = r.rate(steps, 'numGC', 40);
    expect(out.times.map((t) => t - now / 1000)).toEqual([20, 30, 40, 50]);
    expect(out.values).toEqual([1 / 20, 1 / 30, 1 / 40, 2 / 40]);
  });

  it('for each unit needs a unit', () => {
    const pause = (p: number, n: number, t: number) => at(t, { pauseTotalSeconds: p, numGC: n });
    expect(r.perUnit([pause(1, 10, 0), pause(1.5, 15, 10), pause(1.5, 15, 20)], 'pauseTotalSeconds', 'numGC').values).toEqual([0.1, null]);
  });
});

describe('gaps', () => {
  it('are holes, so that no line pretends', () => {
    const out = r.withGaps({ times: [0, 10, 20, 100, 110], values: [1, 1, 1, 2, 2] });
    expect(out.times).toEqual([0, 10, 20, 30, 100, 110]);
    expect(out.values[3]).toBeNull();
  });
});

describe('down-sampling', () => {
  it('keeps the extremes and the ends', () => {
    const values = Array.from({ length: 1000 }, (_, i) => (i === 357 ? 900 : i === 640 ? -5 : i % 7));
    const out = r.downsample(column(...values), 50);
    expect(out.values.length).toBeLessThanOrEqual(50);
    expect(Math.max(...(out.values as number[]))).toBe(900);
    expect(Math.min(...(out.values as number[]))).toBe(-5);
    expect([out.times[0], out.times.at(-1)]).toEqual([0, 9990]);
    expect(out.times).toEqual([...out.times].sort((a, b) => a - b));
  });

  it('leaves few points alone', () => expect(r.downsample(column(1, null, 3), 50).values).toEqual([1, null, 3]));
});

describe('words', () => {
  const say = (...values: r.Point[]) => r.describe(column(...values), (v) => `${Math.round(v)}`, duration);
  it.each([
    [[], 'no readings in this range'],
    [[null, null], 'no readings in this range'],
    [[5], '5'],
    [[100, 100, 100], 'steady at 100'],
    [[100, 200, 300], 'rose from 100 to 300 in 20 s'],
    [[300, null, 100], 'fell from 300 to 100 in 20 s'],
    [[100, 200, 100, 200, 110], '110 now, between 100 and 200'],
  ] as [r.Point[], string][])('%j', (values, words) => expect(say(...values)).toBe(words));
});

describe('the live end', () => {
  it('takes each moment once and lets the old go', () => {
    const list = [at(0, {}), at(10, {})];
    expect(appended(list, [at(10, {}), at(20, {})], now + 5_000).map((x) => (x.time - now) / 1000)).toEqual([10, 20]);
  });
});
