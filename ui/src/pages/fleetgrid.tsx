// The whole fleet at a glance: a square a service, worst first. A healthy one is
// quiet; every other has its state's shape as well as its colour.
import { memo, useRef, type MouseEvent } from 'react';
import type { Service } from '../api/types.ts';
import { HeatMap } from '../charts/heat.tsx';
import { useStableOrder } from '../components/held.ts';
import { StateIcon } from '../components/icons.tsx';
import { conditionWord, serviceCondition, showsGrowth, type Condition } from '../model/condition.ts';
import { isAssumed, timeLeft } from '../model/story.ts';
import { followLink, paths } from '../router.tsx';

/** Up to so many squares have room for a name, or are elements of the page; more are one drawing. */
const namedSquares = 120;
const fewSquares = 600;

interface GridProps {
  services: ReadonlyMap<string, Service>;
  /** The names to show, worst first. */
  wanted: string[];
  now: number;
  filterKey: string;
}

export function FleetGrid({ services, wanted, now, filterKey }: GridProps) {
  const box = useRef<HTMLElement>(null);
  const names = useStableOrder(box, wanted, filterKey);
  const named = names.length <= namedSquares;
  const stateOf = (name: string): Condition => {
    const service = services.get(name);
    return service ? serviceCondition(service, now) : 'learning';
  };
  const wordsOf = (name: string) => `${name}: ${conditionWord[stateOf(name)].toLowerCase()}${timeWords(services.get(name))}`;
  if (names.length > fewSquares) {
    return (
      <nav className="card heat-card" aria-label="Services, worst first" ref={box}>
        <HeatMap names={names} stateOf={stateOf} wordsOf={wordsOf} />
      </nav>
    );
  }
  return (
    <nav className="card heat" data-size={named ? 'named' : 'large'} aria-label="Services, worst first" onClick={follow} ref={box}>
      {names.map((name, i) => <Square key={name} name={name} state={stateOf(name)} label={wordsOf(name)} named={named} first={i === 0} />)}
    </nav>
  );
}

/** One listener for hundreds of plain links. */
function follow(event: MouseEvent<HTMLElement>): void {
  const link = (event.target as Element).closest('a');
  if (link) followLink(event, link.href);
}

function timeWords(service: Service | undefined): string {
  const verdict = service?.verdict ?? null;
  return showsGrowth(verdict) && verdict.timeToLimitSeconds !== null ? `, ${timeLeft(verdict)} to ${isAssumed(verdict) ? 'assumed limit' : 'limit'}` : '';
}

interface SquareProps {
  name: string;
  state: Condition;
  label: string;
  named: boolean;
  /** Tab comes to the first; j and k walk on from there. */
  first: boolean;
}

const Square = memo(function Square({ name, state, label, named, first }: SquareProps) {
  return (
    <a href={paths.service(name)} className="square" data-tone={state} data-row tabIndex={first ? 0 : -1} aria-label={label} title={label}>
      {state !== 'healthy' && <StateIcon state={state} size={named ? 14 : 12} />}
      {named && <span>{name}</span>}
    </a>
  );
});
