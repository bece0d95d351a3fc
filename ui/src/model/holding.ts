// What a service holds of that which its verdict is about: memory that is alive,
// or goroutines, or what lies outside of the heap. Pure.
import type { Sample, Service } from '../api/types.ts';
import { showsGrowth } from './condition.ts';
import { bytes, count } from './format.ts';

export interface Holding {
  value: string;
  /** What the number counts, where it is not the live heap. */
  of: string;
}

export function holdingOf(service: Service): Holding | undefined {
  const sample = worstSample(service);
  const kind = showsGrowth(service.verdict) ? service.verdict.kind : 'none';
  if (kind === 'goroutine' && sample?.goroutines !== undefined) {
    return { value: count(sample.goroutines), of: `goroutines${sample.stackInuseBytes === undefined ? '' : ` · ${bytes(sample.stackInuseBytes)}`}` };
  }
  if (kind === 'offheap' && sample?.rssBytes !== undefined) return { value: bytes(sample.rssBytes), of: 'RSS' };
  if (kind === 'fragmentation' && sample?.heapInuseBytes !== undefined) return { value: bytes(sample.heapInuseBytes), of: 'heap in use' };
  const live = service.sparkline?.signal === 'goroutines' ? sample?.liveHeapBytes : service.sparkline?.values?.findLast((v) => v !== null);
  return live == null ? undefined : { value: bytes(live), of: '' };
}

function worstSample(service: Service): Sample | null {
  const instances = service.instances ?? [];
  return (instances.find((i) => i.name === service.worst) ?? instances[0])?.sample ?? null;
}
