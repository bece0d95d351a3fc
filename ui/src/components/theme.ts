// Light, dark, or as the system has it. public/theme.js applies the choice
// before the first paint.
import { useState } from 'react';

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

export const themeChanged = 'memwatch:theme';

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
