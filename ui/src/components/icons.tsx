// The page's own few icons, drawn on a 16-unit grid in the colour of the text.
// Every state has its own shape, so that colour is never needed to tell them apart.
import type { ReactNode } from 'react';
import type { Condition } from '../model/condition.ts';

function Icon({ children, size = 16 }: { children: ReactNode; size?: number }) {
  return (
    <svg viewBox="0 0 16 16" width={size} height={size} fill="none" stroke="currentColor" strokeWidth="1.7" strokeLinecap="round" strokeLinejoin="round" aria-hidden="true">
      {children}
    </svg>
  );
}

export interface Shape {
  d: string;
  /** Filled, not drawn as a line. */
  solid?: boolean;
  /** The line's dashes. */
  dash?: [number, number];
}

const ring = 'M8 1.7a6.3 6.3 0 1 0 0 12.6a6.3 6.3 0 1 0 0-12.6z';

/** As path data, so that a canvas draws the same shapes. */
export const stateShapes: Record<Condition | 'none', Shape> = {
  leaking: { d: 'M8 1.2c3 3.8 4.6 6 4.6 8.5a4.6 4.6 0 0 1-9.2 0C3.4 7.2 5 5 8 1.2z', solid: true },
  suspect: { d: 'M8 1.8 14.8 13.6H1.2zM8 6.4v3.2M8 11.7v.01' },
  unreachable: { d: `${ring}M3.6 12.4 12.4 3.6` },
  disconnected: { d: 'M5.5 1.5v3.5M10.5 1.5v3.5M3.5 5h9v2.5a4.5 4.5 0 0 1-9 0zM8 12v2.5M2 14 14 2' },
  stale: { d: `${ring}M8 4.3V8l2.5 1.7` },
  learning: { d: ring, dash: [2.2, 2.75] },
  healthy: { d: `${ring}m-2.7 6.5 1.9 1.9 3.6-4` },
  none: { d: ring },
};

export function StateIcon({ state, size }: { state: Condition | 'none'; size?: number }) {
  const { d, solid, dash } = stateShapes[state];
  return <Icon {...(size ? { size } : {})}><path d={d} {...(solid ? { fill: 'currentColor', stroke: 'none' } : {})} {...(dash ? { strokeDasharray: dash.join(' ') } : {})} /></Icon>;
}

export const FleetIcon = () => <Icon><path d="M2 4h12M2 8h12M2 12h8" /></Icon>;
export const AlertIcon = () => <Icon><path d="M8 1.8a4.2 4.2 0 0 1 4.2 4.2c0 3.2 1.3 4.7 1.3 4.7h-11S3.8 9.2 3.8 6A4.2 4.2 0 0 1 8 1.8zM6.5 13.2a1.6 1.6 0 0 0 3 0" /></Icon>;
export const ProfileIcon = () => <Icon><path d="M2 3h12M2 6.3h8M2 9.6h5M2 13h2.5" strokeWidth="2.3" /></Icon>;
export const HubIcon = () => <Icon><circle cx="8" cy="8" r="2.3" /><path d="M8 1.5v4.2M8 10.3v4.2M1.5 8h4.2M10.3 8h4.2" /></Icon>;
export const SearchIcon = () => <Icon><circle cx="7" cy="7" r="4.6" /><path d="m10.5 10.5 3.5 3.5" /></Icon>;
export const SunIcon = () => <Icon><circle cx="8" cy="8" r="3" /><path d="M8 1v1.5M8 13.5V15M1 8h1.5M13.5 8H15M3 3l1 1M12 12l1 1M13 3l-1 1M4 12l-1 1" /></Icon>;
export const MoonIcon = () => <Icon><path d="M13.5 9.7A6 6 0 0 1 6.3 2.5a6 6 0 1 0 7.2 7.2z" /></Icon>;
export const AutoIcon = () => <Icon><circle cx="8" cy="8" r="6" /><path d="M8 2a6 6 0 0 1 0 12z" fill="currentColor" /></Icon>;
export const PassIcon = () => <Icon><path d="m3 8.5 3.2 3.2L13 4.8" /></Icon>;
export const OpenIcon = () => <Icon><circle cx="8" cy="8" r="3.4" /></Icon>;
export const DownloadIcon = () => <Icon><path d="M8 2v8.5M4.5 7.5 8 11l3.5-3.5M2.5 14h11" /></Icon>;

export const Mark = () => (
  <svg viewBox="0 0 32 32" width="22" height="22" aria-hidden="true">
    <rect width="32" height="32" rx="8" fill="#4350c4" />
    <path d="M7 21l6-7 5 4 7-9" fill="none" stroke="#fff" strokeWidth="3" strokeLinecap="round" strokeLinejoin="round" />
  </svg>
);
