// The verdict in words, its numbers, its gates and its culprits.
import { useMemo } from 'react';
import type { Culprit, Gate, Verdict } from '../api/types.ts';
import { bytes, clock, count, growth, percent, place, plural, shortFunction } from '../model/format.ts';
import { facts, gateNeed, gateTitle, gateValue, goroutineWords, type Fact } from '../model/story.ts';
import { pastOf } from '../model/past.ts';
import { Breakable, Sparkline } from './basics.tsx';
import { OpenIcon, PassIcon } from './icons.tsx';

/** A value of more letters than this (a function) is set smaller, so that it need not break. */
const longValue = 18;

export function Facts({ list }: { list: Fact[] }) {
  return (
    <dl className="facts">
      {list.map(({ label, value, detail }) => (
        <div key={label}><dt>{label}</dt><dd data-long={value.length > longValue}><Breakable text={value} /><small>{detail}</small></dd></div>
      ))}
    </dl>
  );
}

export function VerdictFacts({ verdict, now }: { verdict: Verdict; now: number }) {
  return <Facts list={facts(verdict, now)} />;
}

/** Why, or why not: each test with its value and what it needed. */
export function Gates({ gates }: { gates: Gate[] }) {
  if (gates.length === 0) return <p className="muted small">No test has run yet: too few readings.</p>;
  return (
    <ul className="gates">
      {gates.map((gate) => (
        <li key={gate.name} data-passed={gate.passed}>
          <span className="gate-icon">{gate.passed ? <PassIcon /> : <OpenIcon />}<span className="visually-hidden">{gate.passed ? 'passed' : 'not passed'}</span></span>
          <span className="gate-name">{gateTitle(gate.name)}</span>
          <span className="gate-value"><b>{gateValue(gate.name, gate.value)}</b> <span className="muted">needs {gateNeed(gate.name, gate.need)}</span></span>
          {gate.detail && <span className="gate-detail muted">{gate.detail}</span>}
        </li>
      ))}
    </ul>
  );
}

/** Below this share a culprit is not worth the first look. */
const smallShare = 0.02;

export function Culprits({ culprits, kind }: { culprits: Culprit[]; kind: Verdict['kind'] }) {
  const main = culprits.filter((c, i) => i === 0 || c.share >= smallShare);
  const rest = culprits.filter((c) => !main.includes(c));
  return (
    <div className="stack">
      <CulpritList culprits={main} kind={kind} />
      {rest.length > 0 && <details><summary>{plural(rest.length, 'smaller one')}</summary><CulpritList culprits={rest} kind={kind} /></details>}
    </div>
  );
}

function CulpritList({ culprits, kind }: { culprits: Culprit[]; kind: Verdict['kind'] }) {
  return (
    <ul className="culprits">
      {culprits.map((culprit, i) => (
        <li key={`${culprit.function} ${culprit.line} ${i}`}>
          <div className="culprit-head">
            <code className="culprit-name" title={culprit.function}><Breakable text={shortFunction(culprit.function)} /></code>
            <span className="muted small" title={culprit.file}>{place(culprit.file, culprit.line)}</span>
            <span className="tag">{culprit.certainty === 'certain' ? 'Certain' : 'Likely'}</span>
          </div>
          <div className="share" role="img" aria-label={`${percent(culprit.share)} of all growth`}><span style={{ width: `${Math.min(100, culprit.share * 100)}%` }} /></div>
          <Past culprit={culprit} />
          <div className="culprit-numbers small">
            <span><b>{percent(culprit.share)}</b> of the growth</span>
            <span><b>{growth(culprit.growthBytesPerSecond)}</b></span>
            <span><b>{kind === 'goroutine' ? count(culprit.liveObjects) : bytes(culprit.liveBytes)}</b> {kind === 'goroutine' ? 'goroutines' : `live in ${count(culprit.liveObjects)} objects`}</span>
          </div>
          <Leaf culprit={culprit} />
          <details><summary>Stack</summary><Stack culprit={culprit} /></details>
        </li>
      ))}
    </ul>
  );
}

/** How much it held at each profile that its agent remembers. */
function Past({ culprit }: { culprit: Culprit }) {
  const line = useMemo(() => pastOf(culprit.history ?? []), [culprit.history]);
  const [first, last] = [culprit.history?.[0], culprit.history?.at(-1)];
  if (!line || first?.timestamp == null || !last) return null;
  return (
    <figure className="past">
      <Sparkline data={line} tone="leaking" />
      <figcaption className="muted small">{bytes(first.liveBytes)} at {clock(first.timestamp, Date.now())}, {bytes(last.liveBytes)} now</figcaption>
    </figure>
  );
}

/** What allocates; of goroutines, what they wait for and where they were started. */
function Leaf({ culprit }: { culprit: Culprit }) {
  const parked = goroutineWords(culprit.stack ?? []);
  if (parked) return <p className="muted small">{parked.waits}{parked.runs && parked.runs !== culprit.function && <>, started as <code><Breakable text={shortFunction(parked.runs)} /></code></>}</p>;
  if (!culprit.leaf || culprit.leaf === culprit.function) return null;
  return <p className="muted small">allocated by <code><Breakable text={shortFunction(culprit.leaf)} /></code></p>;
}

/** The whole stack, leaf first; the culprit's own frame stands out. */
export function Stack({ culprit }: { culprit: Culprit }) {
  const frames = culprit.stack ?? [];
  if (frames.length === 0) return <p className="muted small">The stack was not kept.</p>;
  return (
    <ol className="stack-list" tabIndex={0} aria-label={`Stack of ${shortFunction(culprit.function)}, leaf first`}>
      {frames.map((frame, i) => (
        <li key={i} data-own={frame.function === culprit.function} title={frame.file}>
          <code>{frame.function}</code> <span className="muted">{place(frame.file, frame.line)}</span>
        </li>
      ))}
    </ol>
  );
}
