package hub

import (
	"context"
	"log/slog"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/zupee/memwatch/hub/alert"
	"github.com/zupee/memwatch/hub/live"
	"github.com/zupee/memwatch/hub/notify"
	"github.com/zupee/memwatch/hub/store"
)

// announcer asks the alert engine, one question at a time, and tells what comes
// of it: an alert is saved first and announced after. What cannot be saved waits
// and is tried again; of each alert the newest form alone waits, with the log of
// how it came to it.
type announcer struct {
	store  store.Store
	fleet  *fleet
	feed   *live.Feed
	desk   *notify.Desk
	logger *slog.Logger
	failed prometheus.Counter

	mu      sync.Mutex
	engine  *alert.Engine
	waiting []unsaved
}

// unsaved is an event that is not known to be saved. One that was tried may be on
// the disk all the same.
type unsaved struct {
	alert.Event
	tried bool
}

func newAnnouncer(e *alert.Engine, s store.Store, f *fleet, feed *live.Feed, desk *notify.Desk, logger *slog.Logger, reg prometheus.Registerer) *announcer {
	a := &announcer{store: s, fleet: f, feed: feed, desk: desk, logger: logger, engine: e, failed: prometheus.NewCounter(prometheus.CounterOpts{
		Name: "memwatch_hub_alert_save_failures_total", Help: "Times that an alert could not be saved; it is tried again.",
	})}
	reg.MustRegister(a.failed)
	return a
}

// observe asks the engine, and returns when all alerts are saved.
func (a *announcer) observe(ctx context.Context, ask func(*alert.Engine) []alert.Event) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.push(ask(a.engine))
	return a.flush(ctx)
}

// save saves what later left.
func (a *announcer) save(ctx context.Context) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.flush(ctx)
}

// later asks the engine and leaves the saving to the next observe or save.
func (a *announcer) later(ask func(*alert.Engine) []alert.Event) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.push(ask(a.engine))
}

// unsaved is how many alerts wait.
func (a *announcer) unsaved() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.waiting)
}

func (a *announcer) push(events []alert.Event) {
	for _, e := range events {
		replaced := false
		for i := range a.waiting {
			if w := &a.waiting[i]; w.Alert.ID == e.Alert.ID {
				w.Alert, w.New, w.Log, replaced = e.Alert, w.New || e.New, append(w.Log, e.Log...), true
			}
		}
		if !replaced {
			a.waiting = append(a.waiting, unsaved{Event: e})
		}
	}
}

// flush saves and tells. A caller that leaves ends neither: what is written is told.
func (a *announcer) flush(ctx context.Context) error {
	ctx = context.WithoutCancel(ctx)
	for len(a.waiting) > 0 {
		e := a.waiting[0]
		created, err := a.store.SaveAlert(ctx, e.Alert, e.Log...)
		if err != nil {
			a.waiting[0].tried = true
			a.failed.Inc()
			return err
		}
		a.waiting = a.waiting[1:]
		if e.New && !created && !e.tried { // a resend from before a restart
			continue
		}
		a.fleet.alerted(e.Alert, e.New)
		a.feed.Alert(e.Alert, e.New)
		a.desk.Tell(e.Alert)
		a.logger.Info("alert", "id", e.Alert.ID, "type", e.Alert.Type, "state", e.Alert.State,
			"severity", e.Alert.Severity, "service", e.Alert.Service, "message", e.Alert.Message)
	}
	a.waiting = nil
	return nil
}
