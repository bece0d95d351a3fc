package relay

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	channel = "memwatch_relay"
	// pollEvery is how often it is looked for news that nobody told of, and
	// pollPause the least time between two looks.
	pollEvery = 250 * time.Millisecond
	pollPause = 20 * time.Millisecond
	// maxRows is how many rows are read at once.
	maxRows = 256
)

// Places says of each hub up to which of its rows somebody has come.
type Places map[int64]int64

// Row holds messages that one hub sent together. Own has them in the sender's own
// form, in place of Messages, where that is this hub and they come for the first time.
type Row struct {
	Hub, Seq int64
	Messages [][]byte
	Own      []any
}

// Newest answers where the hubs are now: where somebody goes on who has read the
// state after asking this.
func (r *Relay) Newest(ctx context.Context) (Places, error) {
	rows, err := r.pool.Query(ctx, `SELECT h.id, coalesce((SELECT max(seq) FROM relay_events e WHERE e.hub = h.id), 0) FROM relay_hubs h`)
	if err != nil {
		return nil, fmt.Errorf("read where the hubs are: %w", err)
	}
	places := Places{}
	var hub, seq int64
	_, err = pgx.ForEachRow(rows, []any{&hub, &seq}, func() error { places[hub] = seq; return nil })
	if err != nil {
		return nil, fmt.Errorf("read where the hubs are: %w", err)
	}
	return places, nil
}

// Next answers the rows after places, oldest first, when there are any, and none
// after a quarter of a second without. It does not change places.
func (r *Relay) Next(ctx context.Context, after Places) ([]Row, error) {
	poll := time.NewTimer(time.Until(r.polled.Add(pollEvery)))
	defer poll.Stop()
	select {
	case <-r.wake:
	case <-poll.C:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	time.Sleep(time.Until(r.polled.Add(pollPause)))
	r.polled = time.Now()
	rows, err := r.read(ctx, after)
	if err != nil {
		return nil, fmt.Errorf("read what other hubs tell: %w", err)
	}
	if len(rows) == maxRows {
		r.look() // there are more
	}
	return rows, nil
}

func (r *Relay) read(ctx context.Context, after Places) ([]Row, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	hubs := slices.Sorted(maps.Keys(after))
	seqs := make([]int64, len(hubs))
	for i, h := range hubs {
		seqs[i] = after[h]
	}
	rows, err := r.pool.Query(ctx, `SELECT e.hub, e.seq, e.body FROM relay_hubs h
		LEFT JOIN unnest($1::bigint[], $2::bigint[]) AS c(hub, seq) ON c.hub = h.id
		CROSS JOIN LATERAL (SELECT * FROM relay_events WHERE hub = h.id AND seq > coalesce(c.seq, 0) ORDER BY seq LIMIT $3) e
		ORDER BY e.at, e.hub, e.seq LIMIT $3`, hubs, seqs, maxRows)
	if err != nil {
		return nil, err
	}
	var out []Row
	var row Row
	var body []byte
	_, err = pgx.ForEachRow(rows, []any{&row.Hub, &row.Seq, &body}, func() error {
		row.Messages, row.Own = nil, nil
		if row.Hub == r.id {
			if row.Own = r.remembered(row.Seq); row.Own != nil {
				out = append(out, row)
				return nil
			}
		}
		var err error
		if row.Messages, err = r.unpack(body); err != nil { // it would be as damaged the next time
			r.log.Error("what a hub told is damaged and passed over", "hub", row.Hub, "seq", row.Seq, "error", err)
		}
		out = append(out, row)
		return nil
	})
	return out, err
}

// remembered answers what keep kept, once.
func (r *Relay) remembered(seq int64) []any {
	r.mine.mu.Lock()
	defer r.mine.mu.Unlock()
	own := r.mine.rows[seq]
	for s := range r.mine.rows { // those before it never appeared, or are read
		if s <= seq {
			delete(r.mine.rows, s)
		}
	}
	return own
}

// look makes the next Next look at once.
func (r *Relay) look() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// listenAgain is how long after a failure it is listened again; news come by
// polling meanwhile.
const listenAgain = 2 * time.Second

// listen waits for notifications until ctx ends.
func (r *Relay) listen(ctx context.Context) {
	for ctx.Err() == nil {
		err := r.hear(ctx)
		if ctx.Err() != nil {
			return
		}
		r.log.Debug("notifications are not heard", "error", err)
		pause(ctx, listenAgain)
	}
}

func (r *Relay) hear(ctx context.Context) error {
	conn, err := pgx.ConnectConfig(ctx, r.pool.Config().ConnConfig)
	if err != nil {
		return err
	}
	defer hangUp(ctx, conn)
	if _, err := conn.Exec(ctx, "LISTEN "+channel); err != nil {
		return err
	}
	for {
		if _, err := conn.WaitForNotification(ctx); err != nil {
			return err
		}
		r.look()
	}
}

func hangUp(ctx context.Context, conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = conn.Close(ctx)
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
