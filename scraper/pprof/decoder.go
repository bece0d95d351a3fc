// Package pprof reduces a pprof profile, as served by net/http/pprof and by
// any other runtime that speaks the format, to memwatch.Sites.
//
// Raw bytes enter (gzip-compressed or not), Sites leave. It does no I/O and
// knows nothing of targets or of what the numbers mean. The bytes come from
// outside, so a Decoder is bounded in size before and after decompression and
// answers anything unusual with an error, never with a panic.
package pprof

import (
	"errors"
	"fmt"
	"time"

	"github.com/google/pprof/profile"

	"github.com/zupee/memwatch"
)

// What a profile may measure. 64 MiB of gzip is 500 times a large service's profile.
const (
	maxCompressedBytes = 64 << 20
	maxProfileBytes    = 512 << 20
)

// Errors a caller may branch on.
var (
	// ErrTooLarge says that a profile exceeds the size caps.
	ErrTooLarge = errors.New("profile too large")
	// ErrNotProfile says that the bytes are no pprof profile (a web page, a text, a cut-off reply).
	ErrNotProfile = errors.New("not a pprof profile")
)

// Decoder reduces the successive profiles of one target. It remembers frames
// and stacks between profiles, so that a site costs memory once. A Decoder is
// not safe for concurrent use; the zero value is ready.
type Decoder struct {
	table table
}

// Decode reads one profile of the given kind, taken at the given time. The
// result shares frames and stacks with other results of the same Decoder and
// is otherwise the caller's. raw is not kept.
func (d *Decoder) Decode(raw []byte, kind memwatch.ProfileKind, at time.Time) (*memwatch.Sites, error) {
	w := workers.Get().(*work)
	defer w.release()
	if err := w.inflate(raw); err != nil {
		return nil, fmt.Errorf("decode %s profile: %w", kind, err)
	}
	if sites, ok := d.stream(w, kind, at); ok {
		return sites, nil
	}
	p, err := parse(w.plain)
	if err != nil {
		return nil, fmt.Errorf("decode %s profile: %w: %w", kind, ErrNotProfile, err)
	}
	sites, err := d.reduce(p, kind, at)
	if err != nil {
		return nil, fmt.Errorf("decode %s profile: %w", kind, err)
	}
	return sites, nil
}

// parse is profile.ParseUncompressed with a panic turned into an error: the
// bytes are a stranger's.
func parse(plain []byte) (p *profile.Profile, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("malformed: %v", r)
		}
	}()
	if len(plain) == 0 {
		return nil, errors.New("empty")
	}
	if p, err = profile.ParseUncompressed(plain); err != nil {
		return nil, err
	}
	return p, p.CheckValid()
}
