// The small parts every page uses.
import { Fragment, useEffect, useId, useState, type ReactNode, type RefObject } from 'react';
import { HubError, signInURL } from '../api/client.ts';
import type { Severity, Sparkline as SparklineData } from '../api/types.ts';
import { conditionMeaning, conditionWord, type Condition } from '../model/condition.ts';
import { ago, bytes, count, exact } from '../model/format.ts';
import { SearchIcon, StateIcon } from './icons.tsx';

/** Icon and word together, never colour alone. */
export function State({ state, size }: { state: Condition; size?: number }) {
  return (
    <span className="state" data-tone={state} title={conditionMeaning[state]}>
      <StateIcon state={state} {...(size ? { size } : {})} />
      {conditionWord[state]}
    </span>
  );
}

const severityTone: Record<Severity, Condition | 'none'> = { none: 'none', info: 'learning', warning: 'suspect', critical: 'leaking' };

export function SeverityTag({ severity }: { severity: Severity }) {
  if (severity === 'none') return null;
  return (
    <span className="tag" data-tone={severityTone[severity]}>
      {severity.charAt(0).toUpperCase() + severity.slice(1)}
    </span>
  );
}

/** A point in time as distance from now; hovering tells it exactly. */
export function When({ time, now }: { time: number | null; now: number }) {
  if (time === null) return <span>never</span>;
  return (
    <time dateTime={new Date(time).toISOString()} title={exact(time)}>
      {ago(time, now)}
    </time>
  );
}

export function Copy({ text, label }: { text: string; label: string }) {
  const [done, setDone] = useState<'copied' | 'failed'>();
  useEffect(() => {
    if (!done) return;
    const timer = setTimeout(() => setDone(undefined), 2000);
    return () => clearTimeout(timer);
  }, [done]);
  const copy = () => copyText(text).then((ok) => setDone(ok ? 'copied' : 'failed'));
  return (
    <div className="copy">
      <pre tabIndex={0} aria-label={label}>{text}</pre>
      <button type="button" onClick={copy} aria-label={`Copy ${label}`}>
        <span aria-live="polite">{done === 'copied' ? 'Copied' : done === 'failed' ? 'Select it' : 'Copy'}</span>
      </button>
    </div>
  );
}

/** Copies without showing what: for what is long, and for people who know it. */
export function CopyButton({ text, children }: { text: string; children: string }) {
  const [done, setDone] = useState<boolean>();
  useEffect(() => {
    if (done === undefined) return;
    const timer = setTimeout(() => setDone(undefined), 2000);
    return () => clearTimeout(timer);
  }, [done]);
  const word = done === undefined ? children : done ? 'Copied' : 'The browser forbids copying';
  return <button type="button" className="button" onClick={() => copyText(text).then(setDone)}><span aria-live="polite">{word}</span></button>;
}

/** The clipboard is there on https and localhost only; elsewhere the reader selects by hand. */
async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}

/** Text whose function names and paths break between their parts where they must; what is copied from it stays as it is. */
export function Breakable({ text }: { text: string }) {
  return text.split(/(?<=[./)\]-])(?=[\p{L}\d_(*[])(?<!\d\.(?=\d)|B\/)/u).map((piece, i) => <Fragment key={i}>{i > 0 && <wbr />}{piece}</Fragment>);
}

interface NoticeProps {
  title: string;
  children?: ReactNode;
  state?: Condition | 'none';
  /** It stands for the whole page, so its title is the page's. */
  page?: boolean;
}

export function Notice({ title, children, state, page = false }: NoticeProps) {
  const Title = page ? 'h1' : 'h2';
  return (
    <div className="notice" data-tone={state ?? 'none'}>
      {state && <span className="state"><StateIcon state={state} size={28} /></span>}
      <Title>{title}</Title>
      {children}
    </div>
  );
}

/** What went wrong, and a way to try again. */
export function Failure({ error, retry, page = true }: { error: Error; retry: () => void; page?: boolean }) {
  if (error instanceof HubError && error.status === 401) return <SignIn page={page} />;
  return (
    <div className="card" role="alert">
      <Notice title="This could not be loaded" state="unreachable" page={page}>
        <p>{error.message}</p>
        <button type="button" className="button" onClick={retry}>Try again</button>
      </Notice>
    </div>
  );
}

/** The hub wants to know who is there. */
export function SignIn({ page = true }: { page?: boolean }) {
  return (
    <div className="card" role="alert">
      <Notice title="Sign in to see this" state="none" page={page}>
        <p>This hub asks who is there. Signing in leads back here.</p>
        <a className="button primary" href={signInURL()}>Sign in</a>
      </Notice>
    </div>
  );
}

export function Loading({ height = 240, label = 'Loading' }: { height?: number; label?: string }) {
  return (
    <div role="status">
      <span className="visually-hidden">{label}</span>
      <div className="skeleton" style={{ height }} />
    </div>
  );
}

interface SearchProps {
  value: string;
  onChange: (value: string) => void;
  label: string;
  inputRef?: RefObject<HTMLInputElement | null>;
}

/** The field that "/" goes to. */
export function Search({ value, onChange, label, inputRef }: SearchProps) {
  const id = useId();
  return (
    <div className="search" role="search">
      <label className="visually-hidden" htmlFor={id}>{label}</label>
      <SearchIcon />
      <input
        id={id}
        ref={inputRef}
        className="input"
        type="text"
        inputMode="search"
        enterKeyHint="search"
        autoComplete="off"
        spellCheck={false}
        placeholder={label}
        value={value}
        data-search
        onChange={(event) => onChange(event.target.value)}
        onKeyDown={(event) => {
          if (event.key !== 'Escape') return;
          if (value) onChange('');
          else event.currentTarget.blur();
        }}
      />
      {!value && <kbd aria-hidden="true">/</kbd>}
    </div>
  );
}

const sparkWidth = 100;
const sparkHeight = 34;

/** A line without axes; its words are its name. */
export function Sparkline({ data, tone }: { data: SparklineData | null; tone: Condition }) {
  const values = data?.values ?? [];
  const known = values.filter((v): v is number => v !== null);
  if (known.length < 2) return <span className="muted small">no history yet</span>;
  const [low, high] = [Math.min(...known), Math.max(...known)];
  // A flat line stays flat: less than 5 % of change does not fill the height.
  const range = Math.max(high - low, high * 0.05, 1);
  const bottom = low - (range - (high - low)) / 2;
  const x = (i: number) => (i / (values.length - 1)) * sparkWidth;
  const y = (v: number) => sparkHeight - 2 - ((v - bottom) / range) * (sparkHeight - 4);
  const runs = splitRuns(values);
  const line = runs.map((run) => run.map(([i, v], n) => `${n ? 'L' : 'M'}${x(i).toFixed(1)} ${y(v).toFixed(1)}`).join('')).join('');
  const area = runs.map((run) => areaOf(run, x, y)).join('');
  const [first, last] = [known[0] ?? 0, known.at(-1) ?? 0];
  const [words, format] = data?.signal === 'goroutines' ? ['goroutines ', count] : ['', bytes];
  return (
    <svg className="spark" data-tone={tone} viewBox={`0 0 ${sparkWidth} ${sparkHeight}`} preserveAspectRatio="none" role="img" aria-label={`${words}from ${format(first)} to ${format(last)}`}>
      <path className="area" d={area} />
      <path className="line" d={line} />
    </svg>
  );
}

type Run = [index: number, value: number][];

function splitRuns(values: readonly (number | null)[]): Run[] {
  const runs: Run[] = [];
  let run: Run = [];
  values.forEach((value, i) => {
    if (value !== null) run.push([i, value]);
    else if (run.length) {
      runs.push(run);
      run = [];
    }
  });
  if (run.length) runs.push(run);
  return runs;
}

function areaOf(run: Run, x: (i: number) => number, y: (v: number) => number): string {
  const [first, last] = [run[0], run.at(-1)];
  if (!first || !last) return '';
  const top = run.map(([i, v]) => `L${x(i).toFixed(1)} ${y(v).toFixed(1)}`).join('');
  return `M${x(first[0]).toFixed(1)} ${sparkHeight}${top}L${x(last[0]).toFixed(1)} ${sparkHeight}Z`;
}
