// The agents' list in words. Pure.
import type { Agent } from '../api/types.ts';
import { duration, plural } from './format.ts';

/** Readings are as old as the way is long: below this nobody need care. */
const noLagSeconds = 2;

export function lagWords(agent: Agent): string {
  if (agent.readings === 0) return '–';
  return agent.lagSeconds < noLagSeconds ? 'none' : duration(agent.lagSeconds);
}

/** "2 agents, all v1.2.3", or how many have which version. */
export function versionsOf(agents: readonly Agent[]): string {
  const counts = new Map<string, number>();
  for (const { version = 'the original agent' } of agents) counts.set(version, (counts.get(version) ?? 0) + 1);
  const [first, ...rest] = [...counts].sort(([, a], [, b]) => b - a);
  if (!first) return '';
  if (rest.length === 0) return `${plural(first[1], 'agent')}, ${first[1] === 1 ? '' : 'all '}${first[0]}`;
  return [first, ...rest].map(([version, n]) => `${n} of ${version}`).join(', ');
}
