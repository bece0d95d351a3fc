package hub

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"os"
	"path/filepath"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/hub/auth"
	"github.com/zupee/memwatch/hub/blob"
	"github.com/zupee/memwatch/hub/store"
	"github.com/zupee/memwatch/hub/store/sqlite"
	"github.com/zupee/memwatch/internal/durable"
)

// The names of what lies in a data folder.
const (
	databaseFile = "memwatch.db"
	blobsDir     = "blobs"
)

// Backup copies a hub's data folder as it is at one moment into the new folder
// to, and writes to out what it has; with blobs, the URL of an object store, the
// profiles are copied from there. The hub may be running. The copy is a data
// folder itself: to restore it, start a hub on it. It is whole or absent.
func Backup(ctx context.Context, data, blobs, to string, out io.Writer) error {
	if _, err := os.Lstat(to); err == nil {
		return fmt.Errorf("back up to %s: it is there already: want a new folder", to)
	}
	var b backup
	err := durable.WriteDir(to, func(dir string) error {
		var err error
		b, err = copyData(ctx, data, cmp.Or(blobs, filepath.Join(data, blobsDir)), dir)
		return err
	})
	if err != nil {
		return fmt.Errorf("back up %s: %w", data, err)
	}
	fmt.Fprintf(out, "%s: %d alerts, %d instances, %d profiles (%d bytes)\n", to, b.alerts, b.instances, b.profiles, b.bytes)
	for _, lost := range b.lost {
		fmt.Fprintf(out, "left out: %v\n", lost)
	}
	fmt.Fprintf(out, "restore with: memwatch-hub serve --data %s\n", to)
	return nil
}

// backup is what a copy holds.
type backup struct {
	alerts, instances, profiles int
	bytes                       int64
	lost                        []error // profiles whose bytes were removed meanwhile, or are damaged
}

func copyData(ctx context.Context, data, blobs, dir string) (b backup, err error) {
	path := filepath.Join(dir, databaseFile)
	db, err := sqlite.Backup(ctx, filepath.Join(data, databaseFile), path)
	if err != nil {
		return b, err
	}
	defer func() { err = errors.Join(err, db.Close(), os.Remove(path+".lock")) }()
	if err := auth.Copy(ctx, data, dir); err != nil {
		return b, err
	}
	captures, err := allCaptures(ctx, db)
	if err != nil {
		return b, err
	}
	from, err := openPlace(ctx, blobs, math.MaxInt64, math.MaxInt64, slog.New(slog.DiscardHandler))
	if err != nil {
		return b, err
	}
	defer closeBlobs(from)
	into, err := blob.OpenFiles(blob.Config{Dir: filepath.Join(dir, blobsDir), MaxBlobBytes: math.MaxInt64, MaxBytes: math.MaxInt64})
	if err != nil {
		return b, err
	}
	copied := map[string]error{}
	for _, c := range captures { // after the database: what it names was there before
		err, done := copied[c.SHA256]
		if !done {
			var n int64
			n, err = blob.Copy(ctx, from, into, c.SHA256)
			copied[c.SHA256] = err
			b.bytes += n
		}
		switch {
		case err == nil:
			b.profiles++
		case errors.Is(err, blob.ErrNotFound), errors.Is(err, blob.ErrMismatch): // removed meanwhile, or damaged
			b.lost = append(b.lost, fmt.Errorf("profile %s of %s/%s: %w", c.ID, c.Service, c.Instance, err))
			if _, err := db.DeleteCapture(ctx, c.ID); err != nil {
				return b, err
			}
		default:
			return b, err
		}
	}
	st, err := db.Stats(ctx)
	b.alerts, b.instances = st.Alerts, st.Instances
	return b, err
}

func allCaptures(ctx context.Context, db store.Store) (all []memwatch.Capture, err error) {
	for before := ""; ; before = all[len(all)-1].ID {
		page, _, err := db.Captures(ctx, store.CaptureQuery{Limit: 1000, Before: before})
		if err != nil || len(page) == 0 {
			return all, err
		}
		all = append(all, page...)
	}
}
