// One profile, alone or against a base: flame graph, top table, and the way to
// go on in pprof.
import { useMemo } from 'react';
import { hub, pprofURL, profileURL } from '../api/client.ts';
import type { Capture, Flamegraph } from '../api/types.ts';
import { FlameGraph, Key } from '../charts/flame.tsx';
import { Top } from '../charts/top.tsx';
import { Copy, Failure, Loading, Notice, Search, When } from '../components/basics.tsx';
import { Download } from '../components/evidence.tsx';
import { useAnswer, useLive, useNow } from '../live/hooks.ts';
import { comparable, profileWord, roleMeaning, roleWord } from '../model/captures.ts';
import { layout, matchedValue, search, topTable, type Layout } from '../model/flame.ts';
import { callees, callers, inverted } from '../model/flameviews.ts';
import { bytes, clock, count, percent, plural, shortFunction, together } from '../model/format.ts';
import { pprofLine } from '../model/pprof.ts';
import { Link, paths, useQuery } from '../router.tsx';

export function ProfilePage({ id }: { id: string }) {
  const [query, setQuery] = useQuery();
  const base = query.get('base') ?? undefined;
  const { profilesSaved } = useLive();
  const now = useNow();
  const answer = useAnswer(`flame graph ${id} ${base ?? ''}`, 0, (signal) => hub.flamegraph(id, base, signal));
  const service = answer.data?.profile.service;
  const others = useAnswer(`profiles of ${service ?? ''}`, profilesSaved, (signal) => (service ? hub.profiles({ service, limit: 100 }, signal) : Promise.resolve(undefined)));
  if (answer.error && !answer.data) return <Failure error={answer.error} retry={answer.reload} />;
  if (!answer.data) return <Loading height={480} label="Loading the flame graph" />;
  return <Loaded graph={answer.data} others={others.data?.profiles ?? []} now={now} setBase={(to) => setQuery({ base: to }, { push: true })} />;
}

interface LoadedProps {
  graph: Flamegraph;
  others: Capture[];
  now: number;
  setBase: (id: string | undefined) => void;
}

function Loaded({ graph, others, now, setBase }: LoadedProps) {
  const { profile, base } = graph;
  const [query, setQuery] = useQuery();
  const text = query.get('q') ?? '';
  const turned = query.get('view') === 'inverted';
  const around = query.get('fn') ?? '';
  const diff = graph.base !== undefined;
  const whole = useMemo(() => (graph.root ? layout(graph.root) : undefined), [graph]);
  const laid = useMemo(() => (turned && graph.root ? layout(inverted(graph.root, diff)) : whole), [turned, whole, graph, diff]);
  const found = useMemo(() => (laid ? search(laid, text) : nothing), [laid, text]);
  const rows = useMemo(() => (whole ? topTable(whole) : []), [whole]);
  const format = graph.unit === 'bytes' ? bytes : count;
  const choices = comparable(profile, others);
  const suggested = profile.baseId;
  return (
    <>
      <nav className="crumbs" aria-label="Where this is"><Link to={paths.profiles}>Profiles</Link><span aria-hidden="true">/</span><Link to={paths.service(profile.service)}>{profile.service}</Link></nav>
      <div className="title-row">
        <div>
          <h1>{together(headline(graph, format))}</h1>
          <p className="muted small">{profileWord[profile.kind]} profile of {profile.instance || profile.service}, {roleMeaning[profile.role]}, <When time={profile.timestamp} now={now} /></p>
        </div>
        <div className="actions"><a className="button" href={pprofURL(profile.id, base?.id)} target="_blank" rel="noopener">Open in pprof</a><Download capture={profile} /></div>
      </div>
      <div className="toolbar">
        <Search value={text} onChange={(q) => setQuery({ q })} label="Search functions and files" />
        <label className="small">Compare with{' '}
          <select className="select" value={base?.id ?? ''} onChange={(event) => setBase(event.target.value || undefined)}>
            <option value="">nothing</option>
            {base && !choices.some((c) => c.id === base.id) && <option value={base.id}>{choice(base, now)}</option>}
            {choices.map((c) => <option key={c.id} value={c.id}>{choice(c, now)}{c.id === suggested ? ' (its baseline)' : ''}</option>)}
          </select>
        </label>
        <div className="chips" role="group" aria-label="View">
          <button type="button" className="chip" aria-pressed={!turned && !around} onClick={() => setQuery({ view: undefined, fn: undefined })}>Callers first</button>
          <button type="button" className="chip" aria-pressed={turned && !around} onClick={() => setQuery({ view: 'inverted', fn: undefined })}>Inverted</button>
          {around && <button type="button" className="chip" aria-pressed="true" onClick={() => setQuery({ fn: undefined })} title="Back to the whole">Around <code>{shortFunction(around)}</code> <span aria-hidden="true">✕</span></button>}
        </div>
        {text && laid && !around && <span className="small muted" role="status">{found.size === 0 ? 'Nothing found' : `${plural(found.size, 'call')} found, holding ${format(matchedValue(laid, found))} (${percent(graph.total ? matchedValue(laid, found) / graph.total : 0)})`}</span>}
      </div>
      {!laid || laid.total === 0 ? (
        <div className="card"><Notice title="This profile holds nothing" state="none"><p>No allocation was sampled when it was taken.</p></Notice></div>
      ) : (
        <>
          {around && graph.root ? (
            <Sandwich graph={graph} name={around} diff={diff} format={format} pick={(fn) => setQuery({ fn }, { push: true })} />
          ) : (
            <section className="card" aria-label="Flame graph">
              <div className="card-body">
                {diff && <Key />}
                <FlameGraph layout={laid} diff={diff} found={found} format={format} label={headline(graph, format)} around={(fn) => setQuery({ fn }, { push: true })} />
              </div>
            </section>
          )}
          <Top rows={rows} diff={diff} format={format} total={graph.total} pick={(fn) => setQuery({ fn }, { push: true })} />
        </>
      )}
      <section className="card">
        <header><h2>Go on in pprof</h2></header>
        <div className="card-body"><Copy label="the pprof line" text={pprofLine(profileURL(profile.id), base ? profileURL(base.id) : undefined)} /></div>
      </section>
    </>
  );
}

const nothing: ReadonlySet<number> = new Set();

interface SandwichProps {
  graph: Flamegraph;
  name: string;
  diff: boolean;
  format: (v: number) => string;
  pick: (name: string) => void;
}

/** One function between what leads to it and what it calls. */
function Sandwich({ graph, name, diff, format, pick }: SandwichProps) {
  const sides = useMemo(() => {
    const of = (tree: ReturnType<typeof callers>): Layout | undefined => tree && layout(tree);
    return graph.root ? { above: of(callers(graph.root, name, diff)), below: of(callees(graph.root, name, diff)) } : undefined;
  }, [graph, name, diff]);
  if (!sides?.above || !sides.below) return <div className="card"><Notice title={`${shortFunction(name)} is not in this profile`} state="none" /></div>;
  return (
    <>
      {([['Its callers', sides.above], ['What it calls', sides.below]] as const).map(([title, laid]) => (
        <section key={title} className="card">
          <header><h2>{title}</h2></header>
          <div className="card-body">
            {diff && <Key />}
            <FlameGraph layout={laid} diff={diff} found={nothing} format={format} label={`${title}: ${shortFunction(name)}`} around={pick} />
          </div>
        </section>
      ))}
    </>
  );
}

function choice(c: Capture, now: number): string {
  return `${roleWord[c.role]}, ${c.timestamp === null ? 'time unknown' : clock(c.timestamp, now)}${c.instance ? `, ${c.instance}` : ''}`;
}

function headline(graph: Flamegraph, format: (v: number) => string): string {
  const what = graph.profile.kind === 'heap' ? 'live heap' : graph.unit === 'bytes' ? '' : 'goroutines';
  if (!graph.base) return `${format(graph.total)} ${what} in ${graph.profile.service}`.replace(/ +/g, ' ');
  const by = graph.total - (graph.baseTotal ?? 0);
  if (by === 0) return `${graph.profile.service}: no change, ${format(graph.total)} ${what}`;
  return `${graph.profile.service} ${by > 0 ? 'grew' : 'shrank'} by ${format(Math.abs(by))}, from ${format(graph.baseTotal ?? 0)} to ${format(graph.total)} ${what}`.trim();
}
