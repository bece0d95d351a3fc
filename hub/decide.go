package hub

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/hub/alert"
	"github.com/zupee/memwatch/hub/store"
)

// Errors of a decision that whoever serves it tells apart.
var (
	// errNoAlert: there is no such alert.
	errNoAlert = errors.New("there is no such alert")
	// errAlertOver: the alert is resolved, and nothing can be decided about it.
	errAlertOver = errors.New("the alert is resolved already")
)

// decide does what a person wants done with an alert (acknowledge, silence,
// expect, lift, resolve) and returns it when that is durable. The error is
// errNoAlert, errAlertOver, an *alert.Refusal that names field, value and what is
// allowed, or the store's.
func (h *hub) decide(ctx context.Context, d memwatch.Decision) (memwatch.Alert, error) {
	before, err := h.store.Alert(ctx, d.Alert)
	if errors.Is(err, store.ErrNotFound) {
		return memwatch.Alert{}, fmt.Errorf("alert %.80q: %w", d.Alert, errNoAlert)
	}
	if err != nil {
		return memwatch.Alert{}, err
	}
	refused, err := h.put(ctx, d)
	switch {
	case errors.Is(refused, alert.ErrNotOpen):
		return before, fmt.Errorf("alert %s: %w", d.Alert, errAlertOver)
	case refused != nil:
		return before, refused
	case err != nil:
		return before, err
	}
	return h.store.Alert(ctx, d.Alert)
}

// put puts a decision to the engine, wherever it is, and answers why that refused it.
func (h *hub) put(ctx context.Context, d memwatch.Decision) (refused, err error) {
	if h.relay == nil {
		return h.alerts.decide(ctx, d, time.Now())
	}
	return h.askLeader(ctx, d)
}

// decide asks the engine, and answers why it refused.
func (a *announcer) decide(ctx context.Context, d memwatch.Decision, at time.Time) (refused, err error) {
	err = a.observe(ctx, func(e *alert.Engine) (events []alert.Event) {
		events, refused = e.Decide(d, at)
		return events
	})
	return refused, err
}

// alertLog answers what happened to an alert, oldest first; the error is
// errNoAlert when there is none.
func (h *hub) alertLog(ctx context.Context, id string) ([]memwatch.Transition, error) {
	if _, err := h.store.Alert(ctx, id); errors.Is(err, store.ErrNotFound) {
		return nil, fmt.Errorf("alert %.80q: %w", id, errNoAlert)
	} else if err != nil {
		return nil, err
	}
	return h.store.AlertLog(ctx, id)
}
