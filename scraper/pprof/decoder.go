// Package pprof reduces a heap or goroutine profile to memwatch.Sites: one in
// the pprof format, as served by net/http/pprof and by other runtimes, or one
// in the text formats of gperftools and jemalloc.
//
// Raw bytes enter (gzip-compressed or not), Sites leave. It does no I/O and
// knows nothing of targets or of what the numbers mean. The bytes come from
// outside: they are read as a stream, never held whole, every table that they
// fill has a bound, and anything unusual is an error, never a panic.
package pprof

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/zupee/memwatch"
)

// Errors a caller may branch on.
var (
	// ErrTooLarge says that a profile exceeds the caps.
	ErrTooLarge = errors.New("profile too large")
	// ErrNotProfile says that the bytes are no profile (a web page, a cut-off reply).
	ErrNotProfile = errors.New("not a pprof profile")
)

// Decoder reduces profiles, of one target or of many, one after the other. It is
// not safe for concurrent use; the zero value is ready.
type Decoder struct {
	table   table
	scratch *scratch
}

// Decode reads one profile of the given kind, taken at the given time. The
// stacks and frames of the result are good until the next call: they lie in
// memory that it uses again. raw is not kept.
func (d *Decoder) Decode(raw []byte, kind memwatch.ProfileKind, at time.Time) (*memwatch.Sites, error) {
	if d.scratch == nil {
		d.scratch = newScratch()
	}
	sites, err := d.decode(d.scratch, raw, kind)
	if !d.scratch.reset() {
		d.scratch = nil
	}
	if err != nil {
		return nil, fmt.Errorf("decode %s profile: %w", kind, err)
	}
	sites.Kind, sites.Time = kind, at
	return sites, nil
}

func (d *Decoder) decode(s *scratch, raw []byte, kind memwatch.ProfileKind) (*memwatch.Sites, error) {
	if len(raw) == 0 {
		return nil, fmt.Errorf("%w: it is empty", ErrNotProfile)
	}
	open := s.open
	if isText(raw) {
		open = s.openText
	}
	if err := open(raw); err != nil {
		return nil, err
	}
	if err := s.gather(); err != nil {
		return nil, err
	}
	return d.reduce(s, kind)
}

// Convert returns a profile as gzip-compressed pprof where raw is one of the
// text formats, and raw itself where it is pprof already.
func Convert(raw []byte) ([]byte, error) {
	if !isText(raw) {
		return raw, nil
	}
	p, err := parseText(raw)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := p.Write(&out); err != nil {
		return nil, fmt.Errorf("convert profile: %w", err)
	}
	return out.Bytes(), nil
}

// open lays raw, unpacked on the way, before the scratch's reader.
func (s *scratch) open(raw []byte) error {
	s.raw.Reset(raw)
	var from io.Reader = &s.raw
	if len(raw) > 1 && raw[0] == 0x1f && raw[1] == 0x8b {
		if err := s.gunzip.Reset(&s.raw); err != nil {
			return fmt.Errorf("%w: gunzip: %w", ErrNotProfile, err)
		}
		from = s.gunzip
	}
	s.limited = io.LimitedReader{R: from, N: maxPlainBytes + 1}
	s.in.Reset(&s.limited)
	return nil
}
