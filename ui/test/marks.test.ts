import { describe, expect, it } from 'vitest';
import { marksOf, markWords } from '../src/model/marks.ts';
import { alert, now, sample } from './make.ts';

const reading = (time: number, startTime: number) => ({ instance: 'a', time, sample: sample(time, { startTime }) });

describe('the marks', () => {
  const marks = marksOf({
    alerts: [alert({ timestamp: now - 10 }), alert({ type: 'disconnect', timestamp: now - 9 })],
    captures: [],
    releases: [{ version: 'v1', since: now - 100 }, { version: 'v2', since: now - 50 }, { version: 'v3', since: null }],
    groups: new Map([['a', [reading(now - 90, 1), reading(now - 40, now - 45)]], ['b', [reading(now - 90, 1), reading(now - 40, now - 44)]]]),
    shown: ['a'],
  });

  it('are leaks, restarts of what is shown, and versions that replaced another', () => {
    expect(marks.map((m) => [m.kind, now - m.time])).toEqual([['deploy', 50], ['restart', 45], ['alert', 10]]);
  });

  it('can be read, the newest first', () => {
    const words = markWords(marks, now - 48, now, now);
    expect(words).toHaveLength(2);
    expect(words[0]).toContain('alert: shop leaks heap memory');
    expect(words[1]).toContain('restart: a restarted');
  });
});
