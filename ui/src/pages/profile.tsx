// One profile, alone or against a base: flame graph, top table, and the way to
// go on in pprof.
import { useMemo, useState } from 'react';
import { hub, profileURL } from '../api/client.ts';
import type { Capture, Flamegraph } from '../api/types.ts';
import { FlameGraph } from '../charts/flame.tsx';
import { Copy, Failure, Loading, Notice, Search, When } from '../components/basics.tsx';
import { Download } from '../components/evidence.tsx';
import { useAnswer, useLive, useNow } from '../live/hooks.ts';
import { comparable, profileWord, roleMeaning, roleWord } from '../model/captures.ts';
import { layout, matchedValue, search, topTable, type TopRow } from '../model/flame.ts';
import { bytes, clock, count, percent, place, plural, shortFunction, signed } from '../model/format.ts';
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
  const laid = useMemo(() => (graph.root ? layout(graph.root) : undefined), [graph]);
  const found = useMemo(() => (laid ? search(laid, text) : new Set<number>()), [laid, text]);
  const format = graph.unit === 'bytes' ? bytes : count;
  const diff = base !== undefined;
  const choices = comparable(profile, others);
  const suggested = profile.baseId;
  return (
    <>
      <nav className="crumbs" aria-label="Where this is"><Link to={paths.profiles}>Profiles</Link><span aria-hidden="true">/</span><Link to={paths.service(profile.service)}>{profile.service}</Link></nav>
      <div className="title-row">
        <div>
          <h1>{headline(graph, format)}</h1>
          <p className="muted small">{profileWord[profile.kind]} profile of {profile.instance || profile.service}, {roleMeaning[profile.role]}, <When time={profile.timestamp} now={now} /></p>
        </div>
        <div className="actions"><Download capture={profile} /></div>
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
        {text && laid && <span className="small muted" role="status">{found.size === 0 ? 'Nothing found' : `${plural(found.size, 'call')} found, holding ${format(matchedValue(laid, found))} (${percent(graph.total ? matchedValue(laid, found) / graph.total : 0)})`}</span>}
      </div>
      {!laid || laid.total === 0 ? (
        <div className="card"><Notice title="This profile holds nothing" state="none"><p>No allocation was sampled when it was taken.</p></Notice></div>
      ) : (
        <>
          <section className="card" aria-label="Flame graph">
            <div className="card-body">
              {diff && <p className="key"><span><i className="grew" />grew</span><span><i className="same" />same</span><span><i className="shrank" />shrank</span></p>}
              <FlameGraph layout={laid} diff={diff} found={found} format={format} label={headline(graph, format)} />
            </div>
          </section>
          <Top rows={topTable(laid)} diff={diff} format={format} total={graph.total} pick={(name) => setQuery({ q: shortFunction(name) })} />
        </>
      )}
      <section className="card">
        <header><h2>Go on in pprof</h2></header>
        <div className="card-body"><Copy label="the pprof line" text={pprofLine(profileURL(profile.id), base ? profileURL(base.id) : undefined)} /></div>
      </section>
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

type Column = 'self' | 'total' | 'grewSelf' | 'grewTotal';
const read: Record<Column, (row: TopRow) => number> = {
  self: (r) => r.self,
  total: (r) => r.total,
  grewSelf: (r) => r.self - r.baseSelf,
  grewTotal: (r) => r.total - r.baseTotal,
};
const columnWord: Record<Column, string> = { self: 'Itself', total: 'With callees', grewSelf: 'Grew itself', grewTotal: 'Grew with callees' };
const few = 25;

interface TopProps {
  rows: TopRow[];
  diff: boolean;
  format: (value: number) => string;
  total: number;
  pick: (name: string) => void;
}

function Top({ rows, diff, format, total, pick }: TopProps) {
  const columns: Column[] = diff ? ['grewSelf', 'grewTotal', 'self', 'total'] : ['self', 'total'];
  const [chosen, setSort] = useState<Column>();
  const sort = chosen && columns.includes(chosen) ? chosen : (columns[0] ?? 'self');
  const [all, setAll] = useState(false);
  const sorted = [...rows].sort((a, b) => read[sort](b) - read[sort](a) || b.total - a.total || a.name.localeCompare(b.name));
  const shown = all ? sorted.slice(0, 1_000) : sorted.slice(0, few);
  const show = (column: Column, row: TopRow) => {
    const value = read[column](row);
    if (value === 0) return <span className="muted">0</span>;
    return column.startsWith('grew') ? signed(value, format) : format(value);
  };
  return (
    <section className="card">
      <header><h2>Functions</h2><span className="muted small">{plural(rows.length, 'function')}, select one to find it above</span></header>
      <div className="card-body scroll-x" tabIndex={0} role="region" aria-label="Functions">
        <table className="data top-table">
          <thead>
            <tr>
              <th scope="col">Function</th>
              {columns.map((c, i) => <th key={c} scope="col" className={i > 1 ? 'num extra' : 'num'} {...(sort === c ? { 'aria-sort': 'descending' as const } : {})}><button type="button" onClick={() => setSort(c)}>{columnWord[c]}{sort === c ? ' ↓' : ''}</button></th>)}
            </tr>
          </thead>
          <tbody>
            {shown.map((row) => (
              <tr key={row.name}>
                <td><button type="button" title={row.name} onClick={() => pick(row.name)}>{shortFunction(row.name)}</button> <span className="muted">{place(row.file, row.line)}</span></td>
                {columns.map((c, i) => <td key={c} className={i > 1 ? 'num extra' : 'num'}>{show(c, row)}{!diff && total > 0 && read[c](row) !== 0 && <span className="muted"> {percent(read[c](row) / total)}</span>}</td>)}
              </tr>
            ))}
          </tbody>
        </table>
        {rows.length > few && !all && <button type="button" className="button" onClick={() => setAll(true)}>Show {rows.length > 1_000 ? 'the first 1,000' : `all ${rows.length}`}</button>}
      </div>
    </section>
  );
}
