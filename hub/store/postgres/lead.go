package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/zupee/memwatch/hub/store"
)

const (
	// leadClass is the class of advisory locks that stand for a lead; the name's
	// hash is the other half.
	leadClass = lockClass + 1
	// leadEvery is how often a hub tries to lead, and looks whether it still does;
	// leadWithin is how long the answer may take.
	leadEvery  = time.Second
	leadWithin = 3 * time.Second
)

// Lead implements store.Shared: an advisory lock of a session, whose connection is
// for nothing else. When the hub or its machine dies, the server ends the session, at
// once or after the keepalives that alone sets, and another's next try succeeds.
func (s *Store) Lead(ctx context.Context, name string) (leading context.Context, release func(), err error) {
	select {
	case <-s.quit:
		return nil, nil, fmt.Errorf("lead %s: %w", name, store.ErrClosed)
	default:
	}
	ticker := time.NewTicker(leadEvery)
	defer ticker.Stop()
	var conn *pgx.Conn
	for failing := false; ; {
		var got bool
		conn, got, err = s.tryLead(ctx, conn, name)
		if got {
			leading, release = s.hold(ctx, conn)
			return leading, release, nil
		}
		if err != nil && !failing {
			s.log.Warn("cannot ask who leads; it is tried again every second", "name", name, "error", explain(err))
		}
		failing = err != nil
		select {
		case <-ticker.C:
			continue
		case <-s.quit:
			err = fmt.Errorf("lead %s: %w", name, store.ErrClosed)
		case <-ctx.Done():
			err = ctx.Err()
		}
		if conn != nil {
			s.leave(conn) //nolint:contextcheck // also when ctx is over
		}
		return nil, nil, err
	}
}

// tryLead tries to get the lock, on a new connection when there is none. It answers
// no connection when that is of no use any more.
func (s *Store) tryLead(ctx context.Context, conn *pgx.Conn, name string) (_ *pgx.Conn, got bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, leadWithin)
	defer cancel()
	if conn == nil {
		if conn, err = s.alone(ctx); err != nil {
			return nil, false, err
		}
	}
	if err := conn.QueryRow(ctx, "SELECT pg_try_advisory_lock($1, hashtext($2))", leadClass, name).Scan(&got); err != nil {
		s.leave(conn) //nolint:contextcheck // also when ctx is over
		return nil, false, err
	}
	return conn, got, nil
}

// hold looks after a lead until it is lost or released.
func (s *Store) hold(ctx context.Context, conn *pgx.Conn) (leading context.Context, release func()) {
	leading, end := context.WithCancel(ctx)
	released := make(chan struct{})
	s.running.Go(func() {
		defer close(released)
		defer s.leave(conn) //nolint:contextcheck // also when ctx is over
		defer end()
		ticker := time.NewTicker(leadEvery)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
			case <-s.quit:
				return
			case <-leading.Done():
				return
			}
			ctx, cancel := context.WithTimeout(leading, leadWithin)
			err := conn.Ping(ctx)
			cancel()
			if err != nil {
				if leading.Err() == nil {
					s.log.Warn("a lead is lost", "error", explain(err))
				}
				return
			}
		}
	})
	return leading, func() {
		end()
		<-released
	}
}

// alone opens a connection that is no part of the pool.
func (s *Store) alone(ctx context.Context) (*pgx.Conn, error) {
	cfg, err := s.cfg.pool()
	if err != nil {
		return nil, err
	}
	return pgx.ConnectConfig(ctx, cfg.ConnConfig)
}

// leave closes such a connection, and what it holds is free.
func (s *Store) leave(conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = conn.Close(ctx)
}
