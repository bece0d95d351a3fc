package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/hub/store"
	"github.com/zupee/memwatch/hub/store/chunk"
)

// coarseness is one stage of a reading's life: how coarse it is kept, and how long.
type coarseness struct {
	step, keep time.Duration
	// gather is how many chunks of an instance are rolled up together, unless the
	// oldest has waited for patience.
	gather   int
	patience time.Duration
}

func (c Config) stages() []coarseness {
	stages := []coarseness{
		{0, c.KeepReadings, 3, 6 * time.Hour},
		{time.Minute, c.KeepMinutes, 10, 24 * time.Hour},
		{10 * time.Minute, c.KeepTenMinutes, 0, 0},
	}
	for i := range stages[:len(stages)-1] {
		if stages[i].keep >= stages[i+1].keep { // it leaves the next stage at once
			stages[i].gather, stages[i].patience = 0, 0
		}
	}
	return stages
}

// rollUp makes what is older than its stage's time coarser, and deletes what is
// older than the last stage's. Of each step the readings with the least and the
// greatest main value stay, as they came in: no peak is lost.
func (s *Store) rollUp(ctx context.Context, now time.Time, p *store.Pruned) error {
	stages := s.cfg.stages()
	for i := range stages[:len(stages)-1] {
		if err := s.rollUpStage(ctx, now, stages[i], stages[i+1].step, p); err != nil {
			return err
		}
	}
	last := stages[len(stages)-1]
	n, err := s.deleteSteps(ctx, "DELETE FROM chunks WHERE id IN (SELECT id FROM chunks WHERE step = 600 AND last < ? ORDER BY last LIMIT ?)", now.Add(-last.keep).UnixMilli())
	p.Chunks += n
	return err
}

// rollUpStage does so for one stage, a few instances in a transaction.
func (s *Store) rollUpStage(ctx context.Context, now time.Time, from coarseness, step time.Duration, p *store.Pruned) error {
	before := now.Add(-from.keep)
	for {
		rolled, instances := 0, 0
		err := s.do(ctx, 1, func(ctx context.Context, t *txn) error {
			rolled = 0
			ids, err := t.due(ctx, from, before)
			if err != nil {
				return err
			}
			instances = len(ids)
			for _, instance := range ids {
				n, err := t.rollUp(ctx, instance, from.step, step, before)
				if err != nil {
					return fmt.Errorf("roll up readings of instance %d: %w", instance, err)
				}
				rolled += n
			}
			return nil
		})
		if err != nil {
			return err
		}
		if p.Rolled += rolled; instances == 0 {
			return nil
		}
	}
}

// rollStep is how many instances one transaction rolls up, rollChunks how many
// chunks of each.
const (
	rollStep   = 20
	rollChunks = 40
)

// due answers the instances of which enough chunks are old enough.
func (t *txn) due(ctx context.Context, from coarseness, before time.Time) (ids []int64, err error) {
	rows, err := t.tx.QueryContext(ctx, `SELECT instance FROM chunks WHERE step = ? AND last < ?
		GROUP BY instance HAVING count(*) >= ? OR min(last) < ? LIMIT ?`,
		int(from.step.Seconds()), before.UnixMilli(), from.gather, before.Add(-from.patience).UnixMilli(), rollStep)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, rows.Err()
}

// rollUp puts an instance's oldest chunks into one, under the id of the first: who
// reads meanwhile finds either form.
func (t *txn) rollUp(ctx context.Context, instance int64, from, step time.Duration, before time.Time) (rolled int, err error) {
	chunks, err := t.oldChunks(ctx, instance, from, before)
	if err != nil || len(chunks) == 0 {
		return 0, err
	}
	slices.SortFunc(t.samples, func(a, b memwatch.Sample) int { return a.Time.Compare(b.Time) })
	kept := store.Coarsen(t.samples, step)
	for i, id := range chunks {
		if i == 0 && len(kept) > 0 {
			_, err = t.tx.ExecContext(ctx, "UPDATE chunks SET step = ?, first = ?, last = ?, count = ?, data = ? WHERE id = ?",
				int(step.Seconds()), kept[0].Time.UnixMilli(), kept[len(kept)-1].Time.UnixMilli(), len(kept), t.store.dict.Encode(kept), id)
		} else {
			_, err = t.tx.ExecContext(ctx, "DELETE FROM chunks WHERE id = ?", id)
		}
		if err != nil {
			return 0, err
		}
	}
	return len(chunks), nil
}

// oldChunks reads an instance's oldest chunks of a step into t.samples, as many as
// one chunk may hold the readings of. One that is damaged is answered too: nobody
// can read it any more.
func (t *txn) oldChunks(ctx context.Context, instance int64, step time.Duration, before time.Time) (ids []int64, err error) {
	rows, err := t.tx.QueryContext(ctx, "SELECT id, count, data FROM chunks WHERE instance = ? AND step = ? AND last < ? ORDER BY last LIMIT ?",
		instance, int(step.Seconds()), before.UnixMilli(), rollChunks)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	t.samples = t.samples[:0]
	for rows.Next() {
		var id int64
		var count int
		var data sql.RawBytes
		if err := rows.Scan(&id, &count, &data); err != nil {
			return nil, err
		}
		if len(ids) > 0 && len(t.samples)+count > chunk.MaxReadings {
			break
		}
		ids = append(ids, id)
		whole := t.samples
		if t.samples, err = t.store.dict.Decode(t.samples, data); err != nil {
			t.store.damage(id, err)
			t.samples = whole
		}
	}
	return ids, errors.Join(rows.Err(), rows.Close())
}
