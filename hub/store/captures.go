package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/zupee/memwatch"
)

// SaveCapture keeps the description of a capture under its id, in place of what
// was there; created says that nothing was.
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

// CaptureQuery chooses captures; empty fields choose all.
type CaptureQuery struct {
	Service, Instance string
	Kind              memwatch.ProfileKind
	Role              memwatch.Role
	// IDs chooses by id, at most 1,000; nil chooses all. An alert's profiles are such.
	IDs []string
	// Limit is the most to answer: 100 when 0, never more than 1,000.
	Limit int
	// Before goes on after an earlier answer: the id of its last capture.
	Before string
}

// Captures answers the newest captures first, and how many the query chooses in
// all (Limit and Before aside). The error is ErrNotFound when Before is unknown.
func (s *Store) Captures(ctx context.Context, q CaptureQuery) (captures []memwatch.Capture, total int, err error) {
	var w where
	w.equal("service", q.Service)
	w.equal("instance", q.Instance)
	w.equal("kind", string(q.Kind))
	w.equal("role", string(q.Role))
	if q.IDs != nil {
		ids := q.IDs[:min(len(q.IDs), maxLimit)]
		args := make([]any, len(ids))
		for i, id := range ids {
			args[i] = id
		}
		w.add("id IN ("+strings.TrimSuffix(strings.Repeat("?,", len(ids)), ",")+")", args...)
	}
	total, err = page(ctx, s.read, "captures", &w, q.Before, limit(q.Limit), &captures)
	return captures, total, err
}

// Capture answers one capture; the error is ErrNotFound when there is none.
func (s *Store) Capture(ctx context.Context, id string) (c memwatch.Capture, err error) {
	err = one(ctx, s.read, "captures", id, &c)
	return c, err
}

// Blobs answers the SHA-256s that captures name.
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

// DeleteCapture removes a capture's description. orphan is the SHA-256 of its
// bytes when no other capture has the same, else "". The error is ErrNotFound
// when there is none.
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
		return "", fmt.Errorf("capture %.80q: %w", id, ErrNotFound)
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
