package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/zupee/memwatch/hub/store"
)

const (
	// maxJobs is how many calls wait for the writing goroutine; more callers
	// than that wait to get into the queue. Nothing is dropped.
	maxJobs = 1024
	// maxTxnReadings ends the gathering of one transaction.
	maxTxnReadings = 50_000
)

// job is one caller's part of a transaction.
type job struct {
	apply    func(context.Context, *txn) error
	readings int // how much it weighs
	err      error
	done     chan struct{}
}

// do has the writing goroutine run apply inside a transaction and waits until
// that is durable. apply may run twice, each time on a fresh transaction. When
// ctx ends while waiting the outcome is open: the write may happen yet.
func (s *Store) do(ctx context.Context, readings int, apply func(context.Context, *txn) error) error {
	j := &job{apply: apply, readings: readings, done: make(chan struct{})}
	select {
	case <-s.quit:
		return store.ErrClosed
	default:
	}
	select {
	case s.jobs <- j:
	case <-s.quit:
		return store.ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-j.done:
		return j.err
	case <-s.done:
		// Closed between the two: it was written, or never looked at.
		select {
		case <-j.done:
			return j.err
		default:
			return store.ErrClosed
		}
	case <-ctx.Done():
		return ctx.Err()
	}
}

// run is the writing goroutine: it gathers what waits and commits it together.
func (s *Store) run() {
	defer close(s.done)
	ctx := context.Background() // a commit is not to be torn by a caller that leaves
	var batch []*job
	var began time.Time
	for {
		select {
		case j := <-s.jobs:
			batch = s.gather(append(batch[:0], j), s.cfg.CommitEvery-time.Since(began))
		case <-s.quit:
			if batch = s.gather(batch[:0], 0); len(batch) == 0 {
				return
			}
		}
		began = time.Now()
		s.commit(ctx, batch)
		for _, j := range batch {
			close(j.done)
		}
		clear(batch)
	}
}

// gather takes what waits, and what comes within pause.
func (s *Store) gather(batch []*job, pause time.Duration) []*job {
	total := 0
	for _, j := range batch {
		total += j.readings
	}
	var timer <-chan time.Time
	if pause > 0 {
		t := time.NewTimer(pause)
		defer t.Stop()
		timer = t.C
	}
	for total < maxTxnReadings {
		select {
		case j := <-s.jobs:
			batch, total = append(batch, j), total+j.readings
			continue
		default:
		}
		if timer == nil {
			return batch
		}
		select {
		case j := <-s.jobs:
			batch, total = append(batch, j), total+j.readings
		case <-timer:
			timer = nil
		case <-s.quit:
			timer = nil
		}
	}
	return batch
}

// commit runs the jobs in one transaction. When one of them fails the others
// run again, each in its own.
func (s *Store) commit(ctx context.Context, batch []*job) {
	failed, err := s.transact(ctx, batch)
	if err == nil {
		return
	}
	if failed == nil || len(batch) == 1 {
		for _, j := range batch {
			j.err = err
		}
		return
	}
	for i := range batch {
		_, batch[i].err = s.transact(ctx, batch[i:i+1])
	}
}

// transact runs jobs in one transaction; failed is the job whose own part went
// wrong, nil when it was the common part.
func (s *Store) transact(ctx context.Context, batch []*job) (failed *job, err error) {
	t, err := s.begin(ctx)
	if err != nil {
		return nil, fmt.Errorf("begin transaction: %w", explain(err))
	}
	defer t.end()
	for _, j := range batch {
		if err := j.apply(ctx, t); err != nil {
			return j, explain(err)
		}
	}
	if err := t.flush(ctx); err != nil {
		return nil, fmt.Errorf("store readings: %w", explain(err))
	}
	if err := t.tx.Commit(); err != nil {
		s.w.doubtful = true
		return nil, fmt.Errorf("commit: %w", explain(err))
	}
	t.publish()
	s.commits.Add(1)
	return nil, nil
}

// writer is what the writing goroutine alone may touch.
type writer struct {
	nextInstance, nextJournal, nextChunk int64
	// pins counts, for each journal row, the open chunks that begin in it.
	pins map[int64]int
	// oldest is the first journal row that may still be there.
	oldest int64
	// mark is the journal's end some while ago: chunks open since before it are
	// sealed although they are short, so that the journal's beginning can go.
	mark mark

	// doubtful means that a commit failed and may be on the disk or not.
	doubtful bool

	insertJournal, insertChunk, upsertSeal, trimJournal *sql.Stmt
	txn                                                 txn
}

type mark struct {
	at      time.Time
	journal int64
}

func (w *writer) prepare(ctx context.Context, db *sql.DB) error {
	for query, stmt := range map[string]**sql.Stmt{
		"INSERT INTO journal (id, data) VALUES (?, ?)":                                                                                            &w.insertJournal,
		"INSERT INTO chunks (id, instance, first, last, count, data) VALUES (?, ?, ?, ?, ?, ?)":                                                   &w.insertChunk,
		"INSERT INTO seals (instance, journal, last) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET journal = excluded.journal, last = excluded.last": &w.upsertSeal,
		"DELETE FROM journal WHERE id < ?":                                                                                                        &w.trimJournal,
	} {
		var err error
		if *stmt, err = db.PrepareContext(ctx, query); err != nil { //nolint:sqlclosecheck // it ends with the database
			return fmt.Errorf("prepare %q: %w", query, err)
		}
	}
	return nil
}

// begin starts a transaction, reusing the last one's memory.
func (s *Store) begin(ctx context.Context) (*txn, error) {
	if s.w.doubtful {
		if err := s.recover(ctx); err != nil {
			return nil, fmt.Errorf("read the database again after a failed commit: %w", err)
		}
		s.w.doubtful = false
		s.log.Warn("a commit had failed; what is on the disk was read again")
	}
	tx, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return nil, err
	}
	t := &s.w.txn
	t.store, t.tx = s, tx
	t.journal = s.w.nextJournal
	t.nextChunk, t.nextInstance = s.w.nextChunk, s.w.nextInstance
	return t, nil
}

// end rolls back what was not committed and forgets it.
func (t *txn) end() {
	if err := t.tx.Rollback(); err != nil && !errors.Is(err, sql.ErrTxDone) {
		t.store.log.Error("transaction not rolled back", "error", err)
	}
	for i := range t.slots {
		t.slots[i].series.slot = 0
		t.slots[i] = slot{}
	}
	t.slots = t.slots[:0]
	t.entries = t.entries[:0]
	t.result = store.AppendResult{}
	for _, sr := range t.forgotten {
		sr.gone = false
	}
	t.forgotten = t.forgotten[:0]
	t.sealed = false
	clear(t.created)
}
