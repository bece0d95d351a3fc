// The pretend hub's world: five services, one leaking, one suspect, one learning,
// one unreachable, one healthy, with histories that look like real programs'.
const MiB = 2 ** 20;
const minute = 60_000;
const hour = 60 * minute;

/** The same numbers at every start, so that pictures can be compared. */
function random(seed) {
  let a = seed;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const noise = (seed) => random(seed)() * 2 - 1;

const leakStack = [
  ['github.com/acme/checkout/internal/session.newEntry', '/src/internal/session/entry.go', 41],
  ['github.com/acme/checkout/internal/session.(*Store).Put', '/src/internal/session/store.go', 88],
  ['github.com/acme/checkout/internal/api.(*Server).handleCart', '/src/internal/api/cart.go', 132],
  ['github.com/acme/checkout/internal/api.(*Server).ServeHTTP', '/src/internal/api/server.go', 57],
  ['net/http.serverHandler.ServeHTTP', '/usr/local/go/src/net/http/server.go', 3340],
  ['net/http.(*conn).serve', '/usr/local/go/src/net/http/server.go', 2109],
].map(([fn, file, line]) => ({ function: fn, file, line }));

const culprit = (i, share, rate) => ({
  function: leakStack[1].function, leaf: leakStack[0].function, ownFrame: leakStack[1].function, file: leakStack[1].file, line: leakStack[1].line,
  stack: leakStack, growthBytesPerSecond: rate, liveBytes: Math.round(198 * MiB * share), liveObjects: 1_244_310, share, certainty: 'certain',
});

const second = {
  function: 'github.com/acme/checkout/internal/metrics.(*Registry).observe', leaf: 'github.com/acme/checkout/internal/metrics.newSeries', ownFrame: '', file: '/src/internal/metrics/registry.go', line: 210,
  stack: leakStack.slice(2), growthBytesPerSecond: 900, liveBytes: 9 * MiB, liveObjects: 40_210, share: 0.06, certainty: 'likely',
};

const gates = (passed) => [
  { name: 'trend', value: passed ? 14.2 : 1.8, need: '> 3.5', passed, detail: passed ? 'live heap rises far beyond its noise' : 'live heap moves within its noise' },
  { name: 'plateau', value: passed ? 0.97 : 0.22, need: '> 0.6', passed, detail: passed ? 'the newer half rises as fast as the older' : 'growth has flattened' },
  { name: 'load', value: passed ? 0.08 : null, need: '< 0.5', passed, detail: 'growth does not follow the request rate' },
  { name: 'horizon', value: 32400, need: '< 115200', passed: true, detail: 'the limit is near enough for the trend to be trusted' },
  { name: 'site', value: passed ? 0.91 : 0.31, need: '> 0.5', passed, detail: passed ? 'one call site holds most of the growth' : 'no call site holds most of the growth' },
];

const calm = (state, summary) => ({
  state, kind: 'none', severity: 'none', since: null, growthBytesPerSecond: { estimate: 12, low: -220, high: 250 }, growthBytes: 0, limitBytes: 512 * MiB, limitSource: 'cgroup',
  timeToLimitSeconds: null, timeToLimitLowSeconds: null, timeToLimitHighSeconds: null, confidence: state === 'learning' ? 0.1 : 0.93, culprits: [], gates: state === 'learning' ? [] : gates(false), summary,
});

function leaking(now) {
  const rate = (38 * MiB) / 3600;
  return {
    state: 'leaking', kind: 'heap', severity: 'warning', since: now - 5.2 * hour, growthBytesPerSecond: { estimate: rate, low: rate * 0.93, high: rate * 1.08 }, growthBytes: 198 * MiB,
    limitBytes: 640 * MiB, limitSource: 'cgroup', timeToLimitSeconds: 9.1 * 3600, timeToLimitLowSeconds: 8.4 * 3600, timeToLimitHighSeconds: 9.8 * 3600, confidence: 0.99,
    culprits: [culprit(0, 0.91, rate * 0.91), second], gates: gates(true),
    summary: 'Live heap grows by 38 MiB/h (35 to 41) since 5 h, 91 % of it in session.(*Store).Put; the cgroup limit of 640 MiB is reached in about 9 h.',
  };
}

function suspect(now) {
  const rate = (6.2 * MiB) / 3600;
  return {
    state: 'suspect', kind: 'goroutine', severity: 'none', since: now - 42 * minute, growthBytesPerSecond: { estimate: rate, low: rate * 0.2, high: rate * 1.9 }, growthBytes: 4.4 * MiB,
    limitBytes: 1024 * MiB, limitSource: 'gomemlimit', timeToLimitSeconds: 140 * 3600, timeToLimitLowSeconds: 72 * 3600, timeToLimitHighSeconds: null, confidence: 0.61,
    culprits: [{ ...second, function: 'github.com/acme/notify/internal/stream.(*Hub).subscribe', leaf: 'runtime.gopark', file: '/src/internal/stream/hub.go', line: 61, share: 0.72, growthBytesPerSecond: rate * 0.7, liveObjects: 812 }],
    gates: gates(true).map((g, i) => (i === 1 ? { ...g, passed: false, value: 0.41, detail: 'too early to rule out a plateau' } : g)),
    summary: 'Goroutines may leak: 812 wait in stream.(*Hub).subscribe, about 19 more an hour; too early to rule out a plateau.',
  };
}

const plans = {
  checkout: { base: 122, slope: 38, hours: 5.2, noise: 6, limit: 640, verdict: leaking, instances: ['checkout-7d9f-x2k4', 'checkout-7d9f-m8qz', 'checkout-7d9f-p01c'], labels: { namespace: 'shop', version: '2.14.0' } },
  notify: { base: 61, slope: 6.2, hours: 0.7, noise: 3, limit: 1024, verdict: suspect, instances: ['notify-5c44-aa1b'], labels: { namespace: 'shop' } },
  search: { base: 310, slope: 0, hours: 0, noise: 28, limit: 1024, verdict: () => calm('healthy', 'Healthy: live heap moves between 280 and 340 MiB and returns.'), instances: ['search-0', 'search-1'], labels: { namespace: 'search' } },
  'image-resizer': { base: 84, slope: 0, hours: 0, noise: 9, limit: 512, verdict: () => calm('learning', 'Learning: 14 of 60 readings seen.'), instances: ['image-resizer-66b-9x'], labels: { namespace: 'media' } },
  payments: { base: 95, slope: 0, hours: 0, noise: 5, limit: 512, verdict: () => calm('healthy', 'Healthy until it fell silent.'), instances: ['payments-0'], labels: { namespace: 'shop' }, unreachable: 'connection refused at http://10.2.0.17:6060/debug/vars' },
};

function sampleAt(plan, instance, t, start) {
  const seed = Math.round(t / 1000) + instance * 7919;
  const began = start - plan.hours * hour;
  const grown = plan.slope * Math.max(0, (t - began) / hour) * (instance === 0 ? 1 : 0.55);
  const live = (plan.base + grown + plan.noise * Math.sin(t / (9 * minute) + instance) * 0.5 + plan.noise * 0.35 * noise(seed)) * MiB;
  const saw = ((t / 1000 + instance * 13) % 40) / 40;
  const alloc = live * (1 + 0.22 * saw);
  const up = (t - (began - 10 * hour)) / 1000;
  return {
    timestamp: t, startTime: began - 10 * hour, liveHeapBytes: Math.round(live), heapAllocBytes: Math.round(alloc), heapInuseBytes: Math.round(live * 1.28), sysBytes: Math.round(live * 1.56 + 30 * MiB),
    heapSysBytes: Math.round(live * 1.5), heapIdleBytes: Math.round(live * 0.22), heapReleasedBytes: Math.round(live * 0.1), stackInuseBytes: 3 * MiB, rssBytes: Math.round(live * 1.42 + 34 * MiB), limitBytes: plan.limit * MiB, nextGCBytes: Math.round(live * 2), numGC: Math.floor(up / 40), pauseTotalSeconds: Math.floor(up / 40) * (0.00031 + 0.00004 * Math.sin(t / hour)),
    totalAllocBytes: Math.round(up * 4.1 * MiB + 60 * MiB * Math.sin(t / hour)), goroutines: Math.round(140 + (plan.slope === 6.2 ? grown * 30 : 0) + 9 * noise(seed + 1)), gcCPUFraction: 0.004, latencySeconds: 0.0004,
  };
}

const metricsOf = (service, instance, sample, extra = {}) => ({
  type: 'metrics', v: 1, service, instance, heapUsedMB: sample.heapAllocBytes / MiB, heapTotalMB: sample.heapSysBytes / MiB, rssMB: sample.rssBytes / MiB, externalMB: 0, eventLoopDelayMs: 0.4,
  leakDetected: false, memoryGrowthMB: 0, timestamp: sample.timestamp, sample, ...extra,
});

/** `large`: many services, made of the same plans. */
function cast(scene) {
  if (scene === 'empty') return {};
  if (scene === 'calm') return { search: plans.search, catalog: { ...plans.search, base: 120, instances: ['catalog-0'] } };
  if (scene !== 'large') return plans;
  const many = {};
  const kinds = Object.values(plans);
  for (let i = 0; i < 5000; i++) many[`svc-${String(i).padStart(4, '0')}`] = { ...(i % 97 === 0 ? kinds[0] : i % 61 === 0 ? kinds[1] : kinds[2]), instances: [`svc-${i}-0`], base: 60 + (i % 300) };
  return many;
}

export function world(scene) {
  const start = Date.now();
  const services = cast(scene);
  let seq = 1000;

  const serviceBody = ([name, plan]) => {
    const now = Date.now();
    const seen = plan.unreachable ? start - 13 * minute : now - 1500;
    const stepMs = scene === 'large' ? 6 * minute : 90_000;
    const points = scene === 'large' ? 20 : 80;
    const from = Math.floor((seen - points * stepMs) / stepMs) * stepMs;
    const verdict = plan.verdict(start);
    const instances = plan.instances.map((instance, i) => ({
      name: instance, status: plan.unreachable ? 'unreachable' : 'connected', ...(plan.unreachable ? { reason: plan.unreachable } : {}), lastSeen: seen, sample: sampleAt(plan, i, seen, start),
      verdict: i === 0 ? verdict : calm('healthy', 'Healthy.'),
    }));
    return {
      name, status: plan.unreachable ? 'unreachable' : 'connected', registeredAt: start - 30 * hour, lastSeen: seen, totalAlerts: verdict.state === 'leaking' ? 2 : 0, openAlerts: verdict.state === 'leaking' ? 1 : 0,
      lastMetrics: metricsOf(name, plan.instances[0], sampleAt(plan, 0, seen, start)), worst: plan.instances[0], verdict, instances, labels: plan.labels,
      sparkline: { signal: 'liveHeapBytes', from, stepMs, values: Array.from({ length: points }, (_, i) => (plan.hours === 0 && verdict.state === 'learning' && i < 62 ? null : sampleAt(plan, 0, from + i * stepMs, start).liveHeapBytes)) },
    };
  };

  const capture = (id, service, role, age, kind = 'heap', baseId) => ({
    id, service, instance: plans[service].instances[0], kind, role, timestamp: start - age, filename: `${service}-${kind}-${role}.pb.gz`, size: 182_331, sha256: 'ab'.repeat(32), ...(baseId ? { baseId } : {}),
  });
  const captures = services.checkout
    ? [
        capture('01J9LEAK', 'checkout', 'leaking', 40 * minute, 'heap', '01J9BASE'),
        capture('01J9SUSP', 'checkout', 'suspect', 2.1 * hour, 'heap', '01J9BASE'),
        capture('01J9GORO', 'notify', 'suspect', 20 * minute, 'goroutine'),
        capture('01J9BASE', 'checkout', 'baseline', 14 * hour),
      ]
    : [];

  const alerts = () => {
    if (!services.checkout) return [];
    const verdict = leaking(start);
    const common = { fingerprint: 'f', instances: [plans.checkout.instances[0]], severity: 'warning', resolvedAt: null, verdict: null, profiles: [] };
    return [
      { ...common, id: '01J9A1', type: 'leak', state: 'firing', service: 'checkout', kind: 'heap', message: verdict.summary, timestamp: start - 40 * minute, updatedAt: start - 30_000, verdict, profiles: ['01J9BASE', '01J9SUSP', '01J9LEAK'], instances: plans.checkout.instances.slice(0, 2) },
      { ...common, id: '01J9A2', type: 'disconnect', state: 'firing', service: 'payments', severity: 'none', message: 'payments-0 cannot be read: connection refused', timestamp: start - 13 * minute, updatedAt: start - 13 * minute, instances: ['payments-0'] },
      { ...common, id: '01J9A3', type: 'snapshot', state: 'resolved', service: 'checkout', severity: 'none', message: 'Heap profile saved on the edge to leaking', timestamp: start - 40 * minute, updatedAt: start - 40 * minute, resolvedAt: start - 40 * minute, filename: 'checkout-heap-leaking.pb.gz' },
      { ...common, id: '01J9A0', type: 'leak', state: 'resolved', service: 'search', kind: 'heap', severity: 'info', message: 'resolved', timestamp: start - 50 * hour, updatedAt: start - 46 * hour, resolvedAt: start - 46 * hour, verdict: { ...verdict, severity: 'info' } },
    ];
  };

  return {
    seq: () => seq,
    services: () => Object.entries(services).map(serviceBody),
    alerts,
    metrics(name, query) {
      const plan = services[name];
      if (!plan) return undefined;
      const to = Number(query.get('to') ?? Date.now());
      const from = Number(query.get('from') ?? to - hour);
      const step = Math.max(10_000, (to - from) / 360);
      const end = plan.unreachable ? Math.min(to, start - 13 * minute) : to;
      const metrics = [];
      for (let t = from; t <= end; t += step) plan.instances.forEach((instance, i) => metrics.push(metricsOf(name, instance, sampleAt(plan, i, Math.round(t) + i * 700, start))));
      return { service: name, metrics, total: metrics.length };
    },
    profiles(query) {
      const list = captures.filter((c) => (!query.get('service') || c.service === query.get('service')) && (!query.get('alert') || c.service === 'checkout'));
      return { profiles: list, total: list.length };
    },
    flamegraph: (id, base) => flamegraph(captures, id, base),
    agents: () => {
      const agents = ['10.2.0.4:51022', '10.2.0.9:40112', '10.2.0.17:33870'].map((remote, i) => ({ remote, version: i ? 'v0.1.0' : 'v0.0.9', since: start - 30 * hour, heard: Date.now() - 900 * i, targets: 3 - i, readings: 137_000 - i, refused: 0, lagSeconds: i ? 0.02 : 42 }));
      return { agents, total: agents.length };
    },
    stats: () => ({
      totalServices: Object.keys(services).length, connectedServices: Object.keys(services).length - 1, totalInstances: 8, totalAlerts: 4, openAlerts: 2, criticalAlerts: 0, dashboardClients: 1, agents: 3, readings: 412_040, profiles: captures.length,
      profileBytes: 4 * 182_331, databaseBytes: 48 * MiB, uptime: 30 * 3600, memoryUsage: { rss: 41 * MiB, heapTotal: 24 * MiB, heapUsed: 13 * MiB }, version: '0.1.0-mock', problems: [],
    }),
    tick() {
      const now = Date.now();
      const events = [];
      for (const [name, plan] of Object.entries(services)) {
        if (plan.unreachable || (scene === 'large' && Math.random() > 0.1)) continue;
        plan.instances.forEach((instance, i) => events.push({ ...metricsOf(name, instance, sampleAt(plan, i, now, start)), type: 'metricsUpdate', seq: ++seq }));
      }
      return events;
    },
  };
}

function flamegraph(captures, id, baseId) {
  const profile = captures.find((c) => c.id === id);
  const base = captures.find((c) => c.id === baseId);
  if (!profile) return undefined;
  const leakNow = profile.role === 'baseline' ? 21 : profile.role === 'suspect' ? 104 : 219;
  const node = (name, file, line, value, was, children = []) => ({
    name, file, line, value: Math.round((value + children.reduce((s, c) => s + c.v, 0)) * MiB), ...(base ? { base: Math.round((was + children.reduce((s, c) => s + c.b, 0)) * MiB) } : {}),
    ...(children.length ? { children: children.map((c) => c.n) } : {}), v: value + children.reduce((s, c) => s + c.v, 0), b: was + children.reduce((s, c) => s + c.b, 0),
  });
  const wrap = (n) => {
    const { v, b, ...rest } = n;
    return { n: rest, v, b };
  };
  const f = (name, file, line, value, was, ...kids) => wrap(node(name, file, line, value, was, kids));
  const put = f('github.com/acme/checkout/internal/session.(*Store).Put', '/src/internal/session/store.go', 88, 4, 1, f('github.com/acme/checkout/internal/session.newEntry', '/src/internal/session/entry.go', 41, leakNow, 18, f('strings.Clone', '/usr/local/go/src/strings/clone.go', 25, leakNow / 6, 3)));
  const small = Array.from({ length: 14 }, (_, i) => f(`github.com/acme/checkout/internal/catalog.load${i}`, '/src/internal/catalog/load.go', 30 + i, 1.1 + i / 7, 1.1 + i / 7));
  const api = f('github.com/acme/checkout/internal/api.(*Server).ServeHTTP', '/src/internal/api/server.go', 57, 0, 0, f('github.com/acme/checkout/internal/api.(*Server).handleCart', '/src/internal/api/cart.go', 132, 1, 1, put, f('encoding/json.Marshal', '/usr/local/go/src/encoding/json/encode.go', 170, 6, 9)), f('github.com/acme/checkout/internal/api.(*Server).handleCatalog', '/src/internal/api/catalog.go', 70, 0, 0, ...small));
  const http = f('net/http.(*conn).serve', '/usr/local/go/src/net/http/server.go', 2109, 3, 3, f('net/http.serverHandler.ServeHTTP', '/usr/local/go/src/net/http/server.go', 3340, 0, 0, api), f('bufio.NewReaderSize', '/usr/local/go/src/bufio/bufio.go', 57, 5, 11));
  const main = f('runtime.main', '/usr/local/go/src/runtime/proc.go', 283, 0, 0, f('main.main', '/src/cmd/checkout/main.go', 31, 0, 0, f('github.com/acme/checkout/internal/metrics.(*Registry).observe', '/src/internal/metrics/registry.go', 210, 9, 4), f('main.loadConfig', '/src/cmd/checkout/config.go', 12, 2, 2)));
  const root = f('root', undefined, undefined, 0, 0, http, main);
  return { profile, ...(base ? { base, baseTotal: root.n.base } : {}), sampleType: 'inuse_space', unit: 'bytes', total: root.n.value, root: root.n };
}
