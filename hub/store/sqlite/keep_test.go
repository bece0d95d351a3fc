package sqlite_test

import (
	"context"
	"database/sql"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/zupee/memwatch/hub/store"
	"github.com/zupee/memwatch/hub/store/sqlite"
	"github.com/zupee/memwatch/hub/store/storetest"
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

// TestTheJournalIsTrimmed has one instance that falls silent among others that
// go on: it must not hold the journal for ever.
func TestTheJournalIsTrimmed(t *testing.T) {
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "hub.db")
	s := open(t, sqlite.Config{Path: path, ChunkReadings: 10, CommitEvery: time.Nanosecond})
	storetest.MustAppend(t, s, storetest.Sequence("silent", 0, 3))
	now := storetest.T0
	for i := range 60 {
		storetest.MustAppend(t, s, []store.Reading{storetest.Reading("a", i), storetest.Reading("b", i)})
		now = now.Add(10 * time.Minute)
		if _, err := s.Prune(ctx, now); err != nil {
			t.Fatal(err)
		}
	}
	if got := storetest.All(t, s, "silent"); len(got) != 3 {
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
