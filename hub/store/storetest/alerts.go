package storetest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/hub/store"
)

func alertAt(i int, service string, state memwatch.AlertState, severity memwatch.Severity) memwatch.Alert {
	return memwatch.Alert{
		ID: fmt.Sprintf("id-%03d", i), Type: memwatch.AlertLeak, State: state, Service: service, Kind: memwatch.KindHeap, Severity: severity,
		Instances: []string{"a"}, Profiles: []string{}, Time: memwatch.Milli(T0.Add(time.Duration(i/2) * time.Second)),
	}
}

func alertPages(t *testing.T, p Place) {
	ctx := context.Background()
	s := p.Open(t, store.Retention{})
	for i := range 25 {
		state, severity := memwatch.AlertResolved, memwatch.SeverityWarning
		if i%5 == 0 {
			state, severity = memwatch.AlertFiring, memwatch.SeverityCritical
		}
		if created, err := s.SaveAlert(ctx, alertAt(i, fmt.Sprintf("s%d", i%2), state, severity)); !created || err != nil {
			t.Fatal(created, err)
		}
	}
	again := alertAt(3, "s1", memwatch.AlertResolved, memwatch.SeverityInfo)
	if created, err := s.SaveAlert(ctx, again); created || err != nil {
		t.Fatal(created, err)
	}
	if got, err := s.Alert(ctx, "id-003"); err != nil || !reflect.DeepEqual(got, again) {
		t.Errorf("%+v, %v", got, err)
	}
	var ids []string
	before := ""
	for {
		page, total, err := s.Alerts(ctx, store.AlertQuery{Limit: 7, Before: before})
		if err != nil || total != 25 {
			t.Fatalf("total %d, %v", total, err)
		}
		if len(page) == 0 {
			break
		}
		for _, a := range page {
			ids = append(ids, a.ID)
		}
		before = ids[len(ids)-1]
	}
	if len(ids) != 25 || !slices.IsSortedFunc(ids, func(a, b string) int { return strings.Compare(b, a) }) {
		t.Errorf("%v", ids)
	}
	for want, q := range map[int]store.AlertQuery{
		13: {Service: "s0"}, 5: {State: memwatch.AlertFiring}, 3: {Service: "s0", State: memwatch.AlertFiring},
		1: {Severity: memwatch.SeverityInfo}, 25: {Type: memwatch.AlertLeak, Kind: memwatch.KindHeap}, 0: {Type: memwatch.AlertSnapshot},
	} {
		if got, total, err := s.Alerts(ctx, q); len(got) != want || total != want || err != nil {
			t.Errorf("%+v: %d alerts, total %d, %v, want %d", q, len(got), total, err, want)
		}
	}
	open, err := s.OpenAlerts(ctx)
	if err != nil || len(open) != 5 || open[0].ID != "id-000" || open[4].ID != "id-020" {
		t.Errorf("%+v, %v", open, err)
	}
	counts, err := s.AlertCounts(ctx)
	if want := map[string]store.AlertCount{"s0": {Total: 13, Open: 3, Critical: 3}, "s1": {Total: 12, Open: 2, Critical: 2}}; err != nil || !reflect.DeepEqual(counts, want) {
		t.Errorf("%+v, %v", counts, err)
	}
	if _, _, err := s.Alerts(ctx, store.AlertQuery{Before: "' OR 1=1 --"}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("%v", err)
	}
	if _, err := s.Alert(ctx, "none"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("%v", err)
	}
}

// alertAgain has many save one alert at the same time: one of them creates it.
func alertAgain(t *testing.T, p Place) {
	s := p.Open(t, store.Retention{})
	const callers = 16
	created := make(chan bool, callers)
	for range callers {
		go func() {
			fresh, err := s.SaveAlert(context.Background(), alertAt(1, "s", memwatch.AlertFiring, memwatch.SeverityWarning))
			if err != nil {
				t.Error(err)
			}
			created <- fresh
		}()
	}
	n := 0
	for range callers {
		if <-created {
			n++
		}
	}
	if n != 1 {
		t.Errorf("created %d times", n)
	}
}

// oddText has what people and programs may write where a message takes any text.
func oddText(t *testing.T, p Place) {
	ctx := context.Background()
	s := p.Open(t, store.Retention{})
	for i, text := range []string{"'; DROP TABLE alerts; --", "\u00e4\u20ac\U0001F600", "a\x00b", strings.Repeat("long ", 4000), ""} {
		a := alertAt(i, "s", memwatch.AlertFiring, memwatch.SeverityInfo)
		a.Message, a.ID = text, fmt.Sprint("odd", i)
		line := memwatch.Transition{Time: a.Time, Action: memwatch.ActionAcknowledge, Who: "ann", Why: text}
		if _, err := s.SaveAlert(ctx, a, line); err != nil {
			t.Errorf("%.20q: %v", text, err)
			continue
		}
		got, err := s.Alert(ctx, a.ID)
		if err != nil || got.Message != text {
			t.Errorf("%.20q comes back as %.20q, %v", text, got.Message, err)
		}
		if log, err := s.AlertLog(ctx, a.ID); err != nil || len(log) != 1 || log[0] != line {
			t.Errorf("the log of %.20q: %.100v, %v", text, log, err)
		}
		_, _, err = s.Alerts(ctx, store.AlertQuery{Service: text, Before: text})
		if text != "" && !errors.Is(err, store.ErrNotFound) {
			t.Errorf("asked for %.20q: %v", text, err)
		}
	}
}

func alertLog(t *testing.T, p Place) {
	ctx := context.Background()
	s := p.Open(t, store.Retention{})
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

func held(t *testing.T, p Place) {
	ctx := context.Background()
	s := p.Open(t, store.Retention{})
	until := func(minutes int) *memwatch.Mark {
		return &memwatch.Mark{Who: "ann", Until: memwatch.Milli(T0.Add(time.Duration(minutes) * time.Minute))}
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
	held, err := s.HeldAlerts(ctx, T0)
	if err != nil || len(held) != 2 || held[0].Fingerprint != "held" || held[1].Fingerprint != "done" {
		t.Errorf("%+v, %v", held, err)
	}
}
