// Rows that never move under the pointer: live updates wait for the hand to leave.
import { useEffect, useMemo, useRef, useState, type RefObject } from 'react';
import { heldOrder } from '../model/fleet.ts';

const restMs = 2_500;

/** True while a pointer rests on the element, focus is in it, or it was touched a moment ago. */
function useHeld(ref: RefObject<HTMLElement | null>): boolean {
  const [held, setHeld] = useState(false);
  useEffect(() => {
    const list = ref.current;
    if (!list) return;
    let timer: ReturnType<typeof setTimeout>;
    const hold = () => {
      clearTimeout(timer);
      setHeld(true);
    };
    const release = () => {
      clearTimeout(timer);
      timer = setTimeout(() => setHeld(list.matches(':hover') || list.contains(document.activeElement)), restMs);
    };
    const touched = (event: PointerEvent) => (event.pointerType === 'mouse' ? hold() : (hold(), release()));
    list.addEventListener('pointerenter', touched);
    list.addEventListener('pointerdown', touched);
    list.addEventListener('pointerleave', release);
    list.addEventListener('focusin', hold);
    list.addEventListener('focusout', release);
    return () => {
      clearTimeout(timer);
      list.removeEventListener('pointerenter', touched);
      list.removeEventListener('pointerdown', touched);
      list.removeEventListener('pointerleave', release);
      list.removeEventListener('focusin', hold);
      list.removeEventListener('focusout', release);
    };
  }, [ref]);
  return held;
}

/** The names in the wanted order; while the reader's hand is on the element, as they were. Another filter may reorder at once. */
export function useStableOrder(ref: RefObject<HTMLElement | null>, wanted: string[], filterKey: string): string[] {
  const held = useHeld(ref);
  const shown = useRef<{ key: string; names: string[] }>({ key: filterKey, names: wanted });
  const names = useMemo(
    () => (held && shown.current.key === filterKey ? heldOrder(shown.current.names, wanted) : wanted),
    [held, wanted, filterKey],
  );
  useEffect(() => {
    shown.current = { key: filterKey, names };
  });
  return names;
}
