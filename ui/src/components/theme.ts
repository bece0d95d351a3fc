// Light, dark, or as the system has it. public/theme.js applies the choice
// before the first paint.
import { useEffect, useState } from 'react';
import { flushSync } from 'react-dom';

export type Theme = 'auto' | 'light' | 'dark';
const key = 'memwatch.theme';
const order: Record<Theme, Theme> = { auto: 'light', light: 'dark', dark: 'auto' };

function stored(): Theme {
  try {
    const value = localStorage.getItem(key);
    return value === 'light' || value === 'dark' ? value : 'auto';
  } catch {
    return 'auto';
  }
}

const themeChanged = 'memwatch:theme';

export function useTheme(): [Theme, () => void] {
  const [theme, setTheme] = useState(stored);
  const next = () => {
    const chosen = order[theme];
    setTheme(chosen);
    if (chosen === 'auto') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = chosen;
    try {
      if (chosen === 'auto') localStorage.removeItem(key);
      else localStorage.setItem(key, chosen);
    } catch {
      // Storage may be forbidden: the choice then lasts as long as the page.
    }
    dispatchEvent(new Event(themeChanged));
  };
  return [theme, next];
}

/** Paper is light: what is drawn by its colours is drawn anew for it, and again for the screen after it. */
export function usePrintInLight(): void {
  useEffect(() => {
    const root = document.documentElement;
    let before: string | undefined;
    const turn = (theme: string | undefined) => {
      if (theme) root.dataset.theme = theme;
      else delete root.dataset.theme;
      dispatchEvent(new Event(themeChanged));
    };
    const begin = () => {
      before = root.dataset.theme;
      turn('light');
    };
    const end = () => turn(before);
    addEventListener('beforeprint', begin);
    addEventListener('afterprint', end);
    return () => {
      removeEventListener('beforeprint', begin);
      removeEventListener('afterprint', end);
    };
  }, []);
}

/** Rises when the colours change, since a canvas does not follow by itself. */
export function useThemeRevision(): number {
  const [revision, setRevision] = useState(0);
  useEffect(() => {
    const bump = () => flushSync(() => setRevision((n) => n + 1)); // before the next thing happens: it may be printing
    const system = matchMedia('(prefers-color-scheme: dark)');
    system.addEventListener('change', bump);
    addEventListener(themeChanged, bump);
    return () => {
      system.removeEventListener('change', bump);
      removeEventListener(themeChanged, bump);
    };
  }, []);
  return revision;
}
