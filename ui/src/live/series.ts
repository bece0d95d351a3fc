// The readings behind a service's charts: what the hub has stored of a range,
// then, at the live end, every new one. Events wait in a ring until the frame.
import { useEffect, useRef, useState } from 'react';
import { hub } from '../api/client.ts';
import { reading, type Reading } from '../model/readings.ts';
import { useLive, useStore } from './hooks.ts';
import { Ring } from './ring.ts';

export interface Range {
  /** Unix ms; the live range ends now and moves. */
  from: number;
  to: number;
  live: boolean;
}

export interface Readings {
  list: Reading[];
  loading: boolean;
  error: Error | undefined;
  reload: () => void;
}

/** Points of an instance to ask for, and of all together: many instances share a drawing, and need fewer each. */
const asked = 1_440;
const leastAsked = 240;
const askedTogether = 12_000;
const waiting = 4_096;
const frameMs = 500;

/** `windowMs` is the length of the live range; the hub is asked again when any argument changes. */
export function useReadings(service: string, instances: number, windowMs: number, fixed: { from: number; to: number } | undefined): Readings {
  const store = useStore();
  const { connection } = useLive();
  const online = connection.state === 'live';
  const [again, setAgain] = useState(0);
  const [state, setState] = useState<{ list: Reading[]; loading: boolean; error: Error | undefined }>({ list: [], loading: true, error: undefined });
  const ring = useRef(new Ring<Reading>(waiting));
  const limit = Math.min(asked, Math.max(leastAsked, Math.ceil(askedTogether / Math.max(1, instances) / leastAsked) * leastAsked));

  useEffect(() => {
    const abort = new AbortController();
    const to = fixed?.to ?? Date.now();
    const from = fixed?.from ?? to - windowMs;
    setState((s) => ({ ...s, error: undefined }));
    hub.metrics(service, { from, ...(fixed ? { to } : {}), limit }, abort.signal).then(
      (answer) => {
        const list = (answer.metrics ?? []).map(reading).filter((r) => r !== undefined);
        setState({ list, loading: false, error: undefined });
      },
      (error: unknown) => {
        if (!abort.signal.aborted) setState((s) => ({ ...s, loading: false, error: error instanceof Error ? error : new Error(String(error)) }));
      },
    );
    return () => abort.abort();
  }, [service, limit, windowMs, fixed?.from, fixed?.to, again, online]);

  const live = fixed === undefined;
  useEffect(() => {
    if (!live) return;
    const stop = store.hear((event) => {
      if (event.type !== 'metricsUpdate' || event.service !== service) return;
      const r = reading(event);
      if (r) ring.current.push(r);
    });
    const timer = setInterval(() => {
      const fresh = ring.current.drain();
      if (fresh.length) setState((s) => ({ ...s, list: appended(s.list, fresh, Date.now() - windowMs) }));
    }, frameMs);
    return () => {
      stop();
      clearInterval(timer);
    };
  }, [store, service, live, windowMs]);

  return { ...state, reload: () => setAgain((n) => n + 1) };
}

/** New readings at the end, each instance and moment once; what left the window goes. */
export function appended(list: readonly Reading[], fresh: readonly Reading[], oldest: number): Reading[] {
  const newest = new Map<string, number>();
  for (const r of list) newest.set(r.instance, Math.max(r.time, newest.get(r.instance) ?? 0));
  const added = fresh.filter((r) => r.time > (newest.get(r.instance) ?? 0));
  return [...list, ...added].filter((r) => r.time >= oldest);
}
