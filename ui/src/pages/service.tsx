// One service: the verdict in words with its reasons, then the readings.
import { useMemo } from 'react';
import { hub } from '../api/client.ts';
import type { Alert, Capture, Gate, Service, Verdict } from '../api/types.ts';
import { Chart } from '../charts/chart.tsx';
import type { Mark } from '../charts/options.ts';
import { panels, type Panel } from '../charts/panels.ts';
import { Failure, Loading, Notice, SeverityTag, SignIn, State, When } from '../components/basics.tsx';
import { StateIcon } from '../components/icons.tsx';
import { Culprits, Gates, VerdictFacts } from '../components/verdict.tsx';
import { useAnswer, useLive, useNow } from '../live/hooks.ts';
import { useReadings } from '../live/series.ts';
import { compareVerdicts, conditionMeaning, instanceCondition, rankOf, serviceCondition, showsGrowth, type Condition } from '../model/condition.ts';
import { profileWord, roleWord } from '../model/captures.ts';
import { clock, duration, plural, together } from '../model/format.ts';
import { byInstance, type Reading } from '../model/readings.ts';
import { projection, projectionWords, trendSince, type Overlay, type Spot } from '../model/trend.ts';
import { alertTitle } from '../model/story.ts';
import { Link, paths, useQuery } from '../router.tsx';

export function ServicePage({ name }: { name: string }) {
  const { services, alerts, loaded, profilesSaved, error, signIn } = useLive();
  const now = useNow(1_000);
  const service = services.get(name);
  const captures = useAnswer(`profiles of ${name}`, profilesSaved, (signal) => hub.profiles({ service: name, limit: 50 }, signal));
  if (!service) {
    if (!loaded && signIn) return <SignIn />;
    if (!loaded) return error ? <Failure error={new Error(error)} retry={() => location.reload()} /> : <Loading height={420} label="Loading the service" />;
    return <div className="card"><Notice title={`No service is called ${name}`} state="none" page><Link className="button" to={paths.fleet}>To the fleet</Link></Notice></div>;
  }
  const own = [...alerts.values()].filter((a) => a.service === name).sort((a, b) => (b.timestamp ?? 0) - (a.timestamp ?? 0));
  const saved = captures.data?.profiles ?? [];
  return (
    <>
      <nav className="crumbs" aria-label="Where this is"><Link to={paths.fleet}>Fleet</Link><span aria-hidden="true">/</span><span>{name}</span></nav>
      <Head service={service} alerts={own} captures={saved} now={now} />
      <VerdictCard service={service} now={now} />
      <Charts service={service} alerts={own} captures={saved} now={now} />
      {service.verdict && <Why verdict={service.verdict} state={serviceCondition(service, now)} />}
      <Events alerts={own} captures={saved} now={now} />
    </>
  );
}

interface Parts {
  service: Service;
  alerts: Alert[];
  captures: Capture[];
  now: number;
}

function Head({ service, alerts, captures, now }: Parts) {
  const open = alerts.find((a) => a.state === 'firing' && a.type === 'leak');
  const proof = captures.find((c) => c.baseId && c.kind === 'heap') ?? captures.find((c) => c.baseId);
  return (
    <div className="stack">
      <div className="title-row">
        <h1>{service.name}</h1>
        <State state={serviceCondition(service, now)} />
        {showsGrowth(service.verdict) && <SeverityTag severity={service.verdict.severity} />}
        <div className="actions">
          {proof && <Link className="button" to={paths.profile(proof.id, proof.baseId)}>What grew: flame graph</Link>}
          {open && <Link className="button primary" to={paths.alert(open.id)}>Open the alert</Link>}
        </div>
      </div>
      <p className="muted small">
        {plural((service.instances ?? []).length, 'instance')} · last seen <When time={service.lastSeen} now={now} />
        {Object.entries(service.labels ?? {}).map(([key, value]) => <span key={key}> · {key} {value}</span>)}
      </p>
    </div>
  );
}

const whyTitle: Record<Verdict['state'], string> = {
  leaking: 'Why it is a leak',
  suspect: 'Why it may be a leak, and why not yet',
  healthy: 'Why it is no leak',
  learning: 'What a verdict will rest on',
};

function gatesPassed(gates: readonly Gate[]): string {
  return gates.length ? `${gates.filter((g) => g.passed).length} of ${gates.length} signs of a leak` : '';
}

function VerdictCard({ service, now }: { service: Service; now: number }) {
  const state = serviceCondition(service, now);
  const verdict = service.verdict;
  const reason = (service.instances ?? []).find((i) => i.reason)?.reason;
  const culprits = verdict?.culprits ?? [];
  const silent = state === 'unreachable' || state === 'disconnected' || state === 'stale';
  return (
    <>
      <section className="card verdict-card" data-tone={state} aria-label="Verdict">
        <div className="card-body stack loose">
          <p className="summary">{silent ? `${conditionMeaning[state]}${reason ? `: ${reason}` : '.'}` : (verdict ? together(verdict.summary) : (state === 'learning' ? 'Learning what is normal here: a first verdict needs some minutes of readings.' : `${conditionMeaning[state]}.`))}</p>
          {silent && verdict && <p className="muted">The last verdict: {verdict.summary}</p>}
          {showsGrowth(verdict) && <VerdictFacts verdict={verdict} now={now} />}
        </div>
      </section>
      {showsGrowth(verdict) && (
        <section className="card" data-tone={state}>
          <header><h2>Where it grows</h2></header>
          <div className="card-body">
            {culprits.length ? <Culprits culprits={culprits} kind={verdict.kind} /> : <p className="muted small">No function stands out yet; heap profiles are read as garbage collections happen.</p>}
          </div>
        </section>
      )}
    </>
  );
}

function Why({ verdict, state }: { verdict: Verdict; state: Condition }) {
  return (
    <section className="card" data-tone={state}>
      <header><h2>{whyTitle[verdict.state]}</h2><span className="muted small">{gatesPassed(verdict.gates ?? [])}</span></header>
      <div className="card-body"><Gates gates={verdict.gates ?? []} /></div>
    </section>
  );
}

const ranges = [
  { key: '15m', label: '15 min', ms: 15 * 60_000 },
  { key: '1h', label: '1 h', ms: 3_600_000 },
  { key: '6h', label: '6 h', ms: 6 * 3_600_000 },
  { key: '24h', label: '24 h', ms: 86_400_000 },
  { key: '7d', label: '7 days', ms: 7 * 86_400_000 },
] as const;
const usualRange = ranges[1];
const mostInstances = 8;

function Charts({ service, alerts, captures, now }: Parts) {
  const [query, setQuery] = useQuery();
  const window = ranges.find((r) => r.key === query.get('range')) ?? usualRange;
  const fixed = fixedRange(query.get('from'), query.get('to'));
  const readings = useReadings(service.name, window.ms, fixed);
  const all = worstFirst(service, now);
  const chosen = all.find((name) => name === query.get('instance'));
  const shown = chosen !== undefined ? [chosen] : all.slice(0, mostInstances);
  const key = shown.join('\n');
  const grouped = useMemo(() => renameLone(byInstance(readings.list), shown), [readings.list, key]);
  const drawn = useMemo(() => panels(grouped, shown), [grouped, key]);
  const verdict = (service.instances ?? []).find((i) => i.name === shown[0])?.verdict ?? null;
  const overlays = useMemo(() => overlaysOf(verdict, drawn.panels), [verdict, drawn]);
  const marks = useMemo(() => marksOf(alerts, captures, grouped, shown), [alerts, captures, grouped, key]);
  const [from, to] = fixed ? [fixed.from, fixed.to] : [liveStart(readings.list, now, window.ms), now];
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
      {all.length > 1 && <InstanceChoice service={service} all={all} chosen={chosen} now={now} choose={(instance) => setQuery({ instance })} />}
      {readings.error && readings.list.length === 0 ? (
        <Failure error={readings.error} retry={readings.reload} page={false} />
      ) : readings.loading ? (
        <Loading height={420} label="Loading readings" />
      ) : (
        <div className="charts">
          {drawn.panels.map(({ key, message, ...panel }) => (
            <Chart key={key} {...panel} message={key === 'process' && overlays.process && verdict ? `${message} ${projectionWords(verdict)}` : message} marks={marks} overlays={fixed ? none : (overlays[key] ?? none)} from={from} to={to} onZoom={zoom} />
          ))}
        </div>
      )}
      <p className="muted small">
        Marks: ▼ alert, ■ saved profile, ● restart{overlays.heap || overlays.process ? '; dashed: the trend, with its 95 % band' : ''}.
        {drawn.missing.length > 0 && !readings.loading && ` Not reported here: ${drawn.missing.join(', ').toLowerCase()}.`}
      </p>
    </section>
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

function marksOf(alerts: Alert[], captures: Capture[], groups: Map<string, Reading[]>, shown: readonly string[]): Mark[] {
  const marks: Mark[] = [];
  for (const a of alerts) if (a.timestamp !== null && a.type === 'leak') marks.push({ time: a.timestamp, kind: 'alert', label: alertTitle(a) });
  for (const c of captures) if (c.timestamp !== null) marks.push({ time: c.timestamp, kind: 'capture', label: c.filename });
  for (const name of shown) {
    let before: number | undefined;
    for (const r of groups.get(name) ?? []) {
      const start = r.sample.startTime;
      if (start !== undefined && before !== undefined && start !== before) marks.push({ time: start, kind: 'restart', label: `${name} restarted` });
      before = start ?? before;
    }
  }
  return marks;
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

function lifeWord(a: Alert): string {
  if (a.type === 'snapshot') return 'Snapshot';
  if (a.state === 'firing') return 'Firing';
  return a.resolvedAt && a.timestamp ? `Resolved after ${duration((a.resolvedAt - a.timestamp) / 1000)}` : 'Resolved';
}

/** A snapshot's alert beside its profile would say the same twice. */
function isSaved(a: Alert, captures: readonly Capture[]): boolean {
  return captures.some((c) => c.filename === a.filename || (a.profiles ?? []).includes(c.id));
}

function Events({ alerts, captures, now }: Omit<Parts, 'service'>) {
  const events = [
    ...alerts.filter((a) => a.type !== 'snapshot' || !isSaved(a, captures)).map((a) => ({ key: a.id, time: a.timestamp ?? 0, node: <Link to={paths.alert(a.id)}>{alertTitle(a)}</Link>, tag: lifeWord(a) })),
    ...captures.map((c) => ({ key: c.id, time: c.timestamp ?? 0, node: <Link to={paths.profile(c.id, c.baseId)}>{profileWord[c.kind]} profile saved: {roleWord[c.role].toLowerCase()}</Link>, tag: c.instance })),
  ].sort((a, b) => b.time - a.time);
  return (
    <section className="card">
      <header><h2>What happened</h2></header>
      <div className="card-body">
        {events.length === 0 ? <p className="muted small">No alert and no saved profile yet.</p> : (
          <ul className="events">
            {events.slice(0, 40).map((e) => (
              <li key={e.key}><When time={e.time || null} now={now} /><span className="grow">{e.node}</span><span className="tag">{e.tag}</span></li>
            ))}
          </ul>
        )}
      </div>
    </section>
  );
}
