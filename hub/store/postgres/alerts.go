package postgres

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/hub/store"
)

// clean makes text that PostgreSQL takes of any: valid UTF-8 without zero bytes.
func clean(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

// save runs a change in a transaction of its own, again while the database is away.
func (s *Store) save(ctx context.Context, what string, change func(ctx context.Context, tx pgx.Tx) error) error {
	select {
	case <-s.quit:
		return store.ErrClosed
	default:
	}
	err := s.retry(ctx, func(ctx context.Context) error {
		return s.tx(ctx, func(tx pgx.Tx) error { return change(ctx, tx) })
	})
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	s.commits.Add(1)
	return nil
}

// SaveAlert implements store.Alerts.
func (s *Store) SaveAlert(ctx context.Context, a memwatch.Alert, log ...memwatch.Transition) (created bool, err error) {
	a.Deliveries = nil
	body, err := json.Marshal(a)
	if err != nil {
		return false, fmt.Errorf("alert %s: %w", a.ID, err)
	}
	profiles := []string{}
	for _, id := range a.Profiles {
		profiles = append(profiles, clean(id))
	}
	id := clean(a.ID)
	err = s.save(ctx, "save alert "+a.ID, func(ctx context.Context, tx pgx.Tx) error {
		err := tx.QueryRow(ctx, `INSERT INTO alerts (id, at, updated, service, type, state, kind, severity, fingerprint, held_until, profiles, body)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
			ON CONFLICT (id) DO UPDATE SET at = excluded.at, updated = excluded.updated, service = excluded.service, type = excluded.type,
			state = excluded.state, kind = excluded.kind, severity = excluded.severity, fingerprint = excluded.fingerprint,
			held_until = excluded.held_until, profiles = excluded.profiles, body = excluded.body
			RETURNING xmax = 0`, // a row that was there is locked before it is changed
			id, int64(a.Time), int64(max(a.Time, a.UpdatedAt, a.ResolvedAt)), clean(a.Service), string(a.Type), string(a.State), string(a.Kind),
			string(a.Severity), clean(a.Fingerprint), int64(store.HeldUntil(&a)), profiles, body).Scan(&created)
		if err != nil {
			return err
		}
		return addLog(ctx, tx, id, log)
	})
	return created && err == nil, err
}

// addLog adds lines to an alert's log; those that are there already change nothing.
func addLog(ctx context.Context, tx pgx.Tx, alert string, lines []memwatch.Transition) error {
	for _, l := range lines {
		body, err := json.Marshal(l)
		if err != nil {
			return err
		}
		digest := sha256.Sum256([]byte(string(l.Action) + "\x00" + l.Who + "\x00" + l.Why))
		if _, err := tx.Exec(ctx, "INSERT INTO alert_log (alert, at, digest, body) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
			alert, int64(l.Time), digest[:16], body); err != nil {
			return err
		}
	}
	return nil
}

// AlertLog implements store.Alerts.
func (s *Store) AlertLog(ctx context.Context, id string) ([]memwatch.Transition, error) {
	log, err := queryBodies[memwatch.Transition](ctx, s.pool, `SELECT body FROM (
		SELECT id, at, body FROM alert_log WHERE alert = $1 ORDER BY at DESC, id DESC LIMIT $2) AS newest ORDER BY at, id`, clean(id), store.MaxLog)
	if err != nil {
		return nil, fmt.Errorf("log of alert %.80q: %w", id, explain(err))
	}
	return log, nil
}

// SaveDelivery implements store.Alerts.
func (s *Store) SaveDelivery(ctx context.Context, alert string, d memwatch.Delivery, log ...memwatch.Transition) error {
	body, err := json.Marshal(d)
	if err != nil {
		return fmt.Errorf("delivery of alert %s to %s: %w", alert, d.Channel, err)
	}
	id := clean(alert)
	return s.save(ctx, fmt.Sprintf("save delivery of alert %s to %s", alert, d.Channel), func(ctx context.Context, tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `INSERT INTO deliveries (alert, channel, told, body) SELECT id, $2, $3, $4 FROM alerts WHERE id = $1
			ON CONFLICT (alert, channel) DO UPDATE SET told = excluded.told, body = excluded.body`, id, clean(d.Channel), string(d.Told), body)
		if err != nil || tag.RowsAffected() == 0 {
			return err
		}
		return addLog(ctx, tx, id, log)
	})
}

// Undelivered implements store.Alerts.
func (s *Store) Undelivered(ctx context.Context) ([]memwatch.Alert, error) {
	alerts, err := s.alerts(ctx, "undelivered alerts", `SELECT body FROM alerts WHERE state <> 'resolved'
		OR id IN (SELECT alert FROM deliveries WHERE told = 'firing') ORDER BY at, id`)
	if err != nil {
		return nil, err
	}
	return alerts, explain(addDeliveries(ctx, s.pool, alerts))
}

// addDeliveries fills in what SaveDelivery kept.
func addDeliveries(ctx context.Context, from querier, alerts []memwatch.Alert) error {
	byID := make(map[string]*memwatch.Alert, len(alerts))
	ids := make([]string, len(alerts))
	for i := range alerts {
		ids[i] = clean(alerts[i].ID)
		byID[ids[i]] = &alerts[i]
	}
	rows, err := from.Query(ctx, "SELECT alert, body FROM deliveries WHERE alert = ANY($1) ORDER BY channel", ids)
	if err != nil {
		return fmt.Errorf("deliveries: %w", err)
	}
	var id string
	var body []byte
	_, err = pgx.ForEachRow(rows, []any{&id, &body}, func() error {
		var d memwatch.Delivery
		if err := json.Unmarshal(body, &d); err != nil {
			return fmt.Errorf("%w: %w", store.ErrCorrupt, err)
		}
		byID[id].Deliveries = append(byID[id].Deliveries, d)
		return nil
	})
	return err
}

// Alerts implements store.Alerts.
func (s *Store) Alerts(ctx context.Context, q store.AlertQuery) (alerts []memwatch.Alert, total int, err error) {
	var w where
	w.equal("service", q.Service)
	w.equal("severity", string(q.Severity))
	w.equal("state", string(q.State))
	w.equal("type", string(q.Type))
	w.equal("kind", string(q.Kind))
	if alerts, total, err = page[memwatch.Alert](ctx, s, "alerts", &w, q.Before, store.Limit(q.Limit)); err != nil {
		return nil, 0, err
	}
	return alerts, total, explain(addDeliveries(ctx, s.pool, alerts))
}

// OpenAlerts implements store.Alerts.
func (s *Store) OpenAlerts(ctx context.Context) ([]memwatch.Alert, error) {
	return s.alerts(ctx, "open alerts", "SELECT body FROM alerts WHERE state <> 'resolved' ORDER BY at, id")
}

// HeldAlerts implements store.Alerts.
func (s *Store) HeldAlerts(ctx context.Context, after time.Time) ([]memwatch.Alert, error) {
	return s.alerts(ctx, "alerts under a decision", `SELECT body FROM alerts a WHERE held_until > $1 AND state = 'resolved' AND NOT EXISTS (
		SELECT 1 FROM alerts b WHERE b.fingerprint = a.fingerprint AND (b.at, b.id) > (a.at, a.id)) ORDER BY at, id`, after.UnixMilli())
}

func (s *Store) alerts(ctx context.Context, what, query string, args ...any) ([]memwatch.Alert, error) {
	alerts, err := queryBodies[memwatch.Alert](ctx, s.pool, query, args...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, explain(err))
	}
	return alerts, nil
}

// Alert implements store.Alerts.
func (s *Store) Alert(ctx context.Context, id string) (memwatch.Alert, error) {
	a, err := one[memwatch.Alert](ctx, s, "alert", id)
	if err != nil {
		return a, err
	}
	found := []memwatch.Alert{a}
	err = explain(addDeliveries(ctx, s.pool, found))
	return found[0], err
}

// AlertCounts implements store.Alerts.
func (s *Store) AlertCounts(ctx context.Context) (map[string]store.AlertCount, error) {
	out := map[string]store.AlertCount{}
	rows, err := s.pool.Query(ctx, `SELECT service, count(*), count(*) FILTER (WHERE state <> 'resolved'),
		count(*) FILTER (WHERE state <> 'resolved' AND severity = 'critical') FROM alerts GROUP BY service`)
	if err == nil {
		var service string
		var c store.AlertCount
		_, err = pgx.ForEachRow(rows, []any{&service, &c.Total, &c.Open, &c.Critical}, func() error {
			out[service] = c
			return nil
		})
	}
	if err != nil {
		return nil, fmt.Errorf("count alerts: %w", explain(err))
	}
	return out, nil
}
