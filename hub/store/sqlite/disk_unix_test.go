//go:build unix

package sqlite_test

import (
	"context"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/hub/store/sqlite"
	"github.com/zupee/memwatch/hub/store/storetest"
)

// limitFiles makes every file of this process stop growing at size, as a full
// disk does, until the function it returns is called.
func limitFiles(t *testing.T, size uint64) (lift func()) {
	t.Helper()
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
		t.Fatal(err)
	}
	signal.Ignore(syscall.SIGXFSZ)
	set := func(limit syscall.Rlimit) {
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
			t.Fatal(err)
		}
	}
	set(syscall.Rlimit{Cur: size, Max: before.Max})
	lift = func() { set(before) }
	t.Cleanup(lift)
	return lift
}

// TestADiskThatRefusesWritesLosesNothingAcknowledged lets writes fail in the
// middle of transactions and commits, and goes on when there is room again.
func TestADiskThatRefusesWritesLosesNothingAcknowledged(t *testing.T) {
	ctx := context.Background()
	cfg := sqlite.Config{Path: filepath.Join(t.TempDir(), "hub.db"), ChunkReadings: 20, CommitEvery: time.Nanosecond}
	s := open(t, cfg)
	next, failures := 0, 0
	var acked []memwatch.Sample
	const each = 35
	for room := range 30 {
		log, err := os.Stat(cfg.Path + "-wal")
		if err != nil {
			t.Fatal(err)
		}
		lift := limitFiles(t, uint64(log.Size())+uint64(room)*1500)
		for err == nil {
			part := storetest.Sequence("a", next, next+each)
			if _, err = s.Append(ctx, part); err == nil {
				acked = append(acked, storetest.Samples(part)...)
				next += each
			}
		}
		failures++
		lift()
		// The same again, as an agent does that was not answered.
		part := storetest.Sequence("a", next, next+each)
		storetest.MustAppend(t, s, part)
		acked = append(acked, storetest.Samples(part)...)
		next += each
	}
	for range 2 {
		if got := storetest.All(t, s, "a"); !slices.Equal(got, acked) {
			t.Errorf("%d readings back of %d, or not the same", len(got), len(acked))
		}
		if err := s.Check(ctx); err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = open(t, cfg)
	}
	t.Logf("%d failures among %d readings", failures, len(acked))
}
