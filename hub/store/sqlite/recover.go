package sqlite

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/hub/store"
	"github.com/zupee/memwatch/hub/store/chunk"
)

// recover rebuilds what the store holds in memory: at start, and after a commit
// that failed and may have come to the disk all the same.
func (s *Store) recover(ctx context.Context) error {
	byID, err := s.loadSeries(ctx)
	if err != nil {
		return fmt.Errorf("instances: %w", err)
	}
	w := &s.w
	w.pins, w.mark = map[int64]int{}, mark{}
	const ends = `SELECT
		(SELECT max(coalesce((SELECT max(id) FROM journal), 0), coalesce((SELECT max(journal) FROM seals), 0))) + 1,
		(SELECT coalesce(min(id), 0) FROM journal),
		(SELECT coalesce(max(id), 0) + 1 FROM chunks),
		(SELECT coalesce(max(seq), 0) + 1 FROM sqlite_sequence WHERE name = 'instances')`
	if err := s.write.QueryRowContext(ctx, ends).Scan(&w.nextJournal, &w.oldest, &w.nextChunk, &w.nextInstance); err != nil {
		return err
	}
	if w.oldest == 0 {
		w.oldest = w.nextJournal
	}
	if err := s.replay(ctx, byID); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	all := make(map[target]*series, len(byID))
	for _, r := range byID {
		all[r.target] = r.series
	}
	s.mu.Lock()
	s.series = all
	s.mu.Unlock()
	return nil
}

// loadDictionary reads the numbers of the signals and gives new signals theirs.
func (s *Store) loadDictionary(ctx context.Context) error {
	numbers, next := map[string]int{}, 0
	rows, err := s.write.QueryContext(ctx, "SELECT number, name FROM signals")
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var n int
		var name string
		if err := rows.Scan(&n, &name); err != nil {
			return err
		}
		numbers[name] = n
		next = max(next, n+1)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return err
	}
	for sig := range memwatch.SignalCount {
		if _, ok := numbers[sig.String()]; ok {
			continue
		}
		if _, err := s.write.ExecContext(ctx, "INSERT INTO signals (number, name) VALUES (?, ?)", next, sig.String()); err != nil {
			return err
		}
		numbers[sig.String()] = next
		next++
	}
	s.dict, err = chunk.NewDictionary(numbers)
	return err
}

// replayed is a series and how far its journal is in chunks.
type replayed struct {
	*series
	sealed int64
}

func (s *Store) loadSeries(ctx context.Context) (map[int64]replayed, error) {
	rows, err := s.write.QueryContext(ctx, `SELECT i.id, i.service, i.instance, coalesce(s.journal, 0), coalesce(s.last, 0),
		CASE WHEN s.instance IS NULL THEN 0 ELSE coalesce((SELECT max(id) FROM chunks), 0) END
		FROM instances i LEFT JOIN seals s ON s.instance = i.id`)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	byID := map[int64]replayed{}
	for rows.Next() {
		r := replayed{series: &series{}}
		// lastChunk only bounds what a query may see, so that any later chunk will do.
		if err := rows.Scan(&r.id, &r.target.service, &r.target.instance, &r.sealed, &r.state.last, &r.state.lastChunk); err != nil {
			return nil, err
		}
		byID[r.id] = r
	}
	return byID, rows.Err()
}

// replay puts the journal's rows back into the open chunks.
func (s *Store) replay(ctx context.Context, byID map[int64]replayed) error {
	rows, err := s.write.QueryContext(ctx, "SELECT id, data FROM journal ORDER BY id")
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
		if err := replayRow(byID, id, data); err != nil {
			return fmt.Errorf("row %d: %w", id, err)
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	for _, r := range byID {
		if err := s.reopen(r.series); err != nil {
			return fmt.Errorf("%w: readings of %s/%s: %w", store.ErrCorrupt, r.target.service, r.target.instance, err)
		}
	}
	return nil
}

func replayRow(byID map[int64]replayed, id int64, data []byte) error {
	for len(data) > 0 {
		instance, n := binary.Uvarint(data)
		if n <= 0 {
			return store.ErrCorrupt
		}
		length, m := binary.Uvarint(data[n:])
		if m <= 0 || length > uint64(len(data)-n-m) {
			return store.ErrCorrupt
		}
		row := data[n+m:][:length]
		data = data[n+m+int(length):]
		r, ok := byID[int64(instance)]
		if !ok || id <= r.sealed { // forgotten, or in a chunk already
			continue
		}
		if len(r.state.rows) == 0 {
			r.state.opened = id
		}
		r.state.rows = append(r.state.rows, row...)
	}
	return nil
}

// reopen fills in what follows from an open chunk's rows.
func (s *Store) reopen(sr *series) error {
	st := &sr.state
	for rest := st.rows; len(rest) > 0; st.count++ {
		var err error
		if rest, err = s.dict.ReadRow(rest, &st.tail); err != nil {
			return err
		}
		ms := st.tail.Last.Time.UnixMilli()
		if st.count == 0 {
			st.from, st.to = ms, ms
		}
		st.from, st.to, st.last = min(st.from, ms), max(st.to, ms), max(st.last, ms)
	}
	if st.count > 0 {
		s.w.pins[st.opened]++
	}
	return nil
}
