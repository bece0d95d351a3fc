package postgres

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/hub/store"
)

const (
	// sealAfter is how old readings are at least when they are put into chunks:
	// later than almost all come in.
	sealAfter = time.Hour
	// chunkReadings is how many readings a chunk has at most as they came in.
	chunkReadings = 720
	// together is how many instances one transaction moves.
	together = 20
)

// seal puts readings of partitions that are over into chunks, and drops those.
func (s *Store) seal(ctx context.Context, now time.Time) error {
	horizon, err := s.advance(ctx, readingsTable.at(now.Add(-sealAfter).UnixMilli()).from)
	if err != nil {
		return err
	}
	var due bool
	if err := s.pool.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM readings WHERE at < $1)", horizon).Scan(&due); err != nil {
		return err
	}
	over, err := s.over(ctx, readingsTable, horizon)
	if err != nil {
		return err
	}
	if due {
		for _, p := range over { // their chunks have a place
			if err := s.make(ctx, chunksTable.at(p.from)); err != nil {
				return err
			}
		}
		const next = "SELECT DISTINCT instance FROM readings WHERE instance > $1 AND at < $2 ORDER BY instance LIMIT $3"
		if err := s.each(ctx, next, horizon, func(ctx context.Context, tx pgx.Tx, instance int64) error {
			return s.sealInstance(ctx, tx, instance, horizon)
		}); err != nil {
			return err
		}
	}
	for _, p := range over {
		if err := s.drop(ctx, p, false); err != nil {
			return err
		}
	}
	return nil
}

// advance moves the horizon on and answers where it is. It waits until no transaction
// is under way that does not know of it.
func (s *Store) advance(ctx context.Context, to int64) (horizon int64, err error) {
	const read = "SELECT horizon FROM state"
	if err := s.pool.QueryRow(ctx, read).Scan(&horizon); err != nil || horizon >= to {
		return horizon, err
	}
	err = s.tx(ctx, func(tx pgx.Tx) error {
		if err := lockAppending(ctx, tx); err != nil {
			return err
		}
		return tx.QueryRow(ctx, "UPDATE state SET horizon = greatest(horizon, $1) RETURNING horizon", to).Scan(&horizon)
	})
	return horizon, err
}

// lockAppending waits until no transaction is under way that writes readings, and
// keeps new ones waiting until this one ends.
func lockAppending(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1, $2)", lockClass, lockAppend)
	return err
}

// over answers the partitions of a table that end by a time.
func (s *Store) over(ctx context.Context, t table, by int64) ([]partition, error) {
	all, err := s.partitions(ctx, t)
	return slices.DeleteFunc(all, func(p partition) bool { return p.to > by }), err
}

// each does something to all instances that a query finds, some in a transaction,
// under lockSeal. The query takes the number after which to go on, the time up to
// which something is due, and how many to answer.
func (s *Store) each(ctx context.Context, next string, due int64, do func(ctx context.Context, tx pgx.Tx, instance int64) error) error {
	for after, n := int64(0), together; n == together; {
		err := s.tx(ctx, func(tx pgx.Tx) error {
			if err := lockSealing(ctx, tx); err != nil {
				return err
			}
			rows, err := tx.Query(ctx, next, after, due, together)
			if err != nil {
				return err
			}
			ids, err := pgx.CollectRows(rows, pgx.RowTo[int64])
			if err != nil {
				return err
			}
			for _, id := range ids {
				if err := do(ctx, tx, id); err != nil {
					return fmt.Errorf("instance %d: %w", id, err)
				}
				after = id
			}
			n = len(ids)
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// sealInstance moves an instance's rows before the horizon into chunks.
func (s *Store) sealInstance(ctx context.Context, tx pgx.Tx, instance, horizon int64) error {
	rows, err := tx.Query(ctx, "DELETE FROM readings WHERE instance = $1 AND at < $2 RETURNING data", instance, horizon)
	if err != nil {
		return err
	}
	var samples []memwatch.Sample
	var data pgtype.DriverBytes
	if _, err := pgx.ForEachRow(rows, []any{&data}, func() error {
		whole := samples
		if samples, err = s.dict.Rows(samples, data); err != nil {
			s.damage(instance, err)
			samples = whole
		}
		return nil
	}); err != nil {
		return err
	}
	slices.SortFunc(samples, func(a, b memwatch.Sample) int { return a.Time.Compare(b.Time) })
	for day := range days(samples) {
		pieces := (len(day) + chunkReadings - 1) / chunkReadings
		for i := range pieces {
			if err := s.insertChunk(ctx, tx, chunksTable, instance, day[i*len(day)/pieces:(i+1)*len(day)/pieces]); err != nil {
				return err
			}
		}
	}
	return nil
}

// days yields the readings of each day; they must be in order.
func days(samples []memwatch.Sample) func(yield func([]memwatch.Sample) bool) {
	return func(yield func([]memwatch.Sample) bool) {
		for len(samples) > 0 {
			day, n := chunksTable.at(samples[0].Time.UnixMilli()), 1
			for n < len(samples) && samples[n].Time.UnixMilli() < day.to {
				n++
			}
			if !yield(samples[:n]) {
				return
			}
			samples = samples[n:]
		}
	}
}

func (s *Store) insertChunk(ctx context.Context, tx pgx.Tx, t table, instance int64, samples []memwatch.Sample) error {
	first, last := samples[0].Time.UnixMilli(), samples[len(samples)-1].Time.UnixMilli()
	_, err := tx.Exec(ctx, "INSERT INTO "+t.name+" (instance, first, last, count, data) VALUES ($1, $2, $3, $4, $5)",
		instance, first, last, len(samples), s.dict.Encode(samples))
	return err
}

// stage is one of a reading's life after the first: the chunks that it comes from, and
// how long they are kept, those that it goes to, and how coarse they are.
type stage struct {
	from table
	keep time.Duration
	to   table
	step time.Duration
}

func stages(r store.Retention) []stage {
	return []stage{
		{chunksTable, r.KeepReadings, minutesTable, time.Minute},
		{minutesTable, r.KeepMinutes, tenMinuteTable, 10 * time.Minute},
	}
}

// rollUp makes chunks coarser that are older than their stage, a day of an instance at
// a time, and drops what is older than the last.
func (s *Store) rollUp(ctx context.Context, now time.Time, p *store.Pruned) error {
	for _, st := range stages(s.cfg.Retention) {
		before := st.from.at(now.Add(-st.keep).UnixMilli()).from
		over, err := s.over(ctx, st.from, before)
		if err != nil {
			return err
		}
		for _, part := range over {
			if err := s.make(ctx, st.to.at(part.from)); err != nil {
				return err
			}
		}
		next := "SELECT DISTINCT instance FROM " + st.from.name + " WHERE instance > $1 AND first < $2 ORDER BY instance LIMIT $3"
		if err := s.each(ctx, next, before, func(ctx context.Context, tx pgx.Tx, instance int64) error {
			n, err := s.coarsen(ctx, tx, st, instance, before)
			p.Rolled += n
			return err
		}); err != nil {
			return err
		}
		for _, part := range over {
			if err := s.drop(ctx, part, false); err != nil {
				return err
			}
		}
	}
	return s.forget(ctx, now.Add(-s.cfg.KeepTenMinutes).UnixMilli(), p)
}

// coarsen moves an instance's chunks of a stage to the next, with what is there
// already of the same days.
func (s *Store) coarsen(ctx context.Context, tx pgx.Tx, st stage, instance, before int64) (rolled int, err error) {
	samples, rolled, err := s.takeChunks(ctx, tx, st.from, nil, instance, 0, before)
	if err != nil {
		return 0, err
	}
	for day := range days(samples) {
		of := chunksTable.at(day[0].Time.UnixMilli())
		merged, _, err := s.takeChunks(ctx, tx, st.to, slices.Clone(day), instance, of.from, of.to)
		if err != nil {
			return 0, err
		}
		if err := s.insertChunk(ctx, tx, st.to, instance, store.Coarsen(merged, st.step)); err != nil {
			return 0, err
		}
	}
	return rolled, nil
}

// takeChunks deletes an instance's chunks that begin within a time, adds their
// readings, and answers all in order, each once.
func (s *Store) takeChunks(ctx context.Context, tx pgx.Tx, t table, samples []memwatch.Sample, instance, from, to int64) ([]memwatch.Sample, int, error) {
	rows, err := tx.Query(ctx, "DELETE FROM "+t.name+" WHERE instance = $1 AND first >= $2 AND first < $3 RETURNING data", instance, from, to)
	if err != nil {
		return nil, 0, err
	}
	var data pgtype.DriverBytes
	tag, err := pgx.ForEachRow(rows, []any{&data}, func() error {
		whole := samples
		if samples, err = s.dict.Decode(samples, data); err != nil {
			s.damage(instance, err)
			samples = whole
		}
		return nil
	})
	slices.SortFunc(samples, func(a, b memwatch.Sample) int { return a.Time.Compare(b.Time) })
	samples = slices.CompactFunc(samples, func(a, b memwatch.Sample) bool { return a.Time.Equal(b.Time) })
	return samples, int(tag.RowsAffected()), err
}

// forget removes the coarsest chunks that are older than all retention.
func (s *Store) forget(ctx context.Context, before int64, p *store.Pruned) error {
	over, err := s.over(ctx, tenMinuteTable, before)
	if err != nil {
		return err
	}
	for _, part := range over {
		var n int
		if err := s.pool.QueryRow(ctx, "SELECT count(*) FROM "+part.name()).Scan(&n); err != nil {
			return err
		}
		if err := s.drop(ctx, part, true); err != nil {
			return err
		}
		p.Chunks += n
	}
	tag, err := s.pool.Exec(ctx, "DELETE FROM "+tenMinuteTable.name+"_other WHERE first < $1", before)
	p.Chunks += int(tag.RowsAffected())
	return err
}
