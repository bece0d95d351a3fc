package notify

import (
	"path"
	"slices"
	"time"

	"github.com/zupee/memwatch"
)

// rules are what a channel's configuration says about when to tell what.
type rules struct {
	Channel
	quiet []hours
}

func newRules(c Channel) (rules, error) {
	r := rules{Channel: c.withDefaults()}
	for _, q := range c.QuietHours {
		h, err := q.parse()
		if err != nil {
			return r, err
		}
		r.quiet = append(r.quiet, h)
	}
	return r, nil
}

// step is what plan finds.
type step struct {
	// event is what is to be told; "" is nothing.
	event Event
	// waits says in words why it is not to be told yet; "" when it is.
	waits string
	// until is when to look again, when nothing happens before; zero is never.
	until time.Time
	// over means that this channel will have nothing more to say of the alert.
	over bool
}

// plan compares what a channel was told of an alert with what is true.
func (r *rules) plan(a *memwatch.Alert, d *memwatch.Delivery, now time.Time) step {
	told := d.Told == memwatch.AlertFiring
	if a.State == memwatch.AlertResolved {
		if !told || r.SkipResolved || d.State == memwatch.DeliveryFailed {
			return step{over: true}
		}
		return r.hush(step{event: Resolved}, d.Severity, now)
	}
	if !r.concerns(a) {
		return step{}
	}
	worse := a.Severity.Rank() > d.Severity.Rank()
	switch {
	case !told:
		return r.allowed(step{event: Fired}, a, now)
	case worse:
		return r.allowed(step{event: Worsened}, a, now)
	case r.Repeat > 0 && a.Acknowledged == nil:
		if at := d.At.Time().Add(r.Repeat); now.Before(at) {
			return step{until: at}
		}
		return r.allowed(step{event: Reminder}, a, now)
	}
	return step{}
}

// concerns reports whether the channel tells alerts like this at all.
func (r *rules) concerns(a *memwatch.Alert) bool {
	fits := func(pattern string) bool { ok, _ := path.Match(pattern, a.Service); return ok } // checked by Validate
	return slices.Contains(r.Alerts, a.Type) && a.Severity.Rank() >= r.MinSeverity.Rank() &&
		(len(r.Services) == 0 || slices.ContainsFunc(r.Services, fits))
}

// allowed makes a step wait when people said so.
func (r *rules) allowed(s step, a *memwatch.Alert, now time.Time) step {
	switch {
	case a.Silenced != nil && a.Silenced.Until.Time().After(now):
		s.waits, s.until = "silenced by "+a.Silenced.Who, a.Silenced.Until.Time()
		return s
	case a.Expected != nil && a.Expected.Until.Time().After(now):
		s.waits, s.until = "expected by "+a.Expected.Who, a.Expected.Until.Time()
		return s
	case a.Acknowledged != nil && s.event == Fired:
		s.waits = "acknowledged by " + a.Acknowledged.Who
		return s
	}
	return r.hush(s, a.Severity, now)
}

// hush makes a step wait in quiet hours.
func (r *rules) hush(s step, severity memwatch.Severity, now time.Time) step {
	for _, h := range r.quiet {
		if until, ok := h.quiet(severity, now); ok && until.After(s.until) {
			s.waits, s.until = "quiet hours", until
		}
	}
	return s
}
