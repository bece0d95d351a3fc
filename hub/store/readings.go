package store

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/zupee/memwatch"
)

const (
	// defaultPoints is the MaxPoints of a query that names none.
	defaultPoints = 1000
	// maxAnswer bounds the readings that one answer holds (some 300 bytes each):
	// a service with very many instances gets fewer points for each.
	maxAnswer = 100_000
)

// Query chooses readings.
type Query struct {
	// Service is needed; Instance "" stands for all of its instances.
	Service, Instance string
	// From and To are both included; zero leaves that end open.
	From, To time.Time
	// MaxPoints is the most readings to answer for each instance, at least 4;
	// 0 means 1,000. An answer holds 100,000 in all.
	MaxPoints int
	// Newest asks for the newest MaxPoints readings of each instance as they are,
	// in place of a thinned range.
	Newest bool
}

// Series are readings of one instance, oldest first.
type Series struct {
	Instance string
	Readings []memwatch.Sample
}

// Readings answers a query: one series for each instance that has readings in
// the range, by name, and how many readings the range holds in all. Where there
// are more than MaxPoints, the range is cut into equal spans and of each the
// readings with the least and the greatest main value (MainValue) are kept, and
// the first and last of all: no peak is lost, and every reading is a real one.
// Memory is bounded by the answer, not by the range. The error is ErrNotFound
// when the service or instance is unknown.
func (s *Store) Readings(ctx context.Context, q Query) (series []Series, total int, err error) {
	views := s.views(q.Service, q.Instance)
	if len(views) == 0 {
		return nil, 0, fmt.Errorf("readings of %s/%s: %w", q.Service, q.Instance, ErrNotFound)
	}
	points := q.MaxPoints
	if points <= 0 {
		points = defaultPoints
	}
	from, to := int64(0), int64(math.MaxInt64)
	if !q.From.IsZero() {
		from = q.From.UnixMilli()
	}
	if !q.To.IsZero() {
		to = q.To.UnixMilli()
	}
	if views, err = s.within(ctx, views, from, to); err != nil {
		return nil, 0, fmt.Errorf("readings of %s: %w", q.Service, explain(err))
	}
	points = max(4, min(points, maxAnswer/max(1, len(views))))
	for i := range views {
		out, count, err := s.readings(ctx, &views[i], from, to, points, q.Newest)
		if err != nil {
			return nil, 0, fmt.Errorf("readings of %s/%s: %w", q.Service, views[i].target.instance, explain(err))
		}
		total += count
		if len(out) > 0 {
			series = append(series, Series{Instance: views[i].target.instance, Readings: out})
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
		n := &newestOf{view: v, from: from, to: to, points: points}
		err := n.gather(ctx, s)
		return n.readings, n.total, err
	}
	th := &thinner{from: from, to: to, points: points}
	err := s.scan(ctx, v, th)
	return th.readings(), th.total, err
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
func (s *Store) scan(ctx context.Context, v *view, th *thinner) error {
	if v.count > 0 && v.from <= th.to && v.to >= th.from {
		th.extend(v.from, v.to, v.count)
	} else {
		v.open = nil
	}
	var first, last int64
	var count int
	const extent = "SELECT coalesce(min(first), 0), coalesce(max(last), 0), coalesce(sum(count), 0) FROM chunks WHERE instance = ? AND first <= ? AND last >= ? AND id <= ?"
	if err := s.read.QueryRowContext(ctx, extent, v.id, th.to, th.from, v.lastChunk).Scan(&first, &last, &count); err != nil {
		return err
	}
	if count > 0 {
		th.extend(first, last, count)
		if err := s.scanChunks(ctx, v, th); err != nil {
			return err
		}
	}
	readings, err := s.dict.Rows(th.scratch[:0], v.open)
	th.add(readings)
	return err
}

func (s *Store) scanChunks(ctx context.Context, v *view, th *thinner) error {
	rows, err := s.read.QueryContext(ctx, "SELECT id, data FROM chunks WHERE instance = ? AND first <= ? AND last >= ? AND id <= ? ORDER BY first", v.id, th.to, th.from, v.lastChunk)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var id int64
		var data sql.RawBytes
		if err := rows.Scan(&id, &data); err != nil {
			return err
		}
		if th.scratch, err = s.dict.Decode(th.scratch[:0], data); err != nil {
			s.damage(id, err)
			continue
		}
		th.add(th.scratch)
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
