// The one place that speaks HTTP to the hub. Every call takes an AbortSignal;
// an error answer becomes a HubError with words for people.
import type { Agents, Alert, AlertLog, Alerts, Capture, Flamegraph, Problem, Profiles, Service, ServiceMetrics, Session, Stats } from './types.ts';

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

const get = <T>(path: string, signal: AbortSignal, query?: Query) => ask<T>(address(path, query), { signal });

async function ask<T>(url: string, request: RequestInit): Promise<T> {
  let response: Response;
  try {
    response = await fetch(url, { ...request, headers: { Accept: 'application/json', ...request.headers } });
  } catch (error) {
    if (request.signal?.aborted) throw error;
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
  alerts: (query: { limit?: number; service?: string; state?: Alert['state']; type?: Alert['type'] }, signal: AbortSignal) => get<Alerts>('/api/alerts', signal, query),
  alert: (id: string, signal: AbortSignal) => get<Alert>(`/api/alerts/${part(id)}`, signal),
  profiles: (query: { service?: string; alert?: string; limit?: number }, signal: AbortSignal) =>
    get<Profiles>('/api/profiles', signal, query),
  flamegraph: (id: string, base: string | undefined, signal: AbortSignal) =>
    get<Flamegraph>(`/api/profiles/${part(id)}/flamegraph`, signal, { base }),
  alertLog: (id: string, signal: AbortSignal) => get<AlertLog>(`/api/alerts/${part(id)}/log`, signal),
  decide: (id: string, action: Decision, body: { who: string; why: string; for?: string }, signal: AbortSignal) =>
    ask<Alert>(`/api/alerts/${part(id)}/${action}`, { method: 'POST', body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' }, signal }),
  /** Any profile that pprof reads; the same one twice is kept once. */
  upload: (file: File, signal: AbortSignal) =>
    ask<Capture>(address('/api/profiles', { filename: file.name }), { method: 'POST', body: file, headers: { 'Content-Type': 'application/octet-stream' }, signal }),
  session: (signal: AbortSignal) => get<Session>('/api/session', signal),
  signOut: () => fetch('/api/session', { method: 'DELETE' }),
  stats: (signal: AbortSignal) => get<Stats>('/api/stats', signal),
  agents: (signal: AbortSignal) => get<Agents>('/api/agents', signal),
};

/** What a person can decide about an alert. */
export type Decision = 'acknowledge' | 'silence' | 'expect' | 'resolve' | 'lift';

/** All profiles of an alert with its verdict, as one archive; and the same as one page to hand on. */
export const evidenceURL = (id: string) => `/api/alerts/${part(id)}/evidence.tar.gz`;
export const reportURL = (id: string) => `/api/alerts/${part(id)}/report.html`;

/** The profile in pprof's own web UI. */
export const pprofURL = (id: string, base?: string) => address(`/pprof/${part(id)}/`, { base });

/** Where to sign in, and come back from. */
export const signInURL = () => address('/login', { next: location.pathname + location.search });

/** Where a profile's bytes are; absolute, so that it can be pasted elsewhere. */
export function profileURL(id: string): string {
  return new URL(`/api/profiles/${part(id)}`, location.origin).href;
}
