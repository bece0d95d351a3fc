import { describe, expect, it } from 'vitest';
import { MiB } from '../src/model/format.ts';
import { holdingOf } from '../src/model/holding.ts';
import { instance, leak, now, sample, service } from './make.ts';

const of = (kind: 'heap' | 'goroutine' | 'offheap') => service('x', {
  verdict: leak({ kind }),
  instances: [instance({ sample: sample(now, { goroutines: 12_480, stackInuseBytes: 25 * MiB, rssBytes: 400 * MiB, liveHeapBytes: 90 * MiB }) })],
  sparkline: { signal: 'liveHeapBytes', from: now, stepMs: 1, values: [80 * MiB, 90 * MiB, null] },
});

describe('what a service holds', () => {
  it('is what its verdict is about', () => {
    expect(holdingOf(of('heap'))).toEqual({ value: '90 MiB', of: '' });
    expect(holdingOf(of('goroutine'))).toEqual({ value: '12,480', of: 'goroutines · 25 MiB' });
    expect(holdingOf(of('offheap'))).toEqual({ value: '400 MiB', of: 'RSS' });
    expect(holdingOf(service('x'))).toBeUndefined();
  });
});
