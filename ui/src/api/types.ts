// The types of the hub's messages, inferred from the shapes that the tests
// check. Types alone, so that no shape is bundled.
import type { Infer } from './shape.ts';
import type * as shapes from './shapes.ts';

export type Sample = Infer<typeof shapes.sample>;
export type Signal = (typeof shapes.signalNames)[number];
export type Frame = Infer<typeof shapes.frame>;
export type Agent = Infer<typeof shapes.agent>;
export type Agents = Infer<typeof shapes.agents>;
export type Held = Infer<typeof shapes.held>;
export type Culprit = Infer<typeof shapes.culprit>;
export type Gate = Infer<typeof shapes.gate>;
export type Kind = Infer<typeof shapes.kind>;
export type Severity = Infer<typeof shapes.severity>;
export type Verdict = Infer<typeof shapes.verdict>;
export type Metrics = Infer<typeof shapes.metrics>;
export type Capture = Infer<typeof shapes.capture>;
export type Mark = Infer<typeof shapes.mark>;
export type Delivery = Infer<typeof shapes.delivery>;
export type Transition = Infer<typeof shapes.transition>;
export type Alert = Infer<typeof shapes.alert>;
export type Status = Infer<typeof shapes.status>;
export type Instance = Infer<typeof shapes.instance>;
export type Sparkline = Infer<typeof shapes.sparkline>;
export type Release = Infer<typeof shapes.release>;
export type Service = Infer<typeof shapes.service>;
export type ServiceMetrics = Infer<typeof shapes.serviceMetrics>;
export type Alerts = Infer<typeof shapes.alerts>;
export type Session = Infer<typeof shapes.session>;
export type AlertLog = Infer<typeof shapes.alertLog>;
export type Profiles = Infer<typeof shapes.profiles>;
export type Stats = Infer<typeof shapes.stats>;
export type Flamegraph = Infer<typeof shapes.flamegraph>;
export type Problem = Infer<typeof shapes.problem>;
export type { FlameNode } from './shapes.ts';

export type Hello = Infer<typeof shapes.hello>;
export type MetricsUpdate = Infer<typeof shapes.metricsUpdate>;
export type AlertEvent = Infer<typeof shapes.alertEvent>;
export type ServiceUpdate = Infer<typeof shapes.serviceUpdate>;
export type ProfileSaved = Infer<typeof shapes.profileSaved>;
export type LiveEvent = Hello | MetricsUpdate | AlertEvent | ServiceUpdate | ProfileSaved;
