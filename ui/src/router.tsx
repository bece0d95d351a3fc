// The page's address as state: the path says where, the query says how it is
// looked at. A small router on the history API.
import { useCallback, useSyncExternalStore, type ComponentProps, type MouseEvent } from 'react';

const changed = 'memwatch:navigate';

function subscribe(listener: () => void): () => void {
  addEventListener('popstate', listener);
  addEventListener(changed, listener);
  return () => {
    removeEventListener('popstate', listener);
    removeEventListener(changed, listener);
  };
}

export function navigate(to: string, { replace = false } = {}): void {
  const url = new URL(to, location.href);
  if (url.href === location.href) return;
  const samePage = url.pathname === location.pathname;
  if (replace) history.replaceState(null, '', url);
  else history.pushState(null, '', url);
  if (!samePage) scrollTo(0, 0);
  dispatchEvent(new Event(changed));
}

export function usePath(): string {
  return useSyncExternalStore(subscribe, () => location.pathname);
}

function useSearch(): string {
  return useSyncExternalStore(subscribe, () => location.search);
}

/** All of the query's values, and a way to change some: undefined removes. */
export function useQuery(): [URLSearchParams, (change: Record<string, string | undefined>, how?: { push?: boolean }) => void] {
  const search = useSearch();
  const change = useCallback((wanted: Record<string, string | undefined>, { push = false } = {}) => {
    const params = new URLSearchParams(location.search);
    for (const [key, value] of Object.entries(wanted)) {
      if (value) params.set(key, value);
      else params.delete(key);
    }
    const text = params.toString();
    navigate(location.pathname + (text ? `?${text}` : ''), { replace: !push });
  }, []);
  return [new URLSearchParams(search), change];
}

type LinkProps = ComponentProps<'a'> & { to: string };

/** Goes to a link of the page within it; with a modifier key it is the browser's as usual. */
export function followLink(event: MouseEvent, to: string): void {
  if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  navigate(to);
}

export function Link({ to, onClick, ...rest }: LinkProps) {
  const click = (event: MouseEvent<HTMLAnchorElement>) => {
    onClick?.(event);
    followLink(event, to);
  };
  return <a {...rest} href={to} onClick={click} />;
}

export const paths = {
  fleet: '/',
  service: (name: string) => `/services/${encodeURIComponent(name)}`,
  alerts: '/alerts',
  alert: (id: string) => `/alerts/${encodeURIComponent(id)}`,
  profiles: '/profiles',
  profile: (id: string, base?: string) => `/profiles/${encodeURIComponent(id)}${base ? `?base=${encodeURIComponent(base)}` : ''}`,
  hub: '/hub',
};
