// Every instance by itself, side by side on one scale: the one that differs is seen
// at once. One press shows an instance in full.
import { useMemo } from 'react';
import { StateIcon } from '../components/icons.tsx';
import type { Condition } from '../model/condition.ts';
import { bytes, count, plural } from '../model/format.ts';
import { multiples, multipleSignals, pathOf, type Multiple, type MultipleSignal } from '../model/multiples.ts';
import type { Reading } from '../model/readings.ts';

interface MultiplesProps {
  groups: ReadonlyMap<string, readonly Reading[]>;
  /** Worst first. */
  names: readonly string[];
  signal: MultipleSignal;
  stateOf: (name: string) => Condition;
  /** Unix ms. */
  from: number;
  to: number;
  choose: (instance: string) => void;
}

const most = 48;
const [width, height] = [160, 56];

export function Multiples({ groups, names, signal, stateOf, from, to, choose }: MultiplesProps) {
  const { list, top } = useMemo(() => multiples(groups, names.slice(0, most), signal), [groups, names, signal]);
  const format = signal === 'goroutines' ? count : bytes;
  if (list.length === 0) return <p className="muted small">{multipleSignals[signal]} is not reported here in this range.</p>;
  return (
    <section className="card">
      <header><h3>{multipleSignals[signal]} of each instance</h3><span className="muted small">all from 0 to {format(top)}{names.length > most && `; the ${most} worst of ${names.length}`}</span></header>
      <div className="card-body stack">
        <ul className="multiples">
          {list.map((m) => (
            <li key={m.name} data-tone={stateOf(m.name)}>
              <button type="button" onClick={() => choose(m.name)} title={m.name}>
                <span className="multiple-name"><StateIcon state={stateOf(m.name)} size={13} /><span>{m.name}</span><b>{format(m.last)}</b></span>
                <span className="visually-hidden">{`, ${stateOf(m.name)}: from ${format(m.first)}, at most ${format(m.highest)}`}</span>
                <svg viewBox={`0 0 ${width} ${height}`} preserveAspectRatio="none" aria-hidden="true"><path d={pathOf(m.column, from / 1000, to / 1000, top, width, height - 1)} /></svg>
              </button>
            </li>
          ))}
        </ul>
        <Numbers list={list} format={format} />
      </div>
    </section>
  );
}

function Numbers({ list, format }: { list: readonly Multiple[]; format: (value: number) => string }) {
  return (
    <details>
      <summary>Data table of {plural(list.length, 'instance')}</summary>
      <div className="scroll-x" tabIndex={0} role="region" aria-label="Instances: data">
        <table className="data">
          <thead><tr><th scope="col">Instance</th><th scope="col" className="num">First</th><th scope="col" className="num">Last</th><th scope="col" className="num">Highest</th></tr></thead>
          <tbody>{list.map((m) => <tr key={m.name}><td>{m.name}</td><td className="num">{format(m.first)}</td><td className="num">{format(m.last)}</td><td className="num">{format(m.highest)}</td></tr>)}</tbody>
        </table>
      </div>
    </details>
  );
}
