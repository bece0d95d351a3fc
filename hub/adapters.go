package hub

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/hub/alert"
	"github.com/zupee/memwatch/hub/api"
	"github.com/zupee/memwatch/hub/blob"
	"github.com/zupee/memwatch/hub/ingest"
	"github.com/zupee/memwatch/hub/store"
)

// The rooms do not know each other: here one's words become another's.

// past is the store and the blobs as the API sees them.
type past struct {
	store store.Store
	blobs blob.Store
}

func known(err error) error {
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, blob.ErrNotFound) {
		return fmt.Errorf("%w: %w", api.ErrNotFound, err)
	}
	if errors.Is(err, store.ErrUnavailable) {
		return fmt.Errorf("%w: %w", api.ErrUnavailable, err)
	}
	return err
}

// Readings implements api.Store.
func (p past) Readings(ctx context.Context, q api.MetricsQuery) ([]api.Series, int, error) {
	newest := q.From.IsZero() && q.To.IsZero()
	series, total, err := p.store.Readings(ctx, store.Query{
		Service: q.Service, Instance: q.Instance, From: q.From, To: q.To, MaxPoints: q.Limit, Newest: newest,
	})
	if err != nil {
		return nil, 0, known(err)
	}
	out := make([]api.Series, len(series))
	for i, s := range series {
		samples := s.Readings
		if newest { // the store gives a few at least
			samples = samples[max(0, len(samples)-q.Limit):]
		}
		out[i] = api.Series{Instance: s.Instance, Samples: samples}
	}
	return out, total, nil
}

// Alerts implements api.Store.
func (p past) Alerts(ctx context.Context, q api.AlertQuery) ([]memwatch.Alert, int, error) {
	list, total, err := p.store.Alerts(ctx, store.AlertQuery{
		Service: q.Service, Severity: q.Severity, State: q.State, Type: q.Type, Kind: q.Kind, Limit: q.Limit, Before: q.Before,
	})
	return list, total, known(err)
}

// Alert implements api.Store.
func (p past) Alert(ctx context.Context, id string) (memwatch.Alert, error) {
	a, err := p.store.Alert(ctx, id)
	return a, known(err)
}

// Captures implements api.Store.
func (p past) Captures(ctx context.Context, q api.ProfileQuery) ([]memwatch.Capture, int, error) {
	list, total, err := p.store.Captures(ctx, store.CaptureQuery{
		Service: q.Service, Instance: q.Instance, Kind: q.Kind, Role: q.Role, IDs: q.IDs, Limit: q.Limit, Before: q.Before,
	})
	return list, total, known(err)
}

// Capture implements api.Store.
func (p past) Capture(ctx context.Context, id string) (memwatch.Capture, error) {
	c, err := p.store.Capture(ctx, id)
	return c, known(err)
}

// Open implements api.Blobs.
func (p past) Open(ctx context.Context, sha256 string) (io.ReadSeekCloser, error) {
	r, _, err := p.blobs.Open(ctx, sha256)
	return r, known(err)
}

// decisions are what people want done with alerts, as the API sees them.
type decisions struct{ *hub }

// Decide implements api.Decisions.
func (d decisions) Decide(ctx context.Context, decision memwatch.Decision) (memwatch.Alert, error) {
	a, err := d.decide(ctx, decision)
	var refused *alert.Refusal
	switch {
	case errors.As(err, &refused):
		err = api.Refused(refused.Field, refused.Value, refused.Allowed)
	case errors.Is(err, errAlertOver):
		err = fmt.Errorf("%w: %w", api.ErrOver, err)
	case errors.Is(err, errNoAlert):
		err = fmt.Errorf("%w: %w", api.ErrNotFound, err)
	}
	return a, err
}

// Log implements api.Decisions.
func (d decisions) Log(ctx context.Context, id string) ([]memwatch.Transition, error) {
	log, err := d.alertLog(ctx, id)
	if errors.Is(err, errNoAlert) {
		err = fmt.Errorf("%w: %w", api.ErrNotFound, err)
	}
	return log, err
}

// incoming is the blobs as agents' connections see them.
type incoming struct {
	blob.Store
	hub *hub
}

// Has implements ingest.Blobs.
func (in incoming) Has(ctx context.Context, sha256 string) (bool, error) {
	has, err := in.Store.Has(ctx, sha256)
	if err != nil {
		in.hub.saved(err)
	}
	return has, err
}

// Write implements ingest.Blobs.
func (in incoming) Write(ctx context.Context, sha256 string, offset int64, part []byte) (int64, error) {
	next, err := in.Store.Write(ctx, sha256, offset, part)
	var gap *blob.OffsetError
	switch {
	case errors.As(err, &gap):
		return gap.Want, nil
	case errors.Is(err, blob.ErrTooLarge):
		return next, fmt.Errorf("%w: %w", ingest.ErrTooLarge, err)
	}
	if in.hub.saved(err) {
		return next, fmt.Errorf("%w: %w", ingest.ErrFull, err)
	}
	return next, err
}

// Finish implements ingest.Blobs.
func (in incoming) Finish(ctx context.Context, sha256 string, size int64) error {
	err := in.Store.Finish(ctx, sha256, size)
	in.hub.saved(err)
	if errors.Is(err, blob.ErrMismatch) {
		return fmt.Errorf("%w: %w", ingest.ErrCorrupt, err)
	}
	return err
}
