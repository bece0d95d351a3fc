// State + events → state. Pure; what did not change keeps its identity, so that
// only rows that changed are drawn again.
import type { Alert, Instance, LiveEvent, MetricsUpdate, Service, ServiceUpdate, Sparkline, Status } from '../api/types.ts';
import { worstInstance } from '../model/condition.ts';
import { reading } from '../model/readings.ts';

export interface FleetState {
  services: ReadonlyMap<string, Service>;
  alerts: ReadonlyMap<string, Alert>;
}

export const emptyFleet: FleetState = { services: new Map(), alerts: new Map() };

export interface Reduced {
  state: FleetState;
  /** A service is new, or its counts changed: the list must be read again. */
  refetch: boolean;
}

export function reduce(state: FleetState, events: readonly Exclude<LiveEvent, { type: 'hello' }>[]): Reduced {
  const services = new Map(state.services);
  const alerts = new Map(state.alerts);
  let refetch = false;
  for (const event of events) {
    switch (event.type) {
      case 'metricsUpdate':
      case 'serviceUpdate': {
        const service = services.get(event.service);
        const changed = service && (event.type === 'metricsUpdate' ? withReading(service, event) : withStatus(service, event));
        if (changed) services.set(event.service, changed);
        else refetch = true;
        break;
      }
      case 'leakAlert':
      case 'alertUpdate':
        if (alerts.get(event.alert.id)?.state !== event.alert.state) refetch = true; // for the counts
        alerts.set(event.alert.id, event.alert);
        break;
      case 'profileSaved':
        break;
    }
  }
  return { state: { services, alerts }, refetch };
}

/** Undefined when the instance is not known. */
function withReading(service: Service, event: MetricsUpdate): Service | undefined {
  const name = event.instance ?? '';
  const instances = service.instances ?? [];
  const old = instances.find((i) => i.name === name) ?? (instances.length === 1 && !name ? instances[0] : undefined);
  if (!old) return undefined;
  const fresh: Instance = { ...old, sample: event.sample ?? old.sample, verdict: event.verdict ?? old.verdict };
  fresh.lastSeen = Math.max(old.lastSeen ?? 0, event.timestamp ?? 0) || null;
  const next = instances.map((i) => (i === old ? fresh : i));
  const worst = worstInstance(next);
  const { seq: _, ...flat } = event;
  return {
    ...service,
    instances: next,
    lastSeen: Math.max(service.lastSeen ?? 0, event.timestamp ?? 0) || null,
    lastMetrics: flat,
    verdict: worst?.verdict ?? service.verdict,
    worst: worst?.name ?? service.worst,
    sparkline: old.name === (service.worst || old.name) ? extendSparkline(service.sparkline, event) : service.sparkline,
  };
}

/** Up to so many points a young line grows; then it moves on. */
export const fullLine = 60;

/** The newest reading fills its step; steps without one stay holes. */
export function extendSparkline(line: Sparkline | null, event: MetricsUpdate): Sparkline | null {
  if (!line?.values?.length || line.from === null || line.stepMs <= 0) return line;
  const { from, values } = line;
  const r = reading(event);
  const value = r?.sample[line.signal as keyof typeof r.sample];
  if (!r || value == null || r.time < from) return line;
  if (values.length === 1 && r.time > from) return { ...line, stepMs: r.time - from, values: [values[0] ?? null, value] }; // now its pace is known
  const step = Math.floor((r.time - from) / line.stepMs);
  const length = Math.max(values.length, Math.min(step + 1, fullLine));
  const gone = Math.max(0, step + 1 - length);
  const next = Array.from({ length }, (_, i) => values[i + gone] ?? null);
  next[step - gone] = value;
  return { ...line, from: from + gone * line.stepMs, values: next };
}

function withStatus(service: Service, event: ServiceUpdate): Service | undefined {
  if (!event.instance) return { ...service, status: event.status };
  const instances = service.instances ?? [];
  if (!instances.some((i) => i.name === event.instance)) return undefined;
  const next = instances.map((i) => (i.name === event.instance ? statusOf(i, event) : i));
  return { ...service, instances: next, status: bestStatus(next) };
}

/** A service is as well as the best of its instances, as the hub has it. */
function bestStatus(instances: readonly Instance[]): Status {
  return (['connected', 'unreachable'] as const).find((status) => instances.some((i) => i.status === status)) ?? 'disconnected';
}

function statusOf(instance: Instance, event: ServiceUpdate): Instance {
  const { reason: _, ...rest } = instance;
  return event.reason ? { ...rest, status: event.status, reason: event.reason } : { ...rest, status: event.status };
}
