package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/hub/store"
)

// SaveCapture implements store.Captures.
func (s *Store) SaveCapture(ctx context.Context, c memwatch.Capture) (created bool, err error) {
	body, err := json.Marshal(c)
	if err != nil {
		return false, fmt.Errorf("capture %s: %w", c.ID, err)
	}
	err = s.do(ctx, 1, func(ctx context.Context, t *txn) error {
		var n int
		if err := t.tx.QueryRowContext(ctx, "SELECT count(*) FROM captures WHERE id = ?", c.ID).Scan(&n); err != nil {
			return fmt.Errorf("save capture %s: %w", c.ID, err)
		}
		created = n == 0
		_, err := t.tx.ExecContext(ctx, `INSERT INTO captures (id, at, service, instance, kind, role, sha256, size, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT DO UPDATE SET at = excluded.at, service = excluded.service, instance = excluded.instance, kind = excluded.kind,
			role = excluded.role, sha256 = excluded.sha256, size = excluded.size, body = excluded.body`,
			c.ID, int64(c.Time), c.Service, c.Instance, string(c.Kind), string(c.Role), c.SHA256, c.Size, body)
		if err != nil {
			return fmt.Errorf("save capture %s: %w", c.ID, err)
		}
		return nil
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
		ids := q.IDs[:min(len(q.IDs), store.MaxLimit)]
		args := make([]any, len(ids))
		for i, id := range ids {
			args[i] = id
		}
		w.add("id IN ("+strings.TrimSuffix(strings.Repeat("?,", len(ids)), ",")+")", args...)
	}
	total, err = page(ctx, s.read, "captures", &w, q.Before, store.Limit(q.Limit), &captures)
	return captures, total, err
}

// Capture implements store.Captures.
func (s *Store) Capture(ctx context.Context, id string) (c memwatch.Capture, err error) {
	err = one(ctx, s.read, "captures", id, &c)
	return c, err
}

// Blobs implements store.Captures.
func (s *Store) Blobs(ctx context.Context) (map[string]bool, error) {
	rows, err := s.read.QueryContext(ctx, "SELECT DISTINCT sha256 FROM captures")
	if err != nil {
		return nil, fmt.Errorf("list blobs: %w", explain(err))
	}
	defer func() { _ = rows.Close() }()
	named := map[string]bool{}
	for rows.Next() {
		var sha256 string
		if err := rows.Scan(&sha256); err != nil {
			return nil, fmt.Errorf("list blobs: %w", explain(err))
		}
		named[sha256] = true
	}
	return named, rows.Err()
}

// DeleteCapture implements store.Captures.
func (s *Store) DeleteCapture(ctx context.Context, id string) (orphan string, err error) {
	err = s.do(ctx, 1, func(ctx context.Context, t *txn) error {
		orphan, err = t.deleteCapture(ctx, id)
		return err
	})
	return orphan, err
}

func (t *txn) deleteCapture(ctx context.Context, id string) (orphan string, err error) {
	err = t.tx.QueryRowContext(ctx, "DELETE FROM captures WHERE id = ? RETURNING sha256", id).Scan(&orphan)
	if errors.Is(err, sql.ErrNoRows) {
		return "", fmt.Errorf("capture %.80q: %w", id, store.ErrNotFound)
	} else if err != nil {
		return "", fmt.Errorf("delete capture %s: %w", id, err)
	}
	var others int
	if err := t.tx.QueryRowContext(ctx, "SELECT count(*) FROM captures WHERE sha256 = ?", orphan).Scan(&others); err != nil {
		return "", fmt.Errorf("delete capture %s: %w", id, err)
	}
	if others > 0 {
		orphan = ""
	}
	return orphan, nil
}
