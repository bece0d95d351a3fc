package sqlite

import (
	"context"
	"fmt"
	"time"

	"github.com/zupee/memwatch/hub/store"
)

const (
	// pruneStep is how many rows one transaction of Prune deletes, so that
	// readings never wait long behind it.
	pruneStep = 500
	// sealAfter is how long a chunk stays open at least before it is sealed
	// short, and at most twice that: it holds the journal's beginning.
	sealAfter = time.Hour
)

// Prune implements store.Store.
func (s *Store) Prune(ctx context.Context, now time.Time) (store.Pruned, error) {
	var p store.Pruned
	for _, step := range []struct {
		what string
		run  func(context.Context, time.Time, *store.Pruned) error
	}{
		{"seal old open chunks", s.sealOld},
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

// sealOld seals the chunks that have been open since before the mark, when the
// mark is old enough, and sets a new mark.
func (s *Store) sealOld(ctx context.Context, now time.Time, _ *store.Pruned) error {
	return s.do(ctx, 1, func(_ context.Context, t *txn) error {
		m := &s.w.mark
		if m.at.IsZero() {
			*m = mark{at: now, journal: t.journal}
		}
		if now.Sub(m.at) < sealAfter {
			return nil
		}
		for _, sr := range s.series {
			if sr.state.count > 0 && sr.state.opened <= m.journal {
				t.touch(sr).seal = true
			}
		}
		*m = mark{at: now, journal: t.journal}
		return nil
	})
}

// pruneAlerts deletes alerts that resolved long ago.
func (s *Store) pruneAlerts(ctx context.Context, now time.Time, p *store.Pruned) error {
	n, err := s.deleteSteps(ctx, "DELETE FROM alerts WHERE id IN (SELECT id FROM alerts WHERE state = 'resolved' AND updated < ? LIMIT ?)", now.Add(-s.cfg.KeepAlerts).UnixMilli())
	p.Alerts = n
	return err
}

// deleteSteps runs a deletion until it finds no more, a transaction each time.
func (s *Store) deleteSteps(ctx context.Context, query string, before int64) (total int, err error) {
	for {
		var n int64
		err := s.do(ctx, 1, func(ctx context.Context, t *txn) error {
			result, err := t.tx.ExecContext(ctx, query, before, pruneStep)
			if err != nil {
				return err
			}
			n, err = result.RowsAffected()
			return err
		})
		if err != nil {
			return total, err
		}
		total += int(n)
		if n < pruneStep {
			return total, nil
		}
	}
}

// pinned are the captures that an open alert names.
const pinned = `SELECT j.value FROM alerts a, json_each(a.body, '$.profiles') j WHERE a.state <> 'resolved'`

// PruneCaptures implements store.Captures.
func (s *Store) PruneCaptures(ctx context.Context, now time.Time) (removed int, blobs []string, err error) {
	const tooMany = `SELECT id FROM (
			SELECT id, at, row_number() OVER w AS n, sum(size) OVER w AS bytes
			FROM captures WHERE id NOT IN (` + pinned + `)
			WINDOW w AS (ORDER BY at DESC, id DESC))
		WHERE at < ? OR n > ? OR bytes > ? ORDER BY at LIMIT ?`
	for {
		var orphans []string
		step := 0
		err := s.do(ctx, 1, func(ctx context.Context, t *txn) error {
			orphans = nil
			ids, err := t.strings(ctx, tooMany, now.Add(-s.cfg.KeepCaptures).UnixMilli(), s.cfg.MaxCaptures, s.cfg.MaxCaptureBytes, pruneStep)
			if err != nil {
				return err
			}
			for _, id := range ids {
				orphan, err := t.deleteCapture(ctx, id)
				if err != nil {
					return err
				}
				if orphan != "" {
					orphans = append(orphans, orphan)
				}
			}
			step = len(ids)
			return nil
		})
		if err != nil {
			return removed, blobs, fmt.Errorf("prune: captures: %w", explain(err))
		}
		removed += step
		blobs = append(blobs, orphans...)
		if step < pruneStep {
			return removed, blobs, nil
		}
	}
}

// strings reads one column; the table must not change while it does.
func (t *txn) strings(ctx context.Context, query string, args ...any) ([]string, error) {
	rows, err := t.tx.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var out []string
	for rows.Next() {
		var v string
		if err := rows.Scan(&v); err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, rows.Err()
}

// pruneInstances forgets instances of which no reading is left and that have
// not been seen for as long as readings are kept.
func (s *Store) pruneInstances(ctx context.Context, now time.Time, p *store.Pruned) error {
	before := now.Add(-s.cfg.KeepReadings).UnixMilli()
	return s.do(ctx, 1, func(ctx context.Context, t *txn) error {
		forgotten := 0
		for _, sr := range s.series {
			st := &sr.state
			if sr.slot != 0 {
				st = &t.slots[sr.slot-1].state
			}
			if st.count > 0 || st.last >= before {
				continue
			}
			result, err := t.tx.ExecContext(ctx, `DELETE FROM instances WHERE id = ?1 AND last_seen < ?2
				AND NOT EXISTS (SELECT 1 FROM chunks WHERE instance = ?1)`, sr.id, before)
			if err != nil {
				return err
			}
			if n, err := result.RowsAffected(); err != nil {
				return err
			} else if n == 0 {
				continue
			}
			if _, err := t.tx.ExecContext(ctx, "DELETE FROM seals WHERE instance = ?", sr.id); err != nil {
				return err
			}
			sr.gone = true
			t.forgotten = append(t.forgotten, sr)
			forgotten++
		}
		p.Instances = forgotten
		return nil
	})
}
