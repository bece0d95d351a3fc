package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/hub/store"
)

// Readings implements store.Readings.
func (s *Store) Readings(ctx context.Context, q store.Query) (series []store.Series, total int, err error) {
	views := s.views(q.Service, q.Instance)
	if len(views) == 0 {
		return nil, 0, fmt.Errorf("readings of %s/%s: %w", q.Service, q.Instance, store.ErrNotFound)
	}
	from, to := q.Range()
	if views, err = s.within(ctx, views, from, to); err != nil {
		return nil, 0, fmt.Errorf("readings of %s: %w", q.Service, explain(err))
	}
	points := q.Points(len(views))
	for i := range views {
		out, count, err := s.readings(ctx, &views[i], from, to, points, q.Newest)
		if err != nil {
			return nil, 0, fmt.Errorf("readings of %s/%s: %w", q.Service, views[i].target.instance, explain(err))
		}
		total += count
		if len(out) > 0 {
			series = append(series, store.Series{Instance: views[i].target.instance, Readings: out})
		}
	}
	return series, total, nil
}

// within leaves out the instances that have no reading in the range: a service may
// have had many that are long gone, and each takes points from the others.
func (s *Store) within(ctx context.Context, views []view, from, to int64) ([]view, error) {
	const few = 16
	if len(views) <= few {
		return views, nil
	}
	var out []view
	for i := range views {
		v := &views[i]
		has := v.count > 0 && v.from <= to && v.to >= from
		if !has {
			err := s.read.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM chunks WHERE instance = ? AND first <= ? AND last >= ? AND id <= ?)",
				v.id, to, from, v.lastChunk).Scan(&has)
			if err != nil {
				return nil, err
			}
		}
		if has {
			out = append(out, *v)
		}
	}
	return out, nil
}

func (s *Store) readings(ctx context.Context, v *view, from, to int64, points int, newest bool) ([]memwatch.Sample, int, error) {
	if newest {
		n := &store.Newest{From: from, To: to, Points: points}
		err := s.newest(ctx, v, n)
		return n.Readings, n.Total, err
	}
	th := store.NewThinner(from, to, points)
	err := s.scan(ctx, v, th)
	return th.Readings(), th.Total, err
}

// view is one instance as a reader sees it: everything up to one commit.
type view struct {
	id        int64
	target    target
	lastChunk int64
	last      int64
	open      []byte
	count     int
	from, to  int64
}

// views takes a view of an instance, or of all instances of a service, by name.
func (s *Store) views(service, instance string) []view {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if instance != "" {
		if sr := s.series[target{service, instance}]; sr != nil {
			return []view{sr.view()}
		}
		return nil
	}
	var out []view
	for tg, sr := range s.series {
		if tg.service == service {
			out = append(out, sr.view())
		}
	}
	slices.SortFunc(out, func(a, b view) int { return strings.Compare(a.target.instance, b.target.instance) })
	return out
}

func (sr *series) view() view {
	st := &sr.state
	return view{id: sr.id, target: sr.target, lastChunk: st.lastChunk, last: st.last, open: st.rows, count: st.count, from: st.from, to: st.to}
}

// scan feeds all readings of a view that lie in the range to the thinner.
func (s *Store) scan(ctx context.Context, v *view, th *store.Thinner) error {
	if v.count > 0 && v.from <= th.To && v.to >= th.From {
		th.Extend(v.from, v.to, v.count)
	} else {
		v.open = nil
	}
	var first, last int64
	var count int
	const extent = "SELECT coalesce(min(first), 0), coalesce(max(last), 0), coalesce(sum(count), 0) FROM chunks WHERE instance = ? AND first <= ? AND last >= ? AND id <= ?"
	if err := s.read.QueryRowContext(ctx, extent, v.id, th.To, th.From, v.lastChunk).Scan(&first, &last, &count); err != nil {
		return err
	}
	if count > 0 {
		th.Extend(first, last, count)
		if err := s.scanChunks(ctx, v, th); err != nil {
			return err
		}
	}
	readings, err := s.dict.Rows(nil, v.open)
	th.Add(readings)
	return err
}

func (s *Store) scanChunks(ctx context.Context, v *view, th *store.Thinner) error {
	rows, err := s.read.QueryContext(ctx, "SELECT id, data FROM chunks WHERE instance = ? AND first <= ? AND last >= ? AND id <= ? ORDER BY first", v.id, th.To, th.From, v.lastChunk)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	var scratch []memwatch.Sample
	for rows.Next() {
		var id int64
		var data sql.RawBytes
		if err := rows.Scan(&id, &data); err != nil {
			return err
		}
		if scratch, err = s.dict.Decode(scratch[:0], data); err != nil {
			s.damage(id, err)
			continue
		}
		th.Add(scratch)
	}
	return rows.Err()
}

// damage counts a chunk that cannot be read. Its neighbours can, so that no
// query fails for it.
func (s *Store) damage(id int64, err error) {
	if s.damaged.Add(1) == 1 {
		s.log.Error("a chunk of readings cannot be read and is left out; the count is in the statistics", "chunk", id, "error", err)
	}
}
