package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/hub/store"
)

// upsert is what is said of an instance; nil labels and "" say nothing.
type upsert struct {
	target
	labels      *string
	agent       string
	first, last int64
}

// verdict is one as it is kept.
type verdict struct {
	target
	at   int64
	body []byte
}

// UpsertInstance implements store.Instances.
func (s *Store) UpsertInstance(ctx context.Context, in store.Instance) error {
	u := upsert{
		target: target{in.Service, in.Instance}, agent: in.Agent,
		first: int64(memwatch.Milli(in.FirstSeen)), last: int64(memwatch.Milli(in.LastSeen)),
	}
	if in.Labels != nil {
		labels, err := json.Marshal(in.Labels)
		if err != nil {
			return fmt.Errorf("labels of %s/%s: %w", in.Service, in.Instance, err)
		}
		text := string(labels)
		u.labels = &text
	}
	if err := s.do(ctx, &job{instances: []upsert{u}}); err != nil {
		return fmt.Errorf("update instance %s/%s: %w", in.Service, in.Instance, err)
	}
	return nil
}

// SaveVerdict implements store.Instances.
func (s *Store) SaveVerdict(ctx context.Context, service, instance string, at time.Time, v *memwatch.Verdict) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("verdict on %s/%s: %w", service, instance, err)
	}
	j := &job{verdicts: []verdict{{target{service, instance}, int64(memwatch.Milli(at)), body}}}
	if err := s.do(ctx, j); err != nil {
		return fmt.Errorf("save verdict on %s/%s: %w", service, instance, err)
	}
	return nil
}

// merge puts what several callers say of one instance together.
func (u *upsert) merge(next upsert) {
	if next.labels != nil {
		u.labels = next.labels
	}
	if next.agent != "" {
		u.agent = next.agent
	}
	if next.first != 0 && (u.first == 0 || next.first < u.first) {
		u.first = next.first
	}
	u.last = max(u.last, next.last)
}

// upsert brings the jobs' instances up to date, in the order of their numbers.
func (t *txn) upsert(ctx context.Context, batch []*job) error {
	of := map[int64]upsert{}
	for _, j := range batch {
		for _, u := range j.instances {
			id := t.id(u.target)
			if had, ok := of[id]; ok {
				had.merge(u)
				u = had
			}
			of[id] = u
		}
	}
	if len(of) == 0 {
		return nil
	}
	var labels []*string
	var agents []string
	var first, last []int64
	ids := inOrder(of)
	for _, id := range ids {
		u := of[id]
		labels, agents, first, last = append(labels, u.labels), append(agents, u.agent), append(first, u.first), append(last, u.last)
	}
	// Locked in one order first, so that no two hubs wait for each other.
	if _, err := t.tx.Exec(ctx, "SELECT FROM instances WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE", ids); err != nil {
		return err
	}
	_, err := t.tx.Exec(ctx, `UPDATE instances i SET
			labels = coalesce(n.labels, i.labels),
			agent = CASE WHEN n.agent = '' THEN i.agent ELSE n.agent END,
			first_seen = CASE WHEN n.first = 0 THEN i.first_seen WHEN i.first_seen = 0 THEN n.first ELSE least(i.first_seen, n.first) END,
			last_seen = greatest(i.last_seen, n.last)
		FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[], $5::bigint[]) AS n (id, labels, agent, first, last) WHERE i.id = n.id`,
		ids, labels, agents, first, last)
	return err
}

// judge saves the jobs' verdicts, in the order of the instances' numbers.
func (t *txn) judge(ctx context.Context, batch []*job) error {
	of := map[int64]verdict{}
	for _, j := range batch {
		for _, v := range j.verdicts {
			if had, ok := of[t.id(v.target)]; !ok || v.at >= had.at {
				of[t.id(v.target)] = v
			}
		}
	}
	if len(of) == 0 {
		return nil
	}
	var at []int64
	var bodies [][]byte
	ids := inOrder(of)
	for _, id := range ids {
		at, bodies = append(at, of[id].at), append(bodies, of[id].body)
	}
	_, err := t.tx.Exec(ctx, `INSERT INTO verdicts AS v (instance, at, body) SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bytea[])
		ON CONFLICT (instance) DO UPDATE SET at = excluded.at, body = excluded.body WHERE excluded.at >= v.at`, ids, at, bodies)
	return err
}

// Instances implements store.Instances.
func (s *Store) Instances(ctx context.Context) (out []store.InstanceState, err error) {
	err = s.snapshot(ctx, func(tx pgx.Tx) error {
		// What lies after the horizon is newer than all that lies in chunks.
		rows, err := tx.Query(ctx, `SELECT i.service, i.instance, i.labels, i.agent, i.first_seen, i.last_seen, v.at, v.body, r.data, c.data
			FROM instances i CROSS JOIN state s LEFT JOIN verdicts v ON v.instance = i.id
			LEFT JOIN LATERAL (SELECT at, data FROM readings WHERE instance = i.id ORDER BY at DESC LIMIT 1) r ON true
			LEFT JOIN LATERAL (SELECT data FROM chunks WHERE instance = i.id AND (r.at IS NULL OR r.at < s.horizon) ORDER BY first DESC LIMIT 1) c ON true
			ORDER BY i.service, i.instance`)
		if err != nil {
			return err
		}
		out, err = pgx.CollectRows(rows, s.scanInstance)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list instances: %w", explain(err))
	}
	return out, nil
}

// scanInstance reads one row of an instance, its verdict, its newest reading and a
// chunk that may hold a newer one; any of the last three may be missing.
func (s *Store) scanInstance(rows pgx.CollectableRow) (st store.InstanceState, err error) {
	var labels string
	var first, last int64
	var at *int64
	var body, newest, data []byte
	if err := rows.Scan(&st.Service, &st.Instance.Instance, &labels, &st.Agent, &first, &last, &at, &body, &newest, &data); err != nil {
		return st, err
	}
	st.FirstSeen, st.LastSeen = memwatch.UnixMilli(first).Time(), memwatch.UnixMilli(last).Time()
	if err := json.Unmarshal([]byte(labels), &st.Labels); err != nil {
		return st, fmt.Errorf("labels: %w", err)
	}
	if at != nil {
		st.VerdictAt = memwatch.UnixMilli(*at).Time()
		if err := json.Unmarshal(body, &st.Verdict); err != nil {
			return st, fmt.Errorf("%w: verdict on %s/%s: %w", store.ErrCorrupt, st.Service, st.Instance.Instance, err)
		}
	}
	readings, err := s.dict.Rows(nil, newest)
	if err != nil {
		return st, fmt.Errorf("%w: newest reading of %s/%s: %w", store.ErrCorrupt, st.Service, st.Instance.Instance, err)
	}
	if len(data) > 0 {
		if readings, err = s.dict.Decode(readings, data); err != nil {
			s.damage(0, err)
		}
	}
	st.Last = latest(readings)
	if st.Last != nil && st.LastSeen.Before(st.Last.Time) {
		st.LastSeen = st.Last.Time
	}
	return st, nil
}

// latest answers a copy of the newest reading; nil of none.
func latest(readings []memwatch.Sample) *memwatch.Sample {
	if len(readings) == 0 {
		return nil
	}
	last := readings[0]
	for i := range readings {
		if readings[i].Time.After(last.Time) {
			last = readings[i]
		}
	}
	return &last
}
