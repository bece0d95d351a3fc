package notify

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/zupee/memwatch"
)

// channel tells one channel. Its goroutine alone touches what is below the mutex's
// part.
type channel struct {
	rules
	sender  sender
	link    string
	ledger  Ledger
	log     *slog.Logger
	metrics metrics
	// refreshes is how often what fires is sent again for the other side's sake; 0 is never.
	refreshes time.Duration

	mu    sync.Mutex
	inbox map[string]memwatch.Alert
	news  chan struct{} // holds one when inbox does

	items map[string]*item
	// failures in a row, and when the next try is; of the channel, not of one alert.
	failures int
	retryAt  time.Time
	// budget is how many messages may go out now, as of filledAt.
	budget   float64
	filledAt time.Time
}

// item is one alert as the channel sees it.
type item struct {
	alert    memwatch.Alert
	delivery memwatch.Delivery
	// event is what is to be told, since when; "" is nothing.
	event     Event
	since     time.Time
	unsaved   bool
	refreshed time.Time
}

func newChannel(r rules, s sender, link string, ledger Ledger, logger *slog.Logger, m metrics) *channel {
	c := &channel{
		rules: r, sender: s, link: link, ledger: ledger, log: logger, metrics: m,
		inbox: map[string]memwatch.Alert{}, news: make(chan struct{}, 1), items: map[string]*item{}, budget: float64(r.MaxPerHour),
	}
	if _, ok := s.(*alertmanager); ok {
		c.refreshes = refreshEvery
	}
	return c
}

// clear forgets what another hub may have told meanwhile.
func (c *channel) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.inbox)
	clear(c.items)
	c.failures, c.retryAt = 0, time.Time{}
}

func (c *channel) restore(a *memwatch.Alert) {
	it := &item{alert: *a, delivery: memwatch.Delivery{Channel: c.Name}}
	for _, d := range a.Deliveries {
		if d.Channel == c.Name {
			it.delivery = d
		}
	}
	if it.delivery.State == memwatch.DeliveryRetrying {
		c.failures, c.retryAt = max(c.failures, it.delivery.Attempts), later(c.retryAt, it.delivery.NextAt.Time())
	}
	it.alert.Deliveries = nil
	c.items[a.ID] = it
}

func (c *channel) take(a memwatch.Alert) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.inbox[a.ID] = a
	select {
	case c.news <- struct{}{}:
	default:
	}
}

// longest is how long a channel sleeps at most: clocks may be set.
const longest = time.Minute

func (c *channel) run(ctx context.Context) {
	c.filledAt = time.Now()
	for {
		pause := longest
		if next := c.work(ctx); !next.IsZero() {
			pause = min(longest, time.Until(next))
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-c.news:
			timer.Stop()
		case <-timer.C:
		}
	}
}

// work takes what came in, sends what is due and answers when there will be more
// to do, if nothing comes in before; zero is never.
func (c *channel) work(ctx context.Context) (next time.Time) {
	c.open()
	now := time.Now()
	var ready []*item
	soonest := func(t time.Time) {
		if !t.IsZero() && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	waiting := 0
	for id, it := range c.items {
		s := c.plan(&it.alert, &it.delivery, now)
		if s.over && !it.unsaved {
			delete(c.items, id)
			continue
		}
		if it.event != s.event {
			it.event, it.since = s.event, now
		}
		if s.event != "" {
			waiting++
		}
		switch {
		case s.event != "" && s.waits != "":
			it.since = now // what waited is grouped anew
			c.record(ctx, it, waits(it.delivery, s.waits))
			soonest(s.until)
		case s.event != "":
			ready = append(ready, it)
		default:
			soonest(s.until)
		}
		if it.unsaved {
			c.save(ctx, it)
			soonest(now.Add(unsavedRetry))
		}
	}
	c.metrics.waiting.WithLabelValues(c.Name).Set(float64(waiting))
	soonest(c.dispatch(ctx, ready, now))
	soonest(c.refresh(ctx, now))
	return next
}

// unsavedRetry is how long a delivery that could not be saved waits.
const unsavedRetry = 5 * time.Second

// open empties the inbox.
func (c *channel) open() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, a := range c.inbox {
		if it := c.items[id]; it != nil {
			it.alert = a
		} else {
			c.items[id] = &item{alert: a, delivery: memwatch.Delivery{Channel: c.Name}}
		}
	}
	clear(c.inbox)
}

// dispatch sends the items together when the first of them has waited long enough
// and the channel is free; it answers when to look again.
func (c *channel) dispatch(ctx context.Context, ready []*item, now time.Time) (next time.Time) {
	if len(ready) == 0 {
		return time.Time{}
	}
	first := slices.MinFunc(ready, func(a, b *item) int { return a.since.Compare(b.since) })
	due := first.since.Add(c.Group)
	if at := later(due, c.retryAt); now.Before(at) {
		return at
	}
	if wait := c.spend(now); wait > 0 {
		for _, it := range ready {
			c.record(ctx, it, waits(it.delivery, "more than maxPerHour messages"))
		}
		return now.Add(wait)
	}
	slices.SortFunc(ready, func(a, b *item) int {
		return cmp.Or(cmp.Compare(b.alert.Severity.Rank(), a.alert.Severity.Rank()), strings.Compare(a.alert.ID, b.alert.ID))
	})
	c.send(ctx, ready)
	if c.failures > 0 {
		return c.retryAt
	}
	return time.Now() // look what there is to do after it
}

// spend takes one message from the budget, or answers how long until there is one.
func (c *channel) spend(now time.Time) (wait time.Duration) {
	most := float64(c.MaxPerHour)
	c.budget = min(most, c.budget+now.Sub(c.filledAt).Hours()*most)
	c.filledAt = now
	if c.budget < 1 {
		return time.Duration((1-c.budget)/most*float64(time.Hour)) + time.Millisecond
	}
	c.budget--
	return 0
}

// refresh sends again what fires, for the other side's sake. When it fails the
// next one makes up for it.
func (c *channel) refresh(ctx context.Context, now time.Time) (next time.Time) {
	if c.refreshes == 0 {
		return time.Time{}
	}
	var messages []Message
	for _, id := range slices.Sorted(maps.Keys(c.items)) {
		it := c.items[id]
		if it.delivery.Told != memwatch.AlertFiring || it.alert.State != memwatch.AlertFiring || it.delivery.State == memwatch.DeliveryFailed {
			continue
		}
		if due := it.refreshed.Add(c.refreshes); now.Before(due) {
			if next.IsZero() || due.Before(next) {
				next = due
			}
			continue
		}
		it.refreshed = now
		m := c.message(it)
		m.Event, m.Severity, m.Before = refreshed, it.delivery.Severity, ""
		messages = append(messages, m)
	}
	if len(messages) == 0 {
		return next
	}
	if _, err := c.try(ctx, "", messages); err != nil && ctx.Err() == nil {
		c.log.Warn("alerts that fire could not be refreshed; it is tried again", "error", err, "every", c.refreshes)
	}
	if next.IsZero() {
		next = now.Add(c.refreshes)
	}
	return next
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
