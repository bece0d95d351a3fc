package hub

import (
	"context"
	"testing"
	"time"

	"github.com/zupee/memwatch/hub/alert"
)

func leakNow(e *alert.Engine) []alert.Event {
	return e.Reading(alert.Reading{Service: shop.Service, Instance: shop.Instance, At: time.Now(), Verdict: leaking()})
}

func TestAnAlertIsToldThoughWhoSentItHasLeft(t *testing.T) {
	h, shut := opened(t, t.TempDir())
	defer shut()
	if err := h.fleet.join(shop); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := h.alerts.observe(ctx, leakNow); err != nil || h.alerts.unsaved() != 0 {
		t.Errorf("%v; %d unsaved", err, h.alerts.unsaved())
	}
	if n := h.fleet.services[shop.Service].totalAlerts; n != 1 {
		t.Errorf("%d alerts told, want 1", n)
	}
}

func TestAnAlertWhoseSavingSeemedToFailIsTold(t *testing.T) {
	h, shut := opened(t, t.TempDir())
	defer shut()
	if err := h.fleet.join(shop); err != nil {
		t.Fatal(err)
	}
	h.alerts.later(leakNow)
	w := &h.alerts.waiting[0]
	w.tried = true // the commit failed, yet it is on the disk
	if _, err := h.store.SaveAlert(t.Context(), w.Alert, w.Log...); err != nil {
		t.Fatal(err)
	}
	if err := h.alerts.save(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := h.fleet.services[shop.Service].totalAlerts; n != 1 {
		t.Errorf("%d alerts told, want 1", n)
	}
}
