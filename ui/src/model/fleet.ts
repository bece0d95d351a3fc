// The fleet page's questions, answered by pure functions: is anything wrong,
// where, how bad, what now.
import type { Kind, Service } from '../api/types.ts';
import { compareVerdicts, conditions, rankOf, serviceCondition, showsGrowth, type Condition } from './condition.ts';
import { duration, growth, place, plural, shortFunction } from './format.ts';

const byName = new Intl.Collator('en', { numeric: true });

export type FleetKind = Exclude<Kind, 'none'> | 'all';

export interface FleetFilter {
  text: string;
  state: Condition | 'all';
  kind: FleetKind;
  /** "key=value", or "" for any. */
  label: string;
}

export const everything: FleetFilter = { text: '', state: 'all', kind: 'all', label: '' };

/** Every word of the text must be found in the name, an instance, a label or a culprit. */
export function matches(service: Service, filter: FleetFilter, now: number): boolean {
  if (filter.state !== 'all' && serviceCondition(service, now) !== filter.state) return false;
  if (filter.kind !== 'all' && kindOf(service) !== filter.kind) return false;
  if (filter.label && !allLabels(service).includes(filter.label)) return false;
  const wanted = filter.text.toLowerCase().split(/\s+/).filter(Boolean);
  if (wanted.length === 0) return true;
  const hay = searchable(service);
  return wanted.every((word) => hay.includes(word));
}

/** What grows, where something does. */
function kindOf(service: Service): Kind {
  return showsGrowth(service.verdict) ? service.verdict.kind : 'none';
}

/** The service's labels and those of its instances. */
function allLabels(service: Service): string[] {
  const sets = [service.labels, ...(service.instances ?? []).map((i) => i.labels)];
  return sets.flatMap((labels) => Object.entries(labels ?? {}).map(([key, value]) => `${key}=${value}`));
}

/** The kinds of growth there are. */
export function kindsOf(services: readonly Service[]): Exclude<Kind, 'none'>[] {
  const present = new Set(services.map(kindOf));
  return (['heap', 'goroutine', 'offheap', 'fragmentation'] as const).filter((kind) => present.has(kind));
}

/** A label with more values than this names single instances: no help in choosing. */
const mostValues = 60;

/** The labels to choose from, as "key=value" by key. */
export function labelsOf(services: readonly Service[]): Map<string, string[]> {
  const byKey = new Map<string, Set<string>>();
  for (const label of services.flatMap(allLabels)) {
    const key = label.slice(0, label.indexOf('='));
    byKey.set(key, (byKey.get(key) ?? new Set()).add(label));
  }
  const chosen = [...byKey].filter(([, values]) => values.size > 1 && values.size <= mostValues).sort(([a], [b]) => byName.compare(a, b));
  return new Map(chosen.map(([key, values]) => [key, [...values].sort(byName.compare)]));
}

/** A service's text lives as long as the service does unchanged: of thousands, few change in a frame. */
const texts = new WeakMap<Service, string>();

function searchable(service: Service): string {
  let text = texts.get(service);
  if (text === undefined) texts.set(service, (text = textOf(service)));
  return text;
}

function textOf(service: Service): string {
  const instances = (service.instances ?? []).map((i) => i.name);
  const culprits = (service.verdict?.culprits ?? []).map((c) => `${c.function} ${c.file}`);
  return [service.name, service.verdict?.kind ?? '', ...allLabels(service), ...instances, ...culprits].join('\n').toLowerCase();
}

/** Worst first; equals by severity, then by time to limit, growth and name. */
export function sortFleet(services: readonly Service[], now: number): Service[] {
  const ranked = services.map((service) => ({ service, rank: rankOf(serviceCondition(service, now)) }));
  ranked.sort((a, b) => a.rank - b.rank || compareVerdicts(a.service.verdict, b.service.verdict) || byName.compare(a.service.name, b.service.name));
  return ranked.map(({ service }) => service);
}

/** The one to look at first: the head of the sorted fleet, without sorting it. */
export function worstService(services: readonly Service[], now: number): Service | undefined {
  let worst: { service: Service; rank: number } | undefined;
  for (const service of services) {
    const rank = rankOf(serviceCondition(service, now));
    if (!worst || rank < worst.rank || (rank === worst.rank && compareVerdicts(service.verdict, worst.service.verdict) < 0)) worst = { service, rank };
  }
  return worst?.service;
}

/**
 * The order to show while the reader's hand is on the list: rows stay where
 * they are, gone ones leave, new ones come last.
 */
export function heldOrder(shown: readonly string[], wanted: readonly string[]): string[] {
  const present = new Set(wanted);
  const kept = shown.filter((name) => present.has(name));
  const known = new Set(kept);
  return [...kept, ...wanted.filter((name) => !known.has(name))];
}

export type Counts = Record<Condition, number>;

export function countConditions(services: readonly Service[], now: number): Counts {
  const counts = Object.fromEntries(conditions.map((c) => [c, 0])) as Counts;
  for (const service of services) counts[serviceCondition(service, now)]++;
  return counts;
}

/** What the page's title and icon show. */
export function worstCondition(counts: Counts): Condition | undefined {
  return conditions.find((c) => counts[c] > 0);
}

export interface Headline {
  tone: Condition | 'none';
  /** Is anything wrong, and how bad. */
  sentence: string;
  /** What now: where to look, or why there is nothing to do. */
  next: string;
  /** The service to open first, if any. */
  service?: string;
}

export function headline(services: readonly Service[], now: number): Headline {
  const counts = countConditions(services, now);
  const worst = worstService(services, now);
  const total = services.length;
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
  if (left !== null && left <= 0) return 'is past its limit';
  if (left !== null && left < 60) return 'reaches its limit within a minute';
  if (left !== null) return `reaches its limit in ${duration(left)}`;
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

/** "(2 leaking) memwatch": what a tab far away from the eye should say. */
export function documentTitle(page: string, counts: Counts, connected: boolean): string {
  const name = page ? `${page} · memwatch` : 'memwatch';
  if (!connected) return `(offline) ${name}`;
  if (counts.leaking) return `(${counts.leaking} leaking) ${name}`;
  if (counts.suspect) return `(${counts.suspect} suspect) ${name}`;
  return name;
}
