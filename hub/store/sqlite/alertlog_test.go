package sqlite_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/hub/store"
	"github.com/zupee/memwatch/hub/store/sqlite"
)

func TestTheLogOfAnAlertHasEachLineOnceInOrder(t *testing.T) {
	ctx := context.Background()
	s := open(t, sqlite.Config{})
	a := memwatch.Alert{ID: "a", State: memwatch.AlertFiring, Time: 5}
	fire := memwatch.Transition{Time: 5, Action: memwatch.ActionFire, Who: "memwatch", Why: "it leaks"}
	ack := memwatch.Transition{Time: 9, Action: memwatch.ActionAcknowledge, Who: "ann", Why: "ann: at it"}
	for range 2 { // the second is a resend
		if _, err := s.SaveAlert(ctx, a, fire, ack); err != nil {
			t.Fatal(err)
		}
	}
	told := memwatch.Transition{Time: 7, Action: memwatch.ActionNotify, Who: "memwatch", Why: "told pager"}
	d := memwatch.Delivery{Channel: "pager", State: memwatch.DeliveryDone, Told: memwatch.AlertFiring, Severity: memwatch.SeverityWarning, At: 7}
	if err := s.SaveDelivery(ctx, "a", d, told); err != nil {
		t.Fatal(err)
	}
	if err := s.SaveDelivery(ctx, "no such alert", d, told); err != nil {
		t.Errorf("an alert that is no longer kept: %v", err)
	}
	log, err := s.AlertLog(ctx, "a")
	if err != nil || !slices.Equal(log, []memwatch.Transition{fire, told, ack}) {
		t.Errorf("%+v, %v", log, err)
	}
	got, err := s.Alert(ctx, "a")
	if err != nil || !slices.Equal(got.Deliveries, []memwatch.Delivery{d}) {
		t.Errorf("%+v, %v", got.Deliveries, err)
	}
	got.State = memwatch.AlertResolved // deliveries that came with it are not kept twice
	if _, err := s.SaveAlert(ctx, got); err != nil {
		t.Fatal(err)
	}
	list, _, err := s.Alerts(ctx, store.AlertQuery{})
	if err != nil || len(list) != 1 || !slices.Equal(list[0].Deliveries, []memwatch.Delivery{d}) {
		t.Errorf("%+v, %v", list, err)
	}
	if left, err := s.Undelivered(ctx); err != nil || len(left) != 1 {
		t.Errorf("a channel believes that it fires: %+v, %v", left, err)
	}
	d.Told = memwatch.AlertResolved
	if err := s.SaveDelivery(ctx, "a", d); err != nil {
		t.Fatal(err)
	}
	if left, err := s.Undelivered(ctx); err != nil || len(left) != 0 {
		t.Errorf("%+v, %v", left, err)
	}
	if _, err := s.Prune(ctx, time.Now()); err != nil { // its log and deliveries go with it
		t.Fatal(err)
	}
	if log, err = s.AlertLog(ctx, "a"); err != nil || len(log) != 0 {
		t.Errorf("%+v, %v", log, err)
	}
}

func TestDecisionsThatHoldAreFoundAfterTheAlertIsOver(t *testing.T) {
	ctx := context.Background()
	s := open(t, sqlite.Config{})
	until := func(minutes int) *memwatch.Mark {
		return &memwatch.Mark{Who: "ann", Until: memwatch.Milli(t0.Add(time.Duration(minutes) * time.Minute))}
	}
	for i, a := range []memwatch.Alert{
		{Fingerprint: "held", Silenced: until(60)},
		{Fingerprint: "over", Expected: until(-1)},
		{Fingerprint: "lifted", Silenced: until(60)},
		{Fingerprint: "lifted"},
		{Fingerprint: "done", Dismissed: until(10)},
		{Fingerprint: "open", Silenced: until(60), State: memwatch.AlertFiring},
	} {
		a.ID, a.Time = fmt.Sprint(i), memwatch.UnixMilli(i+1)
		if a.State == "" {
			a.State = memwatch.AlertResolved
		}
		if _, err := s.SaveAlert(ctx, a); err != nil {
			t.Fatal(err)
		}
	}
	held, err := s.HeldAlerts(ctx, t0)
	if err != nil || len(held) != 2 || held[0].Fingerprint != "held" || held[1].Fingerprint != "done" {
		t.Errorf("%+v, %v", held, err)
	}
}
