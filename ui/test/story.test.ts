import { describe, expect, it } from 'vitest';
import type { Capture } from '../src/api/types.ts';
import { evidenceOrder } from '../src/model/captures.ts';
import { pprofLine } from '../src/model/pprof.ts';
import { alertMarkdown, alertTitle, facts, firingSentence, gateNeed, gateTitle, gateValue, goroutineWords, limitName, timeLeft } from '../src/model/story.ts';
import { alert, leak, now, verdict } from './make.ts';

describe('an alert’s title', () => {
  it('tells what and where', () => {
    expect(alertTitle(alert())).toBe('shop leaks heap memory in cart.(*Cache).Put');
    expect(alertTitle(alert({ state: 'resolved' }))).toBe('shop leaked heap memory in cart.(*Cache).Put');
    expect(alertTitle(alert({ verdict: null, culprit: 'example.com/x/y.F' }))).toBe('shop leaks heap memory in y.F');
    expect(alertTitle(alert({ kind: 'goroutine', verdict: null }))).toBe('shop leaks goroutines');
    expect(alertTitle(alert({ type: 'disconnect' }))).toBe('shop is disconnected');
    expect(alertTitle(alert({ type: 'snapshot' }))).toBe('shop saved a heap snapshot');
  });
});

describe('what is alerting', () => {
  it('is leaks and disconnects, and no snapshot', () => {
    expect(firingSentence([alert(), alert({ type: 'disconnect' }), alert({ type: 'disconnect' }), alert({ type: 'snapshot' })])).toBe('1 leak and 2 disconnects are alerting.');
    expect(firingSentence([alert({ type: 'disconnect' }), alert({ state: 'resolved' })])).toBe('1 disconnect is alerting.');
    expect(firingSentence([alert({ type: 'snapshot' })])).toBe('Nothing is alerting.');
  });
});

describe('a goroutine’s stack', () => {
  const stack = (...functions: string[]) => functions.map((f) => ({ function: f }));
  it('tells what it waits for and where it was started, not what parked it', () => {
    expect(goroutineWords(stack('runtime.gopark', 'runtime.chansend', 'runtime.chansend1', 'main.ask', 'main.worker.func1'))).toEqual({ waits: 'waiting sending on a channel', runs: 'main.worker.func1' });
    expect(goroutineWords(stack('runtime.gopark', 'runtime.selectgo', 'main.loop', 'runtime.goexit'))).toEqual({ waits: 'waiting in a select', runs: 'main.loop' });
    expect(goroutineWords(stack('runtime.gopark', 'runtime.semacquire1', 'sync.(*Mutex).Lock', 'main.run'))?.waits).toBe('waiting for a lock');
    expect(goroutineWords(stack('runtime.gopark', 'x.park'))).toEqual({ waits: 'waiting', runs: 'x.park' });
    expect(goroutineWords(stack('bytes.growSlice', 'main.put'))).toBeUndefined();
  });
});

describe('a limit', () => {
  it('that nobody set is called assumed', () => {
    const assumed = leak({ limitSource: 'assumed', limitBytes: 2 ** 30 });
    expect(limitName(leak())).toBe('limit of 512 MiB');
    expect(limitName(assumed)).toBe('assumed limit of 1 GiB');
    expect(facts(assumed, now).map((f) => f.label)).toEqual(['Growth', 'Time to assumed limit', 'Growing for', 'Assumed limit']);
  });
});

describe('the facts', () => {
  it('are growth, time, age and limit, each with its interval or source', () => {
    expect(facts(leak(), now).map((f) => [f.label, f.value, f.detail])).toEqual([
      ['Growth', '+40 MiB/h', '36 to 44 MiB/h with 95\u00a0% certainty'],
      ['Time to limit', '9 h', '8 to 10 h'],
      ['Growing for', '60 min', '40 MiB more since it began'],
      ['Limit', '512 MiB', 'cgroup limit'],
    ]);
  });

  it('do not invent an end', () => {
    expect(timeLeft(verdict())).toBe('–');
    expect(timeLeft(leak({ timeToLimitSeconds: 30 }))).toBe('< 1 min');
    expect(timeLeft(leak({ timeToLimitSeconds: 0 }))).toBe('reached');
    expect(facts(leak({ timeToLimitSeconds: null }), now)[1]?.value).toBe('not in sight');
  });
});

describe('a gate', () => {
  it('speaks in the unit of its test', () => {
    expect(gateValue('growth', 2 * 2 ** 20)).toBe('2 MiB');
    expect(gateNeed('growth', '>= 1048576')).toBe('≥ 1 MiB');
    expect(gateNeed('horizon', '<= 1.08e+04')).toBe('≤ 3 h');
    expect(gateValue('trend', 7.4123)).toBe('7.41');
    expect(gateNeed('trend', '> 3.5')).toBe('> 3.5');
    expect(gateValue('horizon', null)).toBe('not measured');
  });

  it('that is new keeps its own words', () => {
    expect(gateTitle('someNewTest')).toBe('Some new test');
    expect(gateNeed('someNewTest', 'anything')).toBe('anything');
  });
});

describe('the pprof line', () => {
  it('compares with the base, and can be pasted into a shell', () => {
    expect(pprofLine('http://h/api/profiles/2', 'http://h/api/profiles/1')).toBe('go tool pprof -diff_base http://h/api/profiles/1 http://h/api/profiles/2');
    expect(pprofLine("http://h/a b'c")).toBe(`go tool pprof 'http://h/a b'\\''c'`);
  });
});

describe('an alert for a ticket', () => {
  const text = alertMarkdown(alert(), 'https://hub/alerts/a1', 'go tool pprof x');

  it('says what, where, how fast, until when, and how to look further', () => {
    expect(text).toContain('**shop leaks heap memory in cart.(*Cache).Put** (warning)');
    expect(text).toContain('- Where: `example.com/shop/cart.(*Cache).Put` (/src/cart/cache.go:42)');
    expect(text).toContain('- Growth: +40 MiB/h');
    expect(text).toContain('- Time to the limit of 512 MiB: 9 h');
    expect(text).toContain('```sh\ngo tool pprof x\n```');
  });
});

describe('evidence', () => {
  const capture = (id: string, change: Partial<Capture>): Capture => ({ id, service: 'shop', instance: 'a', kind: 'heap', role: 'leaking', timestamp: now, filename: id, size: 1, sha256: '', ...change });

  it('begins with the diff of the kind that leaks', () => {
    const list = [capture('g', { kind: 'goroutine', baseId: 'gb' }), capture('b', { role: 'baseline' }), capture('s', { role: 'suspect', baseId: 'b' }), capture('l', { baseId: 'b' })];
    expect(evidenceOrder(alert(), list).map((c) => c.id)).toEqual(['l', 's', 'b', 'g']);
    expect(evidenceOrder(alert({ kind: 'goroutine' }), list)[0]?.id).toBe('g');
  });
});
