package notify

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/url"
	"time"

	"github.com/zupee/memwatch"
)

const (
	// retryFirst and retryMost bound the time between two tries.
	retryFirst = 2 * time.Second
	retryMost  = 5 * time.Minute
	// stopGrace is how long a try may take after the hub was told to stop.
	stopGrace = 2 * time.Second
	// giveUpAfter is how long after its end an alert's end is tried to be told.
	giveUpAfter = 24 * time.Hour
)

// send tells all items in one message and records what came of it. When the other
// side refuses them for good, each is tried alone, so that one costs only itself.
func (c *channel) send(ctx context.Context, items []*item) {
	messages := make([]Message, len(items))
	for i, it := range items {
		messages[i] = c.message(it)
	}
	retryable, err := c.try(ctx, deliveryID(c.Name, messages), messages)
	switch {
	case ctx.Err() != nil && err != nil:
		return // the next run tries again
	case err == nil:
		c.metrics.sent.WithLabelValues(c.Name, "delivered").Inc()
		for i, it := range items {
			c.told(ctx, it, &messages[i], c.failures+1, nil)
		}
		c.failures, c.retryAt = 0, time.Time{}
	case retryable:
		c.failed(ctx, items, err)
	case len(items) > 1:
		for _, it := range items {
			c.send(ctx, []*item{it})
		}
	default:
		c.metrics.sent.WithLabelValues(c.Name, "failed").Inc()
		c.log.Error("an alert could not be told; it is not tried again", "alert", items[0].alert.ID, "event", messages[0].Event, "error", err)
		c.told(ctx, items[0], &messages[0], c.failures+1, err)
	}
}

func (c *channel) try(ctx context.Context, id string, messages []Message) (bool, error) {
	sending, cancel := context.WithTimeout(context.WithoutCancel(ctx), sendTimeout)
	defer cancel()
	// A hub that stops lets a try come to its end for a while: what was sent, and
	// not recorded, would be sent again.
	defer context.AfterFunc(ctx, func() { time.AfterFunc(stopGrace, cancel) })()
	return c.sender.send(sending, id, messages)
}

// failed records a try that is to be repeated.
func (c *channel) failed(ctx context.Context, items []*item, err error) {
	c.metrics.sent.WithLabelValues(c.Name, "retrying").Inc()
	c.failures++
	pause := min(retryMost, retryFirst<<min(c.failures-1, 10))
	now := time.Now()
	c.retryAt = now.Add(pause)
	c.log.Warn("a channel could not be told; it is tried again", "alerts", len(items), "tries", c.failures, "in", pause, "error", err)
	for _, it := range items {
		if ended := it.alert.ResolvedAt.Time(); it.event == Resolved && now.Sub(ended) > giveUpAfter {
			m := c.message(it)
			c.told(ctx, it, &m, c.failures, fmt.Errorf("given up after %s: %w", giveUpAfter, err))
			continue
		}
		d := it.delivery
		d.State, d.Attempts, d.NextAt, d.Reason = memwatch.DeliveryRetrying, c.failures, memwatch.Milli(c.retryAt), err.Error()
		if c.failures > 1 {
			c.record(ctx, it, d) // the log has the first
			continue
		}
		c.record(ctx, it, d, note(it, "could not tell "+c.Name+" that it "+verb(it.event)+", and tries again: "+err.Error()))
	}
}

// told records that a message is done with after so many tries: delivered, or refused
// for good.
func (c *channel) told(ctx context.Context, it *item, m *Message, tries int, refused error) {
	d := memwatch.Delivery{
		Channel: c.Name, State: memwatch.DeliveryDone, Told: it.alert.State, Severity: m.Severity,
		At: memwatch.Milli(time.Now()), Attempts: tries,
	}
	why := "told " + c.Name + " that it " + verb(m.Event)
	if refused != nil {
		d.State, d.Reason = memwatch.DeliveryFailed, refused.Error()
		why = "could not tell " + c.Name + " that it " + verb(m.Event) + ": " + refused.Error()
	}
	it.event, it.refreshed = "", time.Now()
	c.record(ctx, it, d, note(it, why))
}

func verb(e Event) string {
	switch e {
	case Worsened:
		return "got worse"
	case Resolved:
		return "is resolved"
	case Reminder:
		return "still fires"
	case Fired, Test, refreshed:
	}
	return "fires"
}

func note(it *item, why string) memwatch.Transition {
	return memwatch.Transition{
		Time: memwatch.Milli(time.Now()), Action: memwatch.ActionNotify, Who: "memwatch", Why: why,
		State: it.alert.State, Severity: it.alert.Severity,
	}
}

func waits(d memwatch.Delivery, why string) memwatch.Delivery {
	d.State, d.Reason, d.Attempts, d.NextAt = memwatch.DeliveryWaiting, why, 0, 0
	return d
}

// record keeps a delivery when it changed.
func (c *channel) record(ctx context.Context, it *item, d memwatch.Delivery, log ...memwatch.Transition) {
	if it.delivery == d {
		return
	}
	it.delivery = d
	c.save(ctx, it, log...)
}

// save writes a delivery. What cannot be saved is tried again, without its line in
// the log.
func (c *channel) save(ctx context.Context, it *item, log ...memwatch.Transition) {
	// What was sent was sent: recording it does not end with the hub's run.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	err := c.ledger.SaveDelivery(ctx, it.alert.ID, it.delivery, log...)
	if err != nil && !it.unsaved {
		c.log.Error("a delivery could not be recorded; it is tried again", "alert", it.alert.ID, "error", err)
	}
	it.unsaved = err != nil
}

func (c *channel) message(it *item) Message {
	m := Message{
		Event: it.event, Alert: it.alert, Link: c.link + "/alerts/" + url.PathEscape(it.alert.ID),
		Severity: it.alert.Severity, Before: it.delivery.Severity,
	}
	if it.event == Resolved || it.event == Reminder && m.Before != "" {
		m.Severity = m.Before // as it is known there
	}
	return m
}

// deliveryID is the same when the same is sent again.
func deliveryID(channel string, messages []Message) string {
	h := sha256.New()
	for i := range messages {
		m := &messages[i]
		fmt.Fprintf(h, "%s\x00%s\x00%s\x00%s\x00", channel, m.Alert.ID, m.Event, m.Severity)
		if m.Event == Reminder {
			fmt.Fprintf(h, "%d\x00", m.Alert.UpdatedAt)
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:12])
}
