// Small multiples: one signal of every instance, each by itself, all on one scale.
// Pure.
import { downsample, level, withGaps, type Column, type Reading } from './readings.ts';

export const multipleSignals = { liveHeapBytes: 'Live heap', rssBytes: 'RSS', goroutines: 'Goroutines' } as const;
export type MultipleSignal = keyof typeof multipleSignals;

export interface Multiple {
  name: string;
  column: Column;
  first: number;
  last: number;
  highest: number;
}

const points = 120;

/** In the order of the names; an instance without the signal has none. `top` is the highest of all. */
export function multiples(groups: ReadonlyMap<string, readonly Reading[]>, names: readonly string[], signal: MultipleSignal): { list: Multiple[]; top: number } {
  const list = names.flatMap((name): Multiple[] => {
    const column = downsample(withGaps(level(groups.get(name) ?? [], signal)), points);
    const known = column.values.filter((v) => v !== null);
    return known.length ? [{ name, column, first: known[0] ?? 0, last: known.at(-1) ?? 0, highest: Math.max(...known) }] : [];
  });
  return { list, top: Math.max(0, ...list.map((m) => m.highest)) };
}

/** A column as the path of an SVG of this size; from and to in Unix seconds. A hole interrupts the line. */
export function pathOf({ times, values }: Column, from: number, to: number, top: number, width: number, height: number): string {
  let pen = 'M';
  let path = '';
  times.forEach((time, i) => {
    const value = values[i];
    if (value == null || time < from || time > to) {
      pen = 'M';
      return;
    }
    const [x, y] = [((time - from) / (to - from)) * width, height - (top > 0 ? value / top : 0) * height];
    path += `${pen}${x.toFixed(1)} ${y.toFixed(1)}`;
    pen = 'L';
  });
  return path;
}
