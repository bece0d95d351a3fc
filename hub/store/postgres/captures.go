package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/hub/store"
)

// SaveCapture implements store.Captures.
func (s *Store) SaveCapture(ctx context.Context, c memwatch.Capture) (created bool, err error) {
	body, err := json.Marshal(c)
	if err != nil {
		return false, fmt.Errorf("capture %s: %w", c.ID, err)
	}
	id := clean(c.ID)
	err = s.save(ctx, "save capture "+c.ID, func(ctx context.Context, tx pgx.Tx) error {
		return tx.QueryRow(ctx, `INSERT INTO captures (id, at, service, instance, kind, role, sha256, size, body)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
			ON CONFLICT (id) DO UPDATE SET at = excluded.at, service = excluded.service, instance = excluded.instance, kind = excluded.kind,
			role = excluded.role, sha256 = excluded.sha256, size = excluded.size, body = excluded.body
			RETURNING xmax = 0`, // a row that was there is locked before it is changed
			id, int64(c.Time), clean(c.Service), clean(c.Instance), string(c.Kind), string(c.Role), clean(c.SHA256), c.Size, body).Scan(&created)
	})
	return created && err == nil, err
}

// Captures implements store.Captures.
func (s *Store) Captures(ctx context.Context, q store.CaptureQuery) (captures []memwatch.Capture, total int, err error) {
	var w where
	w.equal("service", q.Service)
	w.equal("instance", q.Instance)
	w.equal("kind", string(q.Kind))
	w.equal("role", string(q.Role))
	if q.IDs != nil {
		ids := []string{}
		for _, id := range q.IDs[:min(len(q.IDs), store.MaxLimit)] {
			ids = append(ids, clean(id))
		}
		w.add("id = ANY(%s)", ids)
	}
	return page[memwatch.Capture](ctx, s, "captures", &w, q.Before, store.Limit(q.Limit))
}

// Capture implements store.Captures.
func (s *Store) Capture(ctx context.Context, id string) (memwatch.Capture, error) {
	return one[memwatch.Capture](ctx, s, "capture", id)
}

// Blobs implements store.Captures.
func (s *Store) Blobs(ctx context.Context) (map[string]bool, error) {
	named := map[string]bool{}
	rows, err := s.pool.Query(ctx, "SELECT DISTINCT sha256 FROM captures")
	if err == nil {
		var sha256 string
		_, err = pgx.ForEachRow(rows, []any{&sha256}, func() error {
			named[sha256] = true
			return nil
		})
	}
	if err != nil {
		return nil, fmt.Errorf("list blobs: %w", explain(err))
	}
	return named, nil
}

// DeleteCapture implements store.Captures.
func (s *Store) DeleteCapture(ctx context.Context, id string) (orphan string, err error) {
	err = s.save(ctx, fmt.Sprintf("delete capture %.80q", id), func(ctx context.Context, tx pgx.Tx) (err error) {
		orphan, err = deleteCapture(ctx, tx, clean(id))
		return err
	})
	return orphan, err
}

func deleteCapture(ctx context.Context, tx pgx.Tx, id string) (orphan string, err error) {
	err = tx.QueryRow(ctx, "DELETE FROM captures WHERE id = $1 RETURNING sha256", id).Scan(&orphan)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", store.ErrNotFound
	} else if err != nil {
		return "", err
	}
	var others bool
	if err := tx.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM captures WHERE sha256 = $1)", orphan).Scan(&others); err != nil || others {
		return "", err
	}
	return orphan, nil
}

// pruneStep is how many rows one transaction of Prune deletes.
const pruneStep = 500

// tooMany are captures beyond age, number or bytes that no open alert names.
const tooMany = `SELECT id FROM (
		SELECT id, at, row_number() OVER w AS n, sum(size) OVER w AS bytes
		FROM captures WHERE id NOT IN (SELECT unnest(profiles) FROM alerts WHERE state <> 'resolved')
		WINDOW w AS (ORDER BY at DESC, id DESC)) AS kept
	WHERE at < $1 OR n > $2 OR bytes > $3 ORDER BY at LIMIT $4`

// PruneCaptures implements store.Captures.
func (s *Store) PruneCaptures(ctx context.Context, now time.Time) (removed int, blobs []string, err error) {
	for {
		var orphans []string
		step := 0
		err := s.save(ctx, "prune: captures", func(ctx context.Context, tx pgx.Tx) error {
			orphans = nil
			if err := lockSealing(ctx, tx); err != nil { // another hub may be at it
				return err
			}
			rows, err := tx.Query(ctx, tooMany, now.Add(-s.cfg.KeepCaptures).UnixMilli(), s.cfg.MaxCaptures, s.cfg.MaxCaptureBytes, pruneStep)
			if err != nil {
				return err
			}
			ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
			if err != nil {
				return err
			}
			for _, id := range ids {
				orphan, err := deleteCapture(ctx, tx, id)
				if err != nil && !errors.Is(err, store.ErrNotFound) {
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
			return removed, blobs, err
		}
		removed += step
		blobs = append(blobs, orphans...)
		if step < pruneStep {
			return removed, blobs, nil
		}
	}
}
