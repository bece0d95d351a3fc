// Trend and projection: what the dashed lines claim.
import { describe, expect, it } from 'vitest';
import { memoryStack } from '../src/charts/stack.ts';
import { MiB } from '../src/model/format.ts';
import { lookAhead, projection, projectionWords, trendSince } from '../src/model/trend.ts';
import { leak, now, sample } from './make.ts';

const second = now / 1000;

describe('trendSince', () => {
  it('ends at the newest reading and begins where the growth began', () => {
    const overlay = trendSince(leak(), [second, 100 * MiB]);
    expect(overlay?.line[1]).toEqual([second, 100 * MiB]);
    expect(overlay?.line[0][0]).toBe(second - 3600);
    expect(overlay?.line[0][1]).toBeCloseTo(60 * MiB);
    expect(overlay?.band.map(([, v]) => Math.round(v / MiB))).toEqual([56, 64, 100]);
  });

  it('never begins below zero, and draws nothing that shrinks or has no beginning', () => {
    expect(trendSince(leak(), [second, 10 * MiB])?.line[0][1]).toBe(0);
    expect(trendSince(leak({ since: null }), [second, 1])).toBeUndefined();
    expect(trendSince(leak({ growthBytesPerSecond: { estimate: -1, low: -2, high: 0 } }), [second, 1])).toBeUndefined();
  });
});

describe('projection', () => {
  it('meets the limit when the verdict says so', () => {
    const overlay = projection(leak(), [second, 152 * MiB]);
    expect(overlay?.line[1]).toEqual([second + 9 * 3600, 512 * MiB]);
    expect(overlay?.band.slice(1)).toEqual([[second + 8 * 3600, 512 * MiB], [second + 10 * 3600, 512 * MiB]]);
    expect(overlay?.end).toBe('limit in 9 h');
  });

  it('is not drawn beyond the limit or without one in sight', () => {
    expect(projection(leak(), [second, 600 * MiB])).toBeUndefined();
    expect(projection(leak({ timeToLimitSeconds: null }), [second, 1])).toBeUndefined();
  });

  it('looks ahead to a near limit, and by half of the span to a far one', () => {
    const near = projection(leak({ timeToLimitSeconds: 600 }), [second, 1]);
    expect(lookAhead(near, 3600)).toBeCloseTo(690);
    expect(lookAhead(projection(leak(), [second, 1]), 3600)).toBe(1800);
    expect(lookAhead(undefined, 3600)).toBe(0);
  });

  it('is said in words', () => {
    expect(projectionWords(leak())).toBe('At this rate it meets the limit of 512 MiB in 9 h (8 to 10 h).');
    expect(projectionWords(leak({ timeToLimitSeconds: 30 }))).toBe('At this rate it meets the limit of 512 MiB within a minute.');
    expect(projectionWords(leak({ timeToLimitSeconds: 0 }))).toBe('It has reached the limit of 512 MiB.');
  });
});

describe('memoryStack', () => {
  const of = (time: number) => ({
    time,
    instance: 'a',
    sample: sample(time, { liveHeapBytes: 10, heapAllocBytes: 14, heapInuseBytes: 20, heapIdleBytes: 8, heapReleasedBytes: 5, stackInuseBytes: 2, heapSysBytes: 28, sysBytes: 40, rssBytes: 50 }),
  });

  it('sums up to what the runtime holds, tallest first, each part by its own value', () => {
    const lines = memoryStack([of(now), of(now + 1000)]);
    expect(lines.map((l) => [l.label, l.column.values[0], l.shown?.values[0]])).toEqual([
      ['Runtime', 35, 10],
      ['Stacks', 25, 2],
      ['Idle, not returned', 23, 3],
      ['Unused in spans', 20, 6],
      ['Awaiting collection', 14, 4],
      ['Alive', 10, 10],
      ['RSS', 50, undefined],
    ]);
  });

  it('is empty where no part is known', () => {
    expect(memoryStack([{ time: now, instance: 'a', sample: sample(now, { rssBytes: 5 }) }])).toEqual([]);
  });
});
