package hub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/zupee/memwatch/hub/relay"
)

// What a hub does that shares its database with others: it follows what all of them
// tell, itself among them, and does by it what a hub alone does at once. See package
// relay for the order in which it hears.

// alone is the id of a hub that shares no database.
const alone = 0

// publish makes news known to all hubs, and returns when it is durable. A hub
// alone has taken it by then.
func (h *hub) publish(ctx context.Context, e *news) error {
	if h.relay == nil {
		var d due
		fresh := h.take(alone, e, false, &d)
		if err := h.settle(ctx, &d); err != nil {
			return err
		}
		h.announce(e, fresh)
		return nil
	}
	body, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("encode for the other hubs: %w", err)
	}
	return <-h.relay.Send(ctx, body, e)
}

// Shared reports whether a hub with this configuration shares its database.
func (c Config) Shared() bool { return c.Store != "" || c.StoreFile != "" }

// overlap is by how much hubs that share a database may differ in what they show.
const overlap = 3 * time.Second

// follower is how far this hub has come in what all tell.
type follower struct {
	// read is up to where rows were read, shown up to where this hub shows what they
	// say: a new leader reads again what its predecessor may not have finished.
	read, shown relay.Places
	term        *relay.Term // nil while another hub leads
	heard       time.Time   // when it was last known what there is
	due         due         // of what was read while this hub leads
	saved       time.Time   // when it was last noted how far this hub has come
	unsaved     bool        // it has come further
}

// deafAfter is how long a hub may not hear the others without saying so.
const deafAfter = 10 * time.Second

// heardUntil is up to when this hub knows what happened.
func (h *hub) heardUntil() time.Time {
	if h.relay == nil {
		return time.Now()
	}
	return time.Unix(0, h.heard.Load())
}

// followAgain is the time between two tries while the database cannot be reached.
const followAgain = 250 * time.Millisecond

// follow takes what the hubs tell until ctx ends.
func (h *hub) follow(ctx context.Context) {
	f := &h.following
	defer h.resign()
	failing := false
	for ctx.Err() == nil {
		err := h.reign(ctx, f)
		if err == nil {
			err = h.round(ctx, f)
		}
		if err != nil && ctx.Err() == nil {
			if !failing {
				h.logger.Error("the other hubs are not heard; it is tried again", "error", err)
			}
			pause(ctx, followAgain)
		} else if failing {
			h.logger.Info("the other hubs are heard again")
		}
		failing = err != nil
	}
}

// round takes what is new.
func (h *hub) round(ctx context.Context, f *follower) error {
	rows, err := h.relay.Next(ctx, f.read)
	if err != nil {
		return err
	}
	if missed := time.Since(f.heard); missed > relay.Keep/2 && f.term == nil {
		h.logger.Warn("this hub did not hear the others for long: it reads the state anew", "for", missed)
		if err := h.renew(ctx, f); err != nil {
			return err
		}
		rows = nil
	}
	now := time.Now()
	if now.Sub(f.heard) > time.Second {
		h.fleet.deaf()
	}
	f.heard = now
	for _, row := range rows {
		h.takeRow(ctx, f, row)
	}
	h.heard.Store(now.UnixNano())
	if f.term == nil {
		return nil
	}
	f.unsaved = f.unsaved || len(rows) > 0
	return h.conclude(ctx, f)
}

// noteEvery is how often a leader notes how far it has come; its successor takes
// again what came after.
const noteEvery = 200 * time.Millisecond

// conclude saves what follows from the rows that were read, and notes up to where that
// is done. What fails is tried again after the next rows.
func (h *hub) conclude(ctx context.Context, f *follower) error {
	if err := h.settle(ctx, &f.due); err != nil {
		return fmt.Errorf("save what follows for the alerts: %w", err)
	}
	if !f.unsaved || time.Since(f.saved) < noteEvery {
		return nil
	}
	err := f.term.Save(ctx, f.read)
	if errors.Is(err, relay.ErrOvertaken) {
		h.resign()
		return nil
	}
	f.unsaved, f.saved = err != nil, time.Now()
	return err
}

// takeRow takes the messages of one row.
func (h *hub) takeRow(ctx context.Context, f *follower, row relay.Row) {
	again := row.Seq <= f.shown[row.Hub]
	for i := range max(len(row.Own), len(row.Messages)) {
		e := h.understand(row, i)
		if e == nil {
			continue
		}
		fresh := h.take(row.Hub, e, again, &f.due)
		if !again {
			h.announce(e, fresh)
		}
		if e.Leads && !again {
			h.takeLead(ctx, row.Hub)
		}
		if e.Calls && !again && row.Hub != h.relay.ID() {
			h.hold(ctx)
		}
	}
	f.read[row.Hub] = row.Seq
	f.shown[row.Hub] = max(f.shown[row.Hub], row.Seq)
}

// understand answers what a message of a row says; nil when that is not known.
func (h *hub) understand(row relay.Row, i int) *news {
	if row.Own != nil {
		return row.Own[i].(*news)
	}
	var e news
	if err := json.Unmarshal(row.Messages[i], &e); err != nil {
		h.logger.Error("what a hub told is not understood and passed over", "hub", row.Hub, "error", err)
		return nil
	}
	return &e
}

// renew reads the state of the database and goes on from there.
func (h *hub) renew(ctx context.Context, f *follower) error {
	places, err := h.relay.Newest(ctx)
	if err != nil {
		return err
	}
	if err := h.restoreFleet(ctx); err != nil {
		return err
	}
	f.read, f.shown, f.heard = places, maps.Clone(places), time.Now()
	h.feed.Restart()
	return h.publish(ctx, &news{Calls: true})
}

// send gives news their place, and does not wait until it is durable.
func (h *hub) send(ctx context.Context, e *news, failed func()) {
	body, err := json.Marshal(e)
	if err != nil { // names that JSON cannot say; there are none
		h.logger.Error("cannot be told to the other hubs", "error", err)
		return
	}
	sent := h.relay.Send(ctx, body, e)
	h.sending.Go(func() {
		if err := <-sent; err != nil && ctx.Err() == nil {
			h.logger.Warn("the other hubs could not be told what this one is for", "error", err)
			failed()
		}
	})
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
