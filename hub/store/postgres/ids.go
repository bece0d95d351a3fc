package postgres

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"
)

// target is what an instance is known by.
type target struct{ service, instance string }

func compareTargets(a, b target) int {
	if c := strings.Compare(a.service, b.service); c != 0 {
		return c
	}
	return strings.Compare(a.instance, b.instance)
}

// ids remembers the numbers of instances. They are good for one generation, that is
// as long as nobody has deleted an instance: a transaction that holds lockAppend asks
// for the generation, and forgets all when it is another.
type ids struct {
	mu         sync.RWMutex
	generation int64
	of         map[target]int64
}

// at answers how to find numbers that are good in a generation.
func (d *ids) at(generation int64) func(target) (int64, bool) {
	return func(tg target) (int64, bool) {
		d.mu.RLock()
		defer d.mu.RUnlock()
		if d.generation != generation {
			return 0, false
		}
		id, ok := d.of[tg]
		return id, ok
	}
}

// learn adds what a committed transaction has found.
func (d *ids) learn(generation int64, found map[target]int64) {
	if len(found) == 0 {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if generation < d.generation {
		return
	}
	if generation > d.generation {
		d.generation, d.of = generation, map[target]int64{}
	}
	maps.Copy(d.of, found)
}

// resolve makes all targets known, first seen at those times, and finds their
// numbers.
func (t *txn) resolve(ctx context.Context, first map[target]int64) error {
	remembered := t.store.ids.at(t.generation)
	var missing []target
	for tg := range first {
		if _, ok := remembered(tg); !ok {
			missing = append(missing, tg)
		}
	}
	t.remembered = remembered
	if len(missing) == 0 {
		return nil
	}
	slices.SortFunc(missing, compareTargets) // in one order, so that no two hubs wait for each other
	services, instances, seen := make([]string, len(missing)), make([]string, len(missing)), make([]int64, len(missing))
	for i, tg := range missing {
		services[i], instances[i], seen[i] = tg.service, tg.instance, first[tg]
	}
	if _, err := t.tx.Exec(ctx, `INSERT INTO instances (service, instance, first_seen)
		SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[]) ON CONFLICT DO NOTHING`, services, instances, seen); err != nil {
		return err
	}
	rows, err := t.tx.Query(ctx, `SELECT i.id, i.service, i.instance FROM instances i
		JOIN unnest($1::text[], $2::text[]) AS n (service, instance) USING (service, instance)`, services, instances)
	if err != nil {
		return err
	}
	var id int64
	var tg target
	_, err = pgx.ForEachRow(rows, []any{&id, &tg.service, &tg.instance}, func() error {
		t.created[tg] = id
		return nil
	})
	return err
}

// id answers the number of a target that was resolved.
func (t *txn) id(tg target) int64 {
	if id, ok := t.created[tg]; ok {
		return id
	}
	id, _ := t.remembered(tg)
	return id
}

// inOrder are the numbers in a map, the least first.
func inOrder[V any](of map[int64]V) []int64 { return slices.Sorted(maps.Keys(of)) }
