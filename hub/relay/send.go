package relay

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	// maxWaiting bounds the messages that wait to be sent: who sends more waits.
	maxWaiting = 4096
	// rowBytes is where a row ends, maxRow what one may unpack to.
	rowBytes = 1 << 20
	maxRow   = 64 << 20
	// sendEvery is the least time between the beginnings of two rows, so that many
	// messages share one. A message after a pause does not wait.
	sendEvery = 10 * time.Millisecond
	// patience is how long a row is tried again while the database cannot be reached,
	// sendAgain the time between two tries.
	patience  = 10 * time.Second
	sendAgain = 200 * time.Millisecond
	// sendTimeout is how long the database may take for one row.
	sendTimeout = 10 * time.Second
)

// ErrClosed: the relay was closed before the message was sent.
var ErrClosed = errors.New("this hub is stopping")

// letter is a message on its way out.
type letter struct {
	body []byte
	own  any
	done chan error
}

// Send gives a message its place after all that this hub sent before, and answers
// when it is durable, by a channel that holds one. Own, unless nil, is what it says
// in the sender's own form: this hub gets it back in place of the body, mostly.
func (r *Relay) Send(ctx context.Context, body []byte, own any) <-chan error {
	l := &letter{body, own, make(chan error, 1)}
	r.sending.RLock()
	defer r.sending.RUnlock()
	if r.closed {
		l.done <- ErrClosed
		return l.done
	}
	select {
	case r.outbox <- l:
	case <-ctx.Done():
		l.done <- context.Cause(ctx)
	}
	return l.done
}

// send writes row after row until ctx ends.
func (r *Relay) send(ctx context.Context) {
	var seq int64
	var last, began time.Time
	var letters []*letter
	for {
		letters = letters[:0]
		select {
		case l := <-r.outbox:
			letters = append(letters, l)
		case <-ctx.Done():
			r.refuse()
			return
		}
		if wait := time.Until(began.Add(sendEvery)); wait > 0 {
			time.Sleep(wait)
		}
		began = time.Now()
		letters = r.gather(letters)
		var err error
		for {
			seq++ // also after a failure: that row may yet appear
			r.keep(seq, letters)
			if last, err = r.write(ctx, seq, last, letters); err == nil || ctx.Err() != nil || time.Since(began) > patience {
				break
			}
			pause(ctx, sendAgain)
		}
		for _, l := range letters {
			l.done <- err
		}
	}
}

// keep remembers the own form of a row's messages until they are read.
func (r *Relay) keep(seq int64, letters []*letter) {
	own := make([]any, len(letters))
	for i, l := range letters {
		if own[i] = l.own; l.own == nil {
			return
		}
	}
	r.mine.mu.Lock()
	defer r.mine.mu.Unlock()
	r.mine.rows[seq] = own
}

// gather adds what waits, as much as goes in one row.
func (r *Relay) gather(letters []*letter) []*letter {
	size := len(letters[0].body)
	for size < rowBytes {
		select {
		case l := <-r.outbox:
			letters = append(letters, l)
			size += len(l.body)
		default:
			return letters
		}
	}
	return letters
}

func (r *Relay) refuse() {
	for {
		select {
		case l := <-r.outbox:
			l.done <- ErrClosed
		default:
			return
		}
	}
}

// write commits one row, later than the last by the database's clock even when that
// was set back.
func (r *Relay) write(ctx context.Context, seq int64, last time.Time, letters []*letter) (at time.Time, err error) {
	var plain []byte
	for _, l := range letters {
		plain = binary.AppendUvarint(plain, uint64(len(l.body)))
		plain = append(plain, l.body...)
	}
	// What was begun when the hub stops comes to its end.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), sendTimeout)
	defer cancel()
	var b pgx.Batch // one round trip, one transaction
	b.Queue(`INSERT INTO relay_events (hub, seq, at, body) VALUES ($1, $2, greatest(clock_timestamp(), $3::timestamptz + interval '1 microsecond'), $4) RETURNING at`,
		r.id, seq, last, r.zip.EncodeAll(plain, nil)).QueryRow(func(row pgx.Row) error { return row.Scan(&at) })
	b.Queue(`SELECT pg_notify('` + channel + `', '')`)
	if err := r.pool.SendBatch(ctx, &b).Close(); err != nil {
		return last, fmt.Errorf("tell the other hubs: %w", err)
	}
	return at, nil
}

// unpack splits a row into its messages.
func (r *Relay) unpack(body []byte) (messages [][]byte, err error) {
	plain, err := r.unzip.DecodeAll(body, nil)
	if err != nil {
		return nil, err
	}
	for len(plain) > 0 {
		n, k := binary.Uvarint(plain)
		if k <= 0 || n > uint64(len(plain)-k) {
			return nil, errors.New("a length that does not fit")
		}
		messages = append(messages, plain[k:k+int(n)])
		plain = plain[k+int(n):]
	}
	return messages, nil
}
