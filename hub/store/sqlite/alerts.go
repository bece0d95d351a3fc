package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/hub/store"
)

// SaveAlert implements store.Alerts.
func (s *Store) SaveAlert(ctx context.Context, a memwatch.Alert, log ...memwatch.Transition) (created bool, err error) {
	a.Deliveries = nil
	body, err := json.Marshal(a)
	if err != nil {
		return false, fmt.Errorf("alert %s: %w", a.ID, err)
	}
	err = s.do(ctx, 1, func(ctx context.Context, t *txn) error {
		var n int
		if err := t.tx.QueryRowContext(ctx, "SELECT count(*) FROM alerts WHERE id = ?", a.ID).Scan(&n); err != nil {
			return fmt.Errorf("save alert %s: %w", a.ID, err)
		}
		created = n == 0
		_, err := t.tx.ExecContext(ctx, `INSERT INTO alerts (id, at, updated, service, type, state, kind, severity, fingerprint, held_until, body)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT DO UPDATE SET at = excluded.at, updated = excluded.updated, service = excluded.service, type = excluded.type,
			state = excluded.state, kind = excluded.kind, severity = excluded.severity, fingerprint = excluded.fingerprint,
			held_until = excluded.held_until, body = excluded.body`,
			a.ID, int64(a.Time), int64(max(a.Time, a.UpdatedAt, a.ResolvedAt)), a.Service, string(a.Type), string(a.State), string(a.Kind), string(a.Severity),
			a.Fingerprint, int64(store.HeldUntil(&a)), body)
		if err != nil {
			return fmt.Errorf("save alert %s: %w", a.ID, err)
		}
		return t.log(ctx, a.ID, log)
	})
	return created && err == nil, err
}

// Alerts implements store.Alerts.
func (s *Store) Alerts(ctx context.Context, q store.AlertQuery) (alerts []memwatch.Alert, total int, err error) {
	var w where
	w.equal("service", q.Service)
	w.equal("severity", string(q.Severity))
	w.equal("state", string(q.State))
	w.equal("type", string(q.Type))
	w.equal("kind", string(q.Kind))
	total, err = page(ctx, s.read, "alerts", &w, q.Before, store.Limit(q.Limit), &alerts)
	if err != nil {
		return nil, 0, err
	}
	all := make([]*memwatch.Alert, len(alerts))
	for i := range alerts {
		all[i] = &alerts[i]
	}
	return alerts, total, s.addDeliveries(ctx, all)
}

// OpenAlerts implements store.Alerts.
func (s *Store) OpenAlerts(ctx context.Context) ([]memwatch.Alert, error) {
	return s.alerts(ctx, "open alerts", "SELECT body FROM alerts WHERE state <> 'resolved' ORDER BY at, id")
}

// HeldAlerts implements store.Alerts.
func (s *Store) HeldAlerts(ctx context.Context, after time.Time) ([]memwatch.Alert, error) {
	return s.alerts(ctx, "alerts under a decision", `SELECT body FROM alerts a WHERE held_until > ? AND state = 'resolved' AND NOT EXISTS (
		SELECT 1 FROM alerts b WHERE b.fingerprint = a.fingerprint AND (b.at, b.id) > (a.at, a.id)) ORDER BY at, id`, after.UnixMilli())
}

func (s *Store) alerts(ctx context.Context, what, query string, args ...any) ([]memwatch.Alert, error) {
	rows, err := s.read.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, explain(err))
	}
	var alerts []memwatch.Alert
	err = bodies(rows, &alerts)
	return alerts, err
}

// Alert implements store.Alerts.
func (s *Store) Alert(ctx context.Context, id string) (a memwatch.Alert, err error) {
	if err := one(ctx, s.read, "alerts", id, &a); err != nil {
		return a, err
	}
	return a, s.addDeliveries(ctx, []*memwatch.Alert{&a})
}

// AlertCounts implements store.Alerts.
func (s *Store) AlertCounts(ctx context.Context) (map[string]store.AlertCount, error) {
	rows, err := s.read.QueryContext(ctx, `SELECT service, count(*), sum(state <> 'resolved'), sum(state <> 'resolved' AND severity = 'critical')
		FROM alerts GROUP BY service`)
	if err != nil {
		return nil, fmt.Errorf("count alerts: %w", explain(err))
	}
	defer func() { _ = rows.Close() }()
	out := map[string]store.AlertCount{}
	for rows.Next() {
		var service string
		var c store.AlertCount
		if err := rows.Scan(&service, &c.Total, &c.Open, &c.Critical); err != nil {
			return nil, fmt.Errorf("count alerts: %w", explain(err))
		}
		out[service] = c
	}
	return out, rows.Err()
}

// where gathers conditions.
type where struct {
	terms []string
	args  []any
}

func (w *where) equal(column, value string) {
	if value != "" {
		w.add(column+" = ?", value)
	}
}

func (w *where) add(term string, args ...any) {
	w.terms = append(w.terms, term)
	w.args = append(w.args, args...)
}

func (w *where) String() string {
	if len(w.terms) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(w.terms, " AND ")
}

// page reads one page of a table that has at, id and body, newest first. The
// table's name is a constant of this package.
func page[T any](ctx context.Context, db *sql.DB, table string, w *where, before string, limit int, out *[]T) (total int, err error) {
	if err := db.QueryRowContext(ctx, "SELECT count(*) FROM "+table+w.String(), w.args...).Scan(&total); err != nil {
		return 0, fmt.Errorf("count %s: %w", table, explain(err))
	}
	if before != "" {
		var at int64
		err := db.QueryRowContext(ctx, "SELECT at FROM "+table+" WHERE id = ?", before).Scan(&at)
		if errors.Is(err, sql.ErrNoRows) {
			return 0, fmt.Errorf("%s before %.80q: %w", table, before, store.ErrNotFound)
		} else if err != nil {
			return 0, fmt.Errorf("list %s: %w", table, explain(err))
		}
		w.add("(at, id) < (?, ?)", at, before)
	}
	//nolint:gosec // only names of tables and columns are put together, all of them constants of this package
	rows, err := db.QueryContext(ctx, "SELECT body FROM "+table+w.String()+" ORDER BY at DESC, id DESC LIMIT ?", append(w.args, limit)...)
	if err != nil {
		return 0, fmt.Errorf("list %s: %w", table, explain(err))
	}
	return total, bodies(rows, out)
}

// bodies decodes a column of JSON and closes the rows.
func bodies[T any](rows *sql.Rows, out *[]T) error {
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var body sql.RawBytes
		var v T
		if err := rows.Scan(&body); err != nil {
			return explain(err)
		}
		if err := json.Unmarshal(body, &v); err != nil {
			return fmt.Errorf("%w: %w", store.ErrCorrupt, err)
		}
		*out = append(*out, v)
	}
	return explain(rows.Err())
}

// one reads one row of such a table.
func one[T any](ctx context.Context, db *sql.DB, table, id string, out *T) error {
	var body []byte
	err := db.QueryRowContext(ctx, "SELECT body FROM "+table+" WHERE id = ?", id).Scan(&body)
	if errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("%s %.80q: %w", strings.TrimSuffix(table, "s"), id, store.ErrNotFound)
	} else if err != nil {
		return fmt.Errorf("read %s: %w", table, explain(err))
	}
	if err := json.Unmarshal(body, out); err != nil {
		return fmt.Errorf("%w: %s %.80q: %w", store.ErrCorrupt, table, id, err)
	}
	return nil
}
