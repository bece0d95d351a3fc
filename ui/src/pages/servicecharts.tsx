// A service's readings as charts: every instance in the same ones, or each by itself.
import { useMemo } from 'react';
import type { Service, Verdict } from '../api/types.ts';
import { Chart } from '../charts/chart.tsx';
import { Multiples } from '../charts/multiples.tsx';
import { panels, type Panel } from '../charts/panels.ts';
import { Breakable, Failure, Loading } from '../components/basics.tsx';
import { StateIcon } from '../components/icons.tsx';
import { useReadings } from '../live/series.ts';
import { compareVerdicts, conditionMeaning, instanceCondition, rankOf, showsGrowth, type Condition } from '../model/condition.ts';
import { clock, plural } from '../model/format.ts';
import { marksOf, markWords } from '../model/marks.ts';
import { multipleSignals, type MultipleSignal } from '../model/multiples.ts';
import { byInstance, type Reading } from '../model/readings.ts';
import { projection, projectionWords, trendSince, type Overlay, type Spot } from '../model/trend.ts';
import { useQuery } from '../router.tsx';
import type { Parts } from './service.tsx';

const ranges = [
  { key: '15m', label: '15 min', ms: 15 * 60_000 },
  { key: '1h', label: '1 h', ms: 3_600_000 },
  { key: '6h', label: '6 h', ms: 6 * 3_600_000 },
  { key: '24h', label: '24 h', ms: 86_400_000 },
  { key: '7d', label: '7 days', ms: 7 * 86_400_000 },
] as const;
const usualRange = ranges[1];
const mostInstances = 8;

export function Charts({ service, alerts, captures, now }: Parts) {
  const [query, setQuery] = useQuery();
  const window = ranges.find((r) => r.key === query.get('range')) ?? usualRange;
  const fixed = fixedRange(query.get('from'), query.get('to'));
  const readings = useReadings(service.name, (service.instances ?? []).length, window.ms, fixed);
  const all = useWorstFirst(service, now);
  const signal = (Object.keys(multipleSignals) as MultipleSignal[]).find((k) => k === query.get('signal')) ?? 'liveHeapBytes';
  const stateOf = (name: string): Condition => {
    const instance = (service.instances ?? []).find((i) => i.name === name);
    return instance ? instanceCondition(instance, now) : 'learning';
  };
  const chosen = all.find((name) => name === query.get('instance'));
  const shown = chosen !== undefined ? [chosen] : all.slice(0, mostInstances);
  const key = shown.join('\n');
  const byName = useMemo(() => byInstance(readings.list), [readings.list]);
  const grouped = useMemo(() => renameLone(byName, shown), [byName, key]);
  const drawn = useMemo(() => panels(grouped, shown), [grouped, key]);
  const verdict = (service.instances ?? []).find((i) => i.name === shown[0])?.verdict ?? null;
  const overlays = useMemo(() => overlaysOf(verdict, drawn.panels), [verdict, drawn]);
  const marks = useMemo(() => marksOf({ alerts, captures, releases: service.releases ?? [], groups: grouped, shown }), [alerts, captures, service.releases, grouped, key]);
  const [from, to] = fixed ? [fixed.from, fixed.to] : [liveStart(readings.list, now, window.ms), now];
  const each = all.length > 1 && chosen === undefined && query.get('view') === 'each';
  const zoom = (a: number, b: number) => setQuery({ from: String(a), to: String(b) }, { push: true });
  return (
    <section className="stack" aria-label="Readings">
      <div className="toolbar">
        <h2>Readings</h2>
        <div className="chips scroll" role="group" aria-label="Time range">
          {ranges.map((r) => (
            <button key={r.key} type="button" className="chip" aria-pressed={!fixed && r === window} onClick={() => setQuery({ range: r === usualRange ? undefined : r.key, from: undefined, to: undefined })}>{r.label}</button>
          ))}
        </div>
        {fixed ? (
          <button type="button" className="button" onClick={() => setQuery({ from: undefined, to: undefined })}>Leave {clock(from, now)} to {clock(to, now)}: back to live</button>
        ) : (
          <span className="muted small desktop-only">Live · drag across a chart to zoom</span>
        )}
      </div>
      {all.length > 1 && (
        <div className="toolbar">
          <InstanceChoice service={service} all={all} chosen={chosen} now={now} choose={(instance) => setQuery({ instance })} />
          {chosen === undefined && <EachChoice each={each} signal={signal} set={setQuery} />}
        </div>
      )}
      {readings.error && readings.list.length === 0 ? (
        <Failure error={readings.error} retry={readings.reload} page={false} />
      ) : readings.loading ? (
        <Loading height={420} label="Loading readings" />
      ) : each ? (
        <Multiples groups={byName} names={all} signal={signal} stateOf={stateOf} from={from} to={to} choose={(instance) => setQuery({ instance, view: undefined }, { push: true })} />
      ) : (
        <div className="charts">
          {drawn.panels.map(({ key, message, ...panel }) => (
            <Chart key={key} {...panel} message={key === 'process' && overlays.process && verdict ? `${message} ${projectionWords(verdict)}` : message} marks={marks} overlays={fixed ? none : (overlays[key] ?? none)} from={from} to={to} onZoom={zoom} />
          ))}
        </div>
      )}
      {!each && <Key marks={markWords(marks, from, to, now)} trend={Boolean(overlays.heap ?? overlays.process)} missing={readings.loading ? [] : drawn.missing} />}
    </section>
  );
}

/** What is drawn over the lines, and the marks of this range as a list. */
function Key({ marks, trend, missing }: { marks: readonly string[]; trend: boolean; missing: readonly string[] }) {
  return (
    <div className="muted small stack">
      <p>
        Marks: ▼ alert, ■ saved profile, ● restart, ◆ new version{trend ? '; dashed: the trend, with its 95 % band' : ''}.
        {missing.length > 0 && ` Not reported here: ${missing.join(', ').toLowerCase()}.`}
      </p>
      {marks.length > 0 && <details><summary>{plural(marks.length, 'mark')} in this range</summary><ul>{marks.map((words, i) => <li key={i}><Breakable text={words} /></li>)}</ul></details>}
    </div>
  );
}

/** All instances in the same charts, or each in one of its own. */
function EachChoice({ each, signal, set }: { each: boolean; signal: MultipleSignal; set: (change: { view?: string | undefined; signal?: string | undefined }) => void }) {
  return (
    <div className="chips" role="group" aria-label="How instances are drawn">
      <button type="button" className="chip" aria-pressed={!each} onClick={() => set({ view: undefined, signal: undefined })}>Overlaid</button>
      <button type="button" className="chip" aria-pressed={each} onClick={() => set({ view: 'each' })}>Side by side</button>
      {each && (
        <select className="select" aria-label="What is drawn" value={signal} onChange={(e) => set({ signal: e.target.value })}>
          {Object.entries(multipleSignals).map(([key, word]) => <option key={key} value={key}>{word}</option>)}
        </select>
      )}
    </div>
  );
}

const none: readonly Overlay[] = [];

/** The verdict's trend over the live heap, and the way to the limit over the process's memory. */
function overlaysOf(verdict: Verdict | null, drawn: readonly Panel[]): Record<string, Overlay[]> {
  if (!showsGrowth(verdict)) return {};
  const newest = (key: string): Spot | undefined => {
    const column = drawn.find((p) => p.key === key)?.lines[0]?.column;
    const at = column?.values.findLastIndex((v) => v !== null) ?? -1;
    return column && at >= 0 ? [column.times[at] ?? 0, column.values[at] ?? 0] : undefined;
  };
  const [heap, process] = [newest('heap'), newest('process')];
  const trend = heap && verdict.kind === 'heap' ? trendSince(verdict, heap) : undefined;
  const limit = process && projection(verdict, process);
  return { ...(trend ? { heap: [trend] } : {}), ...(limit ? { process: [limit] } : {}) };
}

const shortestMs = 2 * 60_000;

/** The live range begins with the first reading, so that a young service fills its charts. */
function liveStart(list: readonly Reading[], now: number, windowMs: number): number {
  const first = list.reduce((least, r) => Math.min(least, r.time), now);
  return Math.max(now - windowMs, Math.min(first, now - shortestMs));
}

function fixedRange(from: string | null, to: string | null): { from: number; to: number } | undefined {
  const [a, b] = [Number(from), Number(to)];
  return from && to && a > 0 && b > a ? { from: a, to: b } : undefined;
}

/** The same list while its order stays, so that nothing is drawn anew for it. */
function useWorstFirst(service: Service, now: number): string[] {
  const names = worstFirst(service, now);
  return useMemo(() => names, [names.join('\n')]);
}

function worstFirst(service: Service, now: number): string[] {
  const rank = (i: NonNullable<Service['instances']>[number]) => rankOf(instanceCondition(i, now));
  return [...(service.instances ?? [])].sort((a, b) => rank(a) - rank(b) || compareVerdicts(a.verdict, b.verdict) || a.name.localeCompare(b.name)).map((i) => i.name);
}

/** The original agent names no instance: its readings belong to the one there is. */
function renameLone(groups: Map<string, Reading[]>, shown: readonly string[]): Map<string, Reading[]> {
  const [only] = shown;
  if (shown.length === 1 && only !== undefined && !groups.has(only) && groups.size === 1) return new Map([[only, [...groups.values()][0] ?? []]]);
  return groups;
}

interface InstanceChoiceProps {
  service: Service;
  all: string[];
  chosen: string | undefined;
  now: number;
  choose: (instance: string | undefined) => void;
}

function InstanceChoice({ service, all, chosen, now, choose }: InstanceChoiceProps) {
  const byName = new Map((service.instances ?? []).map((i) => [i.name, i]));
  const offered = all.slice(0, 24);
  return (
    <div className="chips scroll" role="group" aria-label="Instance">
      <button type="button" className="chip" aria-pressed={chosen === undefined} onClick={() => choose(undefined)}>
        {all.length > mostInstances ? `The ${mostInstances} worst of ${all.length}` : `All ${all.length}`}
      </button>
      {offered.map((name) => {
        const instance = byName.get(name);
        const state = instance ? instanceCondition(instance, now) : 'learning';
        return (
          <button key={name} type="button" className="chip" aria-pressed={chosen === name} onClick={() => choose(chosen === name ? undefined : name)} title={`${name}: ${conditionMeaning[state]}`}>
            <span className="state" data-tone={state}><StateIcon state={state} size={14} /></span>{name}
            <span className="visually-hidden">, {state}</span>
          </button>
        );
      })}
    </div>
  );
}
