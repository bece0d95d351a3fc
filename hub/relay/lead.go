package relay

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// ErrOvertaken: another hub leads by now.
var ErrOvertaken = errors.New("another hub leads by now")

const (
	// campaignEvery is how soon a hub finds that nobody leads. It asks rather than
	// waits for the lock: a statement that waits keeps the database from tidying up.
	campaignEvery = 500 * time.Millisecond
	// holdEvery is how soon a leader finds that it has lost its lock.
	holdEvery = 500 * time.Millisecond
)

// Term is the time during which this hub leads.
type Term struct {
	relay  *Relay
	number int64
	// Decided is up to where its predecessor had come.
	Decided Places
}

// Term answers the present term; nil while this hub does not lead.
func (r *Relay) Term() *Term { return r.term.Load() }

// campaign leads whenever nobody else does, until ctx ends.
func (r *Relay) campaign(ctx context.Context) {
	for ctx.Err() == nil {
		if err := r.lead(ctx); err != nil && ctx.Err() == nil {
			r.log.Warn("this hub cannot lead; it is tried again", "error", err)
		}
		pause(ctx, campaignEvery)
	}
}

// lead tries until it has the lock, and then keeps it while the connection lives.
func (r *Relay) lead(ctx context.Context) error {
	conn, err := pgx.ConnectConfig(ctx, r.pool.Config().ConnConfig)
	if err != nil {
		return err
	}
	defer hangUp(ctx, conn)
	for held := false; !held; {
		if err := try(ctx, conn, &held); err != nil {
			return err
		}
		if !held {
			pause(ctx, campaignEvery)
		}
	}
	t := &Term{relay: r}
	err = conn.QueryRow(ctx, `UPDATE relay_lead SET term = term + 1, hub = $1 RETURNING term, decided`, r.id).Scan(&t.number, &t.Decided)
	if err != nil {
		return err
	}
	r.log.Info("this hub leads", "term", t.number)
	r.term.Store(t)
	r.look()
	defer r.term.Store(nil)
	for {
		pause(ctx, holdEvery)
		if err := hold(ctx, conn); err != nil {
			return fmt.Errorf("the lock is lost: %w", err)
		}
	}
}

func try(ctx context.Context, conn *pgx.Conn, held *bool) error {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	return conn.QueryRow(ctx, `SELECT pg_try_advisory_lock($1)`, int64(leadID)).Scan(held)
}

func hold(ctx context.Context, conn *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	return conn.Ping(ctx)
}

// Save notes that all that follows from the rows up to places is stored. The error
// is ErrOvertaken when another hub leads by now.
func (t *Term) Save(ctx context.Context, places Places) error {
	tag, err := t.relay.exec(ctx, `UPDATE relay_lead SET decided = $2 WHERE term = $1`, t.number, places)
	if err != nil {
		return fmt.Errorf("note how far this hub has come: %w", err)
	}
	if tag.RowsAffected() == 0 {
		return ErrOvertaken
	}
	return nil
}

// Tidy removes messages that are done with and older than keep, and hubs long gone
// of which none is left. It is the leader's work; done twice, it does no harm.
func (r *Relay) Tidy(ctx context.Context, keep time.Duration) error {
	_, err := r.pool.Exec(ctx, `DELETE FROM relay_events e USING relay_lead l
		WHERE e.at < clock_timestamp() - $1::interval AND e.seq <= (l.decided->>(e.hub::text))::bigint`, keep)
	if err == nil {
		_, err = r.pool.Exec(ctx, `DELETE FROM relay_hubs h WHERE h.seen < clock_timestamp() - interval '1 hour'
			AND NOT EXISTS (SELECT 1 FROM relay_events e WHERE e.hub = h.id)`)
	}
	if err != nil {
		return fmt.Errorf("remove old messages between hubs: %w", err)
	}
	return nil
}
