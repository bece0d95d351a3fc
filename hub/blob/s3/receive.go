package s3

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/zupee/memwatch/hub/blob"
)

// received is what is there of a blob.
type received struct {
	bytes    int64
	complete bool
	parts    []part // all of an unfinished one
	needed   []part // those that make up the bytes
}

func (b *Bucket) received(ctx context.Context, name string) (r received, err error) {
	n, err := b.size(ctx, name)
	if err != nil || n >= 0 {
		return received{bytes: n, complete: true}, err
	}
	if r.parts, err = b.parts(ctx, name); err != nil {
		return r, err
	}
	r.needed, r.bytes = chain(r.parts)
	return r, nil
}

// Partial implements blob.Store.
func (b *Bucket) Partial(ctx context.Context, name string) (int64, error) {
	if err := blob.CheckName(name); err != nil {
		return 0, err
	}
	r, err := b.received(ctx, name)
	if err != nil {
		return 0, fmt.Errorf("blob %s: %w", name, err)
	}
	return r.bytes, nil
}

// Write implements blob.Store.
func (b *Bucket) Write(ctx context.Context, name string, offset int64, data []byte) (int64, error) {
	if err := blob.CheckName(name); err != nil {
		return 0, err
	}
	defer b.lock(name)()
	r, err := b.received(ctx, name)
	if err != nil {
		return 0, fmt.Errorf("blob %s: %w", name, err)
	}
	if offset < 0 || offset > r.bytes {
		return r.bytes, fmt.Errorf("blob %s: %w", name, &blob.OffsetError{Want: r.bytes})
	}
	end := offset + int64(len(data))
	if r.complete || end <= r.bytes {
		return r.bytes, nil
	}
	if end > b.cfg.MaxBlobBytes {
		return r.bytes, fmt.Errorf("blob %s: %w: at most %d bytes", name, blob.ErrTooLarge, b.cfg.MaxBlobBytes)
	}
	if err := b.add(ctx, name, r.bytes, data[r.bytes-offset:]); err != nil {
		return r.bytes, fmt.Errorf("write blob %s: %w", name, err)
	}
	return end, nil
}

// add stores a part.
func (b *Bucket) add(ctx context.Context, name string, from int64, data []byte) error {
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	n := int64(len(data))
	if err := b.grow(ctx, n); err != nil {
		return err
	}
	sum := sha256.Sum256(data)
	err := b.put(ctx, b.partKey(name, from, from+n), bytes.NewReader(data), n, hex.EncodeToString(sum[:]))
	if err != nil {
		b.book(0, -n)
	}
	return err
}

// put stores an object, whose sum the store checks.
func (b *Bucket) put(ctx context.Context, key string, data io.Reader, size int64, sum string) error {
	// The sum stands in the place of the one that the library would make up as it goes.
	o := minio.PutObjectOptions{DisableContentSha256: true}
	_, err := b.client.PutObject(ctx, b.at.Bucket, key, data, size, "", sum, o)
	return b.explain(err)
}

// Finish implements blob.Store.
func (b *Bucket) Finish(ctx context.Context, name string, size int64) error {
	if err := blob.CheckName(name); err != nil {
		return err
	}
	defer b.lock(name)()
	r, err := b.received(ctx, name)
	if err != nil {
		return fmt.Errorf("finish blob %s: %w", name, err)
	}
	if r.complete && r.bytes == size {
		return nil
	}
	if r.complete {
		return fmt.Errorf("blob %s: %w: it has %d bytes, announced were %d", name, blob.ErrMismatch, r.bytes, size)
	}
	if r.bytes < size {
		return fmt.Errorf("blob %s: %w", name, &blob.OffsetError{Want: r.bytes})
	}
	if r.bytes > size {
		return b.discard(ctx, name, r, fmt.Errorf("%w: received were %d bytes, announced %d", blob.ErrMismatch, r.bytes, size))
	}
	switch err = b.assemble(ctx, name, size, r.needed); {
	case errors.Is(err, blob.ErrMismatch):
		return b.discard(ctx, name, r, err)
	case err != nil:
		// Another hub may have finished it at the same time, and removed the parts.
		if n, e := b.size(ctx, name); e != nil || n != size {
			return fmt.Errorf("finish blob %s: %w", name, err)
		}
	default:
		b.book(1, size)
	}
	if err := b.removeParts(ctx, name, r.parts); err != nil {
		b.cfg.Logger.Warn("parts of a profile that is complete stay until they are swept", "blob", name, "error", err)
	}
	return nil
}

// assemble makes the object out of the parts, or breaks off if its sum is another.
func (b *Bucket) assemble(ctx context.Context, name string, size int64, needed []part) error {
	const slow = 1 << 20 // bytes a second that it may take
	ctx, cancel := context.WithTimeout(ctx, requestTime+time.Duration(size/slow)*time.Second)
	defer cancel()
	a := newAssembled(ctx, b, name, needed)
	defer a.end()
	err := b.put(ctx, b.object(name), a, size, name)
	if a.failed != nil {
		return a.failed
	}
	return err
}

// discard throws away what was received of a blob, because of err.
func (b *Bucket) discard(ctx context.Context, name string, r received, err error) error {
	if e := b.removeParts(ctx, name, r.parts); e != nil {
		return fmt.Errorf("discard blob %s: %w", name, e)
	}
	return fmt.Errorf("blob %s: %w", name, err)
}
