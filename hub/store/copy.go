package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/zupee/memwatch"
)

// Copied counts what Copy has brought over. Present were there already.
type Copied struct {
	Instances, Verdicts, Readings, Alerts, Captures int
	Present                                         int
}

// copyReadings is how many readings are copied at a time.
const copyReadings = 5000

// Copy brings everything that one store keeps into another, which may have some or
// all of it already: a copy that broke off is begun again, and goes on. Alerts that the
// other store has as new or newer stay as they are there. Progress is called after each
// instance, and after all alerts and captures.
func Copy(ctx context.Context, from, to Store, progress func(Copied)) (Copied, error) {
	var c Copied
	instances, err := from.Instances(ctx)
	if err != nil {
		return c, err
	}
	for i := range instances {
		if err := c.instance(ctx, from, to, &instances[i]); err != nil {
			return c, fmt.Errorf("copy %s/%s: %w", instances[i].Service, instances[i].Instance.Instance, err)
		}
		progress(c)
	}
	if err := c.alerts(ctx, from, to); err != nil {
		return c, fmt.Errorf("copy alerts: %w", err)
	}
	progress(c)
	if err := c.captures(ctx, from, to); err != nil {
		return c, fmt.Errorf("copy captures: %w", err)
	}
	progress(c)
	return c, nil
}

func (c *Copied) instance(ctx context.Context, from, to Store, in *InstanceState) error {
	if err := to.UpsertInstance(ctx, in.Instance); err != nil {
		return err
	}
	if in.Verdict != nil {
		if err := to.SaveVerdict(ctx, in.Service, in.Instance.Instance, in.VerdictAt, in.Verdict); err != nil {
			return err
		}
		c.Verdicts++
	}
	if in.Last != nil {
		if err := c.readings(ctx, from, to, in); err != nil {
			return err
		}
	}
	c.Instances++
	return nil
}

// readings copies an instance's, the newest first.
func (c *Copied) readings(ctx context.Context, from, to Store, in *InstanceState) error {
	q := Query{Service: in.Service, Instance: in.Instance.Instance, Newest: true, MaxPoints: copyReadings}
	for {
		series, _, err := from.Readings(ctx, q)
		if err != nil {
			return err
		}
		if len(series) == 0 {
			return nil
		}
		readings := make([]Reading, len(series[0].Readings))
		for i, s := range series[0].Readings {
			readings[i] = Reading{Service: in.Service, Instance: in.Instance.Instance, Sample: s}
		}
		result, err := to.Append(ctx, readings)
		if err != nil {
			return err
		}
		c.Readings += result.Stored
		c.Present += result.Duplicates
		q.To = series[0].Readings[0].Time.Add(-time.Millisecond)
	}
}

func (c *Copied) alerts(ctx context.Context, from, to Store) error {
	q := AlertQuery{Limit: MaxLimit}
	for {
		page, _, err := from.Alerts(ctx, q)
		if err != nil || len(page) == 0 {
			return err
		}
		for i := range page {
			if err := c.alert(ctx, from, to, &page[i]); err != nil {
				return fmt.Errorf("%s: %w", page[i].ID, err)
			}
		}
		q.Before = page[len(page)-1].ID
	}
}

func (c *Copied) alert(ctx context.Context, from, to Store, a *memwatch.Alert) error {
	there, err := to.Alert(ctx, a.ID)
	switch {
	case err == nil && max(there.UpdatedAt, there.ResolvedAt) >= max(a.UpdatedAt, a.ResolvedAt) && len(there.Deliveries) >= len(a.Deliveries):
		c.Present++
		return nil
	case err != nil && !errors.Is(err, ErrNotFound):
		return err
	}
	log, err := from.AlertLog(ctx, a.ID)
	if err != nil {
		return err
	}
	if _, err := to.SaveAlert(ctx, *a, log...); err != nil {
		return err
	}
	for _, d := range a.Deliveries { // last, so that an alert without them is copied again
		if err := to.SaveDelivery(ctx, a.ID, d); err != nil {
			return err
		}
	}
	c.Alerts++
	return nil
}

func (c *Copied) captures(ctx context.Context, from, to Store) error {
	q := CaptureQuery{Limit: MaxLimit}
	for {
		page, _, err := from.Captures(ctx, q)
		if err != nil || len(page) == 0 {
			return err
		}
		for i := range page {
			created, err := to.SaveCapture(ctx, page[i])
			if err != nil {
				return fmt.Errorf("%s: %w", page[i].ID, err)
			}
			if created {
				c.Captures++
			} else {
				c.Present++
			}
		}
		q.Before = page[len(page)-1].ID
	}
}
