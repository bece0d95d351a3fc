package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/hub/store"
	"github.com/zupee/memwatch/hub/store/postgres"
	"github.com/zupee/memwatch/hub/store/storetest"
	"github.com/zupee/memwatch/internal/pgtest"
)

// hubs opens several stores on one database.
func hubs(t *testing.T, n int, cfg postgres.Config) (out []*postgres.Store) {
	t.Helper()
	for range n {
		out = append(out, open(t, cfg))
	}
	return out
}

func TestHubsThatStartTogetherAgreeOnTheForm(t *testing.T) {
	url := pgtest.Database(t)
	var wg sync.WaitGroup
	for range 5 {
		wg.Go(func() {
			s, err := postgres.Open(context.Background(), postgres.Config{URL: url})
			if err != nil {
				t.Error(err)
				return
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// TestAReadingIsStoredOnceThroughWhicheverHub has two hubs store the same readings at
// the same time, some of them twice, while a third seals what is there.
func TestAReadingIsStoredOnceThroughWhicheverHub(t *testing.T) {
	s := hubs(t, 3, postgres.Config{URL: pgtest.Database(t)})
	const count, instances = 2000, 3 // over five hours
	var stored, duplicates atomic.Int64
	var wg sync.WaitGroup
	for i := range instances {
		name := fmt.Sprint("i", i)
		for h := range 4 {
			wg.Go(func() {
				for part := range slices.Chunk(storetest.Sequence(name, 0, count), 50+7*h) {
					result, err := s[h%2].Append(context.Background(), part)
					if err != nil {
						t.Error(err)
					}
					stored.Add(int64(result.Stored))
					duplicates.Add(int64(result.Duplicates))
				}
			})
		}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		wg.Wait()
	}()
	for now := storetest.T0; ; now = now.Add(time.Hour) {
		if _, err := s[2].Prune(context.Background(), now); err != nil {
			t.Error(err)
		}
		select {
		case <-done:
		default:
			continue
		}
		break
	}
	if stored.Load() != count*instances || duplicates.Load() != 3*count*instances {
		t.Errorf("stored %d, want %d; %d duplicates, want %d", stored.Load(), count*instances, duplicates.Load(), 3*count*instances)
	}
	for i := range instances {
		if got := storetest.All(t, s[0], fmt.Sprint("i", i)); !slices.Equal(got, storetest.Samples(storetest.Sequence("", 0, count))) {
			t.Errorf("%d readings back of %d, or not the same", len(got), count)
		}
	}
}

// TestConnectionsThatBreakLoseNothing ends the hubs' connections again and again, each
// time when a few writes have come through.
func TestConnectionsThatBreakLoseNothing(t *testing.T) {
	server := pgtest.Start(t)
	url := server.Database(t)
	s := hubs(t, 2, postgres.Config{URL: url, Patience: time.Minute})
	const parts, each = 40, 5
	var wg sync.WaitGroup
	acked := make(chan struct{}, 4*parts)
	for w := range 4 {
		wg.Go(func() {
			for i := range parts {
				storetest.MustAppend(t, s[w%2], storetest.Sequence(fmt.Sprint("w", w), i*each, i*each+each))
				if _, err := s[w%2].SaveAlert(context.Background(), memwatch.Alert{ID: fmt.Sprint("w", w), State: memwatch.AlertFiring}); err != nil {
					t.Error(err)
				}
				acked <- struct{}{}
			}
		})
	}
	for n := range 4 * parts {
		if <-acked; n%8 != 7 {
			continue
		}
		server.Exec(t, url, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'memwatch-hub'")
	}
	wg.Wait()
	for w := range 4 {
		want := storetest.Sequence(fmt.Sprint("w", w), 0, parts*each)
		if got := storetest.MustAppend(t, s[0], want); got != (store.AppendResult{Duplicates: len(want)}) {
			t.Errorf("sent again: %+v", got)
		}
	}
}

// TestAServerThatCrashesLosesNothingAcknowledged ends the server without order among
// writes, starts it, and looks at what it has.
func TestAServerThatCrashesLosesNothingAcknowledged(t *testing.T) {
	server := pgtest.Start(t)
	cfg := postgres.Config{URL: server.Database(t), Patience: time.Second}
	s := hubs(t, 2, cfg)
	const writers = 4
	next := [writers]int{} // the first of each that is not acknowledged
	for round := range 3 {
		var acked atomic.Int64
		var wg sync.WaitGroup
		for w := range writers {
			wg.Go(func() {
				for {
					n := next[w]
					if _, err := s[w%2].Append(context.Background(), storetest.Sequence(fmt.Sprint("w", w), n, n+3)); err != nil {
						if !errors.Is(err, store.ErrUnavailable) {
							t.Errorf("%v, want %v", err, store.ErrUnavailable)
						}
						return
					}
					next[w] = n + 3
					acked.Add(1)
				}
			})
		}
		for acked.Load() < 20 {
			time.Sleep(time.Millisecond)
		}
		if err := server.Kill(); err != nil {
			t.Fatal(err)
		}
		wg.Wait()
		if err := s[0].Ready(t.Context()); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("ready without a server: %v", err)
		}
		if err := server.Begin(); err != nil {
			t.Fatal(err)
		}
		for w := range writers {
			name := fmt.Sprint("w", w)
			again, err := s[0].Append(context.Background(), storetest.Sequence(name, 0, next[w]))
			if err != nil || again != (store.AppendResult{Duplicates: next[w]}) {
				t.Fatalf("round %d: sent again what was acknowledged: %+v of %d, %v", round, again, next[w], err)
			}
			got := storetest.All(t, s[1], name)
			if !slices.Equal(got, storetest.Samples(storetest.Sequence("", 0, len(got)))) {
				t.Fatalf("round %d: %d readings, or not the same", round, len(got))
			}
			next[w] = len(got)
		}
	}
}

func TestWhatIsWrongWithAnAddressIsSaid(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	missing := strings.Replace(pgtest.Database(t), "/test", "/none", 1)
	for _, tc := range []struct {
		url, says string
		is        error
	}{
		{"", "the address is empty: want postgres://user@host/database", nil},
		{"postgres://me:secret@[bad/db", "want postgres://user@host/database", nil},
		{"postgres://me:secret@" + closed + "/db", "open database 127.0.0.1:" + closed[strings.LastIndex(closed, ":")+1:] + "/db: database cannot be reached", store.ErrUnavailable},
		{missing, "does not exist", nil},
	} {
		_, err := postgres.Open(t.Context(), postgres.Config{URL: tc.url})
		if err == nil || !strings.Contains(err.Error(), tc.says) || tc.is != nil && !errors.Is(err, tc.is) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v, want %q", tc.url, err, tc.says)
		}
	}
	for want, cfg := range map[string]postgres.Config{
		"MaxConns is 2: want 3 or more":                     {URL: missing, MaxConns: 2},
		"Timeout is -1ns: want 0 (the default) or more":     {URL: missing, Timeout: -1},
		"KeepAlerts is -1: want 0 (the default) or more":    {URL: missing, Retention: store.Retention{KeepAlerts: -1}},
		"CommitEvery is -1ns: want 0 (the default) or more": {URL: missing, CommitEvery: -1},
	} {
		if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func TestANewerDatabaseIsRefused(t *testing.T) {
	url := pgtest.Database(t)
	if m, err := postgres.Migrate(t.Context(), url); err != nil || m.From != 0 || m.To < 1 || len(m.Steps) != int(m.To) {
		t.Errorf("%+v, %v", m, err)
	}
	if m, err := postgres.Migrate(t.Context(), url); err != nil || m.From != m.To || len(m.Steps) != 0 {
		t.Errorf("again: %+v, %v", m, err)
	}
	pgtest.Exec(t, url, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, true)")
	_, err := postgres.Open(t.Context(), postgres.Config{URL: url})
	if !errors.Is(err, store.ErrNewer) || !strings.Contains(err.Error(), "it has version 9999 and this memwatch-hub knows up to") {
		t.Errorf("%v", err)
	}
}

// TestWhatTheServerSaysIsUnderstood has the server refuse a write for each reason that
// callers tell apart, and take it afterwards.
func TestWhatTheServerSaysIsUnderstood(t *testing.T) {
	url := pgtest.Database(t)
	s := open(t, postgres.Config{URL: url, Patience: time.Millisecond})
	storetest.MustAppend(t, s, storetest.Sequence("a", 0, 1))
	for code, want := range map[string]error{"53100": store.ErrFull, "XX001": store.ErrCorrupt, "57P03": store.ErrUnavailable, "25006": store.ErrUnavailable, "40P01": store.ErrUnavailable} {
		pgtest.Exec(t, url, `CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION USING ERRCODE = '`+code+`', MESSAGE = 'refused'; END $$;
			CREATE OR REPLACE TRIGGER refuse BEFORE INSERT ON readings FOR EACH ROW EXECUTE FUNCTION refuse()`)
		if _, err := s.Append(t.Context(), storetest.Sequence("a", 1, 2)); !errors.Is(err, want) || !strings.Contains(err.Error(), "refused") {
			t.Errorf("%s: %v, want %v", code, err, want)
		}
		if got := storetest.All(t, s, "a"); len(got) != 1 {
			t.Errorf("%s: %d readings", code, len(got))
		}
		pgtest.Exec(t, url, "DROP TRIGGER refuse ON readings")
	}
	if got := storetest.MustAppend(t, s, storetest.Sequence("a", 0, 2)); got != (store.AppendResult{Stored: 1, Duplicates: 1}) {
		t.Errorf("%+v", got)
	}
}

// TestAStatementThatTakesTooLongIsEnded has somebody hold what a write needs.
func TestAStatementThatTakesTooLongIsEnded(t *testing.T) {
	url := pgtest.Database(t)
	s := open(t, postgres.Config{URL: url, Patience: time.Millisecond, Timeout: 500 * time.Millisecond})
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "LOCK TABLE readings IN ACCESS EXCLUSIVE MODE"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Append(t.Context(), storetest.Sequence("a", 0, 1)); err == nil {
		t.Error("stored in a table that is locked")
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := storetest.MustAppend(t, s, storetest.Sequence("a", 0, 1)); got != (store.AppendResult{Stored: 1}) {
		t.Errorf("%+v", got)
	}
}

// TestAnInstanceThatAnotherHubForgotIsLearntAnew has one hub remember what another
// has deleted.
func TestAnInstanceThatAnotherHubForgotIsLearntAnew(t *testing.T) {
	s := hubs(t, 2, postgres.Config{URL: pgtest.Database(t)})
	storetest.MustAppend(t, s[0], storetest.Sequence("a", 0, 10))
	p, err := s[1].Prune(t.Context(), storetest.T0.Add(400*24*time.Hour))
	if err != nil || p.Instances != 1 {
		t.Fatalf("%+v, %v", p, err)
	}
	want := storetest.Sequence("a", 1000, 1010)
	if got := storetest.MustAppend(t, s[0], want); got != (store.AppendResult{Stored: 10}) {
		t.Errorf("%+v", got)
	}
	if got := storetest.All(t, s[1], "a"); !slices.Equal(got, storetest.Samples(want)) {
		t.Errorf("%d readings", len(got))
	}
}

func TestDamagedReadingsCostOnlyThemselves(t *testing.T) {
	url := pgtest.Database(t)
	s := open(t, postgres.Config{URL: url})
	storetest.MustAppend(t, s, storetest.Sequence("a", 0, 4000))
	if _, err := s.Prune(t.Context(), storetest.Reading("", 3000).Sample.Time); err != nil {
		t.Fatal(err)
	}
	whole := len(storetest.All(t, s, "a"))
	pgtest.Exec(t, url, "UPDATE chunks_0 SET data = '\\x00' WHERE first = (SELECT min(first) FROM chunks_0)")
	got := len(storetest.All(t, s, "a"))
	st, err := s.Stats(t.Context())
	if err != nil || whole != 4000 || got < 3000 || got > 3900 || st.Damaged == 0 {
		t.Errorf("%d readings, %d with one chunk damaged; %+v, %v", whole, got, st, err)
	}
}
