package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/hub/store"
)

// UpsertInstance implements store.Instances.
func (s *Store) UpsertInstance(ctx context.Context, in store.Instance) error {
	var labels []byte
	if in.Labels != nil {
		var err error
		if labels, err = json.Marshal(in.Labels); err != nil {
			return fmt.Errorf("labels of %s/%s: %w", in.Service, in.Instance, err)
		}
	}
	first, last := memwatch.Milli(in.FirstSeen), memwatch.Milli(in.LastSeen)
	return s.do(ctx, 1, func(ctx context.Context, t *txn) error {
		sr, err := t.lookup(ctx, target{in.Service, in.Instance}, int64(first))
		if err != nil {
			return err
		}
		_, err = t.tx.ExecContext(ctx, `UPDATE instances SET
			labels = coalesce(?1, labels),
			agent = CASE WHEN ?2 = '' THEN agent ELSE ?2 END,
			first_seen = CASE WHEN ?3 = 0 THEN first_seen WHEN first_seen = 0 THEN ?3 ELSE min(first_seen, ?3) END,
			last_seen = max(last_seen, ?4)
			WHERE id = ?5`, nullable(labels), in.Agent, int64(first), int64(last), sr.id)
		if err != nil {
			return fmt.Errorf("update instance %s/%s: %w", in.Service, in.Instance, err)
		}
		return nil
	})
}

func nullable(b []byte) any {
	if b == nil {
		return nil
	}
	return string(b)
}

// SaveVerdict implements store.Instances.
func (s *Store) SaveVerdict(ctx context.Context, service, instance string, at time.Time, v *memwatch.Verdict) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("verdict on %s/%s: %w", service, instance, err)
	}
	return s.do(ctx, 1, func(ctx context.Context, t *txn) error {
		sr, err := t.lookup(ctx, target{service, instance}, int64(memwatch.Milli(at)))
		if err != nil {
			return err
		}
		_, err = t.tx.ExecContext(ctx, `INSERT INTO verdicts (instance, at, body) VALUES (?, ?, ?)
			ON CONFLICT DO UPDATE SET at = excluded.at, body = excluded.body WHERE excluded.at >= at`, sr.id, int64(memwatch.Milli(at)), body)
		if err != nil {
			return fmt.Errorf("save verdict on %s/%s: %w", service, instance, err)
		}
		return nil
	})
}

// Instances implements store.Instances.
func (s *Store) Instances(ctx context.Context) ([]store.InstanceState, error) {
	rows, err := s.read.QueryContext(ctx, `SELECT i.service, i.instance, i.labels, i.agent, i.first_seen, i.last_seen, v.at, v.body
		FROM instances i LEFT JOIN verdicts v ON v.instance = i.id ORDER BY i.service, i.instance`)
	if err != nil {
		return nil, fmt.Errorf("list instances: %w", explain(err))
	}
	defer func() { _ = rows.Close() }()
	var out []store.InstanceState
	for rows.Next() {
		st, err := scanInstance(rows)
		if err != nil {
			return nil, fmt.Errorf("list instances: %w", explain(err))
		}
		out = append(out, st)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("list instances: %w", explain(err))
	}
	for i := range out {
		if err := s.fillLast(ctx, &out[i]); err != nil {
			return nil, fmt.Errorf("last reading of %s/%s: %w", out[i].Service, out[i].Instance.Instance, explain(err))
		}
	}
	return out, nil
}

func scanInstance(rows *sql.Rows) (store.InstanceState, error) {
	var st store.InstanceState
	var labels string
	var first, last int64
	var at sql.NullInt64
	var body []byte
	if err := rows.Scan(&st.Service, &st.Instance.Instance, &labels, &st.Agent, &first, &last, &at, &body); err != nil {
		return st, err
	}
	st.FirstSeen, st.LastSeen = memwatch.UnixMilli(first).Time(), memwatch.UnixMilli(last).Time()
	if err := json.Unmarshal([]byte(labels), &st.Labels); err != nil {
		return st, fmt.Errorf("labels: %w", err)
	}
	if at.Valid {
		st.VerdictAt = memwatch.UnixMilli(at.Int64).Time()
		if err := json.Unmarshal(body, &st.Verdict); err != nil {
			return st, fmt.Errorf("verdict: %w", err)
		}
	}
	return st, nil
}

// fillLast finds an instance's newest reading: in the open chunk, or in the
// newest chunk.
func (s *Store) fillLast(ctx context.Context, st *store.InstanceState) error {
	views := s.views(st.Service, st.Instance.Instance)
	if len(views) == 0 {
		return nil // forgotten meanwhile
	}
	v := &views[0]
	newest, err := s.dict.Rows(nil, v.open)
	if err != nil {
		return err
	}
	if v.count == 0 || v.to < v.last {
		if newest, err = s.newestChunk(ctx, v, newest); err != nil {
			return err
		}
	}
	for i := range newest {
		if st.Last == nil || newest[i].Time.After(st.Last.Time) {
			st.Last = &newest[i]
		}
	}
	if st.Last == nil {
		return nil
	}
	last := *st.Last // lets go of the others
	st.Last = &last
	if st.LastSeen.Before(last.Time) {
		st.LastSeen = last.Time
	}
	return nil
}

// newestChunk appends the readings of an instance's newest chunk to dst.
func (s *Store) newestChunk(ctx context.Context, v *view, dst []memwatch.Sample) ([]memwatch.Sample, error) {
	var id int64
	var data []byte
	err := s.read.QueryRowContext(ctx, "SELECT id, data FROM chunks WHERE instance = ? AND id <= ? ORDER BY last DESC LIMIT 1", v.id, v.lastChunk).Scan(&id, &data)
	if errors.Is(err, sql.ErrNoRows) {
		return dst, nil
	} else if err != nil {
		return dst, err
	}
	out, err := s.dict.Decode(dst, data)
	if err != nil {
		s.damage(id, err)
		return dst, nil
	}
	return out, nil
}
