// The functions of a profile as a table, those with the most first.
import { useState } from 'react';
import './flame.css';
import { Breakable } from '../components/basics.tsx';
import type { TopRow } from '../model/flame.ts';
import { percent, place, plural, shortFunction, signed } from '../model/format.ts';

type Column = 'self' | 'total' | 'grewSelf' | 'grewTotal';
const read: Record<Column, (row: TopRow) => number> = {
  self: (r) => r.self,
  total: (r) => r.total,
  grewSelf: (r) => r.self - r.baseSelf,
  grewTotal: (r) => r.total - r.baseTotal,
};
const columnWord: Record<Column, string> = { self: 'Itself', total: 'With callees', grewSelf: 'Grew itself', grewTotal: 'Grew with callees' };
const few = 12;

export interface TopProps {
  rows: TopRow[];
  diff: boolean;
  format: (value: number) => string;
  total: number;
  pick: (name: string) => void;
  /** How many to show at first. */
  first?: number;
}

export function Top({ rows, diff, format, total, pick, first = few }: TopProps) {
  const columns: Column[] = diff ? ['grewSelf', 'grewTotal', 'self', 'total'] : ['self', 'total'];
  const [chosen, setSort] = useState<Column>();
  const sort = chosen && columns.includes(chosen) ? chosen : (columns[0] ?? 'self');
  const [all, setAll] = useState(false);
  const sorted = [...rows].sort((a, b) => read[sort](b) - read[sort](a) || b.total - a.total || a.name.localeCompare(b.name));
  const shown = all ? sorted.slice(0, 1_000) : sorted.slice(0, first);
  const show = (column: Column, row: TopRow) => {
    const value = read[column](row);
    if (value === 0) return <span className="muted">0</span>;
    return column.startsWith('grew') ? signed(value, format) : format(value);
  };
  return (
    <section className="card">
      <header><h2>Functions</h2><span className="muted small">{plural(rows.length, 'function')}, select one for its callers and callees</span></header>
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
                <td><button type="button" title={row.name} onClick={() => pick(row.name)}><Breakable text={shortFunction(row.name)} /></button> <span className="muted">{place(row.file, row.line)}</span></td>
                {columns.map((c, i) => <td key={c} className={i > 1 ? 'num extra' : 'num'}>{show(c, row)}{!diff && total > 0 && read[c](row) !== 0 && <span className="muted"> {percent(read[c](row) / total)}</span>}</td>)}
              </tr>
            ))}
          </tbody>
        </table>
        {rows.length > first && !all && <button type="button" className="button" onClick={() => setAll(true)}>Show {rows.length > 1_000 ? 'the first 1,000' : `all ${rows.length}`}</button>}
      </div>
    </section>
  );
}
