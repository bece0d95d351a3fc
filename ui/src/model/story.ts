// A verdict and an alert told in sentences. Pure.
import type { Alert, Kind, Verdict } from '../api/types.ts';
import { bytes, duration, durationRange, growth, growthRange, shortFunction } from './format.ts';

export const kindWord: Record<Kind, string> = {
  none: 'nothing',
  heap: 'heap memory',
  goroutine: 'goroutines',
  offheap: 'memory outside the Go heap',
  fragmentation: 'heap space through fragmentation',
};

/** "leaks heap memory": what a service does, by kind. */
export function leakPhrase(kind: Kind | undefined): string {
  return `leaks ${kind && kind !== 'none' ? kindWord[kind] : 'memory'}`;
}

const limitWord: Record<string, string> = {
  cgroup: 'cgroup limit',
  gomemlimit: 'GOMEMLIMIT',
  config: 'configured limit',
  assumed: 'assumed limit: none was found',
};

export function limitSource(source: string): string {
  return limitWord[source] ?? source;
}

export interface Fact {
  label: string;
  value: string;
  detail: string;
}

/** How fast, until when, how much: the numbers behind the sentence. */
export function facts(verdict: Verdict, now: number): Fact[] {
  const rate = verdict.growthBytesPerSecond;
  const out: Fact[] = [
    { label: 'Growth', value: growth(rate.estimate), detail: `95 % interval ${growthRange(rate.low, rate.high)}` },
    timeToLimit(verdict),
  ];
  if (verdict.since !== null) {
    const value = `${duration((now - verdict.since) / 1000)}`;
    out.push({ label: 'Growing for', value, detail: `${bytes(verdict.growthBytes)} more since it began` });
  }
  if (verdict.limitBytes > 0) out.push({ label: 'Limit', value: bytes(verdict.limitBytes), detail: limitSource(verdict.limitSource) });
  return out;
}

function timeToLimit(verdict: Verdict): Fact {
  const label = 'Time to limit';
  const left = verdict.timeToLimitSeconds;
  if (left === null) return { label, value: 'not in sight', detail: 'nothing grows toward the limit' };
  const range = durationRange(verdict.timeToLimitLowSeconds, verdict.timeToLimitHighSeconds);
  return { label, value: left <= 60 ? 'now' : duration(left), detail: range ? `between ${range}`.replace('between up', 'up') : '' };
}

/** Time to limit as a cell: "9 h", or a dash where nothing grows. */
export function timeLeft(verdict: Verdict | null): string {
  if (verdict?.timeToLimitSeconds == null) return '–';
  return verdict.timeToLimitSeconds <= 60 ? 'now' : duration(verdict.timeToLimitSeconds);
}

/** The alert in one sentence: what, where, how fast, until when. */
export function alertTitle(alert: Alert): string {
  if (alert.type === 'snapshot') return `${alert.service} saved a heap snapshot`;
  if (alert.type === 'disconnect') {
    return alert.state === 'resolved' ? `${alert.service} was disconnected, and is back` : `${alert.service} is disconnected`;
  }
  const culprit = alert.verdict?.culprits?.[0];
  const verb = alert.state === 'resolved' ? leakPhrase(alert.kind).replace('leaks', 'leaked') : leakPhrase(alert.kind);
  return `${alert.service} ${verb}${culprit ? ` in ${shortFunction(culprit.function)}` : ''}`;
}

export const gateWord: Record<string, string> = {
  trend: 'Rising trend',
  plateau: 'No plateau',
  horizon: 'Limit in sight',
};

/** A gate's name as a heading: known ones by a phrase, others as they are. */
export function gateTitle(name: string): string {
  const words = gateWord[name] ?? name.replace(/([a-z])([A-Z])/g, '$1 $2').replaceAll(/[-_]/g, ' ').toLowerCase();
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** Three significant digits and no exponent unless it is needed. */
export function gateValue(value: number | null): string {
  if (value === null) return 'not measured';
  if (value !== 0 && (Math.abs(value) >= 1e7 || Math.abs(value) < 1e-3)) return value.toExponential(1);
  return Number(value.toPrecision(3)).toLocaleString('en-US');
}
