package postgres

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/zupee/memwatch/hub/store"
	"github.com/zupee/memwatch/hub/store/chunk"
)

// Append implements store.Readings. When a commit was answered by a broken
// connection it is made again, and then counts as duplicates what it had stored.
func (s *Store) Append(ctx context.Context, readings []store.Reading) (store.AppendResult, error) {
	if err := store.CheckTimes(readings); err != nil {
		return store.AppendResult{}, err
	}
	if len(readings) == 0 {
		return store.AppendResult{}, nil
	}
	j := &job{readings: readings}
	if err := s.do(ctx, j); err != nil {
		return store.AppendResult{}, fmt.Errorf("store readings: %w", err)
	}
	return j.result, nil
}

// txn is one transaction of a writing goroutine.
type txn struct {
	store *Store
	tx    pgx.Tx

	horizon, generation int64
	created             map[target]int64
	remembered          func(target) (int64, bool)
}

// row is one reading on its way, and whose it is.
type row struct {
	key
	data []byte
	job  *job
}

// key is what a reading is known by.
type key struct{ instance, at int64 }

func (k key) compare(o key) int {
	if c := cmp.Compare(k.instance, o.instance); c != 0 {
		return c
	}
	return cmp.Compare(k.at, o.at)
}

// run stores the jobs.
func (t *txn) run(ctx context.Context, batch []*job) error {
	// In two statements: the second sees what was committed while the first waited.
	var b pgx.Batch
	b.Queue("SELECT pg_advisory_xact_lock_shared($1, $2)", lockClass, lockAppend)
	b.Queue("SELECT horizon, generation FROM state").QueryRow(func(r pgx.Row) error { return r.Scan(&t.horizon, &t.generation) })
	if err := t.tx.SendBatch(ctx, &b).Close(); err != nil {
		return err
	}
	first := map[target]int64{}
	see := func(tg target, at int64) {
		if had, ok := first[tg]; !ok || at < had {
			first[tg] = at
		}
	}
	for _, j := range batch {
		j.result = store.AppendResult{}
		for i := range j.readings {
			r := &j.readings[i]
			see(target{r.Service, r.Instance}, r.Sample.Time.UnixMilli())
		}
		for i := range j.instances {
			see(j.instances[i].target, j.instances[i].first)
		}
		for i := range j.verdicts {
			see(j.verdicts[i].target, j.verdicts[i].at)
		}
	}
	if err := t.resolve(ctx, first); err != nil {
		return err
	}
	if err := t.append(ctx, batch); err != nil {
		return err
	}
	if err := t.upsert(ctx, batch); err != nil {
		return err
	}
	return t.judge(ctx, batch)
}

// rows are the readings of the jobs in the order of their keys, each once; others
// of the same key count as duplicates.
func (t *txn) rows(batch []*job) []row {
	n := 0
	for _, j := range batch {
		n += len(j.readings)
	}
	rows, data := make([]row, 0, n), make([]byte, 0, 160*n)
	for _, j := range batch {
		for i := range j.readings {
			r := &j.readings[i]
			begin := len(data)
			data = t.store.dict.AppendRow(data, &chunk.Tail{}, &r.Sample)
			rows = append(rows, row{
				key: key{t.id(target{r.Service, r.Instance}), r.Sample.Time.UnixMilli()}, job: j,
				data: data[begin:len(data):len(data)],
			})
		}
	}
	slices.SortStableFunc(rows, func(a, b row) int { return a.compare(b.key) })
	return slices.CompactFunc(rows, func(kept, r row) bool {
		same := kept.key == r.key
		if same {
			r.job.result.Duplicates++
		}
		return same
	})
}

// append stores the jobs' readings and counts what became of them.
func (t *txn) append(ctx context.Context, batch []*job) error {
	rows := t.rows(batch)
	if len(rows) == 0 {
		return nil
	}
	known, err := t.sealed(ctx, rows)
	if err != nil {
		return fmt.Errorf("late readings: %w", err)
	}
	rows = slices.DeleteFunc(rows, func(r row) bool {
		_, ok := known[r.key]
		if ok {
			r.job.result.Duplicates++
		}
		return ok
	})
	instances, times, data := make([]int64, len(rows)), make([]int64, len(rows)), make([][]byte, len(rows))
	for i := range rows {
		instances[i], times[i], data[i] = rows[i].instance, rows[i].at, rows[i].data
	}
	tag, err := t.tx.Exec(ctx, `INSERT INTO readings (instance, at, data)
		SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bytea[]) ON CONFLICT DO NOTHING`, instances, times, data)
	if err != nil {
		return err
	}
	fresh := func(key) bool { return true }
	if tag.RowsAffected() != int64(len(rows)) {
		if fresh, err = t.inserted(ctx, instances, times); err != nil {
			return err
		}
	}
	for i := range rows {
		if !fresh(rows[i].key) {
			rows[i].job.result.Duplicates++
			continue
		}
		rows[i].job.result.Stored++
	}
	return nil
}

// inserted finds out which rows this transaction itself has stored.
func (t *txn) inserted(ctx context.Context, instances, times []int64) (func(key) bool, error) {
	rows, err := t.tx.Query(ctx, `SELECT r.instance, r.at FROM readings r
		JOIN unnest($1::bigint[], $2::bigint[]) AS n (instance, at) ON r.instance = n.instance AND r.at = n.at
		WHERE r.xmin = pg_current_xact_id()::xid AND r.at BETWEEN $3 AND $4`, instances, times, slices.Min(times), slices.Max(times))
	if err != nil {
		return nil, err
	}
	found := map[key]bool{}
	var k key
	_, err = pgx.ForEachRow(rows, []any{&k.instance, &k.at}, func() error {
		found[k] = true
		return nil
	})
	return func(k key) bool { return found[k] }, err
}

// sealed answers the readings, of those before the horizon, that lie in chunks. From
// then on until the transaction ends no readings are sealed.
func (t *txn) sealed(ctx context.Context, rows []row) (map[key]struct{}, error) {
	var late []key
	for i := range rows {
		if rows[i].at < t.horizon {
			late = append(late, rows[i].key)
		}
	}
	if len(late) == 0 {
		return nil, nil
	}
	if err := lockSealing(ctx, t.tx); err != nil {
		return nil, err
	}
	instances, times := make([]int64, len(late)), make([]int64, len(late))
	for i, k := range late {
		instances[i], times[i] = k.instance, k.at
	}
	found, err := t.tx.Query(ctx, `SELECT DISTINCT ON (c.instance, c.first, c.step) c.instance, c.data
		FROM unnest($1::bigint[], $2::bigint[]) AS n (instance, at)
		JOIN chunks c ON c.instance = n.instance AND c.first <= n.at AND c.first > n.at - 86400000 AND c.last >= n.at`, instances, times)
	if err != nil {
		return nil, err
	}
	known := map[key]struct{}{}
	var id int64
	var data pgtype.DriverBytes
	var at []int64
	_, err = pgx.ForEachRow(found, []any{&id, &data}, func() (err error) {
		if at, err = chunk.Times(at[:0], data); err != nil {
			t.store.damage(id, err)
		}
		for _, ms := range at {
			known[key{id, ms}] = struct{}{}
		}
		return nil
	})
	return known, err
}

// lockSealing waits for whoever moves readings about, and keeps them from it until
// the transaction ends.
func lockSealing(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1, $2)", lockClass, lockSeal)
	return err
}
