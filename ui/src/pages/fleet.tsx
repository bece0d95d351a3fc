// The answer in five seconds: is anything wrong, where, how bad, what now.
import { memo, useEffect, useMemo, useRef, useState } from 'react';
import type { Service } from '../api/types.ts';
import { Loading, Notice, Search, SeverityTag, SignIn, Sparkline, State, When } from '../components/basics.tsx';
import { FirstRun } from '../components/firstrun.tsx';
import { StateIcon } from '../components/icons.tsx';
import { useWindow } from '../components/window.ts';
import { useLive, useMedia, useNow, useStore } from '../live/hooks.ts';
import { conditions, serviceCondition, showsGrowth, type Condition } from '../model/condition.ts';
import { countConditions, headline, heldOrder, matches, sortFleet, type FleetFilter } from '../model/fleet.ts';
import { bytes, duration, growth, growthRange, place, plural, shortFunction } from '../model/format.ts';
import { timeLeft } from '../model/story.ts';
import { Link, paths, useQuery } from '../router.tsx';
import { asKind, MoreFilters, StateFilter, ViewChoice } from './fleetfilters.tsx';
import { FleetGrid } from './fleetgrid.tsx';

export function Fleet() {
  const live = useLive();
  const store = useStore();
  const now = useNow();
  if (!live.loaded) {
    if (live.signIn) return <SignIn />;
    if (live.error) {
      return (
        <div className="card" role="alert">
          <Notice title="The fleet could not be loaded" state="disconnected" page>
            <p>{live.error}</p>
            <button type="button" className="button" onClick={store.retryNow}>Try again</button>
          </Notice>
        </div>
      );
    }
    return <Loading height={420} label="Loading the fleet" />;
  }
  if (live.services.size === 0) return <FirstRun />;
  return <Loaded services={live.services} now={now} />;
}

function Loaded({ services, now }: { services: ReadonlyMap<string, Service>; now: number }) {
  const order = useRef<string[]>([]);
  // In the order of the last time, which is nearly sorted: thousands are put in order within a frame.
  const all = useMemo(() => heldOrder(order.current, [...services.keys()]).map((name) => services.get(name)).filter((s) => s !== undefined), [services]);
  const [query, setQuery] = useQuery();
  const [text, state, kind, label] = [query.get('q') ?? '', asCondition(query.get('state')), asKind(query.get('kind')), query.get('label') ?? ''];
  const filter = useMemo<FleetFilter>(() => ({ text, state, kind, label }), [text, state, kind, label]);
  const grid = query.get('view') === 'grid';
  const sorted = useMemo(() => sortFleet(all, now), [all, now]);
  useEffect(() => {
    order.current = sorted.map((s) => s.name);
  }, [sorted]);
  const wanted = useMemo(() => sorted.filter((s) => matches(s, filter, now)).map((s) => s.name), [sorted, filter, now]);
  const counts = useMemo(() => countConditions(all, now), [all, now]);
  return (
    <>
      <Hero services={all} now={now} />
      <div className="toolbar">
        <Search value={filter.text} onChange={(q) => setQuery({ q })} label="Search services, functions, labels" />
        <StateFilter counts={counts} total={all.length} chosen={filter.state} choose={(state) => setQuery({ state: state === 'all' ? undefined : state })} />
        <div className="filters">
          <MoreFilters services={all} filter={filter} set={setQuery} />
          <ViewChoice grid={grid} choose={(grid) => setQuery({ view: grid ? 'grid' : undefined })} />
        </div>
      </div>
      {wanted.length === 0 ? (
        <div className="card">
          <Notice title="No service matches" state="none">
            <p>{plural(all.length, 'service is', 'services are')} watched; none fits the search and the filters.</p>
            <button type="button" className="button" onClick={() => setQuery({ q: undefined, state: undefined, kind: undefined, label: undefined })}>Show all</button>
          </Notice>
        </div>
      ) : grid ? (
        <FleetGrid services={services} names={wanted} now={now} />
      ) : (
        <List services={services} wanted={wanted} now={now} filterKey={[text, state, kind, label].join('\n')} />
      )}
    </>
  );
}

function asCondition(text: string | null): Condition | 'all' {
  return conditions.find((c) => c === text) ?? 'all';
}

function Hero({ services, now }: { services: Service[]; now: number }) {
  const { tone, sentence, next, service } = headline(services, now);
  return (
    <div className="hero" data-tone={tone}>
      <h1><StateIcon state={tone} size={28} /><span>{sentence}</span></h1>
      <p>
        {next}
        {service && <Link to={paths.service(service)} aria-label={`See why: ${service}`}>See why →</Link>}
      </p>
    </div>
  );
}

interface ListProps {
  services: ReadonlyMap<string, Service>;
  /** The names to show, worst first. */
  wanted: string[];
  now: number;
  /** Another filter may reorder at once. */
  filterKey: string;
}

const rowHeight = 64;
const cardHeight = 142;

function List({ services, wanted, now, filterKey }: ListProps) {
  const phone = useMedia('(max-width: 640px)');
  const height = phone ? cardHeight : rowHeight;
  const body = useRef<HTMLDivElement>(null);
  const { ref, held } = useHeld();
  const names = useStableOrder(wanted, held, filterKey);
  const { first, last } = useWindow(body, names.length, height);
  const windowed = last - first < names.length;
  return (
    <div className="fleet card" role="table" aria-label="Services, worst first" aria-rowcount={names.length + 1} ref={ref}>
      <div role="rowgroup">
        <div className="fleet-head" role="row" aria-rowindex={1}>
          <span role="columnheader">State</span>
          <span role="columnheader">Service</span>
          <span role="columnheader">Live heap over time</span>
          <span role="columnheader" className="num heap">Live heap</span>
          <span role="columnheader" className="num">Growth</span>
          <span role="columnheader" className="num">Time to limit</span>
          <span role="columnheader" className="num seen">Last seen</span>
        </div>
      </div>
      <div className="fleet-body" role="rowgroup" ref={body} style={windowed ? { height: names.length * height } : undefined}>
        <div className={windowed ? 'at' : undefined} style={windowed ? { transform: `translateY(${first * height}px)` } : undefined}>
          {names.slice(first, last).map((name, i) => {
            const service = services.get(name);
            return service && <Row key={name} service={service} now={now} index={first + i + 2} />;
          })}
        </div>
      </div>
    </div>
  );
}

const restMs = 2_500;

/** True while a pointer rests on the list, focus is in it, or it was touched a moment ago. */
function useHeld() {
  const ref = useRef<HTMLDivElement>(null);
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
  }, []);
  return { ref, held };
}

function useStableOrder(wanted: string[], held: boolean, filterKey: string): string[] {
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

const Row = memo(function Row({ service, now, index }: { service: Service; now: number; index: number }) {
  const state = serviceCondition(service, now);
  const verdict = service.verdict;
  const growing = showsGrowth(verdict) ? verdict : null;
  const heap = service.sparkline?.values?.findLast((v) => v !== null) ?? null;
  const left = growing?.timeToLimitSeconds ?? null;
  return (
    <div className="fleet-row" role="row" aria-rowindex={index} data-tone={state}>
      <div role="cell" className="state-cell"><State state={state} /></div>
      <div role="cell" className="who">
        <div>
          <Link className="row-link" to={paths.service(service.name)} data-row>{service.name}</Link>{' '}
          {growing && <SeverityTag severity={growing.severity} />}
        </div>
        <Why service={service} state={state} />
      </div>
      <div role="cell" className="spark-cell"><Sparkline data={service.sparkline} tone={state} /></div>
      <div role="cell" className="num heap">{heap === null ? <span className="muted">–</span> : bytes(heap)}</div>
      <div role="cell" className="num growth">
        {growing ? (
          <>
            <span className="big">{growth(growing.growthBytesPerSecond.estimate)}</span>
            <span className="under">{growthRange(growing.growthBytesPerSecond.low, growing.growthBytesPerSecond.high)}</span>
          </>
        ) : (
          <span className="muted nothing">–</span>
        )}
      </div>
      <div role="cell" className="num left">
        <span className={left === null ? 'muted nothing' : 'big'}>{timeLeft(growing)}</span>{left !== null && <span className="phone-only muted"> to limit</span>}
        {left !== null && growing && <span className="under">to {bytes(growing.limitBytes)}</span>}
      </div>
      <div role="cell" className="num seen muted"><When time={service.lastSeen} now={now} /></div>
    </div>
  );
});

/** The second line: the culprit, or why there is none. */
function Why({ service, state }: { service: Service; state: Condition }) {
  const culprit = service.verdict?.culprits?.[0];
  const instances = service.instances ?? [];
  const reason = instances.find((i) => i.reason)?.reason;
  if (culprit && showsGrowth(service.verdict)) {
    const where = place(culprit.file, culprit.line);
    return (
      <div className="why" title={culprit.function}>
        <span className="mono">{shortFunction(culprit.function)}</span>
        {where && <> · {where}</>}
      </div>
    );
  }
  if (state === 'unreachable') return <div className="why" title={reason}>{reason ?? 'The agent cannot read it'}</div>;
  if (state === 'disconnected') return <div className="why">Its agent is gone</div>;
  if (state === 'stale') return <div className="why">No reading for {duration((Date.now() - (service.lastSeen ?? 0)) / 1000)}</div>;
  if (state === 'learning') return <div className="why">Learning what is normal here</div>;
  return <div className="why">{instances.length > 1 ? plural(instances.length, 'instance') : (instances[0]?.name ?? '')}</div>;
}
