// The live store against a hub whose answers come when the test says so.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Alert, LiveEvent, Service } from '../src/api/types.ts';
import { LiveStore } from '../src/live/store.ts';
import { alert, leak, now, service, update } from './make.ts';

interface Asked {
  url: string;
  signal: AbortSignal;
  answer: (body: unknown) => void;
}

let asked: Asked[];
let addresses: string[];
let socket: { onmessage?: (message: { data: string }) => void; onclose?: () => void; close: () => void };
let store: LiveStore;
let seq: number;

beforeEach(() => {
  vi.useFakeTimers();
  asked = [];
  addresses = [];
  seq = 0;
  vi.stubGlobal('location', { href: 'http://hub/' });
  vi.stubGlobal('document', { hidden: true });
  vi.stubGlobal('addEventListener', () => {});
  vi.stubGlobal('removeEventListener', () => {});
  vi.stubGlobal('WebSocket', class {
    constructor(url: string) {
      addresses.push(url);
      socket = this;
    }
    close() {}
  });
  vi.stubGlobal('fetch', (url: string, { signal }: { signal: AbortSignal }) => new Promise((done) => asked.push({ url, signal, answer: (body) => done(Response.json(body)) })));
  store = new LiveStore();
  store.start();
});

afterEach(() => {
  store.stop();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const send = (event: Record<string, unknown>) => socket.onmessage?.({ data: JSON.stringify({ ...event, seq: ++seq }) });
const reading = (liveHeapBytes: number): LiveEvent => update({ timestamp: now + liveHeapBytes, sample: { timestamp: now + liveHeapBytes, liveHeapBytes } });
const inUse = () => store.get().services.get('shop')?.instances?.[0]?.sample?.liveHeapBytes;
const pending = () => asked.filter((a) => !a.signal.aborted);

/** Answers all that is asked for; the newest alerts and those that fire are different lists. */
async function answer(services: Service[], newest: Alert[] = [], firing: Alert[] = []): Promise<void> {
  for (const { url, answer: reply } of asked.splice(0)) {
    if (url === '/api/services') reply(services);
    else reply({ alerts: url.includes('state=firing') ? firing : newest, total: 0 });
  }
  await vi.advanceTimersByTimeAsync(0);
}

describe('a snapshot', () => {
  it('holds every alert that fires, however many newer ones there are', async () => {
    send({ type: 'hello', version: 'x' });
    expect(asked.map((a) => a.url)).toContain('/api/alerts?state=firing&limit=1000');
    const newest = Array.from({ length: 500 }, (_, i) => alert({ id: `s${i}`, type: 'snapshot', state: 'resolved' }));
    await answer([service('shop')], newest, [alert({ id: 'old' })]);
    expect(store.get().alerts.size).toBe(501);
    expect(store.get().alerts.get('old')?.state).toBe('firing');
  });

  it('does not undo what came while it was under way', async () => {
    send({ type: 'hello', version: 'x' });
    await answer([service('shop')]);
    send({ type: 'leakAlert', alert: alert({ id: 'new' }) }); // the counts must be read again
    await vi.advanceTimersByTimeAsync(2_000);
    expect(pending()).toHaveLength(3);

    send({ ...reading(7) });
    send({ type: 'leakAlert', alert: alert({ id: 'newer' }) });
    await vi.advanceTimersByTimeAsync(10_000);
    expect(pending()).toHaveLength(3); // no other is asked for meanwhile
    await answer([service('shop', { openAlerts: 1 })], [alert({ id: 'new' })]);
    await vi.advanceTimersByTimeAsync(300);
    expect(store.get().services.get('shop')?.openAlerts).toBe(1);
    expect(inUse()).toBe(7);
    expect([...store.get().alerts.keys()]).toEqual(['new', 'newer']);
    await vi.advanceTimersByTimeAsync(2_000);
    expect(pending()).toHaveLength(3); // for "newer", once more
  });

  it('of a connection that is lost counts for nothing', async () => {
    send({ type: 'hello', version: 'x' });
    await answer([service('shop')]);
    send({ type: 'leakAlert', alert: alert() });
    await vi.advanceTimersByTimeAsync(2_000);
    const late = asked.splice(0);
    socket.onclose?.();
    expect(late.every((a) => a.signal.aborted)).toBe(true);
    expect(store.get().connection.state).toBe('lost');
    await vi.advanceTimersByTimeAsync(1_000); // the next try
    send({ type: 'hello', version: 'x' });
    for (const a of late) a.answer([]);
    await answer([service('shop', { verdict: leak() })]);
    expect(store.get()).toMatchObject({ connection: { state: 'live' }, loaded: true });
    expect(store.get().services.get('shop')?.verdict?.state).toBe('leaking');
    send({ ...reading(9) });
    await vi.advanceTimersByTimeAsync(300);
    expect(inUse()).toBe(9);
  });
});

describe('a connection that comes back', () => {
  const hello = (change: Record<string, unknown>) => socket.onmessage?.({ data: JSON.stringify({ type: 'hello', version: 'x', seq, ...change }) });

  it('goes on at its place: nothing is asked for anew, and nothing received is lost', async () => {
    hello({ epoch: 'e1' });
    await answer([service('shop')]);
    send({ ...reading(7) });
    socket.onclose?.(); // before the frame
    await vi.advanceTimersByTimeAsync(1_000);
    expect(addresses).toEqual(['ws://hub/ws', 'ws://hub/ws?epoch=e1&since=1']);
    expect(store.get().connection.state).toBe('lost');
    hello({ epoch: 'e1', resumed: true });
    expect(store.get().connection.state).toBe('live');
    send({ ...reading(9) });
    await vi.advanceTimersByTimeAsync(300);
    expect(inUse()).toBe(9);
    expect(asked).toHaveLength(0);
  });

  it('to another run of the hub starts anew', async () => {
    hello({ epoch: 'e1' });
    await answer([service('shop')]);
    socket.onclose?.();
    await vi.advanceTimersByTimeAsync(1_000);
    hello({ epoch: 'e2' });
    expect(asked).toHaveLength(3);
    await answer([service('other')]);
    expect([...store.get().services.keys()]).toEqual(['other']);
  });

  it('does not go on where something had been asked for and not answered', async () => {
    hello({ epoch: 'e1' });
    await answer([service('shop')]);
    send({ type: 'leakAlert', alert: alert() });
    await vi.advanceTimersByTimeAsync(2_000); // the counts are being read
    socket.onclose?.();
    await vi.advanceTimersByTimeAsync(1_000);
    expect(addresses.at(-1)).toBe('ws://hub/ws');
  });
});
