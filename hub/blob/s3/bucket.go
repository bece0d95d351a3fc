package s3

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/zupee/memwatch/hub/blob"
)

const (
	// tries is how often a request is sent before it counts as failed.
	tries = 3
	// requestTime bounds one call that moves little.
	requestTime = 30 * time.Second
	// countEvery is how old the count of what all hubs together have stored may
	// be when there is more to store.
	countEvery = 5 * time.Minute
)

// Bucket is a place for blobs in an object store.
type Bucket struct {
	at        Location
	cfg       Config
	client    minio.Core
	transport *http.Transport

	// locks keep two senders of one blob apart, by the first digits of its name,
	// within this hub: between hubs nothing but the count suffers.
	locks [256]sync.Mutex

	mu      sync.Mutex
	usage   blob.Usage
	counted time.Time // zero until a count succeeded
}

var _ blob.Store = (*Bucket)(nil)

// Open opens a bucket, and counts what is there. That the bucket is missing or
// refuses the credentials is an error; a store that cannot be reached is none, as
// it may be back at any time: what needs it fails until then.
func Open(ctx context.Context, cfg Config) (*Bucket, error) {
	at, err := Parse(cfg.URL)
	if err != nil {
		return nil, fmt.Errorf("blobs: %w", err)
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	cfg.MaxBlobBytes, cfg.MaxBytes = cmp.Or(cfg.MaxBlobBytes, 256<<20), cmp.Or(cfg.MaxBytes, 20<<30)
	b := &Bucket{at: at, cfg: cfg, usage: blob.Usage{MaxBytes: cfg.MaxBytes}, transport: newTransport()}
	creds := credentials.NewChainCredentials([]credentials.Provider{
		&credentials.EnvAWS{}, &credentials.FileAWSCredentials{},
		&credentials.IAM{Client: &http.Client{Transport: b.transport, Timeout: 3 * time.Second}, Region: at.Region},
	})
	client, err := minio.New(at.Host, &minio.Options{
		Creds: creds, Secure: at.TLS, Region: at.Region, Transport: b.transport, MaxRetries: tries,
	})
	if err != nil {
		return nil, fmt.Errorf("blobs %s: %w", at, err)
	}
	b.client.Client = client
	if found, err := creds.GetWithContext(client.CredContext()); err != nil || found.AccessKeyID == "" {
		b.Close()
		return nil, fmt.Errorf("blobs %s: no credentials were found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, write ~/.aws/credentials, or run with a role", at)
	}
	if err := b.count(ctx); errors.Is(err, ErrRefused) || ctx.Err() != nil {
		b.Close()
		return nil, err
	} else if err != nil {
		cfg.Logger.Error("the object store cannot be reached; profiles wait at their agents until it can", "error", err)
	}
	return b, nil
}

func newTransport() *http.Transport {
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout: 10 * time.Second, ResponseHeaderTimeout: requestTime, IdleConnTimeout: 90 * time.Second,
		MaxIdleConnsPerHost: 16, DisableCompression: true, ForceAttemptHTTP2: true,
	}
}

// Close gives up the connections; whoever reads a blob can read on.
func (b *Bucket) Close() { b.transport.CloseIdleConnections() }

// lock keeps others in this hub from changing the same blob until unlock.
func (b *Bucket) lock(name string) (unlock func()) {
	l := &b.locks[unhex(name[0])<<4|unhex(name[1])]
	l.Lock()
	return l.Unlock
}

func unhex(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c - 'a' + 10
}

// object is the name of a complete blob's.
func (b *Bucket) object(name string) string { return b.at.Prefix + name[:2] + "/" + name[2:] }

// Usage implements blob.Store. Of what other hubs store, it knows with a delay of
// some minutes.
func (b *Bucket) Usage() blob.Usage {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.usage
}

func (b *Bucket) book(blobs int, bytes int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	// What another hub stored may be removed here before it was counted.
	b.usage.Blobs, b.usage.Bytes = max(0, b.usage.Blobs+blobs), max(0, b.usage.Bytes+bytes)
}

// grow books bytes, if there is room for them.
func (b *Bucket) grow(ctx context.Context, n int64) error {
	b.mu.Lock()
	stale := time.Since(b.counted) > countEvery
	b.mu.Unlock()
	if stale {
		if err := b.count(ctx); err != nil {
			return err
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.usage.Bytes+n > b.usage.MaxBytes {
		return fmt.Errorf("%d bytes of %d used: %w", b.usage.Bytes, b.usage.MaxBytes, blob.ErrFull)
	}
	b.usage.Bytes += n
	return nil
}

// count lists everything.
func (b *Bucket) count(ctx context.Context) error {
	u := blob.Usage{MaxBytes: b.cfg.MaxBytes}
	err := b.list(ctx, "", func(o minio.ObjectInfo) {
		if _, ok := b.blobName(o.Key); ok {
			u.Blobs++
		} else if b.partOf(o.Key) == "" {
			return // not ours
		}
		u.Bytes += o.Size
	})
	if err != nil {
		return fmt.Errorf("count blobs in %s: %w", b.at, err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.usage, b.counted = u, time.Now()
	return nil
}

// Has implements blob.Store.
func (b *Bucket) Has(ctx context.Context, name string) (bool, error) {
	if err := blob.CheckName(name); err != nil {
		return false, err
	}
	n, err := b.size(ctx, name)
	if err != nil {
		return false, fmt.Errorf("blob %s: %w", name, err)
	}
	return n >= 0, nil
}

// size is a complete blob's; -1 when there is none.
func (b *Bucket) size(ctx context.Context, name string) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	info, err := b.client.StatObject(ctx, b.at.Bucket, b.object(name), minio.StatObjectOptions{})
	if isMissing(err) {
		return -1, nil
	} else if err != nil {
		return -1, b.explain(err)
	}
	return info.Size, nil
}

// Open implements blob.Store. ctx bounds the reading too.
func (b *Bucket) Open(ctx context.Context, name string) (io.ReadSeekCloser, int64, error) {
	if err := blob.CheckName(name); err != nil {
		return nil, 0, err
	}
	object, err := b.client.Client.GetObject(ctx, b.at.Bucket, b.object(name), minio.GetObjectOptions{})
	var info minio.ObjectInfo
	if err == nil {
		if info, err = object.Stat(); err != nil {
			_ = object.Close()
		}
	}
	if isMissing(err) {
		return nil, 0, fmt.Errorf("blob %s: %w", name, blob.ErrNotFound)
	} else if err != nil {
		return nil, 0, fmt.Errorf("open blob %s: %w", name, b.explain(err))
	}
	return object, info.Size, nil
}

// Delete implements blob.Store, save that who has a blob open may find its end missing.
func (b *Bucket) Delete(ctx context.Context, name string) error {
	if err := blob.CheckName(name); err != nil {
		return err
	}
	defer b.lock(name)()
	n, err := b.size(ctx, name)
	if err == nil && n >= 0 {
		if err = b.remove(ctx, b.object(name)); err == nil {
			b.book(-1, -n)
		}
	}
	var ps []part
	if err == nil {
		ps, err = b.parts(ctx, name)
	}
	if err == nil {
		err = b.removeParts(ctx, name, ps)
	}
	if err != nil {
		return fmt.Errorf("delete blob %s: %w", name, err)
	}
	return nil
}

func (b *Bucket) remove(ctx context.Context, key string) error {
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	err := b.client.RemoveObject(ctx, b.at.Bucket, key, minio.RemoveObjectOptions{})
	if isMissing(err) {
		return nil
	}
	return b.explain(err)
}

// Old implements blob.Store.
func (b *Bucket) Old(ctx context.Context, before time.Time) (names []string, err error) {
	err = b.list(ctx, "", func(o minio.ObjectInfo) {
		if name, ok := b.blobName(o.Key); ok && o.LastModified.Before(before) {
			names = append(names, name)
		}
	})
	if err != nil {
		return nil, fmt.Errorf("list old blobs: %w", err)
	}
	return names, nil
}

// Sweep implements blob.Store. A part that comes meanwhile is not removed, and its
// sender is told where to begin again.
func (b *Bucket) Sweep(ctx context.Context, before time.Time) (removed int, err error) {
	parts, newest := map[string][]part{}, map[string]time.Time{}
	err = b.list(ctx, partialDir, func(o minio.ObjectInfo) {
		if name := b.partOf(o.Key); name != "" {
			if p, ok := parsePart(o); ok {
				parts[name] = append(parts[name], p)
			}
			if o.LastModified.After(newest[name]) {
				newest[name] = o.LastModified
			}
		}
	})
	for name, at := range newest {
		if err != nil {
			break
		}
		if at.Before(before) {
			unlock := b.lock(name)
			err = b.removeParts(ctx, name, parts[name])
			unlock()
			removed++
		}
	}
	if err != nil {
		return removed, fmt.Errorf("sweep blobs: %w", err)
	}
	return removed, nil
}

// list calls do with each object whose name begins with the prefix.
func (b *Bucket) list(ctx context.Context, prefix string, do func(minio.ObjectInfo)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for o := range b.client.Client.ListObjects(ctx, b.at.Bucket, minio.ListObjectsOptions{Prefix: b.at.Prefix + prefix, Recursive: true}) {
		if o.Err != nil {
			return b.explain(o.Err)
		}
		do(o)
	}
	return ctx.Err()
}
