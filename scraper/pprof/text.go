package pprof

import (
	"bytes"
	"fmt"
	"io"

	"github.com/google/pprof/profile"
)

// The text formats have to be held while they are converted, and an address of
// ten bytes becomes an object of a hundred: both are bounded.
const (
	maxTextBytes     = 4 << 20
	maxTextStacks    = 1 << 15
	maxTextAddresses = 1 << 16
)

var (
	gperftoolsHeader = []byte("heap profile:")
	jemallocHeader   = []byte("heap_v2/")
	mapsHeader       = []byte("MAPPED_LIBRARIES:")
)

// isText reports whether raw is a heap profile as gperftools and jemalloc write
// them: text, with the process's mappings at its end.
func isText(raw []byte) bool {
	return bytes.HasPrefix(raw, gperftoolsHeader) || bytes.HasPrefix(raw, jemallocHeader)
}

// openText converts raw and opens what comes of it.
func (s *scratch) openText(raw []byte) error {
	p, err := parseText(raw)
	if err != nil {
		return err
	}
	var plain bytes.Buffer
	if err := p.WriteUncompressed(&plain); err != nil {
		return fmt.Errorf("convert profile: %w", err)
	}
	s.raw.Reset(plain.Bytes())
	s.limited = io.LimitedReader{R: &s.raw, N: maxPlainBytes + 1}
	s.in.Reset(&s.limited)
	return nil
}

// parseText reads either format by the reference reader, which also undoes the
// sampling; a panic of it is an error here, for the bytes are a stranger's.
func parseText(raw []byte) (p *profile.Profile, err error) {
	defer func() {
		if r := recover(); r != nil {
			p, err = nil, fmt.Errorf("%w: malformed: %v", ErrNotProfile, r)
		}
	}()
	if len(raw) > maxTextBytes {
		return nil, fmt.Errorf("%w: %d bytes of text, at most %d are read", ErrTooLarge, len(raw), maxTextBytes)
	}
	if n := bytes.Count(raw, []byte("@")); n > maxTextStacks {
		return nil, fmt.Errorf("%w: %d stacks of text, at most %d are read", ErrTooLarge, n, maxTextStacks)
	}
	if !fewAddresses(raw) {
		return nil, fmt.Errorf("%w: more than %d addresses in text", ErrTooLarge, maxTextAddresses)
	}
	if bytes.HasPrefix(raw, jemallocHeader) {
		if raw, err = asGperftools(raw); err != nil {
			return nil, err
		}
	}
	if p, err = profile.ParseData(raw); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotProfile, err)
	}
	return p, nil
}

// fewAddresses counts the different ones.
func fewAddresses(raw []byte) bool {
	seen := make(map[uint64]struct{}, 1024)
	for {
		at := bytes.Index(raw, []byte("0x"))
		if at < 0 {
			return true
		}
		raw = raw[at+2:]
		var v uint64
		for len(raw) > 0 && isHex(raw[0]) {
			v = v*31 + uint64(raw[0])
			raw = raw[1:]
		}
		if seen[v] = struct{}{}; len(seen) > maxTextAddresses {
			return false
		}
	}
}

func isHex(c byte) bool { return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F' }

// asGperftools writes jemalloc's text, in which a stack comes before its
// numbers (and those of all threads, t*, before those of each), as the format
// that it was once derived from, in which it comes behind them.
func asGperftools(raw []byte) ([]byte, error) {
	stacks, maps, _ := bytes.Cut(raw, mapsHeader)
	var out bytes.Buffer
	var period, stack []byte
	for line := range bytes.Lines(stacks) {
		line = bytes.TrimSpace(line)
		if rest, ok := bytes.CutPrefix(line, jemallocHeader); ok {
			period = rest
			continue
		}
		if bytes.HasPrefix(line, []byte("@")) {
			stack = line
			continue
		}
		numbers, ok := bytes.CutPrefix(line, []byte("t*:"))
		switch {
		case !ok: // one thread's, or nothing
		case out.Len() == 0:
			fmt.Fprintf(&out, "heap profile: %s @ heap_v2/%s\n", numbers, period)
		case stack == nil:
			return nil, fmt.Errorf("%w: numbers without a stack: %.60q", ErrNotProfile, line)
		default:
			fmt.Fprintf(&out, "%s %s\n", numbers, stack)
			stack = nil
		}
	}
	fmt.Fprintf(&out, "\n%s\n%s", mapsHeader, maps)
	return out.Bytes(), nil
}
