// What grew between an alert's baseline and its proof, at a glance; the profile's
// own page has the rest.
import { useMemo } from 'react';
import { hub } from '../api/client.ts';
import type { Capture } from '../api/types.ts';
import { Failure, Loading } from '../components/basics.tsx';
import { useAnswer } from '../live/hooks.ts';
import { layout, topTable } from '../model/flame.ts';
import { bytes, count, signed } from '../model/format.ts';
import { Link, navigate, paths } from '../router.tsx';
import { FlameGraph, Key } from './flame.tsx';
import { Top } from './top.tsx';

const nothing: ReadonlySet<number> = new Set();

export function Grown({ proof }: { proof: Capture }) {
  const { data: graph, error, reload } = useAnswer(`flame graph ${proof.id} ${proof.baseId ?? ''}`, 0, (signal) => hub.flamegraph(proof.id, proof.baseId, signal));
  const laid = useMemo(() => (graph?.root ? layout(graph.root) : undefined), [graph]);
  const rows = useMemo(() => (laid ? topTable(laid) : []), [laid]);
  if (!graph) return error ? <Failure error={error} retry={reload} page={false} /> : <Loading height={260} label="Loading what grew" />;
  if (!laid || laid.total === 0) return null;
  const format = graph.unit === 'bytes' ? bytes : count;
  const by = signed(graph.total - (graph.baseTotal ?? 0), format);
  const page = paths.profile(proof.id, proof.baseId);
  const around = (fn: string) => navigate(`${page}${page.includes('?') ? '&' : '?'}fn=${encodeURIComponent(fn)}`);
  return (
    <>
      <section className="card">
        <header><h2>What grew: {by}</h2><span className="muted small">from {format(graph.baseTotal ?? 0)} to {format(graph.total)}, baseline against leak · <Link to={page}>open in full</Link></span></header>
        <div className="card-body">
          <Key />
          <FlameGraph layout={laid} diff found={nothing} format={format} label={`What grew: ${by}`} around={around} />
        </div>
      </section>
      <Top rows={rows} diff format={format} total={graph.total} pick={around} first={5} />
    </>
  );
}
