// What a row says about a service: the verdict's state joined with whether
// anybody still hears of it. Pure.
import type { Instance, Metrics, Service, Severity, Status, Verdict } from '../api/types.ts';

export type Condition = 'leaking' | 'suspect' | 'unreachable' | 'disconnected' | 'stale' | 'learning' | 'healthy';

/** Worst first: the order of rows, of filters and of the legend. */
export const conditions: readonly Condition[] = ['leaking', 'suspect', 'unreachable', 'disconnected', 'stale', 'learning', 'healthy'];

export const conditionWord: Record<Condition, string> = {
  leaking: 'Leaking',
  suspect: 'Suspect',
  unreachable: 'Unreachable',
  disconnected: 'Disconnected',
  stale: 'Stale',
  learning: 'Learning',
  healthy: 'Healthy',
};

export const conditionMeaning: Record<Condition, string> = {
  leaking: 'The evidence for a leak is in',
  suspect: 'Growth that may be a leak; more readings will tell',
  unreachable: 'The agent is there, but cannot read the service',
  disconnected: 'The agent is gone',
  stale: 'Connected, but no reading for a while',
  learning: 'Too few readings to judge yet',
  healthy: 'Nothing grows that should not',
};

/** A connected service that was silent for longer than this is called stale. */
export const staleAfterMs = 90_000;

const severityRank: Record<Severity, number> = { none: 0, info: 1, warning: 2, critical: 3 };

interface Watched {
  status: Status;
  lastSeen: number | null;
  verdict: Verdict | null;
}

/** A leak stays a leak when its process goes silent: that may be how it ended. */
export function conditionOf(target: Watched, metrics: Metrics | null, now: number): Condition {
  if (target.verdict?.state === 'leaking') return 'leaking';
  if (target.status === 'unreachable' || target.status === 'disconnected') return target.status;
  if (target.lastSeen !== null && now - target.lastSeen > staleAfterMs) return 'stale';
  if (target.verdict) return target.verdict.state;
  return judgedByAgent(metrics) ?? 'learning';
}

/** The original Node agent sends no verdict; its own flag must do. */
function judgedByAgent(metrics: Metrics | null): Condition | undefined {
  if (!metrics || metrics.v) return undefined;
  return metrics.leakDetected ? 'leaking' : 'healthy';
}

export function serviceCondition(service: Service, now: number): Condition {
  return conditionOf(service, service.lastMetrics, now);
}

export function instanceCondition(instance: Instance, now: number): Condition {
  return conditionOf(instance, null, now);
}

const conditionRank = Object.fromEntries(conditions.map((c, i) => [c, i])) as Record<Condition, number>;

/** 0 for the worst. */
export function rankOf(condition: Condition): number {
  return conditionRank[condition];
}

export function compareVerdicts(a: Verdict | null, b: Verdict | null): number {
  const bySeverity = severityRank[b?.severity ?? 'none'] - severityRank[a?.severity ?? 'none'];
  if (bySeverity) return bySeverity;
  if (a?.state !== 'leaking' && a?.state !== 'suspect') return 0; // the others' small slopes are noise
  const byTime = (a.timeToLimitSeconds ?? Infinity) - (b?.timeToLimitSeconds ?? Infinity);
  if (byTime && !Number.isNaN(byTime)) return byTime;
  return (b?.growthBytesPerSecond.estimate ?? 0) - a.growthBytesPerSecond.estimate;
}

const stateRank = { learning: 0, healthy: 1, suspect: 2, leaking: 3 } as const;

/** The instance whose verdict stands for the service. */
export function worstInstance(instances: readonly Instance[]): Instance | undefined {
  let worst: Instance | undefined;
  for (const instance of instances) {
    if (!instance.verdict) continue;
    if (!worst?.verdict || isWorse(instance.verdict, worst.verdict)) worst = instance;
  }
  return worst;
}

function isWorse(a: Verdict, b: Verdict): boolean {
  const byState = stateRank[a.state] - stateRank[b.state];
  return byState !== 0 ? byState > 0 : compareVerdicts(a, b) < 0;
}

/** Growth is worth showing where it is evidence or a question, not in the noise of the healthy. */
export function showsGrowth(verdict: Verdict | null): verdict is Verdict {
  return verdict !== null && (verdict.state === 'leaking' || verdict.state === 'suspect');
}
