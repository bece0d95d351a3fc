import { describe, expect, it } from 'vitest';
import { multiples, pathOf } from '../src/model/multiples.ts';
import { sample } from './make.ts';

const reading = (instance: string, time: number, rssBytes: number) => ({ instance, time, sample: sample(time, { rssBytes }) });

describe('small multiples', () => {
  const groups = new Map([['a', [reading('a', 0, 10), reading('a', 1_000, 30), reading('a', 2_000, 20)]], ['b', [reading('b', 0, 100)]], ['c', []]]);

  it('are in the order asked for, on one scale, without those that report nothing', () => {
    const { list, top } = multiples(groups, ['b', 'a', 'c'], 'rssBytes');
    expect(list.map((m) => [m.name, m.first, m.last, m.highest])).toEqual([['b', 100, 100, 100], ['a', 10, 20, 30]]);
    expect(top).toBe(100);
    expect(multiples(groups, ['a'], 'goroutines').list).toEqual([]);
  });

  it('are lines with holes', () => {
    const column = { times: [0, 1, 2, 3], values: [0, 50, null, 100] };
    expect(pathOf(column, 0, 4, 100, 40, 10)).toBe('M0.0 10.0L10.0 5.0M30.0 0.0');
    expect(pathOf(column, 1, 4, 100, 30, 10)).toBe('M0.0 5.0M20.0 0.0');
    expect(pathOf({ times: [0], values: [0] }, 0, 1, 0, 10, 10)).toBe('M0.0 10.0');
  });
});
