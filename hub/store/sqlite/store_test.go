package sqlite_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/zupee/memwatch/hub/store"
	"github.com/zupee/memwatch/hub/store/sqlite"
	"github.com/zupee/memwatch/hub/store/storetest"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

// open opens a store that is closed with the test.
func open(t testing.TB, cfg sqlite.Config) *sqlite.Store {
	t.Helper()
	if cfg.Path == "" {
		cfg.Path = filepath.Join(t.TempDir(), "hub.db")
	}
	s, err := sqlite.Open(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestConformance(t *testing.T) {
	for name, cfg := range map[string]sqlite.Config{
		"by default":       {},
		"with many chunks": {ChunkReadings: 9, CommitEvery: time.Nanosecond},
	} {
		t.Run(name, func(t *testing.T) {
			storetest.Test(t, func(t testing.TB) storetest.Place {
				cfg := cfg
				cfg.Path = filepath.Join(t.TempDir(), "hub.db")
				return storetest.Place{Open: func(t testing.TB, r store.Retention) store.Store {
					cfg.Retention = r
					return open(t, cfg)
				}}
			})
		})
	}
}
