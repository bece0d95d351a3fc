package hub

import (
	"context"
	"errors"
	"log/slog"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/hub/alert"
	"github.com/zupee/memwatch/hub/notify"
	"github.com/zupee/memwatch/hub/store"
)

// announcer asks the alert engine, one question at a time, and tells what comes
// of it: an alert is saved first and announced after. What cannot be saved waits
// and is tried again; of each alert the newest form alone waits, with the log of
// how it came to it. While another hub leads, there is nothing to ask.
type announcer struct {
	store store.Store
	desk  *notify.Desk
	// tell makes alerts known to all who show them.
	tell   func(ctx context.Context, alerts []told) error
	logger *slog.Logger
	failed prometheus.Counter

	mu      sync.Mutex
	engine  *alert.Engine // nil while another hub leads
	waiting []unsaved
	untold  []told // saved
}

// told is an alert that is saved.
type told struct {
	Alert memwatch.Alert `json:"alert"`
	Began bool           `json:"began,omitempty"`
}

// unsaved is an event that is not known to be saved. One that was tried may be on
// the disk all the same.
type unsaved struct {
	alert.Event
	tried bool
}

func newAnnouncer(s store.Store, desk *notify.Desk, tell func(context.Context, []told) error, logger *slog.Logger, reg prometheus.Registerer) *announcer {
	a := &announcer{store: s, desk: desk, tell: tell, logger: logger, failed: prometheus.NewCounter(prometheus.CounterOpts{
		Name: "memwatch_hub_alert_save_failures_total", Help: "Times that an alert could not be saved; it is tried again.",
	})}
	reg.MustRegister(a.failed)
	return a
}

// lead begins to ask an engine; nil ends it, and lets go of what the next leader
// will find by itself.
func (a *announcer) lead(e *alert.Engine) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.engine, a.waiting, a.untold = e, nil, nil
}

// observe asks the engine, and returns when all alerts are saved.
func (a *announcer) observe(ctx context.Context, ask func(*alert.Engine) []alert.Event) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.push(ask)
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
	a.push(ask)
}

// unsaved is how many alerts wait.
func (a *announcer) unsaved() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.waiting)
}

func (a *announcer) push(ask func(*alert.Engine) []alert.Event) {
	if a.engine == nil {
		return
	}
	for _, e := range ask(a.engine) {
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
	err := a.write(ctx)
	if len(a.untold) == 0 {
		return err
	}
	if failed := a.tell(ctx, a.untold); failed != nil {
		return errors.Join(err, failed)
	}
	a.untold = nil
	return err
}

// write saves what waits, side by side, so that they share few commits.
func (a *announcer) write(ctx context.Context) error {
	const together = 64
	slots := make(chan struct{}, together)
	created, errs := make([]bool, len(a.waiting)), make([]error, len(a.waiting))
	var wg sync.WaitGroup
	for i := range a.waiting {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			created[i], errs[i] = a.store.SaveAlert(ctx, a.waiting[i].Alert, a.waiting[i].Log...)
		})
	}
	wg.Wait()
	var left []unsaved
	var failed error
	for i, e := range a.waiting {
		if errs[i] != nil {
			e.tried, failed = true, errs[i]
			a.failed.Inc()
			left = append(left, e)
			continue
		}
		if e.New && !created[i] && !e.tried { // a resend from before a restart
			continue
		}
		a.desk.Tell(e.Alert)
		a.untold = append(a.untold, told{e.Alert, e.New})
		a.logger.Info("alert", "id", e.Alert.ID, "type", e.Alert.Type, "state", e.Alert.State,
			"severity", e.Alert.Severity, "service", e.Alert.Service, "message", e.Alert.Message)
	}
	a.waiting = left
	return failed
}
