import { describe, expect, it } from 'vitest';
import { conditionOf, serviceCondition, staleAfterMs, worstInstance } from '../src/model/condition.ts';
import { countConditions, documentTitle, everything, heldOrder, kindsOf, labelsOf, matches, sortFleet, worstCondition } from '../src/model/fleet.ts';
import { headline as headlineOf } from '../src/model/headline.ts';
import type { Service } from '../src/api/types.ts';
import { instance, leak, now, service, update, verdict } from './make.ts';

const suspect = verdict({ state: 'suspect', kind: 'heap' });
const down = service('down', { status: 'unreachable', verdict: null, instances: [instance({ status: 'unreachable', reason: 'connection refused' })] });

describe('a condition', () => {
  it('a leak stays a leak when its process goes silent', () => {
    expect(serviceCondition(service('x', { verdict: leak(), status: 'disconnected' }), now)).toBe('leaking');
  });

  it('silence comes before an old good verdict', () => {
    expect(serviceCondition(service('x', { status: 'unreachable' }), now)).toBe('unreachable');
    expect(serviceCondition(service('x', { lastSeen: now - staleAfterMs - 1 }), now)).toBe('stale');
  });

  it('the original agent’s own flag counts where it sends no verdict', () => {
    const { v: _, ...old } = update({ leakDetected: true });
    expect(conditionOf({ status: 'connected', lastSeen: now, verdict: null }, { ...old, type: 'metrics' }, now)).toBe('leaking');
    expect(conditionOf({ status: 'connected', lastSeen: now, verdict: null }, { ...old, type: 'metrics', leakDetected: false }, now)).toBe('healthy');
    expect(conditionOf({ status: 'connected', lastSeen: now, verdict: null }, { ...old, type: 'metrics', v: 1 }, now)).toBe('learning');
  });

  it('the worst instance stands for the service', () => {
    const list = [instance({ name: 'a' }), instance({ name: 'b', verdict: leak() }), instance({ name: 'c', verdict: suspect })];
    expect(worstInstance(list)?.name).toBe('b');
    expect(worstInstance([])).toBeUndefined();
  });
});

describe('the order', () => {
  const fleet = [
    service('ok10'), service('ok9'), down, service('maybe', { verdict: suspect }), service('new', { verdict: verdict({ state: 'learning' }) }),
    service('late', { verdict: leak({ timeToLimitSeconds: 90_000 }) }), service('soon', { verdict: leak({ timeToLimitSeconds: 3_600 }) }), service('burning', { verdict: leak({ severity: 'critical', timeToLimitSeconds: 50_000 }) }),
  ];
  const order = sortFleet(fleet, now).map((s) => s.name);

  it('is worst first, then by name with numbers as numbers', () => {
    expect(order).toEqual(['burning', 'soon', 'late', 'maybe', 'down', 'new', 'ok9', 'ok10']);
  });

  it('follows names that come and go', () => {
    expect(sortFleet([service('b'), service('a')], now).map((s) => s.name)).toEqual(['a', 'b']);
    expect(sortFleet([service('c'), service('a')], now).map((s) => s.name)).toEqual(['a', 'c']);
  });

  it('does not change the list it is given', () => expect(fleet[0]?.name).toBe('ok10'));

  it('stays under the hand: gone rows leave, new ones come last', () => {
    expect(heldOrder(['a', 'b', 'c'], ['c', 'd', 'a'])).toEqual(['a', 'c', 'd']);
    expect(heldOrder([], ['b', 'a'])).toEqual(['b', 'a']);
  });
});

describe('the filter', () => {
  const shop = service('shop', { verdict: leak(), labels: { namespace: 'prod' } });
  it.each([
    ['', true], ['shop', true], ['SHOP cache.go', true], ['namespace=prod', true], ['cart put', true], ['shop absent', false],
  ])('%s', (text, found) => expect(matches(shop, { ...everything, text }, now)).toBe(found));

  it('asks for the state as well', () => {
    expect(matches(shop, { ...everything, state: 'leaking' }, now)).toBe(true);
    expect(matches(shop, { ...everything, state: 'healthy' }, now)).toBe(false);
  });

  it('asks for what grows, and a healthy one grows nothing', () => {
    expect(matches(shop, { ...everything, kind: 'heap' }, now)).toBe(true);
    expect(matches(shop, { ...everything, kind: 'goroutine' }, now)).toBe(false);
    expect(matches(service('ok', { verdict: verdict({ kind: 'heap' }) }), { ...everything, kind: 'heap' }, now)).toBe(false);
    expect(kindsOf([shop, service('ok')])).toEqual(['heap']);
  });

  it('asks for a label, of the service or of an instance', () => {
    const pod = service('pod', { instances: [instance({ labels: { zone: 'a' } })] });
    expect(matches(shop, { ...everything, label: 'namespace=prod' }, now)).toBe(true);
    expect(matches(shop, { ...everything, label: 'namespace=pro' }, now)).toBe(false);
    expect(matches(pod, { ...everything, label: 'zone=a' }, now)).toBe(true);
  });

  it('offers labels that tell services apart', () => {
    const named = (name: string, labels: Record<string, string>) => service(name, { labels });
    const offered = labelsOf([named('a', { zone: 'z10', os: 'linux' }), named('b', { zone: 'z9', os: 'linux' }), ...Array.from({ length: 70 }, (_, i) => named(`s${i}`, { pod: `p${i}` }))]);
    expect([...offered]).toEqual([['zone', ['zone=z9', 'zone=z10']]]);
  });
});

describe('the headline', () => {
  const headline = (list: Service[]) => headlineOf(sortFleet(list, now)[0], countConditions(list, now), list.length);
  const sentence = (...list: Service[]) => headline(list).sentence;

  it('names the worst leak and its time to the limit', () => {
    const h = headline([service('shop', { verdict: leak() }), service('b', { verdict: leak({ timeToLimitSeconds: null }) }), service('c')]);
    expect(h.sentence).toBe('2 of 3 services leak; the worst, shop, reaches its limit in 9 h.');
    expect(h.next).toBe('Start with shop: cart.(*Cache).Put leaks (cache.go:42).');
    expect(h.service).toBe('shop');
    expect(h.tone).toBe('leaking');
  });

  it('speaks of one as of one', () => {
    expect(sentence(service('shop', { verdict: leak() }), service('c'))).toBe('1 of 2 services leaks; shop reaches its limit in 9 h.');
    expect(sentence(service('shop', { verdict: leak({ timeToLimitSeconds: null }) }))).toBe('shop leaks; it grows by 40 MiB/h.');
    expect(sentence(service('shop', { verdict: leak({ timeToLimitSeconds: 0 }) }))).toBe('shop leaks; it is past its limit.');
  });

  it('does not take an assumed limit for the service’s own', () => {
    const assumed = { limitSource: 'assumed', limitBytes: 2 ** 30 };
    expect(sentence(service('shop', { verdict: leak(assumed) }))).toBe('shop leaks; it reaches the assumed limit of 1 GiB in 9 h.');
    expect(sentence(service('shop', { verdict: leak({ ...assumed, timeToLimitSeconds: 0 }) }))).toBe('shop leaks; it is past the assumed limit of 1 GiB.');
  });

  it('tells suspicion, silence, learning and health apart', () => {
    expect(sentence(service('a', { verdict: suspect }), service('b'))).toBe('No leak is proven; 1 of 2 services is suspect.');
    expect(headline([down, service('b')])).toMatchObject({ sentence: 'No leak is known, but 1 of 2 services cannot be read.', next: 'Start with down: connection refused.' });
    expect(sentence(service('a', { status: 'disconnected' }), service('b'))).toBe('No leak is known, but 1 of 2 services has gone silent.');
    expect(sentence(service('a', { verdict: verdict({ state: 'learning' }) }))).toBe('Getting to know 1 service.');
    expect(sentence(service('a'), service('b'))).toBe('All is well: no leak in 2 services.');
    expect(sentence()).toBe('Nothing is watched yet.');
  });
});

describe('the tab', () => {
  const counts = countConditions([service('a', { verdict: leak() }), service('b', { verdict: suspect })], now);
  it('says the worst in its title', () => {
    expect(documentTitle('', counts, true)).toBe('(1 leaking) memwatch');
    expect(documentTitle('Alerts', counts, false)).toBe('(offline) Alerts · memwatch');
    expect(documentTitle('Hub', countConditions([], now), true)).toBe('Hub · memwatch');
    expect(worstCondition(counts)).toBe('leaking');
    expect(worstCondition(countConditions([], now))).toBeUndefined();
  });
});
