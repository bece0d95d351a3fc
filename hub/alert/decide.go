package alert

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/zupee/memwatch"
)

// ErrNotOpen: no alert that fires has this id.
var ErrNotOpen = errors.New("no alert fires under this id")

// Refusal is why a decision is not taken.
type Refusal struct{ Field, Value, Allowed string }

func (r *Refusal) Error() string {
	return fmt.Sprintf("%s: %.80q is not allowed: want %s", r.Field, r.Value, r.Allowed)
}

const (
	// maxWho and maxWhy bound a decision's words, in characters.
	maxWho, maxWhy = 200, 1000
	// maxHold is how far ahead a silence or an expectation may end.
	maxHold = 366 * 24 * time.Hour
	// dismissedFor is how long a leak that a person resolved does not fire anew,
	// so that a fix has time to arrive.
	dismissedFor = 10 * time.Minute
	// spedUp is how many times faster than expected a leak must grow to end the
	// expectation.
	spedUp = 1.5
)

// marks are the decisions about a leak that outlive its alert.
type marks struct{ silenced, expected, dismissed *memwatch.Mark }

func marksOf(a *memwatch.Alert) marks { return marks{a.Silenced, a.Expected, a.Dismissed} }

// holds reports whether a mark is there and not over.
func holds(m *memwatch.Mark, at time.Time) bool { return m != nil && m.Until.Time().After(at) }

// RestoreMarks tells of resolved alerts about which decisions still hold. It
// comes before Restore.
func (e *Engine) RestoreMarks(alerts []memwatch.Alert) {
	for i := range alerts {
		e.service(alerts[i].Service).mark(&alerts[i])
	}
}

// mark remembers the decisions that an alert carries.
func (sv *service) mark(a *memwatch.Alert) {
	m := marksOf(a)
	if m == (marks{}) {
		delete(sv.marks, a.Fingerprint)
		return
	}
	if sv.marks == nil {
		sv.marks = map[string]marks{}
	}
	sv.marks[a.Fingerprint] = m
}

// inherit gives an alert the decisions made about its leak before.
func (sv *service) inherit(a *memwatch.Alert, at time.Time) {
	m := sv.marks[a.Fingerprint]
	if a.Silenced == nil && holds(m.silenced, at) {
		a.Silenced = m.silenced
	}
	if a.Expected == nil && holds(m.expected, at) {
		a.Expected = m.expected
	}
}

// Decide does what a person wants done with an alert. The error is ErrNotOpen, or
// a *Refusal that names the field.
func (e *Engine) Decide(d memwatch.Decision, at time.Time) ([]Event, error) {
	if err := check(&d, at); err != nil {
		return nil, err
	}
	o := e.find(d.Alert)
	if o == nil {
		return nil, ErrNotOpen
	}
	a := &o.alert
	mark := &memwatch.Mark{Who: d.Who, Why: d.Why, At: memwatch.Milli(at), Until: d.Until}
	switch d.Action {
	case memwatch.ActionAcknowledge:
		a.Acknowledged = mark
	case memwatch.ActionSilence:
		a.Silenced = mark
	case memwatch.ActionExpect:
		if a.Type != memwatch.AlertLeak {
			return nil, &Refusal{"action", string(d.Action), "acknowledge, silence, resolve or lift: only a leak's growth can be expected"}
		}
		mark.GrowthBytesPerSecond = growth(a)
		a.Expected = mark
	case memwatch.ActionLift:
		a.Acknowledged, a.Silenced, a.Expected = nil, nil, nil
	case memwatch.ActionResolve:
		mark.Until = memwatch.Milli(at.Add(dismissedFor))
		a.Dismissed = mark
		if a.Type == memwatch.AlertDisconnect {
			o.excuse()
		}
		return []Event{e.resolve(o, at, d.Who, resolvedMessage(o, "resolved by "+because(&d)))}, nil
	}
	o.note(at, d.Action, d.Who, because(&d))
	e.services[a.Service].mark(a)
	return e.tell(o, at, false, true), nil
}

// excuse keeps a disconnect alert's instances out of the next one, until they have
// been heard of again.
func (o *open) excuse() {
	for name := range o.members {
		if in := o.service.instances[name]; in != nil {
			in.excused = !in.connected
		}
	}
}

func because(d *memwatch.Decision) string {
	if d.Why == "" {
		return d.Who
	}
	return d.Who + ": " + d.Why
}

// check says what is wrong with a decision, whatever it is about.
func check(d *memwatch.Decision, at time.Time) error {
	for _, f := range []struct {
		name, value string
		limit       int
		required    bool
	}{{"who", d.Who, maxWho, true}, {"why", d.Why, maxWhy, false}} {
		n := utf8.RuneCountInString(f.value)
		if n > f.limit || f.required && strings.TrimSpace(f.value) == "" || !utf8.ValidString(f.value) || strings.ContainsFunc(f.value, unicode.IsControl) {
			return &Refusal{f.name, f.value, fmt.Sprintf("at most %d characters of text, without line breaks", f.limit)}
		}
	}
	until := ""
	if d.Until != 0 {
		until = d.Until.Time().Format(time.RFC3339)
	}
	switch d.Action {
	case memwatch.ActionSilence, memwatch.ActionExpect:
		if ahead := d.Until.Time().Sub(at); ahead <= 0 || ahead > maxHold {
			return &Refusal{"until", until, "a time in the future, at most 366 days ahead"}
		}
	case memwatch.ActionAcknowledge, memwatch.ActionLift, memwatch.ActionResolve:
		if d.Until != 0 {
			return &Refusal{"until", until, "nothing: only silence and expect end at a time"}
		}
	default:
		return &Refusal{"action", string(d.Action), "acknowledge, silence, expect, lift or resolve"}
	}
	return nil
}

// find answers the alert that fires under an id.
func (e *Engine) find(id string) *open {
	for _, sv := range e.services {
		for _, o := range sv.open {
			if o.alert.ID == id {
				return o
			}
		}
	}
	return nil
}

// expire ends the silences and expectations that are over.
func (e *Engine) expire(at time.Time) (events []Event) {
	for _, sv := range e.services {
		for _, o := range sv.open {
			a := &o.alert
			over := ""
			if a.Silenced != nil && !holds(a.Silenced, at) {
				over, a.Silenced = "the silence by "+a.Silenced.Who, nil
			}
			if a.Expected != nil && !holds(a.Expected, at) {
				over, a.Expected = "the expectation by "+a.Expected.Who, nil
			}
			if over == "" {
				continue
			}
			o.note(at, memwatch.ActionExpire, memwatchItself, over+" is over")
			sv.mark(a)
			events = append(events, e.tell(o, at, false, true)...)
		}
		for print, m := range sv.marks {
			if !holds(m.silenced, at) && !holds(m.expected, at) && !holds(m.dismissed, at) {
				delete(sv.marks, print)
			}
		}
	}
	return events
}

// resume ends an expectation that the growth no longer keeps to.
func (o *open) resume(sv *service, at time.Time) {
	a := &o.alert
	if a.Expected == nil {
		return
	}
	expected, now := a.Expected.GrowthBytesPerSecond, growth(a)
	if now <= expected*spedUp {
		return
	}
	o.note(at, memwatch.ActionResume, memwatchItself, fmt.Sprintf("it grows by %s; %s expected %s", rate(now), a.Expected.Who, rate(expected)))
	a.Expected = nil
	sv.mark(a)
}

func growth(a *memwatch.Alert) float64 {
	if a.Verdict == nil {
		return 0
	}
	return a.Verdict.GrowthBytesPerSecond.Estimate
}

// memwatchItself is who does what no person did.
const memwatchItself = "memwatch"

// note adds a line to the alert's log; its next event brings it.
func (o *open) note(at time.Time, action memwatch.Action, who, why string) {
	o.log = append(o.log, memwatch.Transition{
		Time: memwatch.Milli(at), Action: action, Who: who, Why: why, State: o.alert.State, Severity: o.alert.Severity,
	})
}

// event makes the alert's present form known, with what happened since the last.
func (o *open) event(isNew bool) Event {
	ev := Event{Alert: clone(o.alert), New: isNew, Log: o.log}
	o.log = nil
	return ev
}
