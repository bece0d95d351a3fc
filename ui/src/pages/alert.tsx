// One alert: the story first, then what grew, the stack, and the evidence.
import { lazy, Suspense } from 'react';
import { evidenceURL, hub, profileURL, reportURL } from '../api/client.ts';
import type { Alert, Capture, Delivery, Mark } from '../api/types.ts';
import { Breakable, CopyButton, Failure, Loading, SeverityTag, When } from '../components/basics.tsx';
import { Decide } from '../components/decide.tsx';
import { Evidence } from '../components/evidence.tsx';
import { StateIcon } from '../components/icons.tsx';
import { Facts, Gates, Stack } from '../components/verdict.tsx';
import { useAnswer, useLive, useNow } from '../live/hooks.ts';
import type { Condition } from '../model/condition.ts';
import { bytes, clock, duration, exact, percent, place, plural, shortFunction, together } from '../model/format.ts';
import { evidenceOrder } from '../model/captures.ts';
import { pprofLine } from '../model/pprof.ts';
import { actionWord, alertMarkdown, alertTitle, facts, kindWord, type Fact } from '../model/story.ts';
import { Link, paths } from '../router.tsx';
import { alertTone } from './alerts.tsx';

const Grown = lazy(() => import('../charts/grown.tsx').then((m) => ({ default: m.Grown })));

export function AlertPage({ id }: { id: string }) {
  const { alerts, profilesSaved } = useLive();
  const now = useNow(5_000);
  const asked = useAnswer(`alert ${id}`, 0, (signal) => hub.alert(id, signal));
  const live = alerts.get(id);
  const alert = newer(live, asked.data);
  const captures = useAnswer(`profiles of alert ${id}`, `${profilesSaved} ${(alert?.profiles ?? []).join()}`, (signal) => hub.profiles({ alert: id, limit: 50 }, signal));
  const ordered = alert && captures.data && evidenceOrder(alert, captures.data.profiles ?? []);
  const proof = alert?.type === 'leak' ? ordered?.find((c) => c.baseId) : undefined;
  if (!alert) return asked.error ? <Failure error={asked.error} retry={asked.reload} /> : <Loading height={420} label="Loading the alert" />;
  return (
    <>
      <nav className="crumbs" aria-label="Where this is"><Link to={paths.alerts}>Alerts</Link><span aria-hidden="true">/</span><Link to={paths.service(alert.service)}>{alert.service}</Link></nav>
      <Story alert={alert} proof={proof} now={now} decided={asked.reload} />
      {proof && <Suspense fallback={<Loading height={260} label="Loading what grew" />}><Grown proof={proof} /></Suspense>}
      <Where alert={alert} />
      <EvidenceCard alert={alert} captures={ordered} error={captures.error} retry={captures.reload} now={now} />
      <div className="split">
        {alert.verdict && <section className="card" data-tone={alertTone(alert)}><header><h2>Why it fired</h2></header><div className="card-body"><Gates gates={alert.verdict.gates ?? []} /></div></section>}
        <section className="card"><header><h2>Its life</h2></header><div className="card-body stack loose"><Life alert={alert} now={now} /><Told deliveries={alert.deliveries ?? []} now={now} /></div></section>
      </div>
    </>
  );
}

function newer(a: Alert | undefined, b: Alert | undefined): Alert | undefined {
  if (!a || !b) return a ?? b;
  return (a.updatedAt ?? 0) >= (b.updatedAt ?? 0) ? a : b;
}

function Story({ alert, proof, now, decided }: { alert: Alert; proof: Capture | undefined; now: number; decided: () => void }) {
  const tone = alertTone(alert);
  return (
    <>
      <div className="hero" data-tone={tone}>
        <h1><StateIcon state={tone} size={28} /><span><Breakable text={alertTitle(alert)} /></span></h1>
        <p><b>{alert.state === 'firing' ? 'Firing' : 'Resolved'}</b>{alert.type === 'leak' && <SeverityTag severity={alert.severity} />}<span>since <When time={alert.timestamp} now={now} /></span><Link to={paths.service(alert.service)}>Open {alert.service} →</Link></p>
      </div>
      <Marks alert={alert} now={now} />
      <section className="card verdict-card" data-tone={tone} aria-label="The story">
        <div className="card-body stack loose">
          <p className="summary"><Breakable text={together(alert.verdict?.summary || alert.message)} /></p>
          <Facts list={storyFacts(alert, now)} />
          <div className="actions-row">
            <Decide alert={alert} decided={decided} />
            {alert.type === 'leak' && (
              <div className="chips">
                <CopyButton text={location.href}>Copy link</CopyButton>
                <CopyButton text={alertMarkdown(alert, location.href, proof && pprofLine(profileURL(proof.id), proof.baseId && profileURL(proof.baseId)))}>Copy for a ticket</CopyButton>
              </div>
            )}
          </div>
        </div>
      </section>
    </>
  );
}

/** What people decided about it, and why it is held back. */
function Marks({ alert, now }: { alert: Alert; now: number }) {
  const marks: [string, Mark | undefined][] = [['Acknowledged', alert.acknowledged], ['Silenced', alert.silenced], ['Expected', alert.expected], ['Dismissed', alert.dismissed]];
  const present = marks.filter((m): m is [string, Mark] => m[1] !== undefined);
  if (present.length === 0 && !alert.heldBack) return null;
  return (
    <ul className="marks">
      {present.map(([word, mark]) => (
        <li key={word}><b>{word}</b> by {mark.who}{mark.why && <>: {mark.why}</>} <span className="muted"><When time={mark.timestamp} now={now} />{mark.until !== null && `, until ${clock(mark.until, now)}`}</span></li>
      ))}
      {alert.heldBack && <li><b>Held back</b> {alert.heldBack}</li>}
    </ul>
  );
}

/** What, where, how fast, until when. */
function storyFacts(alert: Alert, now: number): Fact[] {
  const instances = alert.instances ?? [];
  const of = alert.replicas && alert.replicas > 1 ? ` of ${alert.replicas}` : '';
  const affected: Fact = { label: 'Instances', value: `${instances.length || 1}${of}`, detail: `${instances.join(', ')}${alert.sinceVersion ? ` · since version ${alert.sinceVersion}` : ''}` };
  const verdict = alert.verdict;
  if (!verdict) {
    const list: Fact[] = [affected];
    if (alert.heapUsedMB) list.push({ label: 'Heap used', value: `${bytes(alert.heapUsedMB * 2 ** 20)}`, detail: 'as its agent reported' });
    if (alert.memoryGrowthMB) list.push({ label: 'Grown by', value: `${bytes(alert.memoryGrowthMB * 2 ** 20)}`, detail: 'as its agent reported' });
    if (alert.filename) list.push({ label: 'File', value: alert.filename, detail: 'on the agent’s machine' });
    return list;
  }
  const culprit = verdict.culprits?.[0];
  const named = culprit?.function ?? alert.culprit;
  const what: Fact = { label: 'What', value: kindWord[verdict.kind], detail: `${percent(verdict.confidence)} sure` };
  const where: Fact = { label: 'Where', value: named ? shortFunction(named) : 'not known yet', detail: culprit ? place(culprit.file, culprit.line) : named ? '' : 'no function stands out' };
  return [what, where, ...facts(verdict, now), affected];
}

function Where({ alert }: { alert: Alert }) {
  const culprit = alert.verdict?.culprits?.[0];
  if (!culprit) return null;
  const more = (alert.verdict?.culprits ?? []).length - 1;
  return (
    <section className="card">
      <header><h2>The stack that grows</h2><span className="muted small">{percent(culprit.share)} of the growth{more > 0 && <> · {more} more on <Link to={paths.service(alert.service)}>the service’s page</Link></>}</span></header>
      <div className="card-body"><Stack culprit={culprit} /></div>
    </section>
  );
}

interface EvidenceProps {
  alert: Alert;
  captures: Capture[] | undefined;
  error: Error | undefined;
  retry: () => void;
  now: number;
}

/** How many profiles are shown at once. */
const shownEvidence = 2;

function EvidenceCard({ alert, captures, error, retry, now }: EvidenceProps) {
  if (alert.type === 'disconnect') return null;
  const list = captures ?? [];
  const row = (c: Capture, i: number) => <li key={c.id}><Evidence capture={c} now={now} first={i === 0} /></li>;
  return (
    <section className="card">
      <header>
        <h2>Evidence</h2>
        {list.length > 0 && <span className="muted small"><a href={evidenceURL(alert.id)} download>all of it as one archive</a> · <a href={reportURL(alert.id)} target="_blank" rel="noopener">as one page for a ticket</a></span>}
      </header>
      <div className="card-body">
        {list.length > 0 ? (
          <div className="stack loose">
            <ul className="evidence">{list.slice(0, shownEvidence).map(row)}</ul>
            {list.length > shownEvidence && <details><summary>{plural(list.length - shownEvidence, 'more profile')}</summary><ul className="evidence more">{list.slice(shownEvidence).map((c) => row(c, 1))}</ul></details>}
          </div>
        ) : error ? (
          <Failure error={error} retry={retry} page={false} />
        ) : captures === undefined ? (
          <Loading height={90} label="Loading the evidence" />
        ) : (
          <p className="muted small">{alert.verdict ? 'No profile has arrived yet; its agent sends it as soon as it can.' : 'The original agent keeps its snapshots on its own machine.'}</p>
        )}
      </div>
    </section>
  );
}

const deliveryWord: Record<Delivery['state'], string> = { delivered: 'Told', waiting: 'Waiting', retrying: 'Trying again', failed: 'Failed' };
const deliveryTone: Record<Delivery['state'], Condition> = { delivered: 'healthy', waiting: 'learning', retrying: 'suspect', failed: 'leaking' };

/** Who was told, channel by channel. */
function Told({ deliveries, now }: { deliveries: readonly Delivery[]; now: number }) {
  if (deliveries.length === 0) return null;
  return (
    <div>
      <h3>Who was told</h3>
      <ul className="events">
        {deliveries.map((d) => (
          <li key={d.channel}>
            <When time={d.timestamp} now={now} /><span className="grow">{d.channel}{d.reason && <span className="muted"> · {d.reason}</span>}</span>
            <span className="tag" data-tone={deliveryTone[d.state]}>{deliveryWord[d.state]}{d.told ? `: ${d.told}` : ''}</span>
          </li>
        ))}
      </ul>
    </div>
  );
}

/** How it came to be, and everything that happened to it since. */
function Life({ alert, now }: { alert: Alert; now: number }) {
  const { data } = useAnswer(`log of ${alert.id}`, alert.updatedAt ?? 0, (signal) => hub.alertLog(alert.id, signal));
  const log = (data?.log ?? []).map((t): Step => ({ time: t.timestamp, word: actionWord(t.action), why: t.why.startsWith(`${t.who}: `) ? t.why.slice(t.who.length + 2) : t.why, who: t.who === 'memwatch' ? '' : t.who }));
  const began: Step = { time: alert.verdict?.since ?? null, word: 'Growth began', why: '', who: '' };
  const bare: Step[] = [{ time: alert.timestamp, word: 'Fired', why: '', who: '' }, { time: alert.resolvedAt, word: 'Resolved', why: '', who: '' }];
  const seen: Step = { time: alert.updatedAt, word: alert.state === 'resolved' ? 'Last update' : 'Seen last', why: '', who: '' };
  const steps = [began, ...(log.length ? log : bare), seen].filter((s): s is Step & { time: number } => s.time !== null).sort((a, b) => a.time - b.time);
  return (
    <ul className="events">
      {steps.map((s, i) => (
        <li key={i}>
          <time dateTime={new Date(s.time).toISOString()} title={exact(s.time)}>{clock(s.time, now)}</time>
          <span className="grow"><b>{s.word}</b>{s.who && ` by ${s.who}`}{s.why && <span className="muted"> <Breakable text={s.why} /></span>}</span>
          <span className="muted">{duration((now - s.time) / 1000)} ago</span>
        </li>
      ))}
    </ul>
  );
}

interface Step {
  time: number | null;
  word: string;
  why: string;
  who: string;
}
