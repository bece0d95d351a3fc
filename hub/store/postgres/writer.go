package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/zupee/memwatch/hub/store"
)

const (
	// writers is how many transactions of one hub are under way at the same time:
	// while one waits for the disk, the next is made.
	writers = 2
	// maxJobs is how many calls wait for a writing goroutine; more callers than
	// that wait to get into the queue. Nothing is dropped.
	maxJobs = 1024
	// maxReadings ends the gathering of one transaction.
	maxReadings = 20_000
)

// job is one caller's part of a transaction.
type job struct {
	readings  []store.Reading
	instances []upsert
	verdicts  []verdict

	result store.AppendResult
	err    error
	done   chan struct{}
}

func (j *job) weight() int { return len(j.readings) + len(j.instances) + len(j.verdicts) }

// do has a writing goroutine store a job and waits until that is committed. When
// ctx ends while waiting the outcome is open: the write may happen yet.
func (s *Store) do(ctx context.Context, j *job) error {
	j.done = make(chan struct{})
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

// write is a writing goroutine: it gathers what waits and commits it together.
func (s *Store) write() {
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
		total += j.weight()
	}
	timer := time.NewTimer(max(0, pause))
	defer timer.Stop()
	for waiting := pause > 0; total < maxReadings; {
		select {
		case j := <-s.jobs:
			batch, total = append(batch, j), total+j.weight()
			continue
		default:
		}
		if !waiting {
			return batch
		}
		select {
		case j := <-s.jobs:
			batch, total = append(batch, j), total+j.weight()
		case <-timer.C:
			waiting = false
		case <-s.quit:
			waiting = false
		}
	}
	return batch
}

// commit stores the jobs in one transaction. When that goes wrong for a reason of
// their own, each is tried alone, so that one does not hurt its neighbours.
func (s *Store) commit(ctx context.Context, batch []*job) {
	err := s.retry(ctx, func(ctx context.Context) error { return s.transact(ctx, batch) })
	if err == nil || len(batch) == 1 || transient(err) {
		for _, j := range batch {
			j.err = err
		}
		return
	}
	for i := range batch {
		batch[i].err = s.retry(ctx, func(ctx context.Context) error { return s.transact(ctx, batch[i:i+1]) })
	}
}

// transact stores jobs in one transaction. It may be called again when it failed:
// all it does is harmless when it was done already.
func (s *Store) transact(ctx context.Context, batch []*job) error {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	t := &txn{store: s, created: map[target]int64{}}
	err := s.tx(ctx, func(tx pgx.Tx) error {
		t.tx = tx
		return t.run(ctx, batch)
	})
	if err != nil {
		return err
	}
	s.ids.learn(t.generation, t.created)
	for _, j := range batch {
		s.stored.Add(int64(j.result.Stored))
		s.duplicates.Add(int64(j.result.Duplicates))
	}
	s.commits.Add(1)
	return nil
}
