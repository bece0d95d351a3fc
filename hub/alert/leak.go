package alert

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/zupee/memwatch"
)

// maxProfiles is how many captures one alert names; later ones are left out.
const maxProfiles = 64

// open is an alert that fires.
type open struct {
	service *service
	alert   memwatch.Alert
	members map[string]*member
	toldAt  time.Time         // of its last event
	told    memwatch.Severity // in it
	// toldHeld says whether it was held back then.
	toldHeld bool
	log      []memwatch.Transition
}

// member is an instance's part in one alert.
type member struct {
	finding finding
	at      time.Time // of the reading that last said it leaks
	leaking bool
	// calmSince and calmReadings count healthy readings in a row.
	calmSince    time.Time
	calmReadings int
	recovered    bool
	gone         bool
}

// calm takes an instance's reading that does not show this alert's leak. A process
// that began after the leak was last seen must run for as long as the leak took to
// show, before it has recovered.
func (m *member) calm(healthy bool, in *instance, cfg Config, needsUptime time.Duration) {
	at := in.at
	m.leaking, m.gone = false, false
	if !healthy {
		m.calmSince, m.calmReadings, m.recovered = time.Time{}, 0, false
		return
	}
	if m.calmReadings++; m.calmReadings == 1 {
		m.calmSince = at
	}
	if !m.at.IsZero() && !in.footing.start.Before(m.at) && in.uptime() < needsUptime {
		return
	}
	if m.calmReadings >= cfg.HealthyReadings || at.Sub(m.calmSince) >= cfg.HealthyFor {
		m.recovered = true
	}
}

// finding is what an instance's newest reading says, of either version.
type finding struct {
	state                memwatch.State
	kind                 memwatch.Kind
	said                 memwatch.Severity // by the verdict
	severity             memwatch.Severity // what counts: see weigh
	held                 string            // why it counts for less
	functions            []string
	verdict              *memwatch.Verdict
	heapUsedMB, growthMB float64
}

func findingOf(r *Reading, before finding) finding {
	f := before
	f.heapUsedMB, f.growthMB = r.HeapUsedMB, r.MemoryGrowthMB
	switch {
	case r.Verdict != nil:
		v := r.Verdict
		f.state, f.kind, f.said, f.verdict = v.State, v.Kind, v.Severity, v
		f.functions = nil
		for i := range v.Culprits {
			if name := v.Culprits[i].Function; name != "" && !slices.Contains(f.functions, name) {
				f.functions = append(f.functions, name)
			}
		}
		if f.said.Rank() == 0 {
			f.said = memwatch.SeverityInfo
		}
	case r.Legacy && r.LeakDetected:
		// The original says so when the growth has passed its threshold, which
		// is a warning by the present rule.
		f = finding{state: memwatch.Leaking, kind: memwatch.KindHeap, said: memwatch.SeverityWarning, heapUsedMB: f.heapUsedMB, growthMB: f.growthMB}
	case r.Legacy:
		f = finding{state: memwatch.Healthy, heapUsedMB: f.heapUsedMB, growthMB: f.growthMB}
	}
	f.severity = f.said
	return f
}

// leak enters a leaking instance into the alert that is its own, firing it when
// there is none.
func (e *Engine) leak(in *instance) (events []Event) {
	f := in.finding
	o := e.match(in)
	isNew := o == nil
	if isNew {
		if o = fire(in); o == nil {
			return nil
		}
	}
	renamed := len(f.functions) > 0 && !slices.Contains(f.functions, o.alert.Culprit)
	if renamed {
		o.rename(in)
	}
	for _, other := range slices.Clone(in.service.open) {
		if m := other.members[in.name]; m != nil && other.alert.Kind == f.kind && other != o {
			events = append(events, e.also(other, m, in)...)
		}
	}
	joined := e.join(o, in)
	o.show(in)
	return append(events, e.tell(o, in.at, isNew, isNew || joined || renamed)...)
}

// rename gives an alert the culprit that its instance names.
func (o *open) rename(in *instance) {
	a := &o.alert
	a.Culprit = in.finding.functions[0]
	a.Fingerprint = fingerprint(in.service.name, in.finding.kind, a.Culprit)
	o.note(in.at, memwatch.ActionRename, memwatchItself, in.name+" names "+a.Culprit)
	in.service.inherit(a, in.at)
	in.service.mark(a)
}

// also looks after another alert of the same kind that a leaking instance is in.
func (e *Engine) also(o *open, m *member, in *instance) []Event {
	if o.alert.Culprit != "" {
		if slices.Contains(in.finding.functions, o.alert.Culprit) {
			m.again(in)
		}
		return nil
	}
	// It had no culprit, and now is known to be the leak of another alert.
	if delete(o.members, in.name); len(o.members) == 0 {
		return []Event{e.resolve(o, in.at, memwatchItself, supersededMessage(o, in.finding.functions[0]))}
	}
	return nil
}

// again takes a reading that shows this alert's leak.
func (m *member) again(in *instance) {
	*m = member{finding: in.finding, at: in.at, leaking: true}
}

// match finds the open alert that a leaking instance belongs to.
func (e *Engine) match(in *instance) *open {
	f := in.finding
	var mine, listed, blank, first *open
	for _, o := range in.service.open {
		if o.alert.Type != memwatch.AlertLeak || o.alert.Kind != f.kind {
			continue
		}
		if len(f.functions) > 0 && o.alert.Culprit == f.functions[0] {
			return o
		}
		known := len(f.functions) == 0 || o.alert.Culprit == "" || slices.Contains(f.functions, o.alert.Culprit)
		if m := o.members[in.name]; m != nil && mine == nil && (known || len(o.members) == 1 && m.calmReadings == 0) {
			mine = o
		}
		if listed == nil && slices.Contains(f.functions, o.alert.Culprit) {
			listed = o
		}
		if blank == nil && o.alert.Culprit == "" {
			blank = o
		}
		if first == nil {
			first = o
		}
	}
	switch {
	case mine != nil:
		return mine
	case listed != nil:
		return listed
	case blank != nil:
		return blank
	case len(f.functions) == 0:
		return first
	}
	return nil
}

// fire makes a new alert for an instance's leak; nil when a person has just
// dismissed it.
func fire(in *instance) *open {
	f := in.finding
	function := ""
	if len(f.functions) > 0 {
		function = f.functions[0]
	}
	print := fingerprint(in.service.name, f.kind, function)
	if holds(in.service.marks[print].dismissed, in.at) {
		return nil
	}
	o := &open{service: in.service, members: map[string]*member{}, alert: memwatch.Alert{
		ID: alertID(in.at, print), Type: memwatch.AlertLeak, State: memwatch.AlertFiring, Fingerprint: print, Culprit: function,
		Service: in.service.name, Instances: []string{}, Kind: f.kind, Severity: f.severity,
		Time: memwatch.Milli(in.at), Profiles: []string{},
	}}
	in.service.open = append(in.service.open, o)
	in.service.inherit(&o.alert, in.at)
	in.service.mark(&o.alert)
	return o
}

// join makes an instance a leaking member and reports whether that is news.
func (e *Engine) join(o *open, in *instance) (news bool) {
	m := o.members[in.name]
	if m == nil {
		m = &member{}
		o.members[in.name] = m
	}
	if news = !m.leaking; news && len(o.members) > 1 {
		o.note(in.at, memwatch.ActionJoin, memwatchItself, in.name+" shows it")
	}
	m.again(in)
	if at, found := slices.BinarySearch(o.alert.Instances, in.name); !found {
		o.alert.Instances = slices.Insert(o.alert.Instances, at, in.name)
		news = true
	}
	for _, c := range in.captures {
		news = o.attach(c) || news
	}
	return news
}

// tell brings the alert's words and numbers up to date and makes an event of
// it, at once when there is news, else now and then.
func (e *Engine) tell(o *open, at time.Time, isNew, news bool) []Event {
	if o.alert.Type == memwatch.AlertLeak {
		o.worst()
		o.count(o.service)
		o.resume(e.services[o.alert.Service], at)
		o.alert.Message = leakMessage(o)
	}
	switch now := o.alert.Severity.Rank(); {
	case isNew:
		o.note(at, memwatch.ActionFire, memwatchItself, o.alert.Message)
	case now > o.told.Rank():
		o.note(at, memwatch.ActionWorsen, memwatchItself, o.alert.Message)
	case now < o.told.Rank():
		o.note(at, memwatch.ActionEase, memwatchItself, o.alert.Message)
	}
	if held := o.alert.HeldBack != ""; held != o.toldHeld {
		if o.toldHeld = held; held {
			o.note(at, memwatch.ActionHold, memwatchItself, o.alert.HeldBack)
		} else if o.alert.State == memwatch.AlertFiring {
			o.note(at, memwatch.ActionRelease, memwatchItself, "it is no longer held back")
		}
	}
	if !news && len(o.log) == 0 && at.Sub(o.toldAt) < e.cfg.UpdateEvery {
		return nil
	}
	o.toldAt, o.told = at, o.alert.Severity
	o.alert.UpdatedAt = max(o.alert.UpdatedAt, memwatch.Milli(at))
	return []Event{o.event(isNew)}
}

// worst takes severity and numbers from the member that is worst off, and
// answers the severity. When none leaks any more, the last ones stay.
func (o *open) worst() memwatch.Severity {
	var w *member
	for _, name := range o.alert.Instances {
		if m := o.members[name]; m != nil && m.leaking && (w == nil || m.finding.worse(&w.finding)) {
			w = m
		}
	}
	if w != nil {
		o.alert.Severity, o.alert.Verdict, o.alert.HeldBack = w.finding.severity, w.finding.verdict, w.finding.held
		o.alert.HeapUsedMB, o.alert.MemoryGrowthMB = w.finding.heapUsedMB, w.finding.growthMB
	}
	return o.alert.Severity
}

// worse orders by severity, then by what hurts sooner, then by what grows faster.
func (f *finding) worse(than *finding) bool {
	if a, b := f.severity.Rank(), than.severity.Rank(); a != b {
		return a > b
	}
	if f.verdict == nil || than.verdict == nil {
		return f.verdict != nil
	}
	a, b := f.verdict.TimeToLimitSeconds, than.verdict.TimeToLimitSeconds
	switch {
	case a != nil && b != nil && *a != *b:
		return *a < *b
	case (a == nil) != (b == nil):
		return a != nil
	}
	return f.verdict.GrowthBytesPerSecond.Estimate > than.verdict.GrowthBytesPerSecond.Estimate
}

// settle resolves an alert that no member holds open any more.
func (e *Engine) settle(o *open, at time.Time) []Event {
	gone := true
	for _, m := range o.members {
		if !m.gone && !m.recovered {
			return nil
		}
		gone = gone && m.gone
	}
	switch {
	case gone:
		return []Event{e.resolve(o, at, memwatchItself, resolvedMessage(o, "its instances are gone for good"))}
	case o.alert.Type == memwatch.AlertDisconnect:
		return []Event{e.resolve(o, at, memwatchItself, resolvedMessage(o, "its instances are heard of again"))}
	}
	return []Event{e.resolve(o, at, memwatchItself, resolvedMessage(o, "healthy for "+span(e.healthyFor(o))))}
}

// healthyFor is the shortest healthy stretch among the members.
func (e *Engine) healthyFor(o *open) time.Duration {
	shortest := time.Duration(-1)
	for name, m := range o.members {
		if m.gone {
			continue
		}
		in := e.instance(o.alert.Service, name)
		if d := in.at.Sub(m.calmSince); shortest < 0 || d < shortest {
			shortest = d
		}
	}
	return shortest
}

// resolve ends an alert with these words.
func (e *Engine) resolve(o *open, at time.Time, who, message string) Event {
	sv := e.services[o.alert.Service]
	sv.open = slices.DeleteFunc(sv.open, func(x *open) bool { return x == o })
	a := &o.alert
	a.State = memwatch.AlertResolved
	a.ResolvedAt = max(memwatch.Milli(at), a.Time)
	a.UpdatedAt = max(a.UpdatedAt, a.ResolvedAt)
	a.Message = message
	a.Acknowledged = nil
	o.note(at, memwatch.ActionResolve, who, message)
	sv.mark(a)
	return o.event(false)
}

// fingerprint names a leak.
func fingerprint(service string, kind memwatch.Kind, function string) string {
	return digest("leak", service, string(kind), function)
}

func digest(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:8])
}

// alertID sorts by time and is the same when the same event is decided twice.
func alertID(at time.Time, fingerprint string) string {
	return fmt.Sprintf("%012x-%s", max(at.UnixMilli(), 0), fingerprint)
}
