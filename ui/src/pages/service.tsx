// One service: the verdict in words with its reasons, then the readings.
import { hub } from '../api/client.ts';
import type { Alert, Capture, Gate, Service, Verdict } from '../api/types.ts';
import { Breakable, Failure, Loading, Notice, SeverityTag, SignIn, State, When } from '../components/basics.tsx';
import { Culprits, Gates, VerdictFacts } from '../components/verdict.tsx';
import { useAnswer, useLive, useNow } from '../live/hooks.ts';
import { conditionMeaning, serviceCondition, showsGrowth, type Condition } from '../model/condition.ts';
import { profileWord, roleWord } from '../model/captures.ts';
import { duration, plural, together } from '../model/format.ts';
import { alertTitle } from '../model/story.ts';
import { Link, paths } from '../router.tsx';
import { Charts } from './servicecharts.tsx';

export function ServicePage({ name }: { name: string }) {
  const { services, alerts, loaded, profilesSaved, error, signIn } = useLive();
  const now = useNow(1_000);
  const service = services.get(name);
  const captures = useAnswer(`profiles of ${name}`, profilesSaved, (signal) => hub.profiles({ service: name, limit: 50 }, signal));
  if (!service) {
    if (!loaded && signIn) return <SignIn />;
    if (!loaded) return error ? <Failure error={new Error(error)} retry={() => location.reload()} /> : <Loading height={420} label="Loading the service" />;
    return <div className="card"><Notice title={`No service is called ${name}`} state="none" page><Link className="button" to={paths.fleet}>To the fleet</Link></Notice></div>;
  }
  const own = [...alerts.values()].filter((a) => a.service === name).sort((a, b) => (b.timestamp ?? 0) - (a.timestamp ?? 0));
  const saved = captures.data?.profiles ?? [];
  return (
    <>
      <nav className="crumbs" aria-label="Where this is"><Link to={paths.fleet}>Fleet</Link><span aria-hidden="true">/</span><span>{name}</span></nav>
      <Head service={service} alerts={own} captures={saved} now={now} />
      <VerdictCard service={service} now={now} />
      <Charts service={service} alerts={own} captures={saved} now={now} />
      {service.verdict && <Why verdict={service.verdict} state={serviceCondition(service, now)} />}
      <Events alerts={own} captures={saved} now={now} />
    </>
  );
}

export interface Parts {
  service: Service;
  alerts: Alert[];
  captures: Capture[];
  now: number;
}

function Head({ service, alerts, captures, now }: Parts) {
  const open = alerts.find((a) => a.state === 'firing' && a.type === 'leak');
  const proof = captures.find((c) => c.baseId && c.kind === 'heap') ?? captures.find((c) => c.baseId);
  return (
    <div className="stack">
      <div className="title-row">
        <h1>{service.name}</h1>
        <State state={serviceCondition(service, now)} />
        {showsGrowth(service.verdict) && <SeverityTag severity={service.verdict.severity} />}
        <div className="actions">
          {proof && <Link className="button" to={paths.profile(proof.id, proof.baseId)}>What grew: flame graph</Link>}
          {open && <Link className="button primary" to={paths.alert(open.id)}>Open the alert</Link>}
        </div>
      </div>
      <p className="muted small">
        {plural((service.instances ?? []).length, 'instance')} · last seen <When time={service.lastSeen} now={now} />
        {Object.entries(service.labels ?? {}).map(([key, value]) => <span key={key}> · {key} {value}</span>)}
      </p>
    </div>
  );
}

const whyTitle: Record<Verdict['state'], string> = {
  leaking: 'Why it is a leak',
  suspect: 'Why it may be a leak, and why not yet',
  healthy: 'Why it is no leak',
  learning: 'What a verdict will rest on',
};

function gatesPassed(gates: readonly Gate[]): string {
  return gates.length ? `${gates.filter((g) => g.passed).length} of ${gates.length} signs of a leak` : '';
}

function VerdictCard({ service, now }: { service: Service; now: number }) {
  const state = serviceCondition(service, now);
  const verdict = service.verdict;
  const reason = (service.instances ?? []).find((i) => i.reason)?.reason;
  const culprits = verdict?.culprits ?? [];
  const silent = state === 'unreachable' || state === 'disconnected' || state === 'stale';
  return (
    <>
      <section className="card verdict-card" data-tone={state} aria-label="Verdict">
        <div className="card-body stack loose">
          <p className="summary"><Breakable text={silent ? `${conditionMeaning[state]}${reason ? `: ${reason}` : '.'}` : verdictWords(verdict, state)} /></p>
          {silent && verdict && <p className="muted">The last verdict: {verdict.summary}</p>}
          {showsGrowth(verdict) && <VerdictFacts verdict={verdict} now={now} />}
        </div>
      </section>
      {showsGrowth(verdict) && (
        <section className="card" data-tone={state}>
          <header><h2>Where it grows</h2></header>
          <div className="card-body">
            {culprits.length ? <Culprits culprits={culprits} kind={verdict.kind} /> : <p className="muted small">No function stands out yet; heap profiles are read as garbage collections happen.</p>}
          </div>
        </section>
      )}
    </>
  );
}

function verdictWords(verdict: Verdict | null, state: Condition): string {
  if (verdict) return together(verdict.summary);
  return state === 'learning' ? 'Learning what is normal here: a first verdict needs some minutes of readings.' : `${conditionMeaning[state]}.`;
}

function Why({ verdict, state }: { verdict: Verdict; state: Condition }) {
  return (
    <section className="card" data-tone={state}>
      <header><h2>{whyTitle[verdict.state]}</h2><span className="muted small">{gatesPassed(verdict.gates ?? [])}</span></header>
      <div className="card-body"><Gates gates={verdict.gates ?? []} /></div>
    </section>
  );
}

function lifeWord(a: Alert): string {
  if (a.type === 'snapshot') return 'Snapshot';
  if (a.state === 'firing') return 'Firing';
  return a.resolvedAt && a.timestamp ? `Resolved after ${duration((a.resolvedAt - a.timestamp) / 1000)}` : 'Resolved';
}

/** A snapshot's alert beside its profile would say the same twice. */
function isSaved(a: Alert, captures: readonly Capture[]): boolean {
  return captures.some((c) => c.filename === a.filename || (a.profiles ?? []).includes(c.id));
}

function Events({ alerts, captures, now }: Omit<Parts, 'service'>) {
  const events = [
    ...alerts.filter((a) => a.type !== 'snapshot' || !isSaved(a, captures)).map((a) => ({ key: a.id, time: a.timestamp ?? 0, node: <Link to={paths.alert(a.id)}>{alertTitle(a)}</Link>, tag: lifeWord(a) })),
    ...captures.map((c) => ({ key: c.id, time: c.timestamp ?? 0, node: <Link to={paths.profile(c.id, c.baseId)}>{profileWord[c.kind]} profile saved: {roleWord[c.role].toLowerCase()}</Link>, tag: c.instance })),
  ].sort((a, b) => b.time - a.time);
  return (
    <section className="card">
      <header><h2>What happened</h2></header>
      <div className="card-body">
        {events.length === 0 ? <p className="muted small">No alert and no saved profile yet.</p> : (
          <ul className="events">
            {events.slice(0, 40).map((e) => (
              <li key={e.key}><When time={e.time || null} now={now} /><span className="grow">{e.node}</span><span className="tag">{e.tag}</span></li>
            ))}
          </ul>
        )}
      </div>
    </section>
  );
}
