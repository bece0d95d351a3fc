package hub

import (
	"context"
	"fmt"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/hub/api"
)

// library keeps the profiles that people bring.
type library struct{ *hub }

// Save implements api.Library.
func (l library) Save(ctx context.Context, c memwatch.Capture, data []byte) (created bool, err error) {
	if _, err = l.blobs.Write(ctx, c.SHA256, 0, data); err == nil {
		err = l.blobs.Finish(ctx, c.SHA256, c.Size)
	}
	if l.saved(err) {
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
