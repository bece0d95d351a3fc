package hub

import (
	"context"
	"errors"
	"fmt"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/hub/api"
	"github.com/zupee/memwatch/hub/blob"
)

// library keeps the profiles that people bring.
type library struct{ *hub }

// Save implements api.Library.
func (l library) Save(ctx context.Context, c memwatch.Capture, data []byte) (created bool, err error) {
	if _, err = l.blobs.Write(ctx, c.SHA256, 0, data); err == nil {
		err = l.blobs.Finish(ctx, c.SHA256, c.Size)
	}
	if l.noRoom(err) {
		return false, fmt.Errorf("%w: %w", api.ErrFull, err)
	}
	if err != nil {
		return false, err
	}
	created, err = l.saveCapture(ctx, c)
	if err == nil && created {
		err = l.publish(ctx, &news{Profile: &c})
	}
	return created, err
}

// noRoom notes whether there was room for a profile, and says so once.
func (h *hub) noRoom(err error) bool {
	full := errors.Is(err, blob.ErrFull)
	if (full || err == nil) && h.full.Swap(full) != full {
		if full {
			h.logger.Error("no room for profiles: readings and alerts go on", "error", err)
		} else {
			h.logger.Info("there is room for profiles again")
		}
	}
	return full
}

// Remove implements api.Library.
func (l library) Remove(ctx context.Context, id string) error {
	return l.guarded(ctx, true, func() error {
		orphan, err := l.store.DeleteCapture(ctx, id)
		if err != nil {
			return known(err)
		}
		if orphan != "" {
			return l.blobs.Delete(ctx, orphan)
		}
		return nil
	})
}
