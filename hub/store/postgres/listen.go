package postgres

import (
	"context"
	"strconv"
	"time"
)

const (
	// channel is what hubs listen on. A notification says who has committed
	// something, and no more: what it was is in the feed.
	channel = "memwatch"
	// notifyEvery is the least time between two notifications of one hub.
	notifyEvery = 100 * time.Millisecond
)

// open is a context that ends when the store is closed.
func (s *Store) open() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	s.running.Go(func() {
		select {
		case <-s.quit:
			cancel()
		case <-ctx.Done():
		}
	})
	return ctx, cancel
}

// notify tells the other hubs that something was committed. One notification may
// stand for many commits; one that gets lost costs a wait of lookAround.
func (s *Store) notify() {
	ctx, cancel := s.open()
	defer cancel()
	me := strconv.FormatInt(s.hub, 10)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-ctx.Done():
			return
		}
		select {
		case <-s.changed:
		case <-ctx.Done():
			return
		}
		if _, err := s.pool.Exec(ctx, "SELECT pg_notify($1, $2)", channel, me); err != nil && ctx.Err() == nil {
			s.log.Debug("other hubs are not told at once what was committed", "error", err)
		}
		timer.Reset(notifyEvery)
	}
}

// listen wakes Changes when another hub has committed something, and whenever it
// may have missed that.
func (s *Store) listen() {
	ctx, cancel := s.open()
	defer cancel()
	for ctx.Err() == nil {
		err := s.listenOnce(ctx)
		if ctx.Err() != nil {
			return
		}
		s.log.Debug("not told what other hubs commit; they are asked meanwhile", "error", err)
		timer := time.NewTimer(lookAround)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
	}
}

func (s *Store) listenOnce(ctx context.Context) error {
	conn, err := s.alone(ctx)
	if err != nil {
		return err
	}
	defer s.leave(conn) //nolint:contextcheck // also when ctx is over
	if _, err := conn.Exec(ctx, "LISTEN "+channel); err != nil {
		return err
	}
	me := strconv.FormatInt(s.hub, 10)
	for s.wake(); ; {
		n, err := conn.WaitForNotification(ctx)
		if err != nil {
			return err
		}
		if n.Payload != me {
			s.wake()
		}
	}
}

func (s *Store) wake() {
	select {
	case s.woken <- struct{}{}:
	default:
	}
}
