// A verdict and an alert told in sentences. Pure.
import type { Alert, Frame, Kind, Verdict } from '../api/types.ts';
import { bytes, duration, durationRange, growth, growthRange, plural, shortFunction, signedBytes } from './format.ts';

export const kindWord: Record<Kind, string> = {
  none: 'nothing',
  heap: 'heap memory',
  goroutine: 'goroutines',
  offheap: 'memory outside the Go heap',
  fragmentation: 'heap space through fragmentation',
};

/** "leaks heap memory": what a service does, by kind. */
export function leakPhrase(kind: Kind | undefined): string {
  return `leaks ${kind && kind !== 'none' ? kindWord[kind] : 'memory'}`;
}

const limitWord: Record<string, string> = {
  cgroup: 'cgroup limit',
  gomemlimit: 'GOMEMLIMIT',
  config: 'configured limit',
  assumed: 'no limit was found',
};

export function limitSource(source: string): string {
  return limitWord[source] ?? source;
}

/** Nobody set this limit: the detector took one, so as to have something to measure by. */
export const isAssumed = (verdict: Verdict): boolean => verdict.limitSource === 'assumed';

/** "limit of 512 MiB", "assumed limit of 1 GiB", or plainly "limit" where there is none. */
export function limitName(verdict: Verdict): string {
  if (verdict.limitBytes <= 0) return 'limit';
  return `${isAssumed(verdict) ? 'assumed ' : ''}limit of ${bytes(verdict.limitBytes)}`;
}

export interface Fact {
  label: string;
  value: string;
  detail: string;
}

/** How fast, until when, how much: the numbers behind the sentence. */
export function facts(verdict: Verdict, now: number): Fact[] {
  const rate = verdict.growthBytesPerSecond;
  const out: Fact[] = [
    { label: 'Growth', value: growth(rate.estimate), detail: `${growthRange(rate.low, rate.high)} with 95\u00a0% certainty` },
    timeToLimit(verdict),
  ];
  if (verdict.since !== null) {
    const value = `${duration((now - verdict.since) / 1000)}`;
    out.push({ label: 'Growing for', value, detail: `${bytes(verdict.growthBytes)} more since it began` });
  }
  if (verdict.limitBytes > 0) out.push({ label: isAssumed(verdict) ? 'Assumed limit' : 'Limit', value: bytes(verdict.limitBytes), detail: limitSource(verdict.limitSource) });
  return out;
}

function timeToLimit(verdict: Verdict): Fact {
  const label = isAssumed(verdict) ? 'Time to assumed limit' : 'Time to limit';
  const left = verdict.timeToLimitSeconds;
  if (left === null) return { label, value: 'not in sight', detail: 'nothing grows toward the limit' };
  const range = durationRange(verdict.timeToLimitLowSeconds, verdict.timeToLimitHighSeconds);
  return { label, value: soon(left), detail: left <= 0 || range === duration(left) ? '' : range };
}

/** "9 h", "< 1 min", or that the limit is behind already. */
function soon(seconds: number): string {
  if (seconds <= 0) return 'reached';
  return seconds < 60 ? '< 1 min' : duration(seconds);
}

/** Time to limit as a cell: "9 h", or a dash where nothing grows. */
export function timeLeft(verdict: Verdict | null): string {
  if (verdict?.timeToLimitSeconds == null) return '–';
  return soon(verdict.timeToLimitSeconds);
}

/** The alert in one sentence: what, where, how fast, until when. */
export function alertTitle(alert: Alert): string {
  if (alert.type === 'snapshot') return `${alert.service} saved a heap snapshot`;
  if (alert.type === 'disconnect') {
    return alert.state === 'resolved' ? `${alert.service} was disconnected, and is back` : `${alert.service} is disconnected`;
  }
  const culprit = alert.verdict?.culprits?.[0]?.function ?? alert.culprit;
  const verb = alert.state === 'resolved' ? leakPhrase(alert.kind).replace('leaks', 'leaked') : leakPhrase(alert.kind);
  return `${alert.service} ${verb}${culprit ? ` in ${shortFunction(culprit)}` : ''}`;
}

/** A snapshot is news, nothing that goes on; leaks and disconnects are. */
export const isFiring = (alert: Alert): boolean => alert.state === 'firing' && alert.type !== 'snapshot';

/** "2 leaks and 1 disconnect are alerting." */
export function firingSentence(alerts: readonly Alert[]): string {
  const of = (type: Alert['type']) => alerts.filter((a) => isFiring(a) && a.type === type).length;
  const [leaks, gone] = [of('leak'), of('disconnect')];
  const parts = [leaks && plural(leaks, 'leak'), gone && plural(gone, 'disconnect')].filter((p) => p !== 0);
  if (parts.length === 0) return 'Nothing is alerting.';
  return `${parts.join(' and ')} ${leaks + gone === 1 ? 'is' : 'are'} alerting.`;
}

const actionWords: Record<string, string> = {
  fire: 'Fired', join: 'One more instance', rename: 'Culprit known', blame: 'Version known', worsen: 'Worse', ease: 'Better', hold: 'Held back', release: 'Counts now', expire: 'Ran out', resume: 'Faster than expected', notify: 'Told',
  acknowledge: 'Acknowledged', silence: 'Silenced', expect: 'Expected', resolve: 'Resolved', lift: 'Lifted',
};

/** What happened to an alert; an action that is new keeps its own name. */
export function actionWord(action: string): string {
  return actionWords[action] ?? action;
}

type GateUnit = 'bytes' | 'seconds' | 'plain';

/** The detector's tests as headings, and what their numbers count. */
const gateInfo: Record<string, { title: string; unit: GateUnit }> = {
  trend: { title: 'It rises', unit: 'plain' },
  growth: { title: 'By enough to matter', unit: 'bytes' },
  plateau: { title: 'It has not levelled off', unit: 'plain' },
  step: { title: 'It is no single jump', unit: 'plain' },
  ending: { title: 'Its last third still grew', unit: 'plain' },
  lately: { title: 'It still goes on', unit: 'plain' },
  load: { title: 'More load does not explain it', unit: 'plain' },
  bend: { title: 'It does not flatten out', unit: 'plain' },
  watched: { title: 'Watched for long enough', unit: 'seconds' },
  new: { title: 'Beyond what it held before', unit: 'bytes' },
  site: { title: 'A call site confirms it', unit: 'plain' },
  proof: { title: 'The runtime proves it', unit: 'plain' },
  horizon: { title: 'The limit is in sight', unit: 'seconds' },
};

/** A gate's name as a heading: known ones by a phrase, others by their words. */
export function gateTitle(name: string): string {
  const known = gateInfo[name]?.title;
  if (known) return known;
  const words = name.replaceAll(/([a-z])([A-Z])/g, '$1 $2').replaceAll(/[-_]/g, ' ').toLowerCase();
  return words.charAt(0).toUpperCase() + words.slice(1);
}

export function gateValue(name: string, value: number | null): string {
  return value === null ? 'not measured' : gateNumber(name, value);
}

/** ">= 1048576" of a gate in bytes becomes "≥ 1 MiB". */
export function gateNeed(name: string, need: string): string {
  const found = /^([<>]=?)\s*(-?[\d.]+(?:e[+-]?\d+)?)$/i.exec(need.trim());
  if (!found?.[1] || !found[2]) return need;
  const sign = { '<': '<', '>': '>', '<=': '≤', '>=': '≥' }[found[1]] ?? found[1];
  return `${sign} ${gateNumber(name, Number(found[2]))}`;
}

function gateNumber(name: string, value: number): string {
  const unit = gateInfo[name]?.unit ?? 'plain';
  if (unit === 'bytes') return signedBytes(value).replace('+', '');
  if (unit === 'seconds') return duration(value);
  if (value !== 0 && (Math.abs(value) >= 1e7 || Math.abs(value) < 1e-3)) return value.toExponential(1);
  return Number(value.toPrecision(3)).toLocaleString('en-US').replace('-', '−');
}

/** What a parked goroutine does, by the runtime's function that parked it. */
const waits: [RegExp, string][] = [
  [/^runtime\.chansend/, 'sending on a channel'],
  [/^runtime\.chanrecv/, 'receiving from a channel'],
  [/^runtime\.selectgo|^runtime\.block$/, 'in a select'],
  [/^time\.Sleep|^runtime\.timeSleep/, 'asleep'],
  [/^sync\.|^runtime\.(semacquire|sync_runtime|notifyListWait)|^internal\/sync\./, 'for a lock'],
  [/^internal\/poll\.|^runtime\.netpollblock|^net\./, 'for the network or a file'],
];

/** Where goroutines of a stack (leaf first) stand still and where they came from; undefined for a stack that allocates. */
export function goroutineWords(stack: readonly Frame[]): { waits: string; runs: string } | undefined {
  if (stack[0]?.function !== 'runtime.gopark') return undefined;
  const doing = stack.map((f) => waits.find(([name]) => name.test(f.function))?.[1]).find(Boolean);
  const first = stack.findLast((f) => f.function !== 'runtime.goexit');
  return { waits: doing ? `waiting ${doing}` : 'waiting', runs: first?.function ?? '' };
}

/** The alert for a ticket: Markdown that says what, where, how fast, until when, and how to look further. */
export function alertMarkdown(alert: Alert, url: string, pprof: string | undefined): string {
  const verdict = alert.verdict;
  const culprit = verdict?.culprits?.[0];
  const stack = (culprit?.stack ?? []).map((f) => `${f.function}${f.file ? ` ${f.file}:${f.line ?? 0}` : ''}`);
  const lines = [`**${alertTitle(alert)}** (${alert.severity})`, '', verdict?.summary || alert.message, ''];
  if (culprit) lines.push(`- Where: \`${culprit.function}\`${culprit.file ? ` (${culprit.file}:${culprit.line})` : ''}`);
  if (verdict) lines.push(`- Growth: ${growth(verdict.growthBytesPerSecond.estimate)}`, `- Time to the ${limitName(verdict)}: ${timeLeft(verdict).replace('–', 'not in sight')}`);
  lines.push(`- Instances: ${(alert.instances ?? []).join(', ') || 'unknown'}`, `- Alert: ${url}`);
  if (pprof) lines.push('', '```sh', pprof, '```');
  if (stack.length) lines.push('', '```', ...stack, '```');
  return `${lines.join('\n')}\n`;
}
