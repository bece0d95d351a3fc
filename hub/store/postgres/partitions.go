package postgres

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// table is one that is partitioned by time. Each has a partition named _other for
// what lies outside of those that stand: a reading is never refused for its time,
// and nobody can have partitions made by sending odd times.
type table struct {
	name   string
	column string // that it is partitioned by
	width  int64  // of a partition, in milliseconds
}

var (
	readingsTable  = table{"readings", "at", 4 * 60 * 60 * 1000}
	chunksTable    = table{"chunks_0", "first", dayMillis}
	minutesTable   = table{"chunks_60", "first", dayMillis}
	tenMinuteTable = table{"chunks_600", "first", 7 * dayMillis}
)

// ahead is how long before their time partitions for readings are made.
const ahead = 24 * time.Hour

// partition is a part of a table from one time to another.
type partition struct {
	table    table
	from, to int64
}

// at is the partition of a table that a time belongs to.
func (t table) at(ms int64) partition {
	from := ms - ((ms%t.width)+t.width)%t.width
	return partition{t, from, from + t.width}
}

func (p partition) name() string { return fmt.Sprintf("%s_p%d", p.table.name, p.from/p.table.width) }

// partitions answers those of a table that stand, the oldest first.
func (s *Store) partitions(ctx context.Context, t table) (out []partition, err error) {
	rows, err := s.pool.Query(ctx, `SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
		WHERE i.inhparent = $1::text::regclass ORDER BY length(c.relname), c.relname`, t.name)
	if err != nil {
		return nil, err
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	for _, name := range names {
		n, err := strconv.ParseInt(strings.TrimPrefix(name, t.name+"_p"), 10, 64)
		if err == nil {
			out = append(out, t.at(n*t.width))
		}
	}
	return out, err
}

// stand makes the partitions that readings of now and of the next day go to.
func (s *Store) stand(ctx context.Context, now time.Time) error {
	for at := now.Add(-sealAfter); at.Before(now.Add(ahead)); at = at.Add(time.Duration(readingsTable.width) * time.Millisecond) {
		if err := s.make(ctx, readingsTable.at(at.UnixMilli())); err != nil {
			return err
		}
	}
	return nil
}

// patience is how long making and dropping a partition waits for who reads the
// table: others wait behind it.
const patience = "SET LOCAL lock_timeout = '2s'"

// make makes a partition unless it stands. What its table keeps in _other of its
// time goes into it.
func (s *Store) make(ctx context.Context, p partition) error {
	var stands bool
	const exists = "SELECT to_regclass($1) IS NOT NULL"
	if err := s.pool.QueryRow(ctx, exists, p.name()).Scan(&stands); err != nil || stands {
		return err
	}
	err := s.retry(ctx, func(ctx context.Context) error {
		return s.tx(ctx, func(tx pgx.Tx) error {
			if err := lockSealing(ctx, tx); err != nil {
				return err
			}
			if err := tx.QueryRow(ctx, exists, p.name()).Scan(&stands); err != nil || stands {
				return err
			}
			name, parent := p.name(), p.table.name
			_, err := tx.Exec(ctx, fmt.Sprintf(patience+`;
				CREATE TABLE %[1]s (LIKE %[2]s INCLUDING ALL);
				LOCK TABLE %[2]s_other IN ACCESS EXCLUSIVE MODE;
				WITH moved AS (DELETE FROM %[2]s_other WHERE %[3]s >= %[4]d AND %[3]s < %[5]d RETURNING *) INSERT INTO %[1]s SELECT * FROM moved;
				ALTER TABLE %[2]s ATTACH PARTITION %[1]s FOR VALUES FROM (%[4]d) TO (%[5]d)`, name, parent, p.table.column, p.from, p.to), pgx.QueryExecModeSimpleProtocol)
			return err
		})
	})
	if err != nil {
		return fmt.Errorf("make partition %s: %w", p.name(), err)
	}
	return nil
}

// drop drops a partition; unless all of it may go, only when it is empty. When
// others read the table all the while it stays, until the next time.
func (s *Store) drop(ctx context.Context, p partition, all bool) error {
	err := s.tx(ctx, func(tx pgx.Tx) error {
		if err := lockSealing(ctx, tx); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, patience); err != nil {
			return err
		}
		var filled bool
		if err := tx.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM "+p.name()+")").Scan(&filled); err != nil {
			return err
		}
		if filled && !all {
			return nil
		}
		_, err := tx.Exec(ctx, "DROP TABLE "+p.name())
		return err
	})
	if err != nil && transient(err) {
		s.log.Debug("a partition stays for now", "partition", p.name(), "error", err)
		return nil
	}
	return err
}
