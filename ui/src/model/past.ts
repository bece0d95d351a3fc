// A culprit's past as a sparkline: profiles come when garbage collections allow,
// the recent ones closer together, so that the line is drawn over even time. Pure.
import type { Held, Sparkline } from '../api/types.ts';

const points = 48;

/** Undefined when there is too little to draw a line. Between two profiles the line is straight. */
export function pastOf(history: readonly Held[]): Sparkline | undefined {
  const known = history.filter((h): h is Held & { timestamp: number } => h.timestamp !== null);
  const [first, last] = [known[0], known.at(-1)];
  if (!first || !last || last.timestamp <= first.timestamp) return undefined;
  const stepMs = (last.timestamp - first.timestamp) / (points - 1);
  let next = 1;
  const values = Array.from({ length: points }, (_, i) => {
    const time = i === points - 1 ? last.timestamp : first.timestamp + i * stepMs;
    while (next < known.length - 1 && (known[next]?.timestamp ?? 0) < time) next++;
    const [before, after] = [known[next - 1] ?? first, known[next] ?? last];
    const part = (time - before.timestamp) / (after.timestamp - before.timestamp);
    return before.liveBytes + (after.liveBytes - before.liveBytes) * part;
  });
  return { signal: 'liveHeapBytes', from: first.timestamp, stepMs, values };
}
