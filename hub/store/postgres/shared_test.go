package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/hub/store"
	"github.com/zupee/memwatch/hub/store/postgres"
	"github.com/zupee/memwatch/hub/store/storetest"
	"github.com/zupee/memwatch/internal/pgtest"
)

var _ store.Shared = (*postgres.Store)(nil)

// ended waits for a lead to end.
func ended(t *testing.T, ctx context.Context, why string) {
	t.Helper()
	select {
	case <-ctx.Done():
	case <-time.After(time.Minute):
		t.Fatalf("still leading: %s", why)
	}
}

func TestOneHubLeadsAtATime(t *testing.T) {
	url := pgtest.Database(t)
	s := hubs(t, 2, postgres.Config{URL: url})
	first, release, err := s[0].Lead(t.Context(), "prune")
	if err != nil {
		t.Fatal(err)
	}
	other, releaseOther, err := s[1].Lead(t.Context(), "notify")
	if err != nil {
		t.Fatalf("another name: %v", err)
	}
	defer releaseOther()
	ctx, cancel := context.WithTimeout(t.Context(), 2500*time.Millisecond)
	defer cancel()
	if _, _, err := s[1].Lead(ctx, "prune"); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("two lead: %v", err)
	}
	if first.Err() != nil || other.Err() != nil {
		t.Error("a lead ended by itself")
	}
	release()
	ended(t, first, "released")
	second, releaseSecond, err := s[1].Lead(t.Context(), "prune")
	if err != nil {
		t.Fatal(err)
	}
	defer releaseSecond()
	pgtest.Exec(t, url, "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted AND pid <> pg_backend_pid()")
	ended(t, second, "its connection is gone")
	third, releaseThird, err := s[0].Lead(t.Context(), "prune")
	if err != nil {
		t.Fatal(err)
	}
	defer releaseThird()
	if err := s[0].Close(); err != nil {
		t.Fatal(err)
	}
	ended(t, third, "its store is closed")
	if _, _, err := s[0].Lead(t.Context(), "prune"); !errors.Is(err, store.ErrClosed) {
		t.Errorf("a closed store: %v", err)
	}
}

// changes asks until a hub has been told all that is awaited.
type changes struct {
	t      *testing.T
	s      *postgres.Store
	cursor store.Cursor
}

func follow(t *testing.T, s *postgres.Store) *changes {
	t.Helper()
	c, err := s.Cursor(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return &changes{t, s, c}
}

// next answers the next changes that are any.
func (c *changes) next() store.Changes {
	c.t.Helper()
	for range 30 {
		got, err := c.s.Changes(c.t.Context(), c.cursor)
		if err != nil {
			c.t.Fatal(err)
		}
		c.cursor = got.Next
		if len(got.Instances)+len(got.Alerts)+len(got.Captures) > 0 {
			return got
		}
	}
	c.t.Fatal("no changes")
	return store.Changes{}
}

func TestAHubIsToldWhatOthersChange(t *testing.T) {
	ctx := t.Context()
	url := pgtest.Database(t)
	s := hubs(t, 2, postgres.Config{URL: url})
	storetest.MustAppend(t, s[0], storetest.Sequence("before", 0, 5))
	c := follow(t, s[1])

	storetest.MustAppend(t, s[1], storetest.Sequence("own", 0, 5))
	storetest.MustAppend(t, s[0], append(storetest.Sequence("a", 0, 5), storetest.Sequence("b", 0, 3)...))
	got := c.next()
	if len(got.Instances) != 2 || got.Instances[0].Instance.Instance != "a" || *got.Instances[0].Last != storetest.Reading("a", 4).Sample ||
		*got.Instances[1].Last != storetest.Reading("b", 2).Sample || got.Instances[0].Verdict != nil {
		t.Errorf("readings: %+v", got.Instances)
	}

	storetest.MustAppend(t, s[0], storetest.Sequence("a", 0, 5)) // sent again: nothing new
	if err := s[0].SaveVerdict(ctx, "checkout", "b", storetest.T0, &memwatch.Verdict{State: memwatch.Leaking}); err != nil {
		t.Fatal(err)
	}
	got = c.next()
	if len(got.Instances) != 1 || got.Instances[0].Instance.Instance != "b" || got.Instances[0].Last != nil || got.Instances[0].Verdict == nil {
		t.Errorf("a verdict: %+v", got.Instances)
	}

	if _, err := s[0].SaveAlert(ctx, memwatch.Alert{ID: "x", State: memwatch.AlertFiring}); err != nil {
		t.Fatal(err)
	}
	if got = c.next(); len(got.Alerts) != 1 || got.Alerts[0].ID != "x" {
		t.Errorf("an alert: %+v", got)
	}
	if err := s[0].SaveDelivery(ctx, "x", memwatch.Delivery{Channel: "pager", Told: memwatch.AlertFiring}); err != nil {
		t.Fatal(err)
	}
	if got = c.next(); len(got.Alerts) != 1 || len(got.Alerts[0].Deliveries) != 1 {
		t.Errorf("a delivery: %+v", got)
	}

	pgtest.Exec(t, url, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'")
	if _, err := s[0].SaveCapture(ctx, memwatch.Capture{ID: "c", SHA256: "x"}); err != nil {
		t.Fatal(err)
	}
	if got = c.next(); len(got.Captures) != 1 || got.Captures[0].ID != "c" {
		t.Errorf("a capture, while it cannot be woken: %+v", got)
	}
	if got, err := s[1].Changes(ctx, c.cursor); err != nil || len(got.Instances)+len(got.Alerts)+len(got.Captures) > 0 {
		t.Errorf("told twice: %+v, %v", got, err)
	}
}

// TestACommitThatComesLateIsNotMissed has a transaction begin before the reader asks
// and commit after it has gone on, with another's commit in between.
func TestACommitThatComesLateIsNotMissed(t *testing.T) {
	url := pgtest.Database(t)
	s := hubs(t, 2, postgres.Config{URL: url})
	for _, id := range []string{"early", "late"} {
		if _, err := s[0].SaveAlert(t.Context(), memwatch.Alert{ID: id, State: memwatch.AlertFiring}); err != nil {
			t.Fatal(err)
		}
	}
	c := follow(t, s[1])
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	slow, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := slow.Exec(t.Context(), "INSERT INTO feed (hub, alerts) VALUES (1, '{late}')"); err != nil {
		t.Fatal(err)
	}
	pgtest.Exec(t, url, "INSERT INTO feed (hub, alerts) VALUES (1, '{early}')")
	if got := c.next(); len(got.Alerts) != 1 || got.Alerts[0].ID != "early" {
		t.Errorf("%+v", got)
	}
	if err := slow.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := c.next(); len(got.Alerts) != 1 || got.Alerts[0].ID != "late" {
		t.Errorf("%+v", got)
	}
}

func TestACursorThatIsTooOldSaysSo(t *testing.T) {
	s := open(t, postgres.Config{URL: pgtest.Database(t)})
	for why, cursor := range map[string]string{
		"an hour ago":        fmt.Sprintf("1:1:@%d", time.Now().Add(-time.Hour).UnixMilli()),
		"of a later history": fmt.Sprintf("999999999:999999999:@%d", time.Now().UnixMilli()),
	} {
		if _, err := s.Changes(t.Context(), store.Cursor(cursor)); !errors.Is(err, store.ErrGap) {
			t.Errorf("%s: %v", why, err)
		}
	}
	if _, err := s.Changes(t.Context(), "yesterday"); err == nil || errors.Is(err, store.ErrGap) {
		t.Errorf("no cursor at all: %v", err)
	}
}
