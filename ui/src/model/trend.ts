// A verdict's trend as lines to draw over readings: what has grown, and when the
// limit is met. Pure; times in Unix seconds, as the charts want them.
import type { Verdict } from '../api/types.ts';
import { duration, durationRange } from './format.ts';
import { isAssumed, limitName } from './story.ts';

export type Spot = [time: number, value: number];

export interface Overlay {
  line: [Spot, Spot];
  /** Where the line may as well be: the corners of an area. */
  band: Spot[];
  /** Where the line ends at something: marked, with these words beside it. */
  end?: string;
}

/** How the growth has gone since it began, through the newest reading. */
export function trendSince(verdict: Verdict, now: Spot): Overlay | undefined {
  const [time, value] = now;
  const { estimate, low, high } = verdict.growthBytesPerSecond;
  if (verdict.since === null || estimate <= 0) return undefined;
  const since = verdict.since / 1000;
  const before = (rate: number): Spot => [since, Math.max(0, value - rate * (time - since))];
  return { line: [before(estimate), now], band: [before(high), before(low), now] };
}

/** From the memory in use now to the limit, as soon and as late as the trend allows. */
export function projection(verdict: Verdict, now: Spot): Overlay | undefined {
  const left = verdict.timeToLimitSeconds;
  const [time, value] = now;
  if (left === null || left <= 0 || verdict.limitBytes <= value) return undefined;
  const at = (seconds: number): Spot => [time + seconds, verdict.limitBytes];
  const soonest = verdict.timeToLimitLowSeconds ?? left;
  const latest = verdict.timeToLimitHighSeconds;
  const late: Spot[] = latest === null ? [[time + left * 20, value + (verdict.limitBytes - value) * 0.5]] : [at(latest)];
  return { line: [now, at(left)], band: [now, at(soonest), ...late], end: `${isAssumed(verdict) ? 'assumed limit' : 'limit'} in ${duration(left)}` };
}

/** How far beyond now a chart should look: to the limit when it is near, at most half of what is shown. */
export function lookAhead(overlay: Overlay | undefined, spanSeconds: number): number {
  if (!overlay?.end) return 0;
  return Math.min((overlay.line[1][0] - overlay.line[0][0]) * 1.15, spanSeconds * 0.5);
}

export function projectionWords(verdict: Verdict): string {
  const left = verdict.timeToLimitSeconds;
  if (left === null) return '';
  if (left <= 0) return `It has reached the ${limitName(verdict)}.`;
  if (left < 60) return `At this rate it meets the ${limitName(verdict)} within a minute.`;
  const range = durationRange(verdict.timeToLimitLowSeconds, verdict.timeToLimitHighSeconds);
  const spread = range && range !== duration(left) ? ` (${range})` : '';
  return `At this rate it meets the ${limitName(verdict)} in ${duration(left)}${spread}.`;
}
