import { describe, expect, it } from 'vitest';
import type { Status } from '../src/api/types.ts';
import { Inbox, mostWaiting } from '../src/live/inbox.ts';
import { emptyFleet, extendSparkline, fullLine, reduce } from '../src/live/reduce.ts';
import { Ring } from '../src/live/ring.ts';
import { backoff, parseFrame } from '../src/live/socket.ts';
import { windowOf } from '../src/components/window.ts';
import { alert, instance, leak, now, sample, service, update } from './make.ts';

describe('a frame', () => {
  it('is one event or an array of them; anything else is nothing', () => {
    expect(parseFrame('{"type":"hello","seq":1,"version":"x"}')).toHaveLength(1);
    expect(parseFrame('[{"type":"hello"},{"no":1},null,7]')).toHaveLength(1);
    expect(parseFrame('{not json')).toBeUndefined();
    expect(parseFrame(new ArrayBuffer(1))).toBeUndefined();
  });
});

describe('the backoff', () => {
  it('doubles, is spread by chance, and has an end', () => {
    expect(backoff(1, 0)).toBe(250);
    expect(backoff(1, 1)).toBe(500);
    expect(backoff(3, 1)).toBe(2_000);
    expect(backoff(1_000, 1)).toBe(15_000);
  });
});

describe('the ring', () => {
  it('keeps the newest in order', () => {
    const ring = new Ring<number>(3);
    [1, 2, 3, 4, 5].forEach((n) => ring.push(n));
    expect(ring.drain()).toEqual([3, 4, 5]);
    ring.push(6);
    expect(ring.drain()).toEqual([6]);
  });
});

describe('the inbox', () => {
  it('keeps only the newest reading of an instance, with the newest verdict', () => {
    const inbox = new Inbox();
    inbox.put(update({ seq: 1, verdict: leak() }));
    inbox.put(update({ seq: 3, timestamp: now + 1 }));
    inbox.put(update({ seq: 2, instance: 'b' }));
    const { events } = inbox.take();
    expect(events.map((e) => e.seq)).toEqual([2, 3]);
    expect(events[1]).toMatchObject({ timestamp: now + 1, verdict: { state: 'leaking' } });
    expect(inbox.empty).toBe(true);
  });

  it('asks for a snapshot rather than grow without bound', () => {
    const inbox = new Inbox();
    for (let seq = 0; seq <= mostWaiting; seq++) inbox.put({ type: 'alertUpdate', seq, alert: alert() });
    const batch = inbox.take();
    expect(batch.overflowed).toBe(true);
    expect(batch.events).toHaveLength(mostWaiting);
  });
});

describe('the state', () => {
  const fleet = (...list: ReturnType<typeof service>[]) => ({ ...emptyFleet, services: new Map(list.map((s) => [s.name, s])) });

  it('takes a reading in, and changes only what it concerns', () => {
    const before = fleet(service('shop'), service('other'));
    const { state, refetch } = reduce(before, [update({ timestamp: now + 5, sample: sample(now + 5, { liveHeapBytes: 7 }), verdict: leak() })]);
    expect(refetch).toBe(false);
    expect(state.services.get('shop')).toMatchObject({ lastSeen: now + 5, verdict: { state: 'leaking' }, instances: [{ sample: { liveHeapBytes: 7 } }] });
    expect(state.services.get('other')).toBe(before.services.get('other'));
    expect(before.services.get('shop')?.verdict?.state).toBe('healthy');
  });

  it('lets the worst instance speak for the service', () => {
    const two = service('shop', { instances: [instance({ name: 'a' }), instance({ name: 'b' })] });
    const { state } = reduce(fleet(two), [update({ instance: 'b', verdict: leak() }), update({ instance: 'a' })]);
    expect(state.services.get('shop')).toMatchObject({ worst: 'b', verdict: { state: 'leaking' } });
  });

  it('asks again for what it does not know', () => {
    expect(reduce(fleet(), [update()]).refetch).toBe(true);
    expect(reduce(fleet(service('shop')), [update({ instance: 'new' })]).refetch).toBe(true);
  });

  it('follows comings and goings, with the reason and without an old one', () => {
    const gone = reduce(fleet(service('shop')), [{ type: 'serviceUpdate', seq: 1, service: 'shop', instance: 'a', status: 'unreachable', reason: 'refused' }]).state;
    expect(gone.services.get('shop')).toMatchObject({ status: 'unreachable', instances: [{ status: 'unreachable', reason: 'refused' }] });
    const back = reduce(gone, [{ type: 'serviceUpdate', seq: 2, service: 'shop', instance: 'a', status: 'connected' }]).state;
    expect(back.services.get('shop')?.status).toBe('connected');
    expect(back.services.get('shop')?.instances?.[0]).not.toHaveProperty('reason');
  });

  it('takes a service for as well as the best of its instances', () => {
    const turn = (name: string, status: Status) => ({ type: 'serviceUpdate', seq: 1, service: 'shop', instance: name, status }) as const;
    const three = service('shop', { instances: ['a', 'b', 'c'].map((name) => instance({ name })) });
    const statusAfter = (...turns: ReturnType<typeof turn>[]) => reduce(fleet(three), turns).state.services.get('shop')?.status;
    expect(statusAfter(turn('b', 'disconnected'))).toBe('connected');
    expect(statusAfter(turn('b', 'disconnected'), turn('a', 'unreachable'))).toBe('connected');
    expect(statusAfter(turn('b', 'disconnected'), turn('a', 'unreachable'), turn('c', 'disconnected'))).toBe('unreachable');
    expect(statusAfter(turn('b', 'disconnected'), turn('a', 'disconnected'), turn('c', 'disconnected'))).toBe('disconnected');
  });

  it('applies an alert twice without harm', () => {
    const event = { type: 'leakAlert', seq: 1, alert: alert() } as const;
    const { state } = reduce(reduce(emptyFleet, [event]).state, [event]);
    expect(state.alerts.size).toBe(1);
  });
});

describe('a sparkline', () => {
  const line = { signal: 'liveHeapBytes', from: now, stepMs: 10_000, values: Array.from({ length: fullLine }, (_, i) => i) };
  const push = (seconds: number, value: number, to: Parameters<typeof extendSparkline>[0] = line) =>
    extendSparkline(to, update({ timestamp: now + seconds * 1000, sample: sample(now + seconds * 1000, { liveHeapBytes: value }) }));

  it('moves on with time and keeps its length', () => {
    expect(push(595, 9)?.values).toEqual([...line.values.slice(0, -1), 9]);
    expect(push(600, 9)).toMatchObject({ from: now + 10_000, values: [...line.values.slice(1), 9] });
    expect(push(620, 9)?.values).toEqual([...line.values.slice(3), null, null, 9]);
    expect(push(5_000, 9)?.values).toEqual([...Array(fullLine - 1).fill(null), 9]);
  });

  it('grows while it is young, and learns its pace with the second reading', () => {
    const young = push(10, 2, { signal: 'liveHeapBytes', from: now, stepMs: 1_000, values: [1] });
    expect(young).toMatchObject({ stepMs: 10_000, values: [1, 2] });
    expect(push(40, 5, young)?.values).toEqual([1, 2, null, null, 5]);
  });

  it('ignores the past and what it does not show', () => {
    expect(push(-5, 9)).toBe(line);
    expect(extendSparkline(line, update())).toBe(line);
    expect(extendSparkline(null, update())).toBeNull();
  });

  it('cannot be made to grow by a clock far ahead', () => {
    expect(push(1e9, 9)?.values?.length).toBe(fullLine);
    expect(push(1e9, 9, { ...line, values: [1, 2] })?.values?.length).toBe(fullLine);
  });
});

describe('the window of rows', () => {
  it('draws all of few, and of many only those near the view', () => {
    expect(windowOf(100, 64, 0, 800)).toEqual({ first: 0, last: 100 });
    expect(windowOf(5_000, 64, 200, 800)).toEqual({ first: 0, last: 24 });
    expect(windowOf(5_000, 64, -6_400, 800)).toEqual({ first: 88, last: 128 });
    expect(windowOf(5_000, 64, -64 * 5_000, 800).last).toBe(5_000);
  });
});
