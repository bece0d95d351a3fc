// Draws only the rows that can be seen, when there are many. Rows have one
// height; the window's own scroll bar is the list's.
import { useCallback, useEffect, useState, type RefObject } from 'react';

export interface Window {
  first: number;
  /** Exclusive. */
  last: number;
}

/** Fewer rows than this are all drawn, so that the browser's own find sees them. */
export const drawAllBelow = 120;
const spare = 8;

export function windowOf(count: number, rowHeight: number, listTop: number, viewHeight: number): Window {
  if (count <= drawAllBelow) return { first: 0, last: count };
  const first = Math.floor(-listTop / rowHeight) - spare;
  const last = Math.ceil((viewHeight - listTop) / rowHeight) + spare;
  const clamp = (n: number) => Math.min(count, Math.max(0, n));
  return { first: clamp(first), last: clamp(last) };
}

export function useWindow(list: RefObject<HTMLElement | null>, count: number, rowHeight: number): Window {
  const measure = useCallback(
    () => windowOf(count, rowHeight, list.current?.getBoundingClientRect().top ?? 0, innerHeight),
    [list, count, rowHeight],
  );
  const [range, setRange] = useState<Window>(() => windowOf(count, rowHeight, 0, innerHeight));
  useEffect(() => {
    let frame = 0;
    const update = () => {
      frame ||= requestAnimationFrame(() => {
        frame = 0;
        const next = measure();
        setRange((now) => (now.first === next.first && now.last === next.last ? now : next));
      });
    };
    update();
    addEventListener('scroll', update, { passive: true });
    addEventListener('resize', update);
    return () => {
      cancelAnimationFrame(frame);
      removeEventListener('scroll', update);
      removeEventListener('resize', update);
    };
  }, [measure]);
  return { first: Math.min(range.first, count), last: Math.min(count <= drawAllBelow ? count : range.last, count) };
}
