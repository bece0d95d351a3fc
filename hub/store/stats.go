package store

import (
	"context"
	"fmt"
	"os"
)

// Stats are the store's own numbers.
type Stats struct {
	// Stored, Duplicates and Late count readings since the store was opened,
	// Commits its transactions, Damaged the times a chunk could not be read.
	Stored, Duplicates, Late, Commits, Damaged int64
	// Waiting is how many calls wait for the writing goroutine now.
	Waiting int

	Instances int

	Alerts, OpenAlerts, CriticalAlerts int // critical: of the open ones
	Captures                           int
	CaptureBytes                       int64
	// DatabaseBytes is the database's size on disk with its write-ahead log.
	DatabaseBytes int64
}

// Ready reports whether the database can be read.
func (s *Store) Ready(ctx context.Context) error {
	var one int
	if err := s.read.QueryRowContext(ctx, "SELECT count(*) FROM (SELECT 1 FROM instances LIMIT 1)").Scan(&one); err != nil {
		return explain(err)
	}
	return nil
}

// Stats gathers them.
func (s *Store) Stats(ctx context.Context) (Stats, error) {
	st := Stats{
		Stored: s.stored.Load(), Duplicates: s.duplicates.Load(), Late: s.late.Load(),
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
