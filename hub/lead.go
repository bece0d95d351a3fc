package hub

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/hub/alert"
	"github.com/zupee/memwatch/hub/relay"
)

// One of the hubs that share a database leads: it decides about alerts, tells people
// and removes what is old. A hub alone always does.

// leads reports whether this hub does. One that lost its lock does not, whatever it
// is busy with.
func (h *hub) leads() bool { return h.leading.Load() && (h.relay == nil || h.relay.Term() != nil) }

// reign begins to lead, or ends it, as the database says.
func (h *hub) reign(ctx context.Context, f *follower) error {
	term := h.relay.Term()
	if term == f.term {
		return nil
	}
	h.resign()
	if f.term, f.due = nil, (due{}); term == nil {
		return nil
	}
	if err := h.lead(ctx); err != nil {
		return fmt.Errorf("read what the last leader left: %w", err)
	}
	f.term = term
	// What may not be finished comes again, and what this hub does not show yet.
	read := relay.Places{}
	for hub, seq := range f.shown {
		read[hub] = min(seq, term.Decided[hub])
	}
	f.read, f.saved, f.unsaved = read, time.Time{}, false
	h.send(ctx, &news{Leads: true}, func() {}) // this is the goroutine that hears
	return nil
}

// lead makes an engine as of what is stored, and what is known of who is connected,
// and begins to tell people.
func (h *hub) lead(ctx context.Context) error {
	engine, err := h.restoreEngine(ctx)
	if err != nil {
		return err
	}
	undelivered, err := h.store.Undelivered(ctx)
	if err != nil {
		return err
	}
	h.presence.Lock()
	for _, u := range h.fleet.statuses() {
		if s := h.statusOf(u); s.Connected || s.Reason != "" || h.back.Load() {
			engine.Status(s)
		}
	}
	h.alerts.lead(engine)
	h.presence.Unlock()
	h.desk.Restore(undelivered)
	telling, stop := context.WithCancel(context.WithoutCancel(ctx))
	var wg sync.WaitGroup
	wg.Go(func() { h.desk.Run(telling) })
	h.endLead = func() { stop(); wg.Wait() }
	h.leading.Store(true)
	return nil
}

// resign ends what lead began.
func (h *hub) resign() {
	if !h.leading.Swap(false) {
		return
	}
	h.alerts.lead(nil)
	h.endLead()
}

// restoreEngine makes the alerts go on where the last leader's ended.
func (h *hub) restoreEngine(ctx context.Context) (*alert.Engine, error) {
	e := alert.New(alert.Config{DisconnectAfter: h.cfg.Presence.AlertAfter, ForgetAfter: h.cfg.Presence.ForgetAfter})
	open, err := h.store.OpenAlerts(ctx)
	if err != nil {
		return nil, err
	}
	held, err := h.store.HeldAlerts(ctx, time.Now())
	if err != nil {
		return nil, err
	}
	instances, err := h.store.Instances(ctx)
	if err != nil {
		return nil, err
	}
	e.RestoreMarks(held)
	e.Restore(open)
	for i := range instances {
		in := &instances[i]
		e.Describe(in.Service, in.Instance.Instance, versionOf(in.Labels))
		if in.Verdict != nil {
			e.RestoreVerdict(in.Service, in.Instance.Instance, in.VerdictAt, in.Verdict)
		}
		if in.Last != nil {
			e.RestoreSample(in.Service, in.Instance.Instance, in.Last)
		}
	}
	return e, nil
}

// takeLead follows a new leader: what the last one saved and did not come to tell is
// read, here and by every browser.
func (h *hub) takeLead(ctx context.Context, hub int64) {
	h.logger.Info("a hub leads", "hub", hub, "this one", hub == h.relay.ID())
	if err := h.countAlerts(ctx); err != nil {
		h.logger.Error("the alerts cannot be counted", "error", err)
	}
	h.feed.Restart()
}

// answerTimeout is how long the leader may take to do what a person decided.
const answerTimeout = 10 * time.Second

// errNoAnswer: nobody leads, or the leader is too busy.
var errNoAnswer = errors.New("no hub has answered: look whether it was done, and try again")

// asked is what a person wants done with an alert.
type asked struct {
	ID       string             `json:"id"`
	At       memwatch.UnixMilli `json:"timestamp"`
	Decision memwatch.Decision  `json:"decision"`
}

// answered is what became of it: done where nothing else is said.
type answered struct {
	ID      string         `json:"id"`
	Over    bool           `json:"over,omitempty"`
	Refused *alert.Refusal `json:"refused,omitempty"`
}

// questions are those that wait for the leader's answer.
type questions struct {
	mu   sync.Mutex
	open map[string]chan *answered
}

func (q *questions) ask(id string) (answer <-chan *answered, forget func()) {
	c := make(chan *answered, 1)
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.open == nil {
		q.open = map[string]chan *answered{}
	}
	q.open[id] = c
	return c, func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		delete(q.open, id)
	}
}

func (q *questions) answered(a *answered) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if c := q.open[a.ID]; c != nil {
		delete(q.open, a.ID)
		c <- a
	}
}

// askLeader has the leader, whichever hub it is, do what a person decided.
func (h *hub) askLeader(ctx context.Context, d memwatch.Decision) (refused, err error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	q := &asked{ID: rand.Text(), At: memwatch.Milli(time.Now()), Decision: d}
	answer, forget := h.asking.ask(q.ID)
	defer forget()
	if err := h.publish(ctx, &news{Asked: q}); err != nil {
		return nil, err
	}
	select {
	case a := <-answer:
		switch {
		case a.Refused != nil:
			return a.Refused, nil
		case a.Over:
			return alert.ErrNotOpen, nil
		}
		return nil, nil
	case <-ctx.Done():
		return nil, errNoAnswer
	}
}

// answerTo is what became of what a person asked for.
func answerTo(q *asked, refused error) *answered {
	a := &answered{ID: q.ID, Over: errors.Is(refused, alert.ErrNotOpen)}
	errors.As(refused, &a.Refused)
	return a
}
