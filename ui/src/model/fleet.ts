// The fleet as a list: its order, what a search and the filters leave of it, and
// how many are how. Pure.
import type { Kind, Service } from '../api/types.ts';
import { compareVerdicts, conditions, rankOf, serviceCondition, showsGrowth, type Condition } from './condition.ts';

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
  const place = placesOf(services);
  const ranked = services.map((service) => ({ service, rank: rankOf(serviceCondition(service, now)), place: place.get(service.name) ?? 0 }));
  ranked.sort((a, b) => a.rank - b.rank || compareVerdicts(a.service.verdict, b.service.verdict) || a.place - b.place);
  return ranked.map(({ service }) => service);
}

/** Where each name comes in the alphabet: thousands of names take longer to compare than a frame lasts, and hardly change. */
let places: ReadonlyMap<string, number> = new Map();

function placesOf(services: readonly Service[]): ReadonlyMap<string, number> {
  if (services.length !== places.size || !services.every((s) => places.has(s.name))) {
    const names = services.map((s) => s.name).sort(byName.compare);
    places = new Map(names.map((name, i) => [name, i]));
  }
  return places;
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

/** "(2 leaking) memwatch": what a tab far away from the eye should say. */
export function documentTitle(page: string, counts: Counts, connected: boolean): string {
  const name = page ? `${page} · memwatch` : 'memwatch';
  if (!connected) return `(offline) ${name}`;
  if (counts.leaking) return `(${counts.leaking} leaking) ${name}`;
  if (counts.suspect) return `(${counts.suspect} suspect) ${name}`;
  return name;
}
