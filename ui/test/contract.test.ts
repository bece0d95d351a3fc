// The Go side's golden files are the contract: whatever the hub may send to a
// browser must be known here, key by key.
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { Shape } from '../src/api/shape.ts';
import * as shapes from '../src/api/shapes.ts';
import { parseFrame } from '../src/live/socket.ts';
import { actionWord, gateTitle } from '../src/model/story.ts';

const folder = new URL('../../wire/testdata/', import.meta.url);

const byType: Record<string, Shape<unknown>> = {
  hello: shapes.hello,
  metricsUpdate: shapes.metricsUpdate,
  leakAlert: shapes.alertEvent,
  alertUpdate: shapes.alertEvent,
  serviceUpdate: shapes.serviceUpdate,
  profileSaved: shapes.profileSaved,
  metrics: shapes.metrics,
};

/** Between agent and hub only: no browser sees them. */
const notOurs = new Set(['registration', 'snapshot', 'batch', 'ack', 'error', 'want', 'watch']);

function problems(message: unknown): string[] {
  const { type } = message as { type: string };
  const found: string[] = [];
  byType[type]?.check(message, type, found);
  return found;
}

describe('the wire golden files', () => {
  const files = readdirSync(folder).filter((name) => name.endsWith('.json'));

  it('hold every event that a browser gets', () => {
    const seen = new Set(files.flatMap((name) => (parseFrame(readFileSync(new URL(name, folder), 'utf8')) ?? []).map((m) => m.type as string)));
    for (const type of Object.keys(byType)) expect(seen, type).toContain(type);
    for (const type of seen) expect(byType[type] !== undefined || notOurs.has(type), `the dashboard does not know ${type}`).toBe(true);
  });

  it.each(files)('%s is as the dashboard understands it', (name) => {
    const messages = parseFrame(readFileSync(new URL(name, folder), 'utf8'));
    expect(messages?.length).toBeGreaterThan(0);
    for (const message of messages ?? []) expect(problems(message)).toEqual([]);
  });
});

describe('a shape', () => {
  it('reports what is missing, unknown and of another kind', () => {
    const found: string[] = [];
    shapes.hello.check({ type: 'hello', seq: '7', extra: 1 }, 'hello', found);
    expect(found).toEqual(['hello.seq: want a number, found "7"', 'hello.version: missing', 'hello.epoch: missing', 'hello.extra: not known to the dashboard']);
  });
});

interface Described {
  properties?: Record<string, unknown>;
  required?: string[];
}

const required = (shape: { fields: object }) => Object.entries(shape.fields).filter(([, field]) => !(field as Shape<unknown>).optional).map(([key]) => key);

describe('the OpenAPI document', () => {
  const document = JSON.parse(readFileSync(new URL('../../hub/api/testdata/openapi.json', import.meta.url), 'utf8')) as { components: { schemas: Record<string, Described> } };
  const bodies: Record<string, { fields: object }> = {
    Agent: shapes.agent, Agents: shapes.agents, Alert: shapes.alert, Alerts: shapes.alerts, AlertLog: shapes.alertLog, Capture: shapes.capture, Culprit: shapes.culprit, Delivery: shapes.delivery, Flamegraph: shapes.flamegraph, Gate: shapes.gate, Held: shapes.held, Instance: shapes.instance,
    Mark: shapes.mark, Metrics: shapes.metrics, Problem: shapes.problem, Profiles: shapes.profiles, Release: shapes.release, Sample: shapes.sample, ScrapeError: shapes.scrapeError, Service: shapes.service, ServiceMetrics: shapes.serviceMetrics, Session: shapes.session, Sparkline: shapes.sparkline,
    Stats: shapes.stats, Transition: shapes.transition, Verdict: shapes.verdict,
  };

  it.each(Object.entries(bodies))('%s: nothing in it is unknown here, and all that is relied on is required', (name, shape) => {
    const described = document.components.schemas[name];
    expect(Object.keys(shape.fields)).toEqual(expect.arrayContaining(Object.keys(described?.properties ?? {})));
    expect(described?.required ?? []).toEqual(expect.arrayContaining(required(shape)));
  });
});

describe('the vocabulary in Go', () => {
  const source = (name: string) => readFileSync(new URL(`../../${name}`, import.meta.url), 'utf8');
  /** The JSON keys of a Go struct, in order. */
  const keys = (file: string, type: string): string[] => {
    const body = new RegExp(`type ${type} struct \\{([\\s\\S]*?)\\n\\}`).exec(source(file))?.[1] ?? '';
    return [...body.matchAll(/`json:"(\w+)/g)].map((m) => m[1] ?? '');
  };
  const structs: [string, string, { fields: object }][] = [
    ['verdict.go', 'Verdict', shapes.verdict],
    ['verdict.go', 'Culprit', shapes.culprit],
    ['verdict.go', 'Held', shapes.held],
    ['verdict.go', 'Gate', shapes.gate],
    ['alert.go', 'Alert', shapes.alert],
    ['decision.go', 'Mark', shapes.mark],
    ['decision.go', 'Delivery', shapes.delivery],
    ['decision.go', 'Transition', shapes.transition],
    ['capture.go', 'Capture', shapes.capture],
  ];

  it.each(structs)('%s: %s has the keys that are known here', (file, type, shape) => {
    const inGo = keys(file, type).sort();
    expect(inGo.length).toBeGreaterThan(0);
    expect(Object.keys(shape.fields)).toEqual(expect.arrayContaining(inGo)); // all that the hub may say is known here
    expect(inGo).toEqual(expect.arrayContaining(required(shape))); // and it says all that is relied on
  });

  it('has no gate without a heading of its own', () => {
    const names = [...source('detector/gates.go').matchAll(/(?:\bgate\(|Name: )"(\w+)"/g)].map((m) => m[1] ?? '');
    expect(names).toEqual(expect.arrayContaining(['trend', 'site', 'proof', 'horizon']));
    expect(names.filter((name) => gateTitle(name).toLowerCase() === name)).toEqual([]);
  });

  it('has no action without a word for it', () => {
    const actions = [...source('decision.go').matchAll(/Action\s*=\s*"(\w+)"/g)].map((m) => m[1] ?? '');
    expect(actions).toContain('blame');
    expect(actions.filter((action) => actionWord(action) === action)).toEqual([]);
  });

  it('has the signals that are known here', () => {
    const inGo = [...source('signal.go').matchAll(/\{Name: "(\w+)"/g)].map((m) => m[1] ?? '');
    expect([...shapes.signalNames].sort()).toEqual(inGo.sort());
  });
});
