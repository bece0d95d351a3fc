package spool

import "context"

// Queue is one class's records, handed out oldest first.
type Queue struct {
	s     *Spool
	class Class
}

// Queue returns the queue of a class.
func (s *Spool) Queue(class Class) Queue { return Queue{s, class} }

func (q Queue) log() queue {
	if q.class == Evidence {
		return q.s.evidence
	}
	return q.s.readings
}

// queue is what both classes can do; the spool's lock is held.
type queue interface {
	// next returns the oldest record not handed out; ok is false when there is none.
	next() (id uint64, r Record, ok bool)
	// record returns one that is handed out.
	record(id uint64) (Record, bool)
	ack(id uint64)
	requeue()
	length() int
}

// Next waits for the oldest record that is not handed out yet and hands it
// out. Its id is good for Ack and Reject until Requeue or Close. The error is
// ctx's, or ErrClosed.
func (q Queue) Next(ctx context.Context) (id uint64, body []byte, file string, err error) {
	for {
		if err := ctx.Err(); err != nil {
			return 0, nil, "", err
		}
		q.s.mu.Lock()
		if q.s.closed {
			q.s.mu.Unlock()
			return 0, nil, "", ErrClosed
		}
		id, r, ok := q.log().next()
		wake := q.s.wake
		q.s.mu.Unlock()
		if ok {
			return id, r.Body, r.File, nil
		}
		select {
		case <-wake:
		case <-ctx.Done():
		}
	}
}

// Ack ends records: the hub has them. Ids that are unknown, or gone because
// they gave way meanwhile, are passed over.
func (q Queue) Ack(ids ...uint64) {
	q.s.mu.Lock()
	defer q.s.mu.Unlock()
	for _, id := range ids {
		if !q.s.closed {
			q.log().ack(id)
		}
	}
}

// Reject ends a record that the hub will never take. It is kept with the
// reason in the folder rejected, among the newest MaxRejected.
func (q Queue) Reject(id uint64, reason string) {
	q.s.mu.Lock()
	defer q.s.mu.Unlock()
	if q.s.closed {
		return
	}
	if r, ok := q.log().record(id); ok {
		q.s.noteRejected(q.s.rejected.add(q.class, r, reason))
	}
	q.log().ack(id)
}

// Requeue takes back every record that is handed out and not acknowledged, so
// that Next begins with the oldest again.
func (q Queue) Requeue() {
	q.s.mu.Lock()
	defer q.s.mu.Unlock()
	if !q.s.closed {
		q.log().requeue()
		close(q.s.wake)
		q.s.wake = make(chan struct{})
	}
}

// Len is how many records wait, those that are handed out included.
func (q Queue) Len() int {
	q.s.mu.Lock()
	defer q.s.mu.Unlock()
	return q.log().length()
}
