// What a person can do about an alert: each asks why, what ends by itself asks
// until when. The last name given is remembered in this browser.
import { useId, useRef, useState, type SubmitEvent } from 'react';
import { hub, type Decision } from '../api/client.ts';
import type { Alert } from '../api/types.ts';
import { useAnswer } from '../live/hooks.ts';

interface Choice {
  action: Decision;
  word: string;
  /** What it does, for whoever has never pressed it. */
  meaning: string;
  timed?: boolean;
}

const choices: Choice[] = [
  { action: 'acknowledge', word: 'Acknowledge', meaning: 'Somebody is at it. Nobody is told again unless it worsens.' },
  { action: 'silence', word: 'Silence', meaning: 'Nobody is told about it until then, also when it comes back.', timed: true },
  { action: 'expect', word: 'Expected', meaning: 'This growth is meant to be until then. Faster growth is not.', timed: true },
  { action: 'resolve', word: 'Resolve', meaning: 'It is done with. What still leaks fires anew after a while.' },
];
const lift: Choice = { action: 'lift', word: 'Lift', meaning: 'Ends the acknowledgement, the silence and the expectation: people are told again.' };

const spans: [string, string][] = [['1h', '1 hour'], ['4h', '4 hours'], ['24h', '1 day'], ['168h', '1 week'], ['720h', '30 days']];

export function Decide({ alert, decided }: { alert: Alert; decided: () => void }) {
  const [open, setOpen] = useState<Choice>();
  const marked = alert.acknowledged ?? alert.silenced ?? alert.expected;
  if (alert.state !== 'firing' || alert.type === 'snapshot') return null;
  const offered = choices.filter((c) => alert.type === 'leak' || c.action !== 'expect');
  return (
    <div className="chips" role="group" aria-label="Decide">
      {[...offered, ...(marked ? [lift] : [])].map((c) => (
        <button key={c.action} type="button" className={c.action === 'acknowledge' && !marked ? 'button primary' : 'button'} title={c.meaning} onClick={() => setOpen(c)}>{c.word}</button>
      ))}
      {open && <Ask key={open.action} choice={open} alert={alert} close={() => setOpen(undefined)} decided={decided} />}
    </div>
  );
}

interface AskProps {
  choice: Choice;
  alert: Alert;
  close: () => void;
  decided: () => void;
}

const whoKey = 'memwatch.who';

function Ask({ choice, alert, close, decided }: AskProps) {
  const id = useId();
  const dialog = useRef<HTMLDialogElement>(null);
  const [state, setState] = useState<{ busy: boolean; error?: string }>({ busy: false });
  const session = useAnswer('session', 0, (signal) => hub.session(signal)).data;
  const known = session?.required && session.signedIn; // then the hub uses that name
  const submit = async (event: SubmitEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const text = (name: string) => String(form.get(name) ?? '').trim();
    if (!known) remember(text('who'));
    setState({ busy: true });
    try {
      await hub.decide(alert.id, choice.action, { who: text('who'), why: text('why'), ...(choice.timed ? { for: text('for') } : {}) }, AbortSignal.timeout(15_000));
      decided();
      close();
    } catch (error) {
      setState({ busy: false, error: error instanceof Error ? error.message : String(error) });
    }
  };
  return (
    <dialog ref={(element) => { dialog.current = element; if (element && !element.open) element.showModal(); }} aria-labelledby={id} onClose={close}>
      <form className="ask" onSubmit={submit}>
        <h2 id={id}>{choice.word}</h2>
        <p className="muted small">{choice.meaning}</p>
        {!known && <label>Your name<input className="input" name="who" required maxLength={200} defaultValue={remembered()} autoComplete="name" /></label>}
        <label>Why<input className="input" name="why" maxLength={1000} autoComplete="off" autoFocus placeholder="for the others" /></label>
        {choice.timed && <label>For<select className="select" name="for" defaultValue="4h">{spans.map(([value, word]) => <option key={value} value={value}>{word}</option>)}</select></label>}
        {state.error && <p role="alert" className="failed">{state.error}</p>}
        <div className="chips">
          <button type="submit" className="button primary" disabled={state.busy}>{state.busy ? 'Asking the hub…' : choice.word}</button>
          <button type="button" className="button" onClick={close}>Cancel</button>
        </div>
      </form>
    </dialog>
  );
}

function remembered(): string {
  try {
    return localStorage.getItem(whoKey) ?? '';
  } catch {
    return '';
  }
}

function remember(who: string): void {
  try {
    localStorage.setItem(whoKey, who);
  } catch {
    // Storage may be forbidden: the name is asked again then.
  }
}
