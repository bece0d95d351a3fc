// What narrows the fleet: state, kind, label; and whether it is a list or a grid.
import { useMemo } from 'react';
import type { Service } from '../api/types.ts';
import { StateIcon } from '../components/icons.tsx';
import { conditions, conditionWord, type Condition } from '../model/condition.ts';
import { kindsOf, labelsOf, type Counts, type FleetFilter, type FleetKind } from '../model/fleet.ts';
import { count } from '../model/format.ts';
import { kindWord } from '../model/story.ts';

interface StateFilterProps {
  counts: Counts;
  total: number;
  chosen: Condition | 'all';
  choose: (state: Condition | 'all') => void;
}

export function StateFilter({ counts, total, chosen, choose }: StateFilterProps) {
  return (
    <div className="chips scroll" role="group" aria-label="Filter by state">
      <button type="button" className="chip" aria-pressed={chosen === 'all'} onClick={() => choose('all')}>All <b>{count(total)}</b></button>
      {conditions.filter((c) => counts[c] > 0 || c === chosen).map((c) => (
        <button key={c} type="button" className="chip" aria-pressed={chosen === c} onClick={() => choose(chosen === c ? 'all' : c)}>
          <span className="state" data-tone={c}><StateIcon state={c} size={14} /></span>
          {conditionWord[c]} <b>{count(counts[c])}</b>
        </button>
      ))}
    </div>
  );
}

interface MoreFiltersProps {
  services: readonly Service[];
  filter: FleetFilter;
  set: (change: { kind?: string | undefined; label?: string | undefined }) => void;
}

/** Shown only where there is something to choose between. */
export function MoreFilters({ services, filter, set }: MoreFiltersProps) {
  const kinds = kindsOf(services);
  const labels = useMemo(() => labelsOf(services), [services.length]); // of thousands, and they hardly change
  return (
    <>
      {(kinds.length > 1 || filter.kind !== 'all') && (
        <select className="select" aria-label="What leaks" value={filter.kind} onChange={(e) => set({ kind: e.target.value === 'all' ? undefined : e.target.value })}>
          <option value="all">Every kind</option>
          {kinds.map((kind) => <option key={kind} value={kind}>{capital(kindWord[kind])}</option>)}
        </select>
      )}
      {(labels.size > 0 || filter.label) && (
        <select className="select" aria-label="Label" value={filter.label} onChange={(e) => set({ label: e.target.value || undefined })}>
          <option value="">Every label</option>
          {filter.label && ![...labels.values()].flat().includes(filter.label) && <option value={filter.label}>{filter.label}</option>}
          {[...labels].map(([key, values]) => (
            <optgroup key={key} label={key}>{values.map((label) => <option key={label} value={label}>{label.slice(key.length + 1)}</option>)}</optgroup>
          ))}
        </select>
      )}
    </>
  );
}

const capital = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);

export function ViewChoice({ grid, choose }: { grid: boolean; choose: (grid: boolean) => void }) {
  return (
    <div className="chips view-choice" role="group" aria-label="View">
      <button type="button" className="chip" aria-pressed={!grid} onClick={() => choose(false)}>List</button>
      <button type="button" className="chip" aria-pressed={grid} onClick={() => choose(true)}>Grid</button>
    </div>
  );
}

export function asKind(text: string | null): FleetKind {
  return text && text !== 'none' && text in kindWord ? (text as FleetKind) : 'all';
}
