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
