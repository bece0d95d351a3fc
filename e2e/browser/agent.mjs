// An agent as the tests need one: it says what it is told to over the hub's
// WebSocket, and waits for each ack.
import { randomUUID } from 'node:crypto';
import WebSocket from 'ws';

const MiB = 2 ** 20;

export async function agentOf(t, base) {
  const socket = new WebSocket(base.replace('http', 'ws') + '/ws/agent', 'memwatch.v1');
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
  t.after(() => socket.close());
  const say = (message) => new Promise((resolve, reject) => {
    const id = randomUUID();
    const hear = (data) => {
      const answer = JSON.parse(data);
      if (answer.id !== id) return;
      socket.off('message', hear);
      if (answer.type === 'ack') resolve();
      else reject(new Error(JSON.stringify(answer)));
    };
    socket.on('message', hear);
    socket.send(JSON.stringify({ v: 1, id, ...message }));
  });
  return {
    register: (service, instance, labels = {}) => say({ type: 'registration', service, instance, labels, agent: 'v0.0.1-test', timestamp: Date.now() }),
    read: (readings) => say({ type: 'batch', messages: readings }),
  };
}

/** A reading of so many MiB alive, by a process that started at a time. */
export function readingOf(service, instance, timestamp, live, startTime, verdict) {
  const bytes = Math.round(live * MiB);
  return {
    type: 'metrics', v: 1, service, instance, timestamp, heapUsedMB: live, heapTotalMB: live, rssMB: live * 1.5, externalMB: 0, eventLoopDelayMs: 0, leakDetected: false, memoryGrowthMB: 0,
    sample: { timestamp, startTime, liveHeapBytes: bytes, heapAllocBytes: bytes, rssBytes: Math.round(bytes * 1.5), goroutines: 40, numGC: 1 }, ...(verdict ? { verdict } : {}),
  };
}

/** A leak of 1 MiB a minute towards a limit, by default one that nobody set. */
export function leakOf(now, change = {}) {
  const rate = MiB / 60;
  const history = Array.from({ length: 8 }, (_, i) => ({ timestamp: now - (8 - i) * 60_000, liveBytes: (20 + i) * MiB }));
  return {
    state: 'leaking', kind: 'heap', severity: 'warning', since: now - 20 * 60_000, growthBytesPerSecond: { estimate: rate, low: rate * 0.9, high: rate * 1.1 }, growthBytes: 20 * MiB, limitBytes: 1024 * MiB, limitSource: 'assumed',
    timeToLimitSeconds: 30_000, timeToLimitLowSeconds: 28_000, timeToLimitHighSeconds: 33_000, confidence: 0.97, gates: [], summary: 'Leaking: live heap grows by 1 MiB/min.',
    culprits: [{ function: 'example.com/shop/cart.(*Cache).Put', leaf: 'bytes.growSlice', ownFrame: '', file: 'cart/cache.go', line: 42, stack: [{ function: 'bytes.growSlice' }], growthBytesPerSecond: rate, liveBytes: 27 * MiB, liveObjects: 1000, share: 0.9, certainty: 'certain', history }],
    ...change,
  };
}
