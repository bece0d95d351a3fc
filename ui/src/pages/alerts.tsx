// Every alert, those that fire first.
import type { Alert } from '../api/types.ts';
import { Breakable, Failure, Loading, Notice, Search, SeverityTag, SignIn, When } from '../components/basics.tsx';
import { StateIcon } from '../components/icons.tsx';
import { useNotices } from '../components/notices.ts';
import { useLive, useNow, useStore } from '../live/hooks.ts';
import type { Condition } from '../model/condition.ts';
import { duration, growth, plural } from '../model/format.ts';
import { alertTitle, firingSentence } from '../model/story.ts';
import { Link, paths, useQuery } from '../router.tsx';

const states = ['all', 'firing', 'resolved'] as const;
/** Snapshots are saved with every leak: they are there for who asks. */
const types = { usual: 'Leaks and disconnects', leak: 'Leaks', disconnect: 'Disconnects', snapshot: 'Snapshots', all: 'Every type' } as const;

export function AlertsPage() {
  const { alerts, loaded, error, signIn } = useLive();
  const store = useStore();
  const now = useNow();
  const [query, setQuery] = useQuery();
  const text = query.get('q') ?? '';
  const state = states.find((s) => s === query.get('state')) ?? 'all';
  const type = (Object.keys(types) as (keyof typeof types)[]).find((t) => t === query.get('type')) ?? 'usual';
  const all = [...alerts.values()].sort(firingFirst);
  const shown = all.filter((a) => (state === 'all' || a.state === state) && (type === 'all' || a.type === type || (type === 'usual' && a.type !== 'snapshot')) && found(a, text));
  if (!loaded && signIn) return <SignIn />;
  if (!loaded) return error ? <Failure error={new Error(error)} retry={store.retryNow} /> : <Loading height={320} label="Loading alerts" />;
  return (
    <>
      <div className="stack">
        <h1>{firingSentence(all)}</h1>
      </div>
      <div className="toolbar">
        <Search value={text} onChange={(q) => setQuery({ q })} label="Search alerts" />
        <div className="chips" role="group" aria-label="Filter alerts">
          {states.map((s) => <button key={s} type="button" className="chip" aria-pressed={state === s} onClick={() => setQuery({ state: s === 'all' ? undefined : s })}>{s.charAt(0).toUpperCase() + s.slice(1)}</button>)}
          <select className="select" aria-label="Type of alert" value={type} onChange={(e) => setQuery({ type: e.target.value === 'usual' ? undefined : e.target.value })}>
            {Object.entries(types).map(([key, word]) => <option key={key} value={key}>{word}</option>)}
          </select>
        </div>
        <NoticesButton />
      </div>
      <section className="card" aria-label="Alerts">
        {shown.length === 0 ? (
          all.every((a) => a.type === 'snapshot') && !text ? (
            <Notice title="No alert yet" state="healthy"><p>An alert fires when a leak is proven and dangerous soon enough, and resolves by itself.</p></Notice>
          ) : (
            <Notice title="No alert matches" state="none"><button type="button" className="button" onClick={() => setQuery({ q: undefined, state: undefined, type: undefined })}>Show all</button></Notice>
          )
        ) : (
          <ul className="alert-list">{shown.map((a) => <Row key={a.id} alert={a} now={now} />)}</ul>
        )}
      </section>
    </>
  );
}

const noticesWord = { on: 'Telling you in this browser: stop', off: 'Tell me in this browser', forbidden: '', impossible: '' } as const;

function NoticesButton() {
  const [state, toggle] = useNotices();
  if (state === 'impossible') return null;
  if (state === 'forbidden') return <span className="muted small">This browser forbids notifications of this page.</span>;
  return <button type="button" className="button desktop-only" aria-pressed={state === 'on'} onClick={toggle}>{noticesWord[state]}</button>;
}

/** What somebody decided, in a few words. */
function decided(alert: Alert): string {
  const [word, mark] = alert.silenced ? ['Silenced', alert.silenced] : alert.expected ? ['Expected', alert.expected] : alert.acknowledged ? ['Acknowledged', alert.acknowledged] : [];
  return mark && alert.state === 'firing' ? `${word} by ${mark.who} · ` : '';
}

const severities = ['none', 'info', 'warning', 'critical'];

function firingFirst(a: Alert, b: Alert): number {
  if (a.state !== b.state) return a.state === 'firing' ? -1 : 1;
  if (a.state === 'firing' && a.severity !== b.severity) return severities.indexOf(b.severity) - severities.indexOf(a.severity);
  return (b.timestamp ?? 0) - (a.timestamp ?? 0);
}

function found(alert: Alert, text: string): boolean {
  const hay = `${alert.service}\n${alertTitle(alert)}\n${alert.message}\n${(alert.instances ?? []).join('\n')}`.toLowerCase();
  return text.toLowerCase().split(/\s+/).every((word) => hay.includes(word));
}

export function alertTone(alert: Alert): Condition | 'none' {
  if (alert.type === 'snapshot') return 'none';
  if (alert.state === 'resolved') return 'healthy';
  if (alert.type === 'disconnect') return 'disconnected';
  return alert.severity === 'info' ? 'suspect' : 'leaking';
}

function Row({ alert, now }: { alert: Alert; now: number }) {
  const tone = alertTone(alert);
  const rate = alert.verdict?.growthBytesPerSecond.estimate;
  const word = alert.state === 'firing' ? 'Firing' : 'Resolved';
  return (
    <li>
      <span className="state" data-tone={tone} title={word}><StateIcon state={tone} /><span className="visually-hidden">{word}</span></span>
      <div>
        <Link className="row-link" to={paths.alert(alert.id)} data-row><Breakable text={alertTitle(alert)} /></Link>{' '}
        {alert.type === 'leak' && <SeverityTag severity={alert.severity} />}
      </div>
      <span className="at"><When time={alert.timestamp} now={now} /></span>
      <p className="text">
        {decided(alert)}
        {alert.type !== 'snapshot' && alert.state === 'resolved' && alert.resolvedAt && alert.timestamp ? `Resolved after ${duration((alert.resolvedAt - alert.timestamp) / 1000)} · ` : ''}
        {alert.type === 'leak' && rate ? `${growth(rate)} · ${plural((alert.instances ?? []).length, 'instance')}` : alert.message}
      </p>
    </li>
  );
}
