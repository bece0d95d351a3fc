import { describe, expect, it } from 'vitest';
import { worthTelling } from '../src/components/notices.ts';
import { channelsOf } from '../src/model/channels.ts';
import { alert, now } from './make.ts';

describe('channels', () => {
  it('are told by the deliveries, those in trouble first', () => {
    const list = [
      alert({ id: 'a', deliveries: [{ channel: 'mail', state: 'delivered', timestamp: now }, { channel: 'chat', state: 'failed', timestamp: now, reason: '403' }] }),
      alert({ id: 'b', deliveries: [{ channel: 'mail', state: 'waiting', timestamp: now + 1, reason: 'quiet hours' }] }),
    ];
    expect(channelsOf(list)).toEqual([
      { name: 'chat', delivered: 0, waiting: 0, failed: 1, last: now, reason: '403' },
      { name: 'mail', delivered: 1, waiting: 1, failed: 0, last: now + 1, reason: 'quiet hours' },
    ]);
  });
});

describe('a notification in the browser', () => {
  it('is for leaks that fire at warning or above', () => {
    expect(worthTelling(alert())).toBe(true);
    expect(worthTelling(alert({ severity: 'info' }))).toBe(false);
    expect(worthTelling(alert({ state: 'resolved' }))).toBe(false);
    expect(worthTelling(alert({ type: 'snapshot' }))).toBe(false);
  });

  it('is not for what somebody wants quiet', () => {
    expect(worthTelling(alert({ silenced: { who: 'Ada', timestamp: now, until: now + 1 } }))).toBe(false);
    expect(worthTelling(alert({ heldBack: 'a deploy is under way' }))).toBe(false);
  });
});
