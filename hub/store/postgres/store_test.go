package postgres_test

import (
	"context"
	"os"
	"testing"

	"github.com/zupee/memwatch/hub/store"
	"github.com/zupee/memwatch/hub/store/postgres"
	"github.com/zupee/memwatch/hub/store/storetest"
	"github.com/zupee/memwatch/internal/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

// open opens a store that is closed with the test.
func open(t testing.TB, cfg postgres.Config) *postgres.Store {
	t.Helper()
	s, err := postgres.Open(context.Background(), cfg)
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
	storetest.Test(t, func(t testing.TB) storetest.Place {
		url := pgtest.Database(t)
		return storetest.Place{Open: func(t testing.TB, r store.Retention) store.Store {
			return open(t, postgres.Config{URL: url, Retention: r})
		}}
	})
}
