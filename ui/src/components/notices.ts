// Notifications of the browser, for whoever asked for them here: a leak that
// fires at warning or above is told once, also while the tab is out of sight.
import { useEffect, useRef, useState } from 'react';
import type { Alert } from '../api/types.ts';
import { useLive } from '../live/hooks.ts';
import { alertTitle } from '../model/story.ts';
import { navigate, paths } from '../router.tsx';

const key = 'memwatch.notices';

export type Notices = 'on' | 'off' | 'forbidden' | 'impossible';

function wanted(): boolean {
  try {
    return localStorage.getItem(key) === 'on';
  } catch {
    return false;
  }
}

function present(): Notices {
  if (!('Notification' in globalThis)) return 'impossible'; // plain http elsewhere than on this machine
  if (Notification.permission === 'denied') return 'forbidden';
  return wanted() && Notification.permission === 'granted' ? 'on' : 'off';
}

/** Whether this browser tells, and a way to change it. */
export function useNotices(): [Notices, () => void] {
  const [state, setState] = useState(present);
  const toggle = async () => {
    const on = state !== 'on' && (await Notification.requestPermission()) === 'granted';
    try {
      localStorage.setItem(key, on ? 'on' : 'off');
    } catch {
      // Storage may be forbidden: then there are none.
    }
    setState(present());
  };
  return [state, () => void toggle()];
}

/** Fires now, is bad enough, and nobody wants it quiet. */
export function worthTelling(alert: Alert): boolean {
  return alert.type === 'leak' && alert.state === 'firing' && (alert.severity === 'warning' || alert.severity === 'critical') && !alert.silenced && !alert.expected && !alert.heldBack;
}

/** Tells of leaks that begin while the page is open; those that are there at first are on it. */
export function useTelling(): void {
  const { alerts, loaded } = useLive();
  const known = useRef<Set<string>>(undefined);
  useEffect(() => {
    if (!loaded) return;
    const firing = [...alerts.values()].filter(worthTelling);
    const before = known.current;
    known.current = new Set([...(before ?? []), ...firing.map((a) => a.id)]);
    const fresh = before ? firing.filter((a) => !before.has(a.id)) : [];
    if (fresh.length > 0 && present() === 'on') fresh.forEach(tell); // asking the browser is dear, and events come all the time
  }, [alerts, loaded]);
}

function tell(alert: Alert): void {
  try {
    const notice = new Notification(alertTitle(alert), { body: alert.verdict?.summary || alert.message, tag: alert.id, icon: '/icons/leaking.svg' });
    notice.onclick = () => {
      focus();
      navigate(paths.alert(alert.id));
      notice.close();
    };
  } catch {
    // Browsers of phones tell through a service worker alone; title and icon must do there.
  }
}
