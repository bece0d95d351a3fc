// How the hub itself is doing.
import { useEffect, useState } from 'react';
import { hub } from '../api/client.ts';
import type { Stats } from '../api/types.ts';
import { AgentList } from '../components/agentlist.tsx';
import { Failure, Loading, When } from '../components/basics.tsx';
import { Facts } from '../components/verdict.tsx';
import { useAnswer, useLive, useNow } from '../live/hooks.ts';
import { channelsOf, type Channel } from '../model/channels.ts';
import { bytes, count, duration, plural } from '../model/format.ts';

const everyMs = 5_000;

export function HubPage() {
  const [tick, setTick] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => document.hidden || setTick((n) => n + 1), everyMs);
    return () => clearInterval(timer);
  }, []);
  const { alerts } = useLive();
  const now = useNow();
  const { data, error, reload } = useAnswer('stats', tick, (signal) => hub.stats(signal));
  const agents = useAnswer('agents', tick, (signal) => hub.agents(signal)).data;
  const ever = useAnswer('alerts ever', tick, alertsEver).data;
  if (!data) return error ? <Failure error={error} retry={reload} /> : <Loading height={320} label="Loading the hub's state" />;
  return (
    <>
      <div className="stack">
        <h1>{sentence(data)}</h1>
        <p className="muted">memwatch-hub {data.version}, up for {duration(data.uptime)}{error ? ' · these numbers are old: it does not answer now' : ''}</p>
      </div>
      {(data.problems ?? []).length > 0 && (
        <section className="card verdict-card" data-tone="suspect">
          <header><h2>What it cannot do now</h2></header>
          <div className="card-body"><ul className="events">{(data.problems ?? []).map((problem) => <li key={problem}><span className="grow">{problem}</span></li>)}</ul></div>
        </section>
      )}
      <Group title="What it hears" list={[
        { label: 'Agents', value: count(data.agents), detail: 'connected now' },
        { label: 'Services', value: `${count(data.connectedServices)} of ${count(data.totalServices)}`, detail: 'connected' },
        { label: 'Instances', value: count(data.totalInstances), detail: 'watched' },
        { label: 'Readings', value: count(data.readings), detail: data.uptime > 0 ? `${(data.readings / data.uptime).toFixed(1)} a second since it started` : 'since it started' },
      ]} />
      <Group title="What it tells" list={[
        { label: 'Open alerts', value: count(data.openAlerts), detail: `${count(data.criticalAlerts)} critical` },
        ...(ever ? [{ label: 'Leaks ever', value: count(ever.leaks), detail: `and ${plural(ever.disconnects, 'disconnect')}, as far as history is kept` }] : []),
        { label: 'Browsers', value: count(data.dashboardClients), detail: 'looking at it now' },
      ]} />
      <Channels list={channelsOf([...alerts.values()])} now={now} />
      {agents && <AgentList agents={agents} now={now} />}
      <Group title="What it keeps" list={[
        { label: 'Database', value: bytes(data.databaseBytes), detail: 'readings, alerts, verdicts' },
        { label: 'Profiles', value: count(data.profiles), detail: bytes(data.profileBytes) },
        { label: 'Memory', value: bytes(data.memoryUsage.rss), detail: `${bytes(data.memoryUsage.heapUsed)} of ${bytes(data.memoryUsage.heapTotal)} heap in use` },
      ]} />
    </>
  );
}

/** Of what goes on and ends; a saved snapshot is no alert of its own. */
async function alertsEver(signal: AbortSignal): Promise<{ leaks: number; disconnects: number }> {
  const [leaks, disconnects] = await Promise.all([hub.alerts({ type: 'leak', limit: 1 }, signal), hub.alerts({ type: 'disconnect', limit: 1 }, signal)]);
  return { leaks: leaks.total, disconnects: disconnects.total };
}

function sentence(s: Stats): string {
  if (s.agents === 0) return s.totalServices === 0 ? 'The hub is up; no agent has called yet.' : 'The hub is up, but no agent is connected.';
  return `The hub hears ${plural(s.agents, 'agent')} and ${plural(s.totalInstances, 'instance')}.`;
}

function Group({ title, list }: { title: string; list: { label: string; value: string; detail: string }[] }) {
  return <section className="card"><header><h2>{title}</h2></header><div className="card-body"><Facts list={list} /></div></section>;
}

/** The channels that were to tell of the newest alerts, and whether they could. */
function Channels({ list, now }: { list: Channel[]; now: number }) {
  if (list.length === 0) return null;
  return (
    <section className="card">
      <header><h2>Whom it tells</h2></header>
      <div className="card-body">
        <ul className="events">
          {list.map((c) => (
            <li key={c.name}>
              <When time={c.last} now={now} /><span className="grow"><b>{c.name}</b> {plural(c.delivered, 'alert')} told{c.reason && <span className="muted"> · {c.reason}</span>}</span>
              <span className="tag" data-tone={c.failed ? 'leaking' : c.waiting ? 'suspect' : 'healthy'}>{c.failed ? `${count(c.failed)} failed` : c.waiting ? `${count(c.waiting)} waiting` : 'Well'}</span>
            </li>
          ))}
        </ul>
      </div>
    </section>
  );
}
