// The agents that call this hub: who, of which version, how far behind, and what
// of theirs was refused.
import type { Agents } from '../api/types.ts';
import { lagWords, versionsOf } from '../model/agents.ts';
import { count, plural } from '../model/format.ts';
import { When } from './basics.tsx';

export function AgentList({ agents, now }: { agents: Agents; now: number }) {
  const { agents: list, total } = agents;
  if (total === 0) return null;
  const refused = list.find((a) => a.refusal);
  return (
    <section className="card">
      <header><h2>Who calls it</h2><span className="muted small">{versionsOf(list)}</span></header>
      <div className="card-body scroll-x" tabIndex={0} role="region" aria-label="Agents">
        <table className="data">
          <thead>
            <tr>
              <th scope="col">From</th><th scope="col">Version</th><th scope="col" className="num">Targets</th><th scope="col" className="num">Readings</th>
              <th scope="col" className="num">Lag</th><th scope="col" className="num">Refused</th><th scope="col">Heard</th><th scope="col">Connected</th>
            </tr>
          </thead>
          <tbody>
            {list.map((a) => (
              <tr key={`${a.remote} ${a.since ?? 0}`}>
                <td>{a.remote}</td>
                <td>{a.version ?? 'the original agent'}</td>
                <td className="num">{count(a.targets)}</td>
                <td className="num">{count(a.readings)}</td>
                <td className="num">{lagWords(a)}</td>
                <td className="num" title={a.refusal}>{a.refused > 0 ? <span className="failed">{count(a.refused)}</span> : '0'}</td>
                <td className="muted"><When time={a.heard} now={now} /></td>
                <td className="muted"><When time={a.since} now={now} /></td>
              </tr>
            ))}
          </tbody>
        </table>
        {refused && <p className="muted small">Refused last from {refused.remote}: {refused.refusal}</p>}
        {total > list.length && <p className="muted small">and {plural(total - list.length, 'agent')} that lag less.</p>}
      </div>
    </section>
  );
}
