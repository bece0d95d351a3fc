// The hub's messages, as the root package, wire and hub/api declare them in Go.
// test/contract.test.ts holds these against the Go side's golden files.
import { bool, dict, lazy, list, nullable, num, obj, oneOf, opt, str, type Shape } from './shape.ts';

/** Unix milliseconds; null when unknown. */
const millis = nullable(num);

export const signalNames = [
  'liveHeapBytes', 'heapAllocBytes', 'heapInuseBytes', 'heapIdleBytes', 'heapReleasedBytes', 'heapSysBytes', 'heapObjects',
  'stackInuseBytes', 'sysBytes', 'buckHashSysBytes', 'gcSysBytes', 'nextGCBytes', 'numGC', 'numForcedGC', 'lastGCSeconds',
  'pauseTotalSeconds', 'gcCPUFraction', 'totalAllocBytes', 'mallocs', 'frees', 'goroutines', 'externalBytes', 'rssBytes',
  'cgroupBytes', 'limitBytes', 'gogcPercent', 'goMemLimitBytes', 'latencySeconds', 'scrapeSeconds',
] as const;
type SignalFields = { [K in (typeof signalNames)[number]]: ReturnType<typeof opt<number>> };

/** One reading; a signal that the target lacks is absent, never zero. */
export const sample = obj({
  timestamp: millis,
  startTime: opt(num),
  ...(Object.fromEntries(signalNames.map((name) => [name, opt(num)])) as SignalFields),
});

export const frame = obj({ function: str, file: opt(str), line: opt(num) });

/** What a culprit held at one time. */
export const held = obj({ timestamp: millis, liveBytes: num });

export const culprit = obj({
  function: str,
  leaf: str,
  ownFrame: str,
  file: str,
  line: num,
  stack: nullable(list(frame)),
  growthBytesPerSecond: num,
  liveBytes: num,
  liveObjects: num,
  share: num,
  certainty: oneOf('certain', 'likely'),
  history: opt(list(held)),
});

export const gate = obj({ name: str, value: nullable(num), need: str, passed: bool, detail: opt(str) });

export const kind = oneOf('none', 'heap', 'goroutine', 'offheap', 'fragmentation');
export const severity = oneOf('none', 'info', 'warning', 'critical');

export const verdict = obj({
  state: oneOf('learning', 'healthy', 'suspect', 'leaking'),
  kind,
  severity,
  since: millis,
  growthBytesPerSecond: obj({ estimate: num, low: num, high: num }),
  growthBytes: num,
  limitBytes: num,
  limitSource: str,
  timeToLimitSeconds: nullable(num),
  timeToLimitLowSeconds: nullable(num),
  timeToLimitHighSeconds: nullable(num),
  confidence: num,
  culprits: nullable(list(culprit)),
  gates: nullable(list(gate)),
  summary: str,
});

export const scrapeError = obj({ endpoint: str, reason: str, message: str });

const metricsFields = {
  v: opt(num),
  id: opt(str),
  service: str,
  instance: opt(str),
  heapUsedMB: num,
  heapTotalMB: num,
  rssMB: num,
  externalMB: num,
  eventLoopDelayMs: num,
  leakDetected: bool,
  memoryGrowthMB: num,
  timestamp: millis,
  sample: opt(sample),
  verdict: opt(verdict),
  scrapeError: opt(scrapeError),
};
export const metrics = obj({ type: str, ...metricsFields });

export const capture = obj({
  id: str,
  service: str,
  instance: str,
  kind: oneOf('heap', 'goroutine', 'goroutineleak', 'other'),
  role: oneOf('baseline', 'suspect', 'leaking', 'lastgasp', 'upload'),
  timestamp: millis,
  filename: str,
  size: num,
  sha256: str,
  baseId: opt(str),
});

/** What a person decided about an alert. */
export const mark = obj({ who: str, why: opt(str), timestamp: millis, until: millis, growthBytesPerSecond: opt(num) });

/** How far one channel has been told of one alert. */
export const delivery = obj({
  channel: str,
  state: oneOf('waiting', 'retrying', 'delivered', 'failed'),
  told: opt(str),
  severity: opt(severity),
  timestamp: millis,
  attempts: opt(num),
  nextAt: opt(num),
  reason: opt(str),
});

/** One line of an alert's log; people's actions and the hub's own. */
export const transition = obj({ timestamp: millis, action: str, who: str, why: str, state: oneOf('firing', 'resolved'), severity });

export const alert = obj({
  id: str,
  type: oneOf('leak', 'snapshot', 'disconnect'),
  state: oneOf('firing', 'resolved'),
  fingerprint: str,
  culprit: opt(str),
  service: str,
  instances: nullable(list(str)),
  kind: opt(kind),
  severity,
  message: str,
  timestamp: millis,
  updatedAt: millis,
  resolvedAt: millis,
  verdict: nullable(verdict),
  heapUsedMB: opt(num),
  memoryGrowthMB: opt(num),
  filename: opt(str),
  profiles: nullable(list(str)),
  confidence: opt(num),
  replicas: opt(num),
  leaking: opt(num),
  heldBack: opt(str),
  sinceVersion: opt(str),
  versions: opt(list(str)),
  foundAfterSeconds: opt(num),
  acknowledged: opt(mark),
  silenced: opt(mark),
  expected: opt(mark),
  dismissed: opt(mark),
  deliveries: opt(list(delivery)),
});

export const status = oneOf('connected', 'unreachable', 'disconnected');

// Hub to browser, over the WebSocket.
export const hello = obj({ type: oneOf('hello'), seq: num, version: str, epoch: str, resumed: opt(bool) });
export const metricsUpdate = obj({ type: oneOf('metricsUpdate'), seq: num, ...metricsFields });
export const alertEvent = obj({ type: oneOf('leakAlert', 'alertUpdate'), seq: num, alert });
export const serviceUpdate = obj({ type: oneOf('serviceUpdate'), seq: num, service: str, instance: opt(str), status, reason: opt(str) });
export const profileSaved = obj({ type: oneOf('profileSaved'), seq: num, profile: capture });

// REST bodies.
export const instance = obj({
  name: str,
  status,
  reason: opt(str),
  lastSeen: millis,
  labels: opt(dict(str)),
  sample: nullable(sample),
  verdict: nullable(verdict),
});

export const sparkline = obj({ signal: str, from: millis, stepMs: num, values: nullable(list(nullable(num))) });

/** A version of a service, and since when its instances say so. */
export const release = obj({ version: str, since: millis });

export const service = obj({
  name: str,
  status,
  registeredAt: millis,
  lastSeen: millis,
  totalAlerts: num,
  openAlerts: num,
  lastMetrics: nullable(metrics),
  worst: str,
  verdict: nullable(verdict),
  instances: nullable(list(instance)),
  sparkline: nullable(sparkline),
  labels: opt(dict(str)),
  releases: opt(list(release)),
});

export const serviceMetrics = obj({ service: str, metrics: nullable(list(metrics)), total: num });
export const alerts = obj({ alerts: nullable(list(alert)), total: num, next: opt(str) });
export const profiles = obj({ profiles: nullable(list(capture)), total: num, next: opt(str) });

/** Who the hub takes the reader for; `required`: whether it asks anybody. */
export const session = obj({ required: bool, signedIn: bool, name: str, role: str, method: str });

export const alertLog = obj({ log: nullable(list(transition)) });

/** One connection of an agent to the hub. */
export const agent = obj({
  remote: str,
  version: opt(str),
  since: millis,
  heard: millis,
  targets: num,
  readings: num,
  refused: num,
  refusal: opt(str),
  lagSeconds: num,
});

export const agents = obj({ agents: list(agent), total: num });

export const stats = obj({
  totalServices: num,
  connectedServices: num,
  totalInstances: num,
  totalAlerts: num,
  openAlerts: num,
  criticalAlerts: num,
  dashboardClients: num,
  agents: num,
  readings: num,
  profiles: num,
  profileBytes: num,
  databaseBytes: num,
  uptime: num,
  memoryUsage: obj({ rss: num, heapTotal: num, heapUsed: num }),
  version: str,
  problems: nullable(list(str)),
  hubs: opt(list(obj({ address: str, version: str, started: num, leads: bool, this: bool }))),
});

export interface FlameNode {
  name: string;
  file?: string;
  line?: number;
  value: number;
  base?: number;
  children?: FlameNode[];
}

export const flameNode: Shape<FlameNode> = obj({
  name: str,
  file: opt(str),
  line: opt(num),
  value: num,
  base: opt(num),
  children: opt(list(lazy(() => flameNode))),
}) as Shape<FlameNode>;

export const flamegraph = obj({
  profile: capture,
  base: opt(capture),
  sampleType: str,
  unit: str,
  total: num,
  baseTotal: opt(num),
  root: nullable(flameNode),
});

export const problem = obj({
  type: str,
  title: str,
  status: num,
  detail: opt(str),
  field: opt(str),
  value: opt(str),
  allowed: opt(str),
});
