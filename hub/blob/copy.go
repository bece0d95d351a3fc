package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// copyPart is how much of a blob is moved at once.
const copyPart = 4 << 20

// Copy copies one blob from a place that may be in use to another, durably; one
// that is there already is not moved again, and one that is there in part from
// where it ended. The error is ErrNotFound when it is not there to copy, and
// ErrMismatch when its bytes are not what its name says.
func Copy(ctx context.Context, from, to Store, name string) (size int64, err error) {
	in, size, err := from.Open(ctx, name)
	if err != nil {
		return 0, err
	}
	defer func() { _ = in.Close() }()
	at, err := to.Partial(ctx, name)
	if err != nil {
		return 0, err
	}
	if at < size {
		if _, err := in.Seek(at, io.SeekStart); err != nil {
			return 0, fmt.Errorf("copy blob %s: %w", name, err)
		}
	}
	buffer := make([]byte, min(copyPart, max(size-at, 0)))
	for at < size {
		n, err := io.ReadFull(in, buffer[:min(int64(len(buffer)), size-at)])
		if err != nil {
			return 0, fmt.Errorf("copy blob %s: %w", name, err)
		}
		if at, err = to.Write(ctx, name, at, buffer[:n]); err != nil {
			return 0, fmt.Errorf("copy %w", err)
		}
	}
	if err := to.Finish(ctx, name, size); err != nil {
		return 0, fmt.Errorf("copy %w", err)
	}
	return size, nil
}

// CopyAll copies every blob of one place to another, and counts them. What cannot
// be copied because it was removed meanwhile, or is damaged, is reported and left out.
func CopyAll(ctx context.Context, from, to Store, report func(name string, err error)) (blobs int, bytes int64, err error) {
	names, err := from.Old(ctx, time.Now().AddDate(100, 0, 0))
	if err != nil {
		return 0, 0, err
	}
	for _, name := range names {
		n, err := Copy(ctx, from, to, name)
		switch {
		case errors.Is(err, ErrNotFound), errors.Is(err, ErrMismatch):
			report(name, err)
			continue
		case err != nil:
			return blobs, bytes, err
		}
		blobs++
		bytes += n
	}
	return blobs, bytes, nil
}
