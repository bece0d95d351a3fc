// Package blob keeps the bytes of profiles, each under the SHA-256 of its
// content, and receives them in parts, so that a large profile crosses a bad
// link in the end. Bytes come in and go out; whose they are is not known here.
//
// Store is what any place for blobs offers: Files is one, in a folder. The
// conformance suite in blobtest holds for all of them.
package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// Errors that callers branch on.
var (
	// ErrNotFound: there is no complete blob of this name.
	ErrNotFound = errors.New("blob not found")
	// ErrName: a name is not a SHA-256 in lower-case hex.
	ErrName = errors.New("not a SHA-256 in 64 lower-case hex digits")
	// ErrOffset: a part begins beyond what is there. See OffsetError.
	ErrOffset = errors.New("part begins beyond what was received")
	// ErrMismatch: what was received has another size or SHA-256 than it
	// should; it was thrown away, and the blob is to be sent from the beginning.
	ErrMismatch = errors.New("blob is not what was announced")
	// ErrTooLarge: one blob is larger than is taken.
	ErrTooLarge = errors.New("blob is too large")
	// ErrFull: all blobs together are as large as is taken, or the disk is full.
	ErrFull = errors.New("no room for more blobs: free disk space, shorten the retention or raise the limit")
)

// OffsetError says where the next part must begin. It is an ErrOffset.
type OffsetError struct{ Want int64 }

func (e *OffsetError) Error() string { return fmt.Sprintf("%v: send from byte %d", ErrOffset, e.Want) }

// Unwrap makes it an ErrOffset.
func (e *OffsetError) Unwrap() error { return ErrOffset }

// Store is a place for blobs, safe for concurrent use. A name that is not 64
// lower-case hex digits is refused with ErrName by every method.
type Store interface {
	// Partial answers how many bytes of a blob are there: 0 when none are, all
	// when it is complete. The next part begins at that offset.
	Partial(ctx context.Context, sha256 string) (offset int64, err error)
	// Write adds a part. Bytes that are there already are passed over, so that a
	// part may be sent again; one that leaves a gap is an OffsetError. It answers
	// the offset of the next part. ErrTooLarge and ErrFull leave what was there.
	Write(ctx context.Context, sha256 string, offset int64, part []byte) (next int64, err error)
	// Finish checks size and SHA-256 of what was received and makes it a blob,
	// durable when it returns. On a blob that is complete it does nothing. When
	// less than size is there the error is an OffsetError; ErrMismatch otherwise.
	Finish(ctx context.Context, sha256 string, size int64) error
	// Open reads a complete blob, or answers ErrNotFound.
	Open(ctx context.Context, sha256 string) (r io.ReadSeekCloser, size int64, err error)
	// Has reports whether a blob is there, complete.
	Has(ctx context.Context, sha256 string) (bool, error)
	// Delete removes a blob and what was received of it; one that is not there
	// is no error. Who has it open can read on.
	Delete(ctx context.Context, sha256 string) error
	// Sweep removes unfinished blobs to which nothing was added since before.
	Sweep(ctx context.Context, before time.Time) (removed int, err error)
	// Old answers the complete blobs that came before.
	Old(ctx context.Context, before time.Time) (sha256s []string, err error)
	// Usage counts what is there.
	Usage() Usage
}

// Usage is what a store holds. Bytes are of blobs and unfinished ones together.
type Usage struct {
	Blobs int
	Bytes int64
	// MaxBytes is the most that Bytes may become.
	MaxBytes int64
}

// CheckName answers ErrName for what is not a SHA-256 in lower-case hex.
func CheckName(sha256 string) error {
	ok := len(sha256) == 64
	for i := 0; ok && i < len(sha256); i++ {
		c := sha256[i]
		ok = c >= '0' && c <= '9' || c >= 'a' && c <= 'f'
	}
	if !ok {
		return fmt.Errorf("blob %.80q: %w", sha256, ErrName)
	}
	return nil
}
