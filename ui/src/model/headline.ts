// The fleet page's questions, answered in two sentences: is anything wrong, where,
// how bad, what now. Pure.
import type { Service } from '../api/types.ts';
import type { Condition } from './condition.ts';
import type { Counts } from './fleet.ts';
import { duration, growth, place, plural, shortFunction } from './format.ts';
import { isAssumed, limitName } from './story.ts';

export interface Headline {
  tone: Condition | 'none';
  /** Is anything wrong, and how bad. */
  sentence: string;
  /** What now: where to look, or why there is nothing to do. */
  next: string;
  /** The service to open first, if any. */
  service?: string;
}

/** `worst`: the head of the sorted fleet. */
export function headline(worst: Service | undefined, counts: Counts, total: number): Headline {
  if (!worst) return { tone: 'none', sentence: 'Nothing is watched yet.', next: '' };
  if (counts.leaking > 0) return leakHeadline(worst, counts.leaking, total);
  if (counts.suspect > 0) {
    const sentence = `No leak is proven; ${counts.suspect} of ${plural(total, 'service')} ${counts.suspect === 1 ? 'is' : 'are'} suspect.`;
    return { tone: 'suspect', sentence, next: whereItGrows(worst, 'may leak'), service: worst.name };
  }
  const silent = counts.unreachable + counts.disconnected + counts.stale;
  if (silent > 0) return silentHeadline(worst, silent, total, counts);
  if (counts.healthy === 0) {
    return {
      tone: 'learning',
      sentence: `Getting to know ${plural(total, 'service')}.`,
      next: 'A first verdict needs some minutes of readings.',
    };
  }
  const next = counts.learning > 0 ? `${plural(counts.learning, 'service is', 'services are')} still being learned.` : 'There is nothing to do.';
  return { tone: 'healthy', sentence: total === 1 ? 'The one service is healthy.' : `All is well: no leak in ${plural(total, 'service')}.`, next };
}

function leakHeadline(worst: Service, leaking: number, total: number): Headline {
  const who = total === 1 ? `${worst.name} leaks` : `${leaking} of ${total} services ${leaking === 1 ? 'leaks' : 'leak'}`;
  const subject = total === 1 ? 'it' : leaking === 1 ? worst.name : `the worst, ${worst.name},`;
  return { tone: 'leaking', sentence: `${who}; ${subject} ${outlook(worst)}.`, next: whereItGrows(worst, 'leaks'), service: worst.name };
}

function outlook(service: Service): string {
  const verdict = service.verdict;
  if (!verdict) return 'was flagged by its own agent';
  const left = verdict.timeToLimitSeconds;
  const limit = isAssumed(verdict) ? `the ${limitName(verdict)}` : 'its limit';
  if (left !== null && left <= 0) return `is past ${limit}`;
  if (left !== null && left < 60) return `reaches ${limit} within a minute`;
  if (left !== null) return `reaches ${limit} in ${duration(left)}`;
  return `grows by ${growth(verdict.growthBytesPerSecond.estimate).replace('+', '')}`;
}

function whereItGrows(service: Service, verb: string): string {
  const culprit = service.verdict?.culprits?.[0];
  if (!culprit) return `Start with ${service.name}; its function is not known yet.`;
  const where = place(culprit.file, culprit.line);
  return `Start with ${service.name}: ${shortFunction(culprit.function)} ${verb}${where ? ` (${where})` : ''}.`;
}

function silentHeadline(worst: Service, silent: number, total: number, counts: Counts): Headline {
  const sentence =
    counts.unreachable === silent
      ? `No leak is known, but ${silent} of ${plural(total, 'service')} cannot be read.`
      : `No leak is known, but ${silent} of ${plural(total, 'service')} ${silent === 1 ? 'has' : 'have'} gone silent.`;
  const reason = (worst.instances ?? []).find((i) => i.reason)?.reason;
  return {
    tone: serviceConditionTone(counts),
    sentence,
    next: `Start with ${worst.name}${reason ? `: ${reason}` : ''}.`.replace(/\.\.$/, '.'),
    service: worst.name,
  };
}

function serviceConditionTone(counts: Counts): Condition {
  if (counts.unreachable) return 'unreachable';
  return counts.disconnected ? 'disconnected' : 'stale';
}
