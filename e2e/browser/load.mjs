// A load generator that speaks as agents do: many instances, one of each
// service, each read every ten seconds.
import { randomUUID } from 'node:crypto';
import WebSocket from 'ws';

const everyMs = 10_000;
const sockets = 50;
const slices = 100; // of an interval: no instance is read at the same moment as all others
export const MiB = 2 ** 20;

const nameOf = (i) => `svc-${String(i).padStart(4, '0')}`;
const instanceOf = (i) => `${nameOf(i)}-0`;

/** One in 100 leaks, one in 60 is suspect, the others move about. */
function reading(i, now, began) {
  const seconds = (now - began) / 1000;
  const rate = i % 100 === 0 ? 20_000 + i : 0;
  const live = Math.round((60 + (i % 300)) * MiB + rate * seconds + MiB * 3 * Math.sin(seconds / 40 + i));
  const state = i % 100 === 0 ? 'leaking' : i % 60 === 7 ? 'suspect' : 'healthy';
  const grows = state !== 'healthy';
  return {
    type: 'metrics', v: 1, id: randomUUID(), service: nameOf(i), instance: instanceOf(i), timestamp: now,
    heapUsedMB: live / MiB, heapTotalMB: (live * 1.5) / MiB, rssMB: (live * 1.6) / MiB, externalMB: 0, eventLoopDelayMs: 0.4, leakDetected: false, memoryGrowthMB: 0,
    sample: { timestamp: now, startTime: began - 3_600_000, liveHeapBytes: live, heapAllocBytes: Math.round(live * 1.2), heapInuseBytes: Math.round(live * 1.3), heapSysBytes: Math.round(live * 1.5), sysBytes: Math.round(live * 1.6), rssBytes: Math.round(live * 1.6), limitBytes: 1024 * MiB, numGC: Math.round(seconds), goroutines: 40 + (i % 9) },
    verdict: {
      state, kind: grows ? 'heap' : 'none', severity: state === 'leaking' ? 'warning' : 'none', since: grows ? began - 3_600_000 : null, growthBytesPerSecond: { estimate: rate, low: rate * 0.9, high: rate * 1.1 }, growthBytes: rate * 3600,
      limitBytes: 1024 * MiB, limitSource: 'cgroup', timeToLimitSeconds: rate ? 30_000 + i : null, timeToLimitLowSeconds: rate ? 28_000 : null, timeToLimitHighSeconds: rate ? 33_000 : null, confidence: 0.9,
      culprits: grows ? [{ function: 'example.com/shop/cart.(*Cache).Put', leaf: 'bytes.growSlice', ownFrame: '', file: 'cart/cache.go', line: 42, stack: [], growthBytesPerSecond: rate, liveBytes: live, liveObjects: 1000, share: 0.9, certainty: 'certain' }] : [],
      gates: [], summary: `${nameOf(i)} is ${state}`,
    },
  };
}

/** Plays the agents of so many instances to the hub until the test ends. */
export async function agents(t, base, instances) {
  const began = Date.now();
  const all = await Promise.all(Array.from({ length: sockets }, async () => {
    const socket = new WebSocket(base.replace('http', 'ws') + '/ws/agent');
    await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
    return socket;
  }));
  for (let i = 0; i < instances; i++) all[i % sockets].send(JSON.stringify({ type: 'registration', v: 1, id: randomUUID(), service: nameOf(i), instance: instanceOf(i), labels: { namespace: `team-${i % 20}` }, agent: 'load', timestamp: began }));
  let slice = 0;
  const timer = setInterval(() => {
    const now = Date.now();
    const batches = new Map();
    for (let i = slice; i < instances; i += slices) batches.set(i % sockets, [...(batches.get(i % sockets) ?? []), reading(i, now, began)]);
    slice = (slice + 1) % slices;
    for (const [socket, messages] of batches) all[socket].send(JSON.stringify({ type: 'batch', v: 1, id: randomUUID(), messages }));
  }, everyMs / slices);
  t.after(() => {
    clearInterval(timer);
    all.forEach((socket) => socket.close());
  });
}
