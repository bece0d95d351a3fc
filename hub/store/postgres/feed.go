package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/hub/store"
)

const (
	// feedReach is how far back a cursor may lie. Rows are kept a little longer.
	feedReach = 10 * time.Minute
	feedKeep  = feedReach + 5*time.Minute
	// lookAround is how long Changes waits at most: a notification may be lost with
	// the hub that should have sent it.
	lookAround = 2 * time.Second
)

// changes are what a transaction changed.
type changes struct {
	newest   map[int64]int64 // time of the newest reading of each instance
	verdicts []int64         // instances whose labels or verdict changed
	alerts   []string
	captures []string
}

func (c *changes) reading(k key) {
	if c.newest == nil {
		c.newest = map[int64]int64{}
	}
	c.newest[k.instance] = max(c.newest[k.instance], k.at)
}

// feed tells the other hubs what a transaction changed, when it is committed.
func (s *Store) feed(ctx context.Context, tx pgx.Tx, c changes) error {
	if len(c.newest)+len(c.verdicts)+len(c.alerts)+len(c.captures) == 0 {
		return nil
	}
	instances := make([]int64, 0, len(c.newest))
	times := make([]int64, 0, len(c.newest))
	for id, at := range c.newest {
		instances, times = append(instances, id), append(times, at)
	}
	_, err := tx.Exec(ctx, "INSERT INTO feed (hub, instances, times, verdicts, alerts, captures) VALUES ($1, $2, $3, $4, $5, $6)",
		s.hub, instances, times, c.verdicts, c.alerts, c.captures)
	return err
}

// Cursor implements store.Shared: a snapshot, and when it was taken.
func (s *Store) Cursor(ctx context.Context) (store.Cursor, error) {
	s.listening.Do(func() { s.running.Go(s.listen) }) //nolint:contextcheck // it ends with the store
	c, err := cursor(ctx, s.pool)
	return c, explain(err)
}

type queryer interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

func cursor(ctx context.Context, from queryer) (store.Cursor, error) {
	var snapshot string
	var at int64
	err := from.QueryRow(ctx, "SELECT pg_current_snapshot()::text, (extract(epoch FROM clock_timestamp()) * 1000)::bigint").Scan(&snapshot, &at)
	return store.Cursor(snapshot + "@" + strconv.FormatInt(at, 10)), err
}

// Changes implements store.Shared.
func (s *Store) Changes(ctx context.Context, after store.Cursor) (out store.Changes, err error) {
	s.listening.Do(func() { s.running.Go(s.listen) }) //nolint:contextcheck // it ends with the store
	timer := time.NewTimer(lookAround)
	defer timer.Stop()
	for over := false; ; {
		if out, err = s.changesNow(ctx, after); err != nil {
			return out, fmt.Errorf("changes: %w", explain(err))
		}
		if over || len(out.Instances)+len(out.Alerts)+len(out.Captures) > 0 {
			return out, nil
		}
		after = out.Next
		select {
		case <-s.woken:
		case <-timer.C:
			over = true
		case <-s.quit:
			return out, store.ErrClosed
		case <-ctx.Done():
			return out, ctx.Err()
		}
	}
}

// changesNow answers what there is.
func (s *Store) changesNow(ctx context.Context, after store.Cursor) (out store.Changes, err error) {
	snapshot, since, ok := strings.Cut(string(after), "@")
	at, err := strconv.ParseInt(since, 10, 64)
	if !ok || err != nil {
		return out, fmt.Errorf("cursor %.80q: want one that Cursor or Changes answered", after)
	}
	err = s.snapshot(ctx, func(tx pgx.Tx) error {
		if out.Next, err = cursor(ctx, tx); err != nil {
			return err
		}
		if err := reaches(ctx, tx, snapshot, at, out.Next); err != nil {
			return err
		}
		c, err := s.readFeed(ctx, tx, snapshot)
		if err != nil {
			return err
		}
		return s.fill(ctx, tx, c, &out)
	})
	return out, err
}

// reaches reports store.ErrGap when the feed does not reach back to a cursor.
func reaches(ctx context.Context, tx pgx.Tx, snapshot string, at int64, now store.Cursor) error {
	_, ms, _ := strings.Cut(string(now), "@")
	if ms, err := strconv.ParseInt(ms, 10, 64); err != nil || ms-at > feedReach.Milliseconds() {
		return errors.Join(err, store.ErrGap)
	}
	// A database that was set back to an older state counts its transactions anew.
	var ahead bool
	err := tx.QueryRow(ctx, "SELECT pg_snapshot_xmin($1::text::pg_snapshot) > pg_snapshot_xmax(pg_current_snapshot())", snapshot).Scan(&ahead)
	if err == nil && ahead {
		err = store.ErrGap
	}
	return err
}

// readFeed puts together what the transactions of other hubs say that a snapshot
// has not seen.
func (s *Store) readFeed(ctx context.Context, tx pgx.Tx, snapshot string) (c changes, err error) {
	rows, err := tx.Query(ctx, `SELECT instances, times, verdicts, alerts, captures FROM feed
		WHERE tx >= pg_snapshot_xmin($1::text::pg_snapshot) AND NOT pg_visible_in_snapshot(tx, $1::text::pg_snapshot) AND hub <> $2`, snapshot, s.hub)
	if err != nil {
		return c, err
	}
	var instances, times, verdicts []int64
	var alerts, captures []string
	seen := map[int64]struct{}{}
	a, p := map[string]struct{}{}, map[string]struct{}{}
	_, err = pgx.ForEachRow(rows, []any{&instances, &times, &verdicts, &alerts, &captures}, func() error {
		for i, id := range instances {
			c.reading(key{id, times[i]})
		}
		for _, id := range verdicts {
			seen[id] = struct{}{}
		}
		for _, id := range alerts {
			a[id] = struct{}{}
		}
		for _, id := range captures {
			p[id] = struct{}{}
		}
		return nil
	})
	c.verdicts = inOrder(seen)
	c.alerts, c.captures = slices.Sorted(maps.Keys(a)), slices.Sorted(maps.Keys(p))
	return c, err
}

// fill looks up what changed. What is gone meanwhile is left out.
func (s *Store) fill(ctx context.Context, tx pgx.Tx, c changes, out *store.Changes) error {
	if err := s.fillInstances(ctx, tx, c, out); err != nil {
		return err
	}
	if len(c.alerts) > 0 {
		alerts, err := queryBodies[memwatch.Alert](ctx, tx, "SELECT body FROM alerts WHERE id = ANY($1) ORDER BY at, id", c.alerts)
		if err != nil {
			return err
		}
		if out.Alerts = alerts; len(alerts) > 0 {
			if err := addDeliveries(ctx, tx, alerts); err != nil {
				return err
			}
		}
	}
	if len(c.captures) > 0 {
		captures, err := queryBodies[memwatch.Capture](ctx, tx, "SELECT body FROM captures WHERE id = ANY($1) ORDER BY at, id", c.captures)
		if err != nil {
			return err
		}
		out.Captures = captures
	}
	return nil
}

func (s *Store) fillInstances(ctx context.Context, tx pgx.Tx, c changes, out *store.Changes) error {
	ids := maps.Clone(c.newest)
	if ids == nil {
		ids = map[int64]int64{}
	}
	said := map[int64]bool{}
	for _, id := range c.verdicts {
		said[id] = true
		ids[id] = max(ids[id], 0)
	}
	if len(ids) == 0 {
		return nil
	}
	all := inOrder(ids)
	times, verdicts := make([]int64, len(all)), make([]bool, len(all))
	for i, id := range all {
		times[i], verdicts[i] = ids[id], said[id]
	}
	rows, err := tx.Query(ctx, `SELECT i.service, i.instance, i.labels, i.agent, i.first_seen, i.last_seen, v.at, v.body, r.data, NULL::bytea
		FROM unnest($1::bigint[], $2::bigint[], $3::boolean[]) AS n (id, at, said) JOIN instances i ON i.id = n.id
		LEFT JOIN verdicts v ON n.said AND v.instance = n.id
		LEFT JOIN readings r ON r.instance = n.id AND r.at = n.at AND r.at BETWEEN $4 AND $5`,
		all, times, verdicts, slices.Min(times), slices.Max(times))
	if err != nil {
		return err
	}
	out.Instances, err = pgx.CollectRows(rows, s.scanInstance)
	return err
}

// queryBodies decodes a column of JSON.
func queryBodies[T any](ctx context.Context, tx querier, query string, args ...any) ([]T, error) {
	rows, err := tx.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (v T, err error) {
		var body []byte
		if err := row.Scan(&body); err != nil {
			return v, err
		}
		if err := json.Unmarshal(body, &v); err != nil {
			return v, fmt.Errorf("%w: %w", store.ErrCorrupt, err)
		}
		return v, nil
	})
}

// querier is a pool or a transaction.
type querier interface {
	queryer
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}
