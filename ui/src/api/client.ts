// The one place that speaks HTTP to the hub. Every call takes an AbortSignal;
// an error answer becomes a HubError with words for people.
import type { Alert, Alerts, Flamegraph, Problem, Profiles, Service, ServiceMetrics, Stats } from './types.ts';

export class HubError extends Error {
  constructor(
    message: string,
    /** The HTTP status; 0 when the hub could not be reached. */
    readonly status: number,
  ) {
    super(message);
    this.name = 'HubError';
  }
}

type Query = Record<string, string | number | undefined>;

export function address(path: string, query: Query = {}): string {
  const params = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) {
    if (value !== undefined && value !== '') params.set(key, String(value));
  }
  const text = params.toString();
  return text ? `${path}?${text}` : path;
}

async function get<T>(path: string, signal: AbortSignal, query?: Query): Promise<T> {
  let response: Response;
  try {
    response = await fetch(address(path, query), { signal, headers: { Accept: 'application/json' } });
  } catch (error) {
    if (signal.aborted) throw error;
    throw new HubError('The hub does not answer. Is it running, and is the network up?', 0);
  }
  if (!response.ok) throw new HubError(await words(response), response.status);
  return (await response.json()) as T;
}

async function words(response: Response): Promise<string> {
  try {
    const problem = (await response.json()) as Partial<Problem>;
    const said = problem.detail ?? problem.title;
    if (said) return said;
  } catch {
    // Not a problem document (a proxy's page, perhaps): the status must do.
  }
  return `The hub answered ${response.status} ${response.statusText}`.trim();
}

const part = encodeURIComponent;

export const hub = {
  services: (signal: AbortSignal) => get<Service[] | null>('/api/services', signal).then((list) => list ?? []),
  service: (name: string, signal: AbortSignal) => get<Service>(`/api/services/${part(name)}`, signal),
  metrics: (name: string, query: { from?: number; to?: number; limit?: number; instance?: string }, signal: AbortSignal) =>
    get<ServiceMetrics>(`/api/services/${part(name)}/metrics`, signal, query),
  alerts: (query: { limit?: number; service?: string }, signal: AbortSignal) => get<Alerts>('/api/alerts', signal, query),
  alert: (id: string, signal: AbortSignal) => get<Alert>(`/api/alerts/${part(id)}`, signal),
  profiles: (query: { service?: string; alert?: string; limit?: number }, signal: AbortSignal) =>
    get<Profiles>('/api/profiles', signal, query),
  flamegraph: (id: string, base: string | undefined, signal: AbortSignal) =>
    get<Flamegraph>(`/api/profiles/${part(id)}/flamegraph`, signal, { base }),
  stats: (signal: AbortSignal) => get<Stats>('/api/stats', signal),
};

/** Where a profile's bytes are; absolute, so that it can be pasted elsewhere. */
export function profileURL(id: string): string {
  return new URL(`/api/profiles/${part(id)}`, location.origin).href;
}
