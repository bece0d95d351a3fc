// Where the squares of a heat grid are. Pure; sizes in CSS pixels.

export interface HeatLayout {
  columns: number;
  rows: number;
  /** From one square to the next. */
  pitch: number;
}

export const square = 16;
const gap = 3;

/** As many squares side by side as fit, spread over the whole width. */
export function heatLayout(count: number, width: number): HeatLayout {
  const columns = Math.max(1, Math.floor((width + gap) / (square + gap)));
  return { columns, rows: Math.ceil(count / columns), pitch: (width + gap) / columns };
}

export function spotOf(l: HeatLayout, index: number): { x: number; y: number } {
  return { x: Math.round((index % l.columns) * l.pitch), y: Math.round(Math.floor(index / l.columns) * l.pitch) };
}

/** The square at a place, or nearest to it; undefined below the last. */
export function squareAt(l: HeatLayout, count: number, x: number, y: number): number | undefined {
  const column = Math.min(l.columns - 1, Math.max(0, Math.floor(x / l.pitch)));
  const index = Math.floor(y / l.pitch) * l.columns + column;
  return y >= 0 && index < count ? index : undefined;
}

/** Where an arrow key leads. */
export function stepFrom(l: HeatLayout, count: number, index: number, key: string): number | undefined {
  const by = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -l.columns, ArrowDown: l.columns, Home: -index, End: count - 1 - index }[key];
  if (by === undefined) return undefined;
  const next = index + by;
  return next >= 0 && next < count ? next : index;
}
