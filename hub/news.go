package hub

import (
	"context"
	"time"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/hub/alert"
	"github.com/zupee/memwatch/wire"
)

// news is what happens at one hub and all are to know: what agents said, once it
// is stored, what people want, and what the leader made of both. Between hubs it
// travels as JSON: what a newer hub adds, an older one passes over.
type news struct {
	// Readings are stored; scrapes that failed are among them.
	Readings     []wire.Metrics     `json:"readings,omitempty"`
	Registration *wire.Registration `json:"registration,omitempty"`
	// Snapshot is of version 0, or its capture is saved.
	Snapshot *wire.Snapshot `json:"snapshot,omitempty"`
	// Profile can be fetched from now on: an agent's, or one that a person brought.
	Profile *memwatch.Capture `json:"profile,omitempty"`
	// Asked is what a person wants decided, Answered what became of it.
	Asked    *asked    `json:"asked,omitempty"`
	Answered *answered `json:"answered,omitempty"`

	// Alerts began or changed.
	Alerts []told `json:"alerts,omitempty"`
	// Leads says that the hub leads from now on.
	Leads bool `json:"leads,omitempty"`

	// Holds and Lets are the targets for which the hub has connections, and no
	// longer has any; Calls asks the others which they have.
	Holds []memwatch.Target `json:"holds,omitempty"`
	Lets  []memwatch.Target `json:"lets,omitempty"`
	Calls bool              `json:"calls,omitempty"`
}

// due is what is to be saved for news to be done with.
type due struct {
	verdicts map[name]*wire.Metrics // with the newest of each instance
	answers  []*answered
}

// take does what follows from news: first for what this hub shows, then, if it
// leads, for the alerts. Again means that the first is done. The readings that are
// news to browsers are returned. Who has news taken twice does no harm.
func (h *hub) take(from int64, e *news, again bool, d *due) (fresh []wire.Metrics) {
	if !again {
		fresh = h.show(from, e)
	}
	if h.leads() {
		h.judge(e, d)
	}
	return fresh
}

// announce shows browsers what a hub alone tells after the alerts that follow from it.
func (h *hub) announce(e *news, fresh []wire.Metrics) {
	for i := range fresh {
		h.feed.Reading(fresh[i])
	}
	if e.Profile != nil {
		h.feed.Profile(*e.Profile)
	}
}

// show brings what this hub shows up to date.
func (h *hub) show(from int64, e *news) (fresh []wire.Metrics) {
	if r := e.Registration; r != nil {
		h.turn(func() []wire.ServiceUpdate {
			return h.fleet.hold(from, memwatch.Target{Service: r.Service, Instance: r.Instance})
		})
		h.fleet.describe(*r)
	}
	for i := range e.Readings {
		var now seen
		h.turn(func() []wire.ServiceUpdate { now = h.fleet.see(from, e.Readings[i]); return now.updates })
		if now.fresh && e.Readings[i].ScrapeError == nil {
			fresh = append(fresh, now.metrics)
		}
	}
	if len(e.Holds) > 0 {
		h.turn(func() []wire.ServiceUpdate { return h.fleet.hold(from, e.Holds...) })
	}
	if len(e.Lets) > 0 {
		h.fleet.release(from, e.Lets)
	}
	for i := range e.Alerts {
		h.fleet.alerted(e.Alerts[i].Alert, e.Alerts[i].Began)
		h.feed.Alert(e.Alerts[i].Alert, e.Alerts[i].Began)
	}
	if e.Answered != nil {
		h.asking.answered(e.Answered)
	}
	return fresh
}

// judge tells the alerts.
func (h *hub) judge(e *news, d *due) {
	h.alerts.later(func(engine *alert.Engine) (events []alert.Event) {
		if r := e.Registration; r != nil && r.Labels != nil { // else nothing is said about them
			engine.Describe(r.Service, r.Instance, versionOf(r.Labels))
		}
		for i := range e.Readings {
			m := &e.Readings[i]
			if m.ScrapeError != nil {
				continue
			}
			events = append(events, engine.Reading(judge(m))...)
			if m.Verdict != nil {
				d.verdict(m)
			}
		}
		if m := e.Snapshot; m != nil && m.Capture == nil {
			events = append(events, engine.Snapshot(m.Service, m.Instance, m.Filename, m.Timestamp.Time())...)
		} else if m != nil {
			events = append(events, engine.Capture(*m.Capture)...)
		}
		if e.Asked != nil {
			decided, refused := engine.Decide(e.Asked.Decision, e.Asked.At.Time())
			events = append(events, decided...)
			d.answers = append(d.answers, answerTo(e.Asked, refused))
		}
		return events
	})
}

func (d *due) verdict(m *wire.Metrics) {
	if d.verdicts == nil {
		d.verdicts = map[name]*wire.Metrics{}
	}
	d.verdicts[name{m.Service, m.Instance}] = m
}

// settle saves what is due. A verdict counts as stored only after what it means for
// the alerts is, so that a crash in between loses no alert: it is taken again.
func (h *hub) settle(ctx context.Context, d *due) error {
	if err := h.alerts.save(ctx); err != nil {
		return err
	}
	if err := h.saveVerdicts(ctx, d.verdicts); err != nil {
		return err
	}
	for _, a := range d.answers {
		if err := h.publish(ctx, &news{Answered: a}); err != nil {
			return err
		}
	}
	*d = due{}
	return nil
}

// turn does something to the fleet, and tells browsers and the alerts who came
// and went by it.
func (h *hub) turn(do func() []wire.ServiceUpdate) {
	h.presence.Lock()
	defer h.presence.Unlock()
	for _, u := range do() {
		h.feed.Status(u)
		if u.Instance != "" {
			h.alerts.later(func(e *alert.Engine) []alert.Event { return e.Status(h.statusOf(u)) })
		}
	}
}

// statusOf is an instance's status as the alerts see it.
func (h *hub) statusOf(u wire.ServiceUpdate) alert.Status {
	s := alert.Status{
		Service: u.Service, Instance: u.Instance, At: time.Now(),
		Connected: u.Status == wire.Connected, Unread: !h.fleet.read(name{u.Service, u.Instance}),
	}
	if u.Status == wire.Unreachable {
		s.Reason = u.Reason
	}
	return s
}
