// Draws only the rows that can be seen, when there are many. Rows have one
// height; the window's own scroll bar is the list's.
import { useCallback, useEffect, useState, type RefObject } from 'react';
import { flushSync } from 'react-dom';

export interface Window {
  first: number;
  /** Exclusive. */
  last: number;
}

/** Fewer rows than this are all drawn, so that the browser's own find sees them. */
export const drawAllBelow = 120;
/** Rows drawn beyond what is seen, and how many come and go at once: scrolling in between costs nothing. */
const spare = 12;
const step = 4;
/** Paper has no scroll bar: the worst go onto it. */
const mostPrinted = 500;

export function windowOf(count: number, rowHeight: number, listTop: number, viewHeight: number): Window {
  if (count <= drawAllBelow) return { first: 0, last: count };
  const first = Math.floor((Math.floor(-listTop / rowHeight) - spare) / step) * step;
  const last = Math.ceil((Math.ceil((viewHeight - listTop) / rowHeight) + spare) / step) * step;
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
    const print = () => flushSync(() => setRange({ first: 0, last: Math.min(count, mostPrinted) }));
    update();
    addEventListener('beforeprint', print);
    addEventListener('afterprint', update);
    addEventListener('scroll', update, { passive: true });
    addEventListener('resize', update);
    return () => {
      cancelAnimationFrame(frame);
      removeEventListener('beforeprint', print);
      removeEventListener('afterprint', update);
      removeEventListener('scroll', update);
      removeEventListener('resize', update);
    };
  }, [measure, count]);
  return { first: Math.min(range.first, count), last: Math.min(count <= drawAllBelow ? count : range.last, count) };
}
