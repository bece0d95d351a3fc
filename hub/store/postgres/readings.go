package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/hub/store"
	"github.com/zupee/memwatch/hub/store/chunk"
)

// dayMillis is a day: a chunk lies within one.
const dayMillis = 24 * 60 * 60 * 1000

// Readings implements store.Readings.
func (s *Store) Readings(ctx context.Context, q store.Query) (series []store.Series, total int, err error) {
	from, to := q.Range()
	err = s.snapshot(ctx, func(tx pgx.Tx) error {
		series, total = nil, 0
		views, err := s.views(ctx, tx, q.Service, q.Instance, from, to)
		if err != nil {
			return err
		}
		points := q.Points(len(views))
		for _, v := range views {
			v.tx, v.store, v.from, v.to = tx, s, from, to
			out, count, err := v.readings(ctx, points, q.Newest)
			if err != nil {
				return fmt.Errorf("%s: %w", v.instance, err)
			}
			if total += count; len(out) > 0 {
				series = append(series, store.Series{Instance: v.instance, Readings: out})
			}
		}
		return nil
	})
	if err != nil {
		return nil, 0, fmt.Errorf("readings of %s/%s: %w", q.Service, q.Instance, explain(err))
	}
	return series, total, nil
}

// view is what a query reads of one instance.
type view struct {
	tx       pgx.Tx
	store    *Store
	id       int64
	instance string
	from, to int64
}

// views answers an instance, or all instances of a service by name, that have
// readings in the range: a service may have had many that are long gone, and each
// takes points from the others. The error is store.ErrNotFound when there is none
// at all.
func (s *Store) views(ctx context.Context, tx pgx.Tx, service, instance string, from, to int64) (views []*view, err error) {
	rows, err := tx.Query(ctx, `SELECT id, instance,
			EXISTS (SELECT 1 FROM readings r WHERE r.instance = i.id AND r.at BETWEEN $3 AND $4)
			OR EXISTS (SELECT 1 FROM chunks c WHERE c.instance = i.id AND c.first BETWEEN $5 AND $4 AND c.last >= $3)
		FROM instances i WHERE service = $1 AND ($2 = '' OR instance = $2) ORDER BY instance`, service, instance, from, to, from-dayMillis)
	if err != nil {
		return nil, err
	}
	var v view
	var has bool
	tag, err := pgx.ForEachRow(rows, []any{&v.id, &v.instance, &has}, func() error {
		if has {
			of := v
			views = append(views, &of)
		}
		return nil
	})
	if err == nil && tag.RowsAffected() == 0 {
		err = store.ErrNotFound
	}
	return views, err
}

func (v *view) readings(ctx context.Context, points int, newest bool) ([]memwatch.Sample, int, error) {
	if newest {
		n := &store.Newest{From: v.from, To: v.to, Points: points}
		err := v.newest(ctx, n)
		return n.Readings, n.Total, err
	}
	th := store.NewThinner(v.from, v.to, points)
	if err := v.extend(ctx, th); err != nil {
		return nil, 0, err
	}
	var scratch []memwatch.Sample
	err := v.chunks(ctx, func(data []byte) (err error) {
		if scratch, err = v.store.dict.Decode(scratch[:0], data); err == nil {
			th.Add(scratch)
		}
		return err
	})
	if err != nil {
		return nil, 0, err
	}
	var tail chunk.Tail
	err = v.rows(ctx, "", func(data []byte) (err error) {
		tail = chunk.Tail{}
		if _, err = v.store.dict.ReadRow(data, &tail); err == nil {
			scratch = append(scratch[:0], tail.Last)
			th.Add(scratch)
		}
		return err
	})
	return th.Readings(), th.Total, err
}

// extend tells the thinner between which ends readings are to come.
func (v *view) extend(ctx context.Context, th *store.Thinner) error {
	var first, last *int64
	err := v.tx.QueryRow(ctx, `SELECT min(least), max(greatest) FROM (
		SELECT min(first) AS least, max(last) AS greatest FROM chunks WHERE instance = $1 AND first BETWEEN $4 AND $3 AND last >= $2
		UNION ALL SELECT min(at), max(at) FROM readings WHERE instance = $1 AND at BETWEEN $2 AND $3) AS ends`,
		v.id, v.from, v.to, v.from-dayMillis).Scan(&first, &last)
	if err == nil && first != nil {
		th.Extend(*first, *last, chunk.MaxReadings)
	}
	return err
}

// chunks reads those that reach into the range. One that is damaged costs only itself.
func (v *view) chunks(ctx context.Context, use func(data []byte) error) error {
	rows, err := v.tx.Query(ctx, "SELECT data FROM chunks WHERE instance = $1 AND first BETWEEN $4 AND $3 AND last >= $2 ORDER BY first",
		v.id, v.from, v.to, v.from-dayMillis)
	if err != nil {
		return err
	}
	return v.each(rows, use)
}

// rows reads the rows in the range; order is an ORDER BY or "".
func (v *view) rows(ctx context.Context, order string, use func(data []byte) error) error {
	rows, err := v.tx.Query(ctx, "SELECT data FROM readings WHERE instance = $1 AND at BETWEEN $2 AND $3"+order, v.id, v.from, v.to)
	if err != nil {
		return err
	}
	return v.each(rows, use)
}

func (v *view) each(rows pgx.Rows, use func(data []byte) error) error {
	var data pgtype.DriverBytes
	_, err := pgx.ForEachRow(rows, []any{&data}, func() error {
		if err := use(data); err != nil {
			v.store.damage(v.id, err)
		}
		return nil
	})
	return err
}

// newest gathers the newest readings. It decodes no more chunks than it needs.
func (v *view) newest(ctx context.Context, n *store.Newest) error {
	var count int
	if err := v.tx.QueryRow(ctx, "SELECT count(*) FROM readings WHERE instance = $1 AND at BETWEEN $2 AND $3", v.id, v.from, v.to).Scan(&count); err != nil {
		return err
	}
	var newest []memwatch.Sample
	err := v.rows(ctx, fmt.Sprintf(" ORDER BY at DESC LIMIT %d", n.Points), func(data []byte) (err error) {
		newest, err = v.store.dict.Rows(newest, data)
		return err
	})
	if err != nil {
		return err
	}
	n.Add(newest)
	n.Total = count
	type extent struct {
		step, count int
		first, last int64
	}
	rows, err := v.tx.Query(ctx, `SELECT step, count, first, last FROM chunks
		WHERE instance = $1 AND first BETWEEN $4 AND $3 AND last >= $2 ORDER BY last DESC`, v.id, v.from, v.to, v.from-dayMillis)
	if err != nil {
		return err
	}
	extents, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (x extent, err error) {
		return x, r.Scan(&x.step, &x.count, &x.first, &x.last)
	})
	if err != nil {
		return err
	}
	for _, x := range extents {
		if inside := x.first >= n.From && x.last <= n.To; inside && !n.Wants(x.last) {
			n.Total += x.count
			continue
		}
		var data []byte
		if err := v.tx.QueryRow(ctx, "SELECT data FROM chunks WHERE step = $1 AND instance = $2 AND first = $3", x.step, v.id, x.first).Scan(&data); err != nil {
			return err
		}
		readings, err := v.store.dict.Decode(nil, data)
		if err != nil {
			v.store.damage(v.id, err)
			continue
		}
		n.Add(readings)
	}
	return nil
}

// damage counts a chunk that cannot be read. Its neighbours can, so that no
// query fails for it.
func (s *Store) damage(instance int64, err error) {
	if s.damaged.Add(1) == 1 {
		s.log.Error("a chunk of readings cannot be read and is left out; the count is in the statistics", "instance", instance, "error", err)
	}
}
