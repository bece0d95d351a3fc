// The whole fleet at a glance: a square a service, worst first. A healthy one is
// quiet; every other has its state's shape as well as its colour.
import { memo, type MouseEvent } from 'react';
import type { Service } from '../api/types.ts';
import { StateIcon } from '../components/icons.tsx';
import { conditionWord, serviceCondition, showsGrowth, type Condition } from '../model/condition.ts';
import { timeLeft } from '../model/story.ts';
import { followLink, paths } from '../router.tsx';

/** Up to so many squares have room for a name, or are large enough for a finger. */
const namedSquares = 120;
const fewSquares = 600;

export function FleetGrid({ services, names, now }: { services: ReadonlyMap<string, Service>; names: readonly string[]; now: number }) {
  const named = names.length <= namedSquares;
  return (
    <nav className="card heat" data-size={named ? 'named' : names.length <= fewSquares ? 'large' : 'small'} aria-label="Services, worst first" onClick={follow}>
      {names.map((name, i) => {
        const service = services.get(name);
        return service && <Square key={name} name={name} state={serviceCondition(service, now)} words={wordsOf(service)} named={named} first={i === 0} />;
      })}
    </nav>
  );
}

/** One listener for thousands of plain links. */
function follow(event: MouseEvent<HTMLElement>): void {
  const link = (event.target as Element).closest('a');
  if (link) followLink(event, link.href);
}

function wordsOf(service: Service): string {
  return showsGrowth(service.verdict) && service.verdict.timeToLimitSeconds !== null ? `, ${timeLeft(service.verdict)} to limit` : '';
}

interface SquareProps {
  name: string;
  state: Condition;
  words: string;
  named: boolean;
  /** Tab comes to the first; j and k walk on from there. */
  first: boolean;
}

const Square = memo(function Square({ name, state, words, named, first }: SquareProps) {
  const label = `${name}: ${conditionWord[state].toLowerCase()}${words}`;
  return (
    <a href={paths.service(name)} className="square" data-tone={state} data-row tabIndex={first ? 0 : -1} aria-label={label} title={label}>
      {state !== 'healthy' && <StateIcon state={state} size={named ? 14 : 12} />}
      {named && <span>{name}</span>}
    </a>
  );
});
