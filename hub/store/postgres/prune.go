package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/zupee/memwatch/hub/store"
)

// Prune implements store.Store. Several hubs may do it at the same time; it is wasted
// work, so that one should lead.
func (s *Store) Prune(ctx context.Context, now time.Time) (store.Pruned, error) {
	var p store.Pruned
	for _, step := range []struct {
		what string
		run  func(context.Context, time.Time, *store.Pruned) error
	}{
		{"partitions", func(ctx context.Context, now time.Time, _ *store.Pruned) error { return s.stand(ctx, now) }},
		{"seal readings", func(ctx context.Context, now time.Time, _ *store.Pruned) error { return s.seal(ctx, now) }},
		{"readings", s.rollUp},
		{"alerts", s.pruneAlerts},
		{"instances", s.pruneInstances},
	} {
		if err := step.run(ctx, now, &p); err != nil {
			return p, fmt.Errorf("prune: %s: %w", step.what, explain(err))
		}
	}
	return p, nil
}

// pruneAlerts deletes alerts that resolved long ago.
func (s *Store) pruneAlerts(ctx context.Context, now time.Time, p *store.Pruned) error {
	for n := int64(pruneStep); n == pruneStep; {
		tag, err := s.pool.Exec(ctx, "DELETE FROM alerts WHERE id IN (SELECT id FROM alerts WHERE state = 'resolved' AND updated < $1 LIMIT $2)",
			now.Add(-s.cfg.KeepAlerts).UnixMilli(), pruneStep)
		if err != nil {
			return err
		}
		n = tag.RowsAffected()
		p.Alerts += int(n)
	}
	return nil
}

// empty finds instances of which no reading is left and that have not been seen
// since a time.
const empty = ` i.last_seen < $1
	AND NOT EXISTS (SELECT 1 FROM readings WHERE instance = i.id) AND NOT EXISTS (SELECT 1 FROM chunks WHERE instance = i.id)`

// pruneInstances forgets them. They are found first, so that nobody who writes
// readings has to wait for that.
func (s *Store) pruneInstances(ctx context.Context, now time.Time, p *store.Pruned) error {
	before := now.Add(-s.cfg.KeepReadings).UnixMilli()
	rows, err := s.pool.Query(ctx, "SELECT id FROM instances i WHERE"+empty+" LIMIT $2", before, pruneStep)
	if err != nil {
		return err
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil || len(ids) == 0 {
		return err
	}
	return s.tx(ctx, func(tx pgx.Tx) error {
		if err := lockAppending(ctx, tx); err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, "DELETE FROM instances i WHERE id = ANY($2) AND"+empty, before, ids)
		if err != nil {
			return err
		}
		p.Instances = int(tag.RowsAffected())
		_, err = tx.Exec(ctx, "UPDATE state SET generation = generation + 1")
		return err
	})
}

// Ready implements store.Store.
func (s *Store) Ready(ctx context.Context) error {
	_, err := s.pool.Exec(ctx, "SELECT FROM instances LIMIT 1")
	return explain(err)
}

// Stats implements store.Store.
func (s *Store) Stats(ctx context.Context) (store.Stats, error) {
	st := store.Stats{
		Stored: s.stored.Load(), Duplicates: s.duplicates.Load(), Commits: s.commits.Load(), Damaged: s.damaged.Load(), Waiting: len(s.jobs),
	}
	err := s.pool.QueryRow(ctx, `SELECT
		(SELECT count(*) FROM instances),
		(SELECT count(*) FROM alerts),
		(SELECT count(*) FROM alerts WHERE state <> 'resolved'),
		(SELECT count(*) FROM alerts WHERE state <> 'resolved' AND severity = 'critical'),
		(SELECT count(*) FROM captures),
		(SELECT coalesce(sum(size), 0)::bigint FROM captures),
		pg_database_size(current_database())`).
		Scan(&st.Instances, &st.Alerts, &st.OpenAlerts, &st.CriticalAlerts, &st.Captures, &st.CaptureBytes, &st.DatabaseBytes)
	if err != nil {
		return st, fmt.Errorf("statistics: %w", explain(err))
	}
	return st, nil
}
