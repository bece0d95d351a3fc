// How components reach the live store, the clock and the hub's REST answers.
import { createContext, useCallback, useContext, useEffect, useMemo, useRef, useState, useSyncExternalStore } from 'react';
import type { LiveState, LiveStore } from './store.ts';

export const LiveContext = createContext<LiveStore | null>(null);

export function useStore(): LiveStore {
  const store = useContext(LiveContext);
  if (!store) throw new Error('useStore outside of LiveContext');
  return store;
}

export function useLive(): LiveState {
  const store = useStore();
  return useSyncExternalStore(store.subscribe, store.get);
}

/** The time in Unix ms, renewed every `everyMs`. */
export function useNow(everyMs = 5_000): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  return now;
}

export interface Answer<T> {
  data: T | undefined;
  error: Error | undefined;
  loading: boolean;
  reload: () => void;
}

/**
 * Asks the hub when `key` changes, and gives the last answer up only for a
 * different `subject`: the same question asked again keeps its old answer shown.
 */
export function useAnswer<T>(subject: string, revision: string | number, ask: (signal: AbortSignal) => Promise<T>): Answer<T> {
  const [state, setState] = useState<{ subject: string; data?: T; error?: Error }>({ subject });
  const [again, setAgain] = useState(0);
  const latest = useRef(ask);
  latest.current = ask;
  useEffect(() => {
    const abort = new AbortController();
    latest.current(abort.signal).then(
      (data) => !abort.signal.aborted && setState({ subject, data }),
      (error: unknown) => {
        if (abort.signal.aborted) return;
        const failure = error instanceof Error ? error : new Error(String(error));
        setState((before) => (before.subject === subject && before.data !== undefined ? { ...before, error: failure } : { subject, error: failure }));
      },
    );
    return () => abort.abort();
  }, [subject, revision, again]);
  const current = state.subject === subject ? state : undefined;
  const reload = useCallback(() => setAgain((n) => n + 1), []);
  return { data: current?.data, error: current?.error, loading: !current || (current.data === undefined && current.error === undefined), reload };
}

export function useMedia(query: string): boolean {
  const list = useMemo(() => matchMedia(query), [query]);
  const subscribe = useCallback(
    (listener: () => void) => {
      list.addEventListener('change', listener);
      return () => list.removeEventListener('change', listener);
    },
    [list],
  );
  return useSyncExternalStore(subscribe, () => list.matches);
}
