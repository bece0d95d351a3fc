package relay

import (
	"context"
	"errors"
	"fmt"
)

// guardID is the lock of Guard.
const guardID = 0x6d656d77_72656c03

// Guard does something while no hub does anything else under Guard alone, or, if
// alone is asked for, anything at all. A hub that dies lets go.
func (r *Relay) Guard(ctx context.Context, alone bool, do func() error) error {
	tx, err := r.pool.Begin(ctx)
	if err != nil {
		return fmt.Errorf("lock out the other hubs: %w", err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }() // nothing, after the commit
	lock := "SELECT pg_advisory_xact_lock_shared($1)"
	if alone {
		lock = "SELECT pg_advisory_xact_lock($1)"
	}
	if _, err := tx.Exec(ctx, lock, int64(guardID)); err != nil {
		return fmt.Errorf("lock out the other hubs: %w", err)
	}
	return errors.Join(do(), tx.Commit(ctx))
}
