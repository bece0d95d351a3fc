package sqlite

import (
	"context"
	"database/sql"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/hub/store"
	"github.com/zupee/memwatch/hub/store/chunk"
)

// series is one instance in memory.
type series struct {
	id     int64
	target target
	state  state // guarded by Store.mu
	// slot is 1 + the index of its working copy in the transaction; 0 for none.
	// The writing goroutine's own.
	slot int
	// gone means that this transaction deletes it. The writing goroutine's own.
	gone bool
}

// state is what changes with every reading. Copies share the bytes of rows,
// which are only ever appended to.
type state struct {
	// last is the time of the newest reading ever, in milliseconds.
	last int64
	// lastChunk is the newest chunk; 0 for none.
	lastChunk int64

	// The open chunk:
	rows   []byte
	count  int
	from   int64 // the oldest and newest time in it
	to     int64
	opened int64 // the journal row of its first reading
	tail   chunk.Tail
}

// Append implements store.Readings.
func (s *Store) Append(ctx context.Context, readings []store.Reading) (store.AppendResult, error) {
	if err := store.CheckTimes(readings); err != nil {
		return store.AppendResult{}, err
	}
	if len(readings) == 0 {
		return store.AppendResult{}, nil
	}
	var result store.AppendResult
	err := s.do(ctx, len(readings), func(ctx context.Context, t *txn) error {
		before := t.result
		for i := range readings {
			if err := t.append(ctx, &readings[i]); err != nil {
				return err
			}
		}
		result = store.AppendResult{
			Stored:     t.result.Stored - before.Stored,
			Duplicates: t.result.Duplicates - before.Duplicates,
		}
		return nil
	})
	if err != nil {
		return store.AppendResult{}, err
	}
	return result, nil
}

// txn is one transaction with its working copies; nobody sees them before it
// has been committed.
type txn struct {
	store *Store
	tx    *sql.Tx

	journal   int64  // the id of its journal row
	entries   []byte // what that row will hold
	slots     []slot
	created   map[target]*series
	forgotten []*series
	sealed    bool
	keepFrom  int64 // the first journal row that is needed, once sealed
	result    store.AppendResult

	nextChunk, nextInstance int64
	samples                 []memwatch.Sample // scratch
}

// slot is the working copy of one series.
type slot struct {
	series *series
	state  state
	before int64 // state.opened as committed, 0 if no chunk was open
	seal   bool
	// known and loaded serve late readings: times seen, and of which chunks.
	known  map[int64]struct{}
	loaded map[int64]struct{}
}

// touch returns the working copy of a series.
func (t *txn) touch(sr *series) *slot {
	if sr.slot == 0 {
		t.slots = append(t.slots, slot{series: sr, state: sr.state})
		sr.slot = len(t.slots)
		if sr.state.count > 0 {
			t.slots[sr.slot-1].before = sr.state.opened
		}
	}
	return &t.slots[sr.slot-1]
}

// lookup finds a series, making it when there is none, first seen at that time
// in milliseconds.
func (t *txn) lookup(ctx context.Context, tg target, first int64) (*series, error) {
	if sr := t.store.series[tg]; sr != nil && !sr.gone {
		return sr, nil
	}
	if sr := t.created[tg]; sr != nil {
		return sr, nil
	}
	sr := &series{id: t.nextInstance, target: tg}
	if _, err := t.tx.ExecContext(ctx, "INSERT INTO instances (id, service, instance, first_seen) VALUES (?, ?, ?, ?)", sr.id, tg.service, tg.instance, first); err != nil {
		return nil, fmt.Errorf("add instance %s/%s: %w", tg.service, tg.instance, err)
	}
	t.nextInstance++
	if t.created == nil {
		t.created = map[target]*series{}
	}
	t.created[tg] = sr
	return sr, nil
}

// append adds one reading to its open chunk and to the journal row.
func (t *txn) append(ctx context.Context, r *store.Reading) error {
	ms := r.Sample.Time.UnixMilli()
	sr, err := t.lookup(ctx, target{r.Service, r.Instance}, ms)
	if err != nil {
		return err
	}
	sl := t.touch(sr)
	st := &sl.state
	if ms <= st.last {
		known, err := t.knows(ctx, sl, ms)
		if err != nil {
			return fmt.Errorf("late reading of %s/%s: %w", r.Service, r.Instance, err)
		}
		if known {
			t.result.Duplicates++
			return nil
		}
	}
	if st.count == 0 {
		st.opened, st.from, st.to = t.journal, ms, ms
	}
	begin := len(st.rows)
	st.rows = t.store.dict.AppendRow(st.rows, &st.tail, &r.Sample)
	st.count++
	st.from, st.to, st.last = min(st.from, ms), max(st.to, ms), max(st.last, ms)
	if sl.known != nil {
		sl.known[ms] = struct{}{}
	}
	t.entries = appendEntry(t.entries, sr.id, st.rows[begin:])
	t.result.Stored++
	if st.count >= t.store.sealAt(sr, st) {
		sl.seal = true
	}
	return nil
}

// sealAt is how many readings fill an open chunk. The first chunk of an
// instance is shorter by an amount of its own, so that a fleet that started
// together does not seal together for ever.
func (s *Store) sealAt(sr *series, st *state) int {
	n := s.cfg.ChunkReadings
	if st.lastChunk == 0 {
		n -= int(sr.id*37%int64(n)) / 2
	}
	return n
}

// knows reports whether a reading of this millisecond is stored. It is asked
// only of readings that are not newer than all others.
func (t *txn) knows(ctx context.Context, sl *slot, ms int64) (bool, error) {
	if sl.known == nil {
		sl.known, sl.loaded = map[int64]struct{}{}, map[int64]struct{}{}
		var err error
		if t.samples, err = t.store.dict.Rows(t.samples[:0], sl.state.rows); err != nil {
			return false, fmt.Errorf("open chunk: %w", err)
		}
		for i := range t.samples {
			sl.known[t.samples[i].Time.UnixMilli()] = struct{}{}
		}
	}
	if _, ok := sl.known[ms]; ok {
		return true, nil
	}
	rows, err := t.tx.QueryContext(ctx, "SELECT id, data FROM chunks WHERE instance = ? AND first <= ? AND last >= ?", sl.series.id, ms, ms)
	if err != nil {
		return false, err
	}
	defer func() { _ = rows.Close() }()
	var times []int64
	for rows.Next() {
		var id int64
		var data sql.RawBytes
		if err := rows.Scan(&id, &data); err != nil {
			return false, err
		}
		if _, ok := sl.loaded[id]; ok {
			continue
		}
		sl.loaded[id] = struct{}{}
		if times, err = chunk.Times(times[:0], data); err != nil {
			t.store.damage(id, err)
			continue
		}
		for _, at := range times {
			sl.known[at] = struct{}{}
		}
	}
	_, ok := sl.known[ms]
	return ok, rows.Err()
}

// flush writes the journal row, then the chunks that are full.
func (t *txn) flush(ctx context.Context) error {
	if len(t.entries) > 0 {
		if err := t.exec(ctx, t.store.w.insertJournal, t.journal, t.entries); err != nil {
			return fmt.Errorf("journal: %w", err)
		}
	}
	for i := range t.slots {
		if t.slots[i].seal && t.slots[i].state.count > 0 {
			if err := t.seal(ctx, &t.slots[i]); err != nil {
				return fmt.Errorf("seal a chunk of %s/%s: %w", t.slots[i].series.target.service, t.slots[i].series.target.instance, err)
			}
		}
	}
	if t.sealed {
		t.keepFrom = t.firstNeeded()
		if err := t.exec(ctx, t.store.w.trimJournal, t.keepFrom); err != nil {
			return fmt.Errorf("trim journal: %w", err)
		}
	}
	return nil
}

// seal writes an open chunk as columns, in several chunks when it became large
// within this transaction, and opens an empty one.
func (t *txn) seal(ctx context.Context, sl *slot) error {
	st := &sl.state
	var err error
	if t.samples, err = t.store.dict.Rows(t.samples[:0], st.rows); err != nil {
		return err
	}
	slices.SortFunc(t.samples, func(a, b memwatch.Sample) int { return a.Time.Compare(b.Time) })
	pieces := max(1, len(t.samples)/t.store.cfg.ChunkReadings)
	for i := range pieces {
		part := t.samples[i*len(t.samples)/pieces : (i+1)*len(t.samples)/pieces]
		first, last := part[0].Time.UnixMilli(), part[len(part)-1].Time.UnixMilli()
		if err := t.exec(ctx, t.store.w.insertChunk, t.nextChunk, sl.series.id, first, last, len(part), t.store.dict.Encode(part)); err != nil {
			return err
		}
		st.lastChunk = t.nextChunk
		t.nextChunk++
	}
	if err := t.exec(ctx, t.store.w.upsertSeal, sl.series.id, t.journal, st.last); err != nil {
		return err
	}
	*st = state{last: st.last, lastChunk: st.lastChunk}
	t.sealed = true
	return nil
}

// exec runs a prepared statement inside the transaction.
func (t *txn) exec(ctx context.Context, stmt *sql.Stmt, args ...any) error {
	_, err := t.tx.StmtContext(ctx, stmt).ExecContext(ctx, args...) //nolint:sqlclosecheck // it ends with the transaction
	return err
}

// firstNeeded is the first journal row that an open chunk will need after this
// transaction.
func (t *txn) firstNeeded() int64 {
	w := &t.store.w
	gone := map[int64]int{}
	for i := range t.slots {
		if b := t.slots[i].before; b != 0 && (t.slots[i].state.count == 0 || t.slots[i].state.opened != b) {
			gone[b]++
		}
	}
	for id := w.oldest; id < t.journal; id++ {
		if w.pins[id] > gone[id] {
			return id
		}
	}
	for i := range t.slots {
		if t.slots[i].state.count > 0 && t.slots[i].state.opened == t.journal {
			return t.journal
		}
	}
	return t.journal + 1
}

// publish makes a committed transaction visible.
func (t *txn) publish() {
	s, w := t.store, &t.store.w
	s.mu.Lock()
	for _, sr := range t.forgotten {
		delete(s.series, sr.target)
	}
	for tg, sr := range t.created {
		s.series[tg] = sr
	}
	for i := range t.slots {
		t.slots[i].series.state = t.slots[i].state
	}
	s.mu.Unlock()
	for i := range t.slots {
		w.repin(&t.slots[i])
	}
	if t.sealed {
		w.oldest = t.keepFrom
	}
	w.nextChunk, w.nextInstance = t.nextChunk, t.nextInstance
	if len(t.entries) > 0 || t.sealed {
		w.nextJournal++
	}
	s.stored.Add(int64(t.result.Stored))
	s.duplicates.Add(int64(t.result.Duplicates))
}

// repin moves a series' claim on the journal to where its open chunk begins now.
func (w *writer) repin(sl *slot) {
	after := int64(0)
	if sl.state.count > 0 {
		after = sl.state.opened
	}
	if after == sl.before {
		return
	}
	if sl.before != 0 {
		if w.pins[sl.before]--; w.pins[sl.before] == 0 {
			delete(w.pins, sl.before)
		}
	}
	if after != 0 {
		w.pins[after]++
	}
}

// appendEntry adds a row to a journal row: instance, length, bytes.
func appendEntry(dst []byte, instance int64, row []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(instance))
	dst = binary.AppendUvarint(dst, uint64(len(row)))
	return append(dst, row...)
}
