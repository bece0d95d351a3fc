import { describe, expect, it } from 'vitest';
import * as f from '../src/model/format.ts';
import { now } from './make.ts';

describe('sizes', () => {
  it.each([
    [0, '0 B'], [512, '512 B'], [1536, '1.5 KiB'], [12.25 * f.MiB, '12.3 MiB'], [512 * f.MiB, '512 MiB'], [1.5 * 2 ** 30, '1.5 GiB'], [3 * 2 ** 40, '3 TiB'],
  ])('%d bytes', (value, text) => expect(f.bytes(value)).toBe(text));

  it('signs say whether it grew', () => {
    expect(f.signedBytes(2 * f.MiB)).toBe('+2 MiB');
    expect(f.signedBytes(-2 * f.MiB)).toBe('−2 MiB');
    expect(f.signedBytes(0)).toBe('0 B');
  });

  it('growth is told by the hour, its interval in one unit', () => {
    expect(f.growth(f.MiB / 3600)).toBe('+1 MiB/h');
    expect(f.growthRange((0.5 * f.MiB) / 3600, (38 * f.MiB) / 3600)).toBe('0.5 to 38 MiB/h');
    expect(f.growthRange(-f.MiB / 3600, f.MiB / 3600)).toBe('−1 to 1 MiB/h');
  });
});

describe('times', () => {
  it.each([
    [0, '0 s'], [59, '59 s'], [120, '2 min'], [5400, '1.5 h'], [9 * 3600 + 600, '9 h'], [47 * 3600, '47 h'], [3 * 86400, '3 days'], [21 * 86400, '3 weeks'], [90 * 86400, '3 months'], [1000 * 86400, '3 years'],
  ])('%d s is %s', (seconds, text) => expect(f.duration(seconds)).toBe(text));

  it('ranges share a unit where they can', () => {
    expect(f.durationRange(7 * 3600, 12 * 3600)).toBe('7 to 12 h');
    expect(f.durationRange(3000, 4 * 3600)).toBe('50 min to 4 h');
    expect(f.durationRange(7 * 3600, null)).toBe('7 h or later');
    expect(f.durationRange(null, null)).toBe('');
    expect(f.durationRange(7 * 3600, 7 * 3600 + 5)).toBe('7 h');
  });

  it('a moment ago is just now, even when the clocks disagree', () => {
    expect(f.ago(now - 1000, now)).toBe('just now');
    expect(f.ago(now + 60_000, now)).toBe('just now');
    expect(f.ago(now - 40_000, now)).toBe('40 s ago');
  });
});

describe('names', () => {
  it.each([
    ['github.com/acme/shop/cart.(*Cache).Put', 'cart.(*Cache).Put'],
    ['main.main', 'main.main'],
    ['main.Map[go.shape.string,example.com/a/b.T].Put', 'main.Map[go.shape.string,example.com/a/b.T].Put'],
  ])('%s', (name, short) => expect(f.shortFunction(name)).toBe(short));

  it('a place is the file and the line', () => {
    expect(f.place('/src/cart/cache.go', 42)).toBe('cache.go:42');
    expect(f.place('/src/cart/cache.go', 0)).toBe('cache.go');
    expect(f.place('', 7)).toBe('');
  });
});

it('a share that is hardly there is not called nothing', () => {
  expect(f.percent(0.004)).toBe('< 1 %');
  expect(f.percent(0)).toBe('0 %');
  expect(f.percent(0.914)).toBe('91 %');
});

describe('a sentence', () => {
  it('keeps numbers with their units, and functions as they are', () => {
    expect(f.together('51.7 MiB in 51 s, 91 % of it in f 2 hosts')).toBe('51.7\u00a0MiB in 51\u00a0s, 91\u00a0% of it in f 2 hosts');
  });
});
