package hub

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"path/filepath"
	"strings"

	"github.com/zupee/memwatch/hub/blob"
	"github.com/zupee/memwatch/hub/blob/s3"
)

// openBlobs opens the place for profiles that the configuration names.
func openBlobs(ctx context.Context, cfg Config, logger *slog.Logger) (blob.Store, error) {
	room := cfg.Retention.MaxProfileBytes + cfg.Retention.MaxProfileBytes/4 // with what retention removes next
	return openPlace(ctx, cmp.Or(cfg.Blobs, filepath.Join(cfg.Data, blobsDir)), cfg.Ingest.MaxProfileBytes, room, logger.With("room", "blob"))
}

// openPlace opens a folder or, by its URL, an object store.
func openPlace(ctx context.Context, place string, maxBlob, maxAll int64, logger *slog.Logger) (blob.Store, error) {
	if strings.Contains(place, "://") {
		return s3.Open(ctx, s3.Config{URL: place, MaxBlobBytes: maxBlob, MaxBytes: maxAll, Logger: logger})
	}
	return blob.OpenFiles(blob.Config{Dir: place, MaxBlobBytes: maxBlob, MaxBytes: maxAll})
}

// CopyProfiles copies the bytes of all profiles from one place to another: each is a
// hub's folder of them (blobs in its data folder) or an s3:// URL. Both may be in
// use; what is there already is not moved again.
func CopyProfiles(ctx context.Context, from, to string, out io.Writer) error {
	logger := slog.New(slog.NewTextHandler(out, nil))
	var places [2]blob.Store
	for i, place := range []string{from, to} {
		s, err := openPlace(ctx, place, math.MaxInt64, math.MaxInt64, logger)
		if err != nil {
			return fmt.Errorf("copy profiles: %w", err)
		}
		defer closeBlobs(s)
		places[i] = s
	}
	blobs, bytes, err := blob.CopyAll(ctx, places[0], places[1], func(name string, err error) {
		fmt.Fprintf(out, "left out: %v\n", err)
	})
	if err != nil {
		return fmt.Errorf("copy profiles: %w (what was copied stays; say the same again to go on)", err)
	}
	fmt.Fprintf(out, "%s: the bytes of %d profiles (%d bytes)\n", to, blobs, bytes)
	return nil
}

// closeBlobs gives up what a place for profiles holds.
func closeBlobs(s blob.Store) {
	if b, ok := s.(*s3.Bucket); ok {
		b.Close()
	}
}

// What /api/stats says while profiles cannot be saved.
const (
	noRoom    = "There is no room for profiles: free disk space, shorten retention or raise retention.maxProfileBytes. Readings and alerts go on."
	noStorage = "Profiles cannot be saved now: see the log. Agents keep theirs and send them again. Readings and alerts go on."
)

// saved notes whether a profile could be saved, says so when that changes, and
// reports whether there was no room. What senders do wrong is no trouble.
func (h *hub) saved(err error) (full bool) {
	full = errors.Is(err, blob.ErrFull)
	trouble := ""
	switch {
	case full:
		trouble = noRoom
	case errors.Is(err, blob.ErrMismatch), errors.Is(err, blob.ErrOffset), errors.Is(err, blob.ErrTooLarge), errors.Is(err, context.Canceled):
		return false
	case err != nil:
		trouble = noStorage
	}
	if h.trouble.Swap(trouble) != trouble {
		if err != nil {
			h.logger.Error("profiles cannot be saved: agents keep theirs; readings and alerts go on", "error", err)
		} else {
			h.logger.Info("profiles can be saved again")
		}
	}
	return full
}
