package sqlite

import (
	"context"
	"fmt"
	"os"

	"github.com/zupee/memwatch/hub/store"
)

// Ready implements store.Store.
func (s *Store) Ready(ctx context.Context) error {
	var one int
	if err := s.read.QueryRowContext(ctx, "SELECT count(*) FROM (SELECT 1 FROM instances LIMIT 1)").Scan(&one); err != nil {
		return explain(err)
	}
	return nil
}

// Stats implements store.Store.
func (s *Store) Stats(ctx context.Context) (store.Stats, error) {
	st := store.Stats{
		Stored: s.stored.Load(), Duplicates: s.duplicates.Load(),
		Commits: s.commits.Load(), Damaged: s.damaged.Load(), Waiting: len(s.jobs),
	}
	s.mu.RLock()
	st.Instances = len(s.series)
	s.mu.RUnlock()
	const counts = `SELECT
		(SELECT count(*) FROM alerts),
		(SELECT count(*) FROM alerts WHERE state <> 'resolved'),
		(SELECT count(*) FROM alerts WHERE state <> 'resolved' AND severity = 'critical'),
		(SELECT count(*) FROM captures),
		(SELECT coalesce(sum(size), 0) FROM captures)`
	err := s.read.QueryRowContext(ctx, counts).Scan(&st.Alerts, &st.OpenAlerts, &st.CriticalAlerts, &st.Captures, &st.CaptureBytes)
	if err != nil {
		return st, fmt.Errorf("statistics: %w", explain(err))
	}
	for _, suffix := range []string{"", "-wal"} {
		if info, err := os.Stat(s.cfg.Path + suffix); err == nil {
			st.DatabaseBytes += info.Size()
		}
	}
	return st, nil
}
