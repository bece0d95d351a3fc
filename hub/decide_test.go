package hub

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/hub/alert"
)

// opened is a hub without its port.
func opened(t *testing.T, dir string) (h *hub, shut func()) {
	t.Helper()
	h, err := open(context.Background(), quick(dir), slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		t.Fatal(err)
	}
	return h, func() {
		h.feed.Close(context.Background())
		if err := h.close(); err != nil {
			t.Error(err)
		}
	}
}

func TestADecisionIsKeptWithWhoAndWhyOverARestart(t *testing.T) {
	dir, ctx := t.TempDir(), context.Background()
	h, shut := opened(t, dir)
	now := time.Now().Truncate(time.Millisecond)
	leak := func(at time.Time) {
		err := h.alerts.observe(ctx, func(e *alert.Engine) []alert.Event {
			return e.Reading(alert.Reading{Service: "shop", Instance: "shop-1", At: at, Verdict: leaking()})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	leak(now)
	open, err := h.store.OpenAlerts(ctx)
	if err != nil || len(open) != 1 {
		t.Fatalf("%+v, %v", open, err)
	}
	id := open[0].ID
	silence := memwatch.Decision{Alert: id, Action: memwatch.ActionSilence, Who: "ann", Why: "load test", Until: memwatch.Milli(now.Add(time.Hour))}
	a, err := h.decide(ctx, silence)
	if err != nil || a.Silenced == nil || a.Silenced.Who != "ann" || a.Silenced.Why != "load test" {
		t.Fatalf("%+v, %v", a.Silenced, err)
	}
	shut()
	h, shut = opened(t, dir)
	defer shut()
	if a, err = h.decide(ctx, memwatch.Decision{Alert: id, Action: memwatch.ActionAcknowledge, Who: "ben"}); err != nil || a.Silenced == nil || a.Acknowledged == nil {
		t.Errorf("%+v, %v", a, err)
	}
	log, err := h.alertLog(ctx, id)
	if err != nil || len(log) != 3 || log[0].Action != memwatch.ActionFire || log[1].Who != "ann" || log[1].Why != "ann: load test" || log[2].Who != "ben" {
		t.Errorf("%+v, %v", log, err)
	}
	if _, err := h.decide(ctx, memwatch.Decision{Alert: id, Action: memwatch.ActionResolve, Who: "ben"}); err != nil {
		t.Error(err)
	}
	leak(now.Add(time.Second)) // dismissed: it does not fire at once
	if open, err = h.store.OpenAlerts(ctx); err != nil || len(open) != 0 {
		t.Errorf("%+v, %v", open, err)
	}
	if _, err := h.decide(ctx, silence); !errors.Is(err, errAlertOver) {
		t.Errorf("%v, want errAlertOver", err)
	}
	silence.Alert = "no such"
	if _, err := h.decide(ctx, silence); !errors.Is(err, errNoAlert) {
		t.Errorf("%v, want errNoAlert", err)
	}
	if _, err := h.alertLog(ctx, "no such"); !errors.Is(err, errNoAlert) {
		t.Errorf("%v, want errNoAlert", err)
	}
}
