package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"slices"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/hub/store/chunk"
)

// newestOf gathers the newest readings of one instance within from…to, and counts
// all that are there. It reads no more chunks than it needs.
type newestOf struct {
	view     *view
	from, to int64
	points   int

	readings []memwatch.Sample // oldest first
	total    int
}

// extent is a chunk without its readings.
type extent struct {
	id, first, last int64
	count           int
}

func (n *newestOf) gather(ctx context.Context, s *Store) error {
	open, err := s.dict.Rows(nil, n.view.open)
	if err != nil {
		return err
	}
	n.add(open)
	extents, err := s.extents(ctx, n)
	if err != nil {
		return err
	}
	for _, x := range extents {
		inside := x.first >= n.from && x.last <= n.to
		wanted := len(n.readings) < n.points || x.last > n.readings[0].Time.UnixMilli()
		if inside && !wanted {
			n.total += x.count
			continue
		}
		if err := n.read(ctx, s, x.id, wanted); err != nil {
			return err
		}
	}
	return nil
}

// extents answers the chunks that reach into the range, the newest first.
func (s *Store) extents(ctx context.Context, n *newestOf) ([]extent, error) {
	rows, err := s.read.QueryContext(ctx, `SELECT id, first, last, count FROM chunks
		WHERE instance = ? AND first <= ? AND last >= ? AND id <= ? ORDER BY last DESC`, n.view.id, n.to, n.from, n.view.lastChunk)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var out []extent
	for rows.Next() {
		var x extent
		if err := rows.Scan(&x.id, &x.first, &x.last, &x.count); err != nil {
			return nil, err
		}
		out = append(out, x)
	}
	return out, rows.Err()
}

// read adds a chunk's readings, or only counts them.
func (n *newestOf) read(ctx context.Context, s *Store, id int64, wanted bool) error {
	var data []byte
	err := s.read.QueryRowContext(ctx, "SELECT data FROM chunks WHERE id = ?", id).Scan(&data)
	if errors.Is(err, sql.ErrNoRows) {
		return nil // pruned meanwhile
	} else if err != nil {
		return err
	}
	if wanted {
		readings, err := s.dict.Decode(nil, data)
		if err != nil {
			s.damage(id, err)
		}
		n.add(readings)
		return nil
	}
	times, err := chunk.Times(nil, data)
	if err != nil {
		s.damage(id, err)
	}
	for _, ms := range times {
		if ms >= n.from && ms <= n.to {
			n.total++
		}
	}
	return nil
}

// add takes readings in, in any order, and keeps the newest.
func (n *newestOf) add(readings []memwatch.Sample) {
	for i := range readings {
		if ms := readings[i].Time.UnixMilli(); ms >= n.from && ms <= n.to {
			n.readings = append(n.readings, readings[i])
			n.total++
		}
	}
	slices.SortFunc(n.readings, func(a, b memwatch.Sample) int { return a.Time.Compare(b.Time) })
	if extra := len(n.readings) - n.points; extra > 0 {
		n.readings = slices.Delete(n.readings, 0, extra)
	}
}
