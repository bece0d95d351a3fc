package alert

import (
	"slices"
	"strings"
	"time"

	"github.com/zupee/memwatch"
)

// Engine holds the open alerts. It is not safe for concurrent use; its owner
// must also keep the order of its events when saving and sending them.
type Engine struct {
	cfg      Config
	services map[string]*service
	away     map[*instance]struct{}
	seen     recent
}

// Event is an alert that began, changed or ended.
type Event struct {
	// Alert is a copy of its own.
	Alert memwatch.Alert
	// New is true for an alert's first event. Alert.State tells the last one.
	New bool
	// Log is what happened to it since its last event.
	Log []memwatch.Transition
}

// service is what the engine knows of one service.
type service struct {
	name      string
	instances map[string]*instance
	connected int              // of them
	open      []*open          // oldest first
	marks     map[string]marks // by fingerprint
	began     time.Time        // the start of its first known process
	releases  []*release       // by when they began
}

// instance is what the engine knows of one instance.
type instance struct {
	service *service
	name    string
	// at is the newest reading's time; older ones are resends.
	at      time.Time
	finding finding
	footing footing
	version string
	// connected, or away since by the hub's clock; neither before the first word.
	connected bool
	awaySince time.Time
	reason    string
	excused   bool               // somebody resolved the alert about its being away
	captures  []memwatch.Capture // the newest baseline of each kind and what followed
}

// New makes an engine with no alerts. The configuration must be valid.
func New(cfg Config) *Engine {
	return &Engine{cfg: cfg.withDefaults(), services: map[string]*service{}, away: map[*instance]struct{}{}, seen: newRecent()}
}

// Reading is what one reading of one instance says.
type Reading struct {
	Service, Instance string
	// At is the reading's own time, by the agent's clock.
	At time.Time
	// Verdict is nil when it is as before.
	Verdict *memwatch.Verdict
	// Legacy readings, of version 0, never have a verdict: LeakDetected stands
	// for it.
	Legacy, LeakDetected bool
	// HeapUsedMB and MemoryGrowthMB (MiB) are told along with a leak.
	HeapUsedMB, MemoryGrowthMB float64
	// Sample is the reading itself; nil when it is not known.
	Sample *memwatch.Sample
}

// Restore makes the engine go on with open alerts, oldest first. It must come
// before all else; resolved alerts are passed over.
func (e *Engine) Restore(alerts []memwatch.Alert) {
	for _, a := range alerts {
		if a.State != memwatch.AlertFiring {
			continue
		}
		sv := e.service(a.Service)
		sv.mark(&a)
		o := &open{service: sv, alert: clone(a), members: map[string]*member{}, toldAt: a.UpdatedAt.Time(), told: a.Severity, toldHeld: a.HeldBack != ""}
		for _, name := range a.Instances {
			e.instance(a.Service, name)
			o.members[name] = &member{leaking: true, at: o.toldAt, finding: finding{
				state: memwatch.Leaking, kind: a.Kind, said: a.Severity, severity: a.Severity, held: a.HeldBack, verdict: a.Verdict,
				heapUsedMB: a.HeapUsedMB, growthMB: a.MemoryGrowthMB,
			}}
		}
		sv.open = append(sv.open, o)
	}
}

// RestoreVerdict tells an instance's last verdict, said at a reading of that
// time. It comes after Restore and makes no events.
func (e *Engine) RestoreVerdict(serviceName, instanceName string, at time.Time, v *memwatch.Verdict) {
	in := e.instance(serviceName, instanceName)
	in.at, in.finding = at, findingOf(&Reading{Verdict: v}, finding{})
	for _, o := range in.service.open {
		m := o.members[in.name]
		if m == nil || o.alert.Type != memwatch.AlertLeak {
			continue
		}
		if in.finding.state == memwatch.Leaking && in.finding.kind == o.alert.Kind {
			if o.alert.HeldBack != "" { // until its next reading says otherwise
				in.finding.severity, in.finding.held = memwatch.SeverityInfo, o.alert.HeldBack
			}
			m.finding = in.finding
		} else {
			m.calm(in.finding.state == memwatch.Healthy, in, e.cfg, o.needsUptime())
		}
	}
}

// RestoreSample tells the newest reading that is kept of an instance. It comes
// after Describe and RestoreVerdict. Readings as old as it are no resends yet: what
// they meant may have been lost.
func (e *Engine) RestoreSample(serviceName, instanceName string, s *memwatch.Sample) {
	in := e.instance(serviceName, instanceName)
	in.footing = footingOf(s)
	in.learn(s.Time)
}

// Reading takes one reading. One that is not newer than the instance's last is
// a resend, or late, and changes nothing.
func (e *Engine) Reading(r Reading) []Event {
	in := e.instance(r.Service, r.Instance)
	if !r.At.After(in.at) {
		return nil
	}
	in.at = r.At
	was := in.finding.held
	in.finding = findingOf(&r, in.finding)
	if r.Sample != nil {
		in.footing = footingOf(r.Sample)
		in.learn(in.at)
	}
	e.weigh(in)
	events := e.fixed(in)
	said := r.Verdict != nil || r.Legacy || was != in.finding.held
	if in.finding.state == memwatch.Leaking && said {
		events = append(events, e.leak(in)...)
	}
	if in.finding.state == "" || len(in.service.open) == 0 {
		return events
	}
	for _, o := range slices.Clone(in.service.open) {
		m := o.members[in.name]
		if m == nil || o.alert.Type != memwatch.AlertLeak || m.leaking && (!said || m.at.Equal(in.at)) {
			continue
		}
		// Leaking elsewhere is calm here.
		m.calm(in.finding.state == memwatch.Healthy || in.finding.state == memwatch.Leaking, in, e.cfg, o.needsUptime())
		if end := e.settle(o, in.at); end != nil {
			events = append(events, end...)
		} else if severity := o.alert.Severity; o.worst() != severity {
			events = append(events, e.tell(o, in.at, false, true)...)
		}
	}
	return events
}

// Open answers the alerts that fire now, oldest first: what Restore takes.
func (e *Engine) Open() []memwatch.Alert {
	var out []memwatch.Alert
	for _, sv := range e.services {
		for _, o := range sv.open {
			out = append(out, clone(o.alert))
		}
	}
	slices.SortFunc(out, func(a, b memwatch.Alert) int { return strings.Compare(a.ID, b.ID) })
	return out
}

// Forget drops an instance that the hub no longer knows. Alerts that only it
// holds open resolve.
func (e *Engine) Forget(serviceName, instanceName string, at time.Time) []Event {
	sv := e.services[serviceName]
	if sv == nil || sv.instances[instanceName] == nil {
		return nil
	}
	return e.forget(sv.instances[instanceName], at)
}

func (e *Engine) forget(in *instance, at time.Time) []Event {
	var events []Event
	for _, o := range slices.Clone(in.service.open) {
		if m := o.members[in.name]; m != nil && !m.gone {
			m.gone, m.leaking = true, false
			events = append(events, e.settle(o, at)...)
		}
	}
	if in.connected {
		in.service.connected--
	}
	delete(e.away, in)
	delete(in.service.instances, in.name)
	if len(in.service.instances) == 0 && len(in.service.open) == 0 && len(in.service.marks) == 0 {
		delete(e.services, in.service.name)
	}
	return events
}

func (e *Engine) service(name string) *service {
	sv := e.services[name]
	if sv == nil {
		sv = &service{name: name, instances: map[string]*instance{}}
		e.services[name] = sv
	}
	return sv
}

func (e *Engine) instance(serviceName, name string) *instance {
	sv := e.service(serviceName)
	in := sv.instances[name]
	if in == nil {
		in = &instance{service: sv, name: name}
		sv.instances[name] = in
	}
	return in
}

func clone(a memwatch.Alert) memwatch.Alert {
	a.Instances = append([]string{}, a.Instances...)
	a.Profiles = append([]string{}, a.Profiles...)
	a.Versions = slices.Clone(a.Versions)
	return a
}
