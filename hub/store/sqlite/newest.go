package sqlite

import (
	"context"
	"database/sql"
	"errors"

	"github.com/zupee/memwatch/hub/store"
	"github.com/zupee/memwatch/hub/store/chunk"
)

// extent is a chunk without its readings.
type extent struct {
	id, first, last int64
	count           int
}

// newest gathers the newest readings of a view. It reads no more chunks than it needs.
func (s *Store) newest(ctx context.Context, v *view, n *store.Newest) error {
	open, err := s.dict.Rows(nil, v.open)
	if err != nil {
		return err
	}
	n.Add(open)
	extents, err := s.extents(ctx, v, n)
	if err != nil {
		return err
	}
	for _, x := range extents {
		if inside := x.first >= n.From && x.last <= n.To; inside && !n.Wants(x.last) {
			n.Total += x.count
			continue
		}
		if err := s.readInto(ctx, n, x.id, n.Wants(x.last)); err != nil {
			return err
		}
	}
	return nil
}

// extents answers the chunks that reach into the range, the newest first.
func (s *Store) extents(ctx context.Context, v *view, n *store.Newest) ([]extent, error) {
	rows, err := s.read.QueryContext(ctx, `SELECT id, first, last, count FROM chunks
		WHERE instance = ? AND first <= ? AND last >= ? AND id <= ? ORDER BY last DESC`, v.id, n.To, n.From, v.lastChunk)
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

// readInto adds a chunk's readings, or only counts them.
func (s *Store) readInto(ctx context.Context, n *store.Newest, id int64, wanted bool) error {
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
		n.Add(readings)
		return nil
	}
	times, err := chunk.Times(nil, data)
	if err != nil {
		s.damage(id, err)
	}
	n.Count(times)
	return nil
}
