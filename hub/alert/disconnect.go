package alert

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/zupee/memwatch"
)

// Status says whether readings of an instance come in.
type Status struct {
	Service, Instance string
	// At is the time by the hub's clock.
	At        time.Time
	Connected bool
	// Unread says that its agent is connected and no reading has come yet: that
	// ends no alert, and begins none.
	Unread bool
	// Reason says in words why it is not; "" means that its agent is gone.
	Reason string
}

// Status takes a change of an instance's connection; the same again changes
// nothing. Being away makes an alert only in a later Tick; another reason for it
// is told at once where there is one.
func (e *Engine) Status(s Status) []Event {
	in := e.instance(s.Service, s.Instance)
	if !s.Connected {
		if in.connected {
			in.service.connected--
		}
		if _, ok := e.away[in]; !ok {
			in.awaySince = s.At
			e.away[in] = struct{}{}
		}
		same := in.reason == s.Reason
		in.connected, in.reason = false, s.Reason
		if o := in.service.disconnect(); o != nil && !same && o.members[in.name] != nil && !o.members[in.name].recovered {
			return e.describe(o, s.At, true)
		}
		return nil
	}
	if !in.connected {
		in.service.connected++
	}
	in.connected, in.reason, in.excused = true, "", false
	delete(e.away, in)
	o := in.service.disconnect()
	if o == nil || s.Unread {
		return nil
	}
	m := o.members[in.name]
	if m == nil || m.recovered {
		return e.describe(o, s.At, false)
	}
	m.recovered, m.gone, m.leaking = true, false, false
	if events := e.settle(o, s.At); events != nil {
		return events
	}
	return e.describe(o, s.At, true)
}

// Tick does what is due by the hub's clock; once a second or so.
func (e *Engine) Tick(at time.Time) []Event {
	missing := map[*service][]*instance{}
	var gone []*instance
	for in := range e.away {
		away := at.Sub(in.awaySince)
		if away >= e.cfg.DisconnectAfter && in.missing() {
			missing[in.service] = append(missing[in.service], in)
		}
		patience := e.cfg.ForgetAfter
		if in.service.connected == 0 {
			patience *= allAway
		}
		if away >= patience {
			gone = append(gone, in)
		}
	}
	events := e.expire(at)
	byName := func(a, b *service) int { return strings.Compare(a.name, b.name) }
	for _, sv := range slices.SortedFunc(maps.Keys(missing), byName) {
		events = append(events, e.disconnected(sv, missing[sv], at)...)
	}
	slices.SortFunc(gone, func(a, b *instance) int {
		return cmp.Or(byName(a.service, b.service), strings.Compare(a.name, b.name))
	})
	for _, in := range gone {
		events = append(events, e.forget(in, at)...)
	}
	return events
}

// missing reports whether an instance that is away is not in an alert yet.
func (in *instance) missing() bool {
	o := in.service.disconnect()
	return !in.excused && (o == nil || o.members[in.name] == nil || o.members[in.name].recovered)
}

// disconnected enters instances that are away into their service's alert, firing
// it when there is none.
func (e *Engine) disconnected(sv *service, missing []*instance, at time.Time) []Event {
	o := sv.disconnect()
	isNew := o == nil
	if isNew {
		print := digest("disconnect", sv.name)
		if holds(sv.marks[print].dismissed, at) {
			return nil
		}
		o = &open{service: sv, members: map[string]*member{}, alert: memwatch.Alert{
			ID: alertID(at, print), Type: memwatch.AlertDisconnect, State: memwatch.AlertFiring, Fingerprint: print,
			Service: sv.name, Instances: []string{}, Time: memwatch.Milli(at), Profiles: []string{},
		}}
		sv.open = append(sv.open, o)
		sv.inherit(&o.alert, at)
		sv.mark(&o.alert)
	}
	for _, in := range missing {
		o.members[in.name] = &member{}
		if i, found := slices.BinarySearch(o.alert.Instances, in.name); !found {
			o.alert.Instances = slices.Insert(o.alert.Instances, i, in.name)
		}
	}
	o.describeAway(sv)
	return e.tell(o, at, isNew, true)
}

// describe tells a disconnect alert anew, if anything about it changed.
func (e *Engine) describe(o *open, at time.Time, news bool) []Event {
	before := o.alert.Severity
	o.describeAway(e.services[o.alert.Service])
	if !news && before == o.alert.Severity {
		return nil
	}
	return e.tell(o, at, false, true)
}

// describeAway sets severity and words: a service of which nothing is left is a
// warning, a missing replica is a piece of information.
func (o *open) describeAway(sv *service) {
	o.alert.Severity = memwatch.SeverityWarning
	if sv.connected > 0 {
		o.alert.Severity = memwatch.SeverityInfo
	}
	o.alert.Message = awayMessage(sv, o)
}

// disconnect is the service's open disconnect alert; nil when there is none.
func (sv *service) disconnect() *open {
	for _, o := range sv.open {
		if o.alert.Type == memwatch.AlertDisconnect {
			return o
		}
	}
	return nil
}
