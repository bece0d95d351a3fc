package store_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/hub/store"
	"github.com/zupee/memwatch/hub/store/postgres"
	"github.com/zupee/memwatch/hub/store/sqlite"
	"github.com/zupee/memwatch/hub/store/storetest"
	"github.com/zupee/memwatch/internal/pgtest"
)

// everything is what a store answers, of all that it keeps.
type everything struct {
	instances []store.InstanceState
	series    []store.Series
	alerts    []memwatch.Alert
	logs      map[string][]memwatch.Transition
	captures  []memwatch.Capture
}

func read(t *testing.T, s store.Store) (e everything) {
	t.Helper()
	ctx := context.Background()
	var errs [5]error
	e.instances, errs[0] = s.Instances(ctx)
	e.series, _, errs[1] = s.Readings(ctx, store.Query{Service: "checkout", MaxPoints: 100_000})
	e.alerts, _, errs[2] = s.Alerts(ctx, store.AlertQuery{Limit: 1000})
	e.logs = map[string][]memwatch.Transition{}
	for _, a := range e.alerts {
		log, err := s.AlertLog(ctx, a.ID)
		errs[3] = errors.Join(errs[3], err)
		e.logs[a.ID] = log
	}
	e.captures, _, errs[4] = s.Captures(ctx, store.CaptureQuery{Limit: 1000})
	if err := errors.Join(errs[:]...); err != nil {
		t.Fatal(err)
	}
	return e
}

// fill puts some of everything into a store.
func fill(t *testing.T, s store.Store) {
	t.Helper()
	ctx := context.Background()
	for i := range 5 {
		instance := fmt.Sprint("i", i)
		storetest.MustAppend(t, s, storetest.Sequence(instance, 100*i, 100*i+3000*i+1))
		errs := []error{
			s.UpsertInstance(ctx, store.Instance{Service: "checkout", Instance: instance, Labels: map[string]string{"zone": instance}, Agent: "v1", FirstSeen: storetest.T0, LastSeen: storetest.T0}),
			s.SaveVerdict(ctx, "checkout", instance, storetest.T0, &memwatch.Verdict{State: memwatch.Leaking, Summary: instance}),
		}
		a := memwatch.Alert{ID: instance, State: memwatch.AlertFiring, Service: "checkout", Instances: []string{instance}, Profiles: []string{"c" + instance}, Time: memwatch.Milli(storetest.T0)}
		_, err := s.SaveAlert(ctx, a, memwatch.Transition{Time: 1, Action: memwatch.ActionFire, Who: "memwatch"}, memwatch.Transition{Time: 2, Action: memwatch.ActionAcknowledge, Who: "ann"})
		errs = append(errs, err, s.SaveDelivery(ctx, instance, memwatch.Delivery{Channel: "pager", Told: memwatch.AlertFiring}))
		_, err = s.SaveCapture(ctx, memwatch.Capture{ID: "c" + instance, Service: "checkout", Instance: instance, SHA256: "x", Size: int64(i), Time: memwatch.Milli(storetest.T0)})
		if err := errors.Join(append(errs, err)...); err != nil {
			t.Fatal(err)
		}
	}
	// A part of it is old.
	if _, err := s.Prune(ctx, storetest.T0.Add(60*time.Hour)); err != nil {
		t.Fatal(err)
	}
}

func openBoth(t *testing.T) (from, to store.Store) {
	t.Helper()
	from, err := sqlite.Open(t.Context(), sqlite.Config{Path: filepath.Join(t.TempDir(), "hub.db")})
	if err != nil {
		t.Fatal(err)
	}
	to, err = postgres.Open(t.Context(), postgres.Config{URL: pgtest.Database(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(from.Close(), to.Close()); err != nil {
			t.Error(err)
		}
	})
	return from, to
}

func TestACopyHasAllThatTheOriginalHas(t *testing.T) {
	from, to := openBoth(t)
	fill(t, from)
	copied, err := store.Copy(t.Context(), from, to, func(store.Copied) {})
	if err != nil {
		t.Fatal(err)
	}
	want := read(t, from)
	if got := read(t, to); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %.2000v\nwant %.2000v", got, want)
	}
	n := 0
	for _, s := range want.series {
		n += len(s.Readings)
	}
	if want := (store.Copied{Instances: 5, Verdicts: 5, Readings: n, Alerts: 5, Captures: 5}); copied != want {
		t.Errorf("%+v, want %+v", copied, want)
	}
	again, err := store.Copy(t.Context(), from, to, func(store.Copied) {})
	if want := (store.Copied{Instances: 5, Verdicts: 5, Present: n + 10}); err != nil || again != want {
		t.Errorf("a second copy: %+v, %v, want %+v", again, err, want)
	}
}

func TestACopyThatBrokeOffGoesOn(t *testing.T) {
	from, to := openBoth(t)
	fill(t, from)
	for stop := 1; ; stop++ {
		ctx, cancel := context.WithCancel(t.Context())
		steps := 0
		_, err := store.Copy(ctx, from, to, func(store.Copied) {
			if steps++; steps == stop {
				cancel()
			}
		})
		cancel()
		if err == nil {
			break
		}
		if !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	}
	if got, want := read(t, to), read(t, from); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %.2000v\nwant %.2000v", got, want)
	}
}

func TestACopyLeavesNewerAlertsAsTheyAre(t *testing.T) {
	ctx := t.Context()
	from, to := openBoth(t)
	old := memwatch.Alert{ID: "a", State: memwatch.AlertFiring, Message: "old", Time: 1, UpdatedAt: 2}
	newer := memwatch.Alert{ID: "a", State: memwatch.AlertResolved, Message: "new", Time: 1, UpdatedAt: 2, ResolvedAt: 3}
	for s, a := range map[store.Store]memwatch.Alert{from: old, to: newer} {
		if _, err := s.SaveAlert(ctx, a); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := store.Copy(ctx, from, to, func(store.Copied) {}); err != nil {
		t.Fatal(err)
	}
	if got, err := to.Alert(ctx, "a"); err != nil || got.Message != "new" {
		t.Errorf("%+v, %v", got, err)
	}
}
