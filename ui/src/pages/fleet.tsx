// The answer in five seconds: is anything wrong, where, how bad, what now.
import { memo, useMemo, useRef } from 'react';
import type { Service } from '../api/types.ts';
import { Loading, Notice, Search, SeverityTag, SignIn, Sparkline, State, When } from '../components/basics.tsx';
import { FirstRun } from '../components/firstrun.tsx';
import { useStableOrder } from '../components/held.ts';
import { StateIcon } from '../components/icons.tsx';
import { useWindow } from '../components/window.ts';
import { useLive, useMedia, useNow, useStore } from '../live/hooks.ts';
import { conditions, serviceCondition, showsGrowth, type Condition } from '../model/condition.ts';
import { countConditions, matches, sortFleet, type Counts, type FleetFilter } from '../model/fleet.ts';
import { headline } from '../model/headline.ts';
import { bytes, duration, growth, growthRange, place, plural, shortFunction, together } from '../model/format.ts';
import { holdingOf } from '../model/holding.ts';
import { isAssumed, timeLeft } from '../model/story.ts';
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
  const [query, setQuery] = useQuery();
  const [text, state, kind, label] = [query.get('q') ?? '', asCondition(query.get('state')), asKind(query.get('kind')), query.get('label') ?? ''];
  const filter = useMemo<FleetFilter>(() => ({ text, state, kind, label }), [text, state, kind, label]);
  const filterKey = [text, state, kind, label].join('\n');
  const grid = query.get('view') === 'grid';
  const all = useMemo(() => sortFleet([...services.values()], now), [services, now]);
  const wanted = useMemo(() => all.filter((s) => matches(s, filter, now)).map((s) => s.name), [all, filter, now]);
  const counts = useMemo(() => countConditions(all, now), [all, now]);
  return (
    <>
      <Hero worst={all[0]} counts={counts} total={all.length} />
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
        <FleetGrid services={services} wanted={wanted} now={now} filterKey={filterKey} />
      ) : (
        <List services={services} wanted={wanted} now={now} filterKey={filterKey} />
      )}
    </>
  );
}

function asCondition(text: string | null): Condition | 'all' {
  return conditions.find((c) => c === text) ?? 'all';
}

function Hero({ worst, counts, total }: { worst: Service | undefined; counts: Counts; total: number }) {
  const { tone, sentence, next, service } = headline(worst, counts, total);
  return (
    <div className="hero" data-tone={tone}>
      <h1><StateIcon state={tone} size={28} /><span>{together(sentence)}</span></h1>
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
  const list = useRef<HTMLDivElement>(null);
  const names = useStableOrder(list, wanted, filterKey);
  const { first, last } = useWindow(body, names.length, height);
  const windowed = last - first < names.length;
  return (
    <div className="fleet card" role="table" aria-label="Services, worst first" aria-rowcount={names.length + 1} ref={list}>
      <div role="rowgroup">
        <div className="fleet-head" role="row" aria-rowindex={1}>
          <span role="columnheader">State</span>
          <span role="columnheader">Service</span>
          <span role="columnheader">Over time</span>
          <span role="columnheader" className="num heap">Live heap</span>
          <span role="columnheader" className="num">Growth</span>
          <span role="columnheader" className="num">Time to limit</span>
          <span role="columnheader" className="num seen">Last seen</span>
        </div>
      </div>
      <div className="fleet-body" role="rowgroup" ref={body} style={windowed ? { height: names.length * height } : undefined}>
        {names.slice(first, last).map((name, i) => {
          const service = services.get(name);
          // Each row of a window has a place of its own: one that stays is not painted again when others come.
          return service && <Row key={name} service={service} now={now} index={first + i + 2} top={windowed ? (first + i) * height : undefined} />;
        })}
      </div>
    </div>
  );
}

const Row = memo(function Row({ service, now, index, top }: { service: Service; now: number; index: number; top: number | undefined }) {
  const state = serviceCondition(service, now);
  const verdict = service.verdict;
  const growing = showsGrowth(verdict) ? verdict : null;
  const holding = holdingOf(service);
  const left = growing?.timeToLimitSeconds ?? null;
  return (
    <div className={top === undefined ? 'fleet-row' : 'fleet-row at'} role="row" aria-rowindex={index} data-tone={state} style={top === undefined ? undefined : { top }}>
      <div role="cell" className="state-cell"><State state={state} /></div>
      <div role="cell" className="who">
        <div>
          <Link className="row-link" to={paths.service(service.name)} data-row>{service.name}</Link>{' '}
          {growing && <SeverityTag severity={growing.severity} />}
        </div>
        <Why service={service} state={state} />
      </div>
      <div role="cell" className="spark-cell"><Sparkline data={service.sparkline} tone={state} /></div>
      <div role="cell" className="num heap">
        {holding?.value ?? <span className="muted">–</span>}
        {holding?.of && <span className="under">{holding.of}</span>}
      </div>
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
        <span className={left === null ? 'muted nothing' : 'big'}>{timeLeft(growing)}</span>{left !== null && growing && <span className="phone-only muted"> to {isAssumed(growing) ? 'assumed limit' : 'limit'}</span>}
        {left !== null && growing && <span className="under">to {isAssumed(growing) ? 'assumed ' : ''}{bytes(growing.limitBytes)}</span>}
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
