package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/zupee/memwatch/hub/store"
)

// explain gives PostgreSQL's errors that matter to callers their sentinel.
func explain(err error) error {
	var e *pgconn.PgError
	switch {
	case err == nil, errors.Is(err, context.Canceled):
		return err
	case errors.As(err, &e):
		return explainCode(err, e)
	case lost(err):
		return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	}
	return err
}

func explainCode(err error, e *pgconn.PgError) error {
	switch {
	case e.Code == "53100":
		return fmt.Errorf("%w (%w)", store.ErrFull, err)
	case e.Code == "XX001", e.Code == "XX002":
		return fmt.Errorf("%w: restore a dump (%w)", store.ErrCorrupt, err)
	case e.Code == "25006":
		return fmt.Errorf("%w for writing: it is a standby; name the primary, or all hosts and target_session_attrs=read-write (%w)", store.ErrUnavailable, err)
	case again(e.Code):
		return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	}
	return err
}

// again reports whether the same may go well a moment later: the server is starting,
// stopping or out of means, or another transaction was in the way.
func again(code string) bool {
	switch code {
	case "23514", // the partition that a row was meant for was made just now
		"40001", "40P01", "55P03", "57P01", "57P02", "57P03", "57P05", "25P03", "25006":
		return true
	}
	return strings.HasPrefix(code, "08") || strings.HasPrefix(code, "53") && code != "53100"
}

// lost reports whether the connection broke, or did not come to be.
func lost(err error) bool {
	var connect *pgconn.ConnectError
	var network net.Error
	return errors.As(err, &connect) || errors.As(err, &network) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, net.ErrClosed) || errors.Is(err, context.DeadlineExceeded) || pgconn.SafeToRetry(err) || strings.Contains(err.Error(), "conn closed")
}

// transient reports whether a write is worth another try.
func transient(err error) bool {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return again(e.Code)
	}
	return !errors.Is(err, context.Canceled) && lost(err)
}

// retry runs do until it ends well, or with an error that will not go away, or the
// patience is over, or the store is closed, or ctx ends.
func (s *Store) retry(ctx context.Context, do func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Patience+s.cfg.Timeout)
	defer cancel()
	began := time.Now()
	for pause := 20 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		err := do(ctx)
		if err == nil || !transient(err) || time.Since(began)+pause > s.cfg.Patience {
			return explain(err)
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-s.quit:
			timer.Stop()
			return explain(err)
		case <-ctx.Done():
			timer.Stop()
			return explain(err)
		}
	}
}
