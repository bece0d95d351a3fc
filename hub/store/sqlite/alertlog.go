package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/hub/store"
)

// AlertLog implements store.Alerts.
func (s *Store) AlertLog(ctx context.Context, id string) (log []memwatch.Transition, err error) {
	rows, err := s.read.QueryContext(ctx, `SELECT body FROM (
		SELECT id, at, body FROM alert_log WHERE alert = ? ORDER BY at DESC, id DESC LIMIT ?) ORDER BY at, id`, id, store.MaxLog)
	if err != nil {
		return nil, fmt.Errorf("log of alert %.80q: %w", id, explain(err))
	}
	err = bodies(rows, &log)
	return log, err
}

// log adds lines to an alert's log; those that are there already change nothing.
func (t *txn) log(ctx context.Context, alert string, lines []memwatch.Transition) error {
	for _, l := range lines {
		body, err := json.Marshal(l)
		if err != nil {
			return fmt.Errorf("log of alert %s: %w", alert, err)
		}
		_, err = t.tx.ExecContext(ctx, "INSERT INTO alert_log (alert, at, action, who, why, body) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
			alert, int64(l.Time), string(l.Action), l.Who, l.Why, body)
		if err != nil {
			return fmt.Errorf("log of alert %s: %w", alert, err)
		}
	}
	return nil
}

// SaveDelivery implements store.Alerts.
func (s *Store) SaveDelivery(ctx context.Context, alert string, d memwatch.Delivery, log ...memwatch.Transition) error {
	body, err := json.Marshal(d)
	if err != nil {
		return fmt.Errorf("delivery of alert %s to %s: %w", alert, d.Channel, err)
	}
	return s.do(ctx, 1, func(ctx context.Context, t *txn) error {
		result, err := t.tx.ExecContext(ctx, `INSERT INTO deliveries (alert, channel, told, body)
			SELECT id, ?2, ?3, ?4 FROM alerts WHERE id = ?1
			ON CONFLICT DO UPDATE SET told = excluded.told, body = excluded.body`, alert, d.Channel, string(d.Told), body)
		if err != nil {
			return fmt.Errorf("save delivery of alert %s to %s: %w", alert, d.Channel, err)
		}
		if n, err := result.RowsAffected(); err != nil || n == 0 {
			return err
		}
		return t.log(ctx, alert, log)
	})
}

// Undelivered implements store.Alerts.
func (s *Store) Undelivered(ctx context.Context) ([]memwatch.Alert, error) {
	alerts, err := s.alerts(ctx, "undelivered alerts", `SELECT body FROM alerts WHERE state <> 'resolved'
		OR id IN (SELECT alert FROM deliveries WHERE told = 'firing') ORDER BY at, id`)
	if err != nil {
		return nil, err
	}
	all := make([]*memwatch.Alert, len(alerts))
	for i := range alerts {
		all[i] = &alerts[i]
	}
	return alerts, s.addDeliveries(ctx, all)
}

// addDeliveries fills in what SaveDelivery kept.
func (s *Store) addDeliveries(ctx context.Context, alerts []*memwatch.Alert) error {
	const together = 500
	for len(alerts) > 0 {
		some := alerts[:min(len(alerts), together)]
		alerts = alerts[len(some):]
		byID := make(map[string]*memwatch.Alert, len(some))
		args := make([]any, len(some))
		for i, a := range some {
			byID[a.ID], args[i] = a, a.ID
		}
		in := strings.TrimSuffix(strings.Repeat("?,", len(some)), ",")
		//nolint:gosec // only question marks are put together
		rows, err := s.read.QueryContext(ctx, "SELECT alert, body FROM deliveries WHERE alert IN ("+in+") ORDER BY channel", args...)
		if err != nil {
			return fmt.Errorf("deliveries: %w", explain(err))
		}
		if err := deliveries(rows, byID); err != nil {
			return fmt.Errorf("deliveries: %w", explain(err))
		}
	}
	return nil
}

func deliveries(rows *sql.Rows, byID map[string]*memwatch.Alert) error {
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var id string
		var body []byte
		var d memwatch.Delivery
		if err := rows.Scan(&id, &body); err != nil {
			return err
		}
		if err := json.Unmarshal(body, &d); err != nil {
			return fmt.Errorf("%w: %w", store.ErrCorrupt, err)
		}
		byID[id].Deliveries = append(byID[id].Deliveries, d)
	}
	return rows.Err()
}
