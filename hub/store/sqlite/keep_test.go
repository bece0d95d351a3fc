package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/hub/store"
	"github.com/zupee/memwatch/hub/store/sqlite"
)

// exec1 changes a closed database behind the store's back.
func exec1(t *testing.T, path, query string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(query); err != nil {
		t.Fatal(err)
	}
}

func TestConfigIsChecked(t *testing.T) {
	for want, cfg := range map[string]sqlite.Config{
		"Path is empty: want the database's file":                     {},
		"ChunkReadings is -1: want 1 to 2048":                         {Path: "x", ChunkReadings: -1},
		"ChunkReadings is 5000: want 1 to 2048":                       {Path: "x", ChunkReadings: 5000},
		"KeepReadings is -1: want 0 (the default) or more":            {Path: "x", Retention: store.Retention{KeepReadings: -1}},
		"open database /dev/null/x: mkdir /dev/null: not a directory": {Path: "/dev/null/x"},
	} {
		if _, err := sqlite.Open(context.Background(), cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func TestAReadingWithoutATimeIsRefused(t *testing.T) {
	s := open(t, sqlite.Config{})
	_, err := s.Append(context.Background(), []store.Reading{reading("a", 0), {Service: "checkout", Instance: "b"}})
	if err == nil || !strings.Contains(err.Error(), "reading of checkout/b: its time is") {
		t.Errorf("%v", err)
	}
	if _, _, err := s.Readings(context.Background(), store.Query{Service: "checkout"}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("something was stored: %v", err)
	}
}

func TestAClosedStoreSaysSo(t *testing.T) {
	s := open(t, sqlite.Config{})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Append(context.Background(), sequence("a", 0, 1)); !errors.Is(err, store.ErrClosed) {
		t.Errorf("Append: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("Close again: %v", err)
	}
}

func TestACallerThatLeavesIsLetGo(t *testing.T) {
	s := open(t, sqlite.Config{})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := s.Append(ctx, sequence("a", 0, 1)); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestThinningKeepsExtremesAndEnds(t *testing.T) {
	s := open(t, sqlite.Config{ChunkReadings: 50})
	var in []store.Reading
	for i := range 5000 {
		r := reading("a", i)
		switch i {
		case 1234:
			r.Sample.Set(memwatch.LiveHeapBytes, 1e9)
		case 2345:
			r.Sample.Set(memwatch.LiveHeapBytes, 1)
		}
		in = append(in, r)
	}
	for part := range slices.Chunk(in, 333) {
		mustAppend(t, s, part)
	}
	for _, points := range []int{1, 10, 100, 1000} {
		series, total, err := s.Readings(context.Background(), store.Query{Service: "checkout", MaxPoints: points})
		if err != nil || total != 5000 || len(series) != 1 {
			t.Fatalf("%d points: total %d, %d series, %v", points, total, len(series), err)
		}
		got := series[0].Readings
		if len(got) > max(4, points) || len(got) < points/2 {
			t.Errorf("%d points wanted, %d given", points, len(got))
		}
		for name, i := range map[string]int{"first": 0, "peak": 1234, "dip": 2345, "last": 4999} {
			if !slices.Contains(got, in[i].Sample) {
				t.Errorf("%d points: the %s is lost", points, name)
			}
		}
		if !slices.IsSortedFunc(got, func(a, b memwatch.Sample) int { return a.Time.Compare(b.Time) }) {
			t.Errorf("%d points: not in order", points)
		}
	}
}

func TestTheNewestReadingsComeAsTheyAre(t *testing.T) {
	s := open(t, sqlite.Config{ChunkReadings: 16})
	in := sequence("a", 0, 1000)
	mustAppend(t, s, in[:300])
	mustAppend(t, s, in[310:])
	mustAppend(t, s, in[300:310]) // late, in a chunk with the newest
	for _, tc := range []struct{ from, to, points int }{{0, 999, 5}, {0, 999, 100}, {0, 999, 5000}, {105, 305, 20}, {301, 309, 4}, {990, 2000, 50}} {
		want := samples(in[tc.from:min(tc.to+1, 1000)])
		series, total, err := s.Readings(context.Background(), store.Query{
			Service: "checkout", Instance: "a", Newest: true, MaxPoints: tc.points,
			From: reading("", tc.from).Sample.Time, To: reading("", tc.to).Sample.Time,
		})
		if err != nil || total != len(want) || len(series) != 1 || !slices.Equal(series[0].Readings, want[max(0, len(want)-tc.points):]) {
			t.Errorf("%+v: total %d, want %d, %v, or not the same", tc, total, len(want), err)
		}
	}
}

// TestRangesAreCutExactly compares every query with the plain filter of what
// went in, in any order and with any part sent twice.
func TestRangesAreCutExactly(t *testing.T) {
	dir := t.TempDir()
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		s, err := sqlite.Open(context.Background(), sqlite.Config{Path: filepath.Join(dir, fmt.Sprint(n), "hub.db"), ChunkReadings: rapid.IntRange(1, 9).Draw(rt, "chunk"), CommitEvery: time.Nanosecond})
		if err != nil {
			rt.Fatal(err)
		}
		defer func() { _ = s.Close() }()
		seen := map[int]bool{}
		for range rapid.IntRange(1, 6).Draw(rt, "calls") {
			var part []store.Reading
			for _, i := range rapid.SliceOfN(rapid.IntRange(0, 60), 1, 30).Draw(rt, "readings") {
				part = append(part, reading("a", i))
				seen[i] = true
			}
			if _, err := s.Append(context.Background(), part); err != nil {
				rt.Fatal(err)
			}
		}
		from, to := rapid.IntRange(0, 61).Draw(rt, "from"), rapid.IntRange(0, 61).Draw(rt, "to")
		var want []memwatch.Sample
		for i := from; i <= to; i++ {
			if seen[i] {
				want = append(want, reading("a", i).Sample)
			}
		}
		series, total, err := s.Readings(context.Background(), store.Query{Service: "checkout", Instance: "a", From: reading("", from).Sample.Time, To: reading("", to).Sample.Time})
		if err != nil || total != len(want) {
			rt.Fatalf("total %d, want %d, %v", total, len(want), err)
		}
		if len(want) == 0 && len(series) == 0 {
			return
		}
		if len(series) != 1 || !slices.Equal(series[0].Readings, want) {
			rt.Fatalf("got %v, want %v", series, want)
		}
	})
}

func TestInstancesComeBackWithLastReadingAndVerdict(t *testing.T) {
	ctx := context.Background()
	cfg := sqlite.Config{Path: filepath.Join(t.TempDir(), "hub.db"), ChunkReadings: 10}
	s := open(t, cfg)
	mustAppend(t, s, sequence("b", 0, 40)) // all sealed
	mustAppend(t, s, sequence("a", 0, 3))  // all open
	first, last := t0.Add(-time.Hour), t0.Add(time.Hour)
	steps := []error{
		s.UpsertInstance(ctx, store.Instance{Service: "checkout", Instance: "c", Labels: map[string]string{"zone": "1"}, Agent: "v1", FirstSeen: first, LastSeen: t0}),
		s.UpsertInstance(ctx, store.Instance{Service: "checkout", Instance: "c", FirstSeen: t0, LastSeen: last}),
		s.UpsertInstance(ctx, store.Instance{Service: "checkout", Instance: "c", LastSeen: t0}),
		s.SaveVerdict(ctx, "checkout", "a", t0.Add(time.Second), &memwatch.Verdict{State: memwatch.Leaking, Summary: "newer"}),
		s.SaveVerdict(ctx, "checkout", "a", t0, &memwatch.Verdict{State: memwatch.Healthy, Summary: "older"}),
	}
	if err := errors.Join(steps...); err != nil {
		t.Fatal(err)
	}
	sampleB, sampleA := reading("b", 39).Sample, reading("a", 2).Sample
	want := []store.InstanceState{
		{
			Instance: store.Instance{Service: "checkout", Instance: "a", Labels: map[string]string{}, FirstSeen: t0, LastSeen: sampleA.Time}, Last: &sampleA,
			Verdict: &memwatch.Verdict{State: memwatch.Leaking, Summary: "newer"}, VerdictAt: t0.Add(time.Second),
		},
		{Instance: store.Instance{Service: "checkout", Instance: "b", Labels: map[string]string{}, FirstSeen: t0, LastSeen: sampleB.Time}, Last: &sampleB},
		{Instance: store.Instance{Service: "checkout", Instance: "c", Labels: map[string]string{"zone": "1"}, Agent: "v1", FirstSeen: first, LastSeen: last}},
	}
	for range 2 {
		got, err := s.Instances(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got  %+v\nwant %+v", got, want)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = open(t, cfg)
	}
}

func alertAt(i int, service string, state memwatch.AlertState, severity memwatch.Severity) memwatch.Alert {
	return memwatch.Alert{
		ID: fmt.Sprintf("id-%03d", i), Type: memwatch.AlertLeak, State: state, Service: service, Kind: memwatch.KindHeap, Severity: severity,
		Instances: []string{"a"}, Profiles: []string{}, Time: memwatch.Milli(t0.Add(time.Duration(i/2) * time.Second)),
	}
}

func TestAlertsArePagedNewestFirst(t *testing.T) {
	ctx := context.Background()
	s := open(t, sqlite.Config{})
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

func captureAt(i int, sha string, size int64) memwatch.Capture {
	return memwatch.Capture{
		ID: fmt.Sprintf("c-%02d", i), Service: "checkout", Instance: "a", Kind: memwatch.HeapProfile, Role: memwatch.RoleLeaking,
		Time: memwatch.Milli(t0.Add(time.Duration(i) * time.Hour)), SHA256: sha, Size: size,
	}
}

func mustCapture(t *testing.T, s *sqlite.Store, captures ...memwatch.Capture) {
	t.Helper()
	for _, c := range captures {
		if _, err := s.SaveCapture(context.Background(), c); err != nil {
			t.Fatal(err)
		}
	}
}

func TestCapturesAreFoundAndDeleted(t *testing.T) {
	ctx := context.Background()
	s := open(t, sqlite.Config{})
	mustCapture(t, s, captureAt(1, "x", 10), captureAt(2, "x", 10), captureAt(3, "y", 5))
	got, total, err := s.Captures(ctx, store.CaptureQuery{Service: "checkout", Limit: 2})
	if err != nil || total != 3 || len(got) != 2 || got[0].ID != "c-03" {
		t.Errorf("%+v, %d, %v", got, total, err)
	}
	got, total, err = s.Captures(ctx, store.CaptureQuery{IDs: []string{"c-01", "c-03", "none"}, Before: "c-03"})
	if err != nil || total != 2 || len(got) != 1 || got[0] != captureAt(1, "x", 10) {
		t.Errorf("%+v, %d, %v", got, total, err)
	}
	if got, total, err = s.Captures(ctx, store.CaptureQuery{IDs: []string{}}); err != nil || total != 0 || len(got) != 0 {
		t.Errorf("no ids: %+v, %d, %v", got, total, err)
	}
	for _, step := range []struct{ id, orphan string }{{"c-01", ""}, {"c-02", "x"}, {"c-03", "y"}} {
		if orphan, err := s.DeleteCapture(ctx, step.id); orphan != step.orphan || err != nil {
			t.Errorf("delete %s: orphan %q, %v", step.id, orphan, err)
		}
	}
	if _, err := s.DeleteCapture(ctx, "c-01"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("%v", err)
	}
	if _, err := s.Capture(ctx, "c-01"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("%v", err)
	}
}

// TestAFailedPartDoesNotHurtItsNeighbours has many calls share transactions in
// which some fail.
func TestAFailedPartDoesNotHurtItsNeighbours(t *testing.T) {
	s := open(t, sqlite.Config{CommitEvery: 20 * time.Millisecond})
	const n = 40
	errs := make(chan error, n)
	for i := range n {
		go func() {
			if i%4 == 0 {
				if _, err := s.DeleteCapture(context.Background(), "none"); !errors.Is(err, store.ErrNotFound) {
					t.Errorf("delete a capture that is not there: %v", err)
				}
				errs <- nil
				return
			}
			_, err := s.Append(context.Background(), []store.Reading{reading("a", i)})
			errs <- err
		}()
	}
	for range n {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if got := len(all(t, s, "a")); got != 30 {
		t.Errorf("%d readings, want 30", got)
	}
}

func TestPruneKeepsToTheRetention(t *testing.T) {
	ctx := context.Background()
	s := open(t, sqlite.Config{ChunkReadings: 10, Retention: store.Retention{KeepReadings: 10 * time.Hour, KeepMinutes: 10 * time.Hour, KeepTenMinutes: 10 * time.Hour, KeepAlerts: 5 * time.Hour}})
	hour := func(instance string, i int) store.Reading {
		r := reading(instance, 0)
		r.Sample.Time = t0.Add(time.Duration(i) * time.Hour)
		return r
	}
	for i := range 100 {
		mustAppend(t, s, []store.Reading{hour("a", i)})
		if i < 15 {
			mustAppend(t, s, []store.Reading{hour("gone", i)})
		}
	}
	for i, state := range []memwatch.AlertState{memwatch.AlertResolved, memwatch.AlertFiring} {
		if _, err := s.SaveAlert(ctx, alertAt(i, "s", state, memwatch.SeverityInfo)); err != nil {
			t.Fatal(err)
		}
	}
	now := t0.Add(100 * time.Hour)
	if _, err := s.Prune(ctx, now); err != nil { // sets the mark
		t.Fatal(err)
	}
	now = now.Add(2 * time.Hour)
	if _, err := s.Prune(ctx, now); err != nil {
		t.Fatal(err)
	}
	got := all(t, s, "a")
	if first := got[0].Time; first.Before(now.Add(-20*time.Hour)) || first.After(now.Add(-10*time.Hour)) || got[len(got)-1] != hour("a", 99).Sample {
		t.Errorf("%d readings kept, from %v before now", len(got), now.Sub(first))
	}
	if _, _, err := s.Readings(ctx, store.Query{Service: "checkout", Instance: "gone"}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("an instance of which nothing is left: %v", err)
	}
	if _, err := s.Alert(ctx, "id-000"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("an alert that resolved long ago: %v", err)
	}
	if _, err := s.Alert(ctx, "id-001"); err != nil {
		t.Errorf("an open alert: %v", err)
	}
	mustAppend(t, s, []store.Reading{hour("gone", 101)})
	if got := all(t, s, "gone"); len(got) != 1 {
		t.Errorf("%d readings after it came again", len(got))
	}
}

func TestPruneBoundsCapturesAndSparesThoseOfOpenAlerts(t *testing.T) {
	for name, cfg := range map[string]sqlite.Config{
		"by number": {Retention: store.Retention{MaxCaptures: 3}}, "by bytes": {Retention: store.Retention{MaxCaptureBytes: 35}}, "by age": {Retention: store.Retention{KeepCaptures: 195 * time.Minute}},
	} {
		t.Run(name, func(t *testing.T) {
			ctx := context.Background()
			s := open(t, cfg)
			for i := range 10 {
				mustCapture(t, s, captureAt(i, fmt.Sprintf("sha-%d", i), 10))
			}
			mustCapture(t, s, captureAt(0, "sha-9", 10)) // the oldest has the newest's bytes
			a := alertAt(1, "checkout", memwatch.AlertFiring, memwatch.SeverityInfo)
			a.Profiles = []string{"c-02"}
			if _, err := s.SaveAlert(ctx, a); err != nil {
				t.Fatal(err)
			}
			removed, blobs, err := s.PruneCaptures(ctx, t0.Add(10*time.Hour))
			if err != nil || removed != 6 || !slices.Equal(blobs, []string{"sha-1", "sha-3", "sha-4", "sha-5", "sha-6"}) {
				t.Errorf("%d removed, %v, %v", removed, blobs, err)
			}
			left, _, err := s.Captures(ctx, store.CaptureQuery{})
			var ids []string
			for _, c := range left {
				ids = append(ids, c.ID)
			}
			if want := []string{"c-09", "c-08", "c-07", "c-02"}; err != nil || !slices.Equal(ids, want) {
				t.Errorf("left %v, %v, want %v", ids, err, want)
			}
		})
	}
}

// TestTheJournalIsTrimmed has one instance that falls silent among others that
// go on: it must not hold the journal for ever.
func TestTheJournalIsTrimmed(t *testing.T) {
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "hub.db")
	s := open(t, sqlite.Config{Path: path, ChunkReadings: 10, CommitEvery: time.Nanosecond})
	mustAppend(t, s, sequence("silent", 0, 3))
	now := t0
	for i := range 60 {
		mustAppend(t, s, []store.Reading{reading("a", i), reading("b", i)})
		now = now.Add(10 * time.Minute)
		if _, err := s.Prune(ctx, now); err != nil {
			t.Fatal(err)
		}
	}
	if got := all(t, s, "silent"); len(got) != 3 {
		t.Errorf("%d readings of the silent one", len(got))
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var rows int
	if err := db.QueryRow("SELECT count(*) FROM journal").Scan(&rows); err != nil || rows > 25 {
		t.Errorf("%d journal rows left, %v", rows, err)
	}
}
