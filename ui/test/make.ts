// Builders of messages for the tests: a plain one, with what matters changed.
import type { Alert, Instance, MetricsUpdate, Sample, Service, Verdict } from '../src/api/types.ts';
import { MiB } from '../src/model/format.ts';

export const now = 1_767_225_600_000;

export function verdict(change: Partial<Verdict> = {}): Verdict {
  return {
    state: 'healthy', kind: 'none', severity: 'none', since: null, growthBytesPerSecond: { estimate: 0, low: 0, high: 0 }, growthBytes: 0, limitBytes: 512 * MiB, limitSource: 'cgroup',
    timeToLimitSeconds: null, timeToLimitLowSeconds: null, timeToLimitHighSeconds: null, confidence: 0.9, culprits: [], gates: [], summary: 'Healthy.', ...change,
  };
}

export function leak(change: Partial<Verdict> = {}): Verdict {
  const rate = (40 * MiB) / 3600;
  return verdict({
    state: 'leaking', kind: 'heap', severity: 'warning', since: now - 3_600_000, growthBytesPerSecond: { estimate: rate, low: rate * 0.9, high: rate * 1.1 }, growthBytes: 40 * MiB,
    timeToLimitSeconds: 9 * 3600, timeToLimitLowSeconds: 8 * 3600, timeToLimitHighSeconds: 10 * 3600,
    culprits: [{ function: 'example.com/shop/cart.(*Cache).Put', leaf: 'bytes.growSlice', ownFrame: '', file: '/src/cart/cache.go', line: 42, stack: [], growthBytesPerSecond: rate, liveBytes: 40 * MiB, liveObjects: 10, share: 0.9, certainty: 'certain' }],
    ...change,
  });
}

export function instance(change: Partial<Instance> = {}): Instance {
  return { name: 'a', status: 'connected', lastSeen: now, sample: null, verdict: verdict(), ...change };
}

export function service(name: string, change: Partial<Service> = {}): Service {
  const worst = change.verdict === undefined ? verdict() : change.verdict;
  return {
    name, status: 'connected', registeredAt: now - 1e7, lastSeen: now, totalAlerts: 0, openAlerts: 0, lastMetrics: null, worst: 'a', verdict: worst, instances: [instance({ verdict: worst })], sparkline: null, ...change,
  };
}

export function update(change: Partial<MetricsUpdate> = {}): MetricsUpdate {
  return {
    type: 'metricsUpdate', seq: 1, v: 1, service: 'shop', instance: 'a', heapUsedMB: 0, heapTotalMB: 0, rssMB: 0, externalMB: 0, eventLoopDelayMs: 0, leakDetected: false, memoryGrowthMB: 0, timestamp: now, ...change,
  };
}

export function sample(time: number, change: Partial<Sample> = {}): Sample {
  return { timestamp: time, ...change };
}

export function alert(change: Partial<Alert> = {}): Alert {
  return {
    id: 'a1', type: 'leak', state: 'firing', fingerprint: 'f', service: 'shop', instances: ['a'], kind: 'heap', severity: 'warning', message: 'shop leaks', timestamp: now, updatedAt: now, resolvedAt: null, verdict: leak(), profiles: [], ...change,
  };
}
