package pprof

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/klauspost/compress/gzip"
)

// workers lend their buffers to one decoding after the other, of all targets:
// memory follows how many profiles are read at once, not how many there are.
var workers = sync.Pool{New: func() any { return &work{seen: map[uint64]int32{}} }}

// keptBytes is the largest buffer that waits for the next profile.
const keptBytes = 16 << 20

func (w *work) release() {
	clear(w.strings)
	w.in.Reset(nil)
	if cap(w.plain) > keptBytes || len(w.seen) > maxStacks {
		return
	}
	workers.Put(w)
}

// inflate fills w.plain with the profile's protobuf bytes, within the caps.
func (w *work) inflate(raw []byte) error {
	w.plain = w.plain[:0]
	if len(raw) > maxCompressedBytes {
		return fmt.Errorf("%w: %d bytes, at most %d are read", ErrTooLarge, len(raw), maxCompressedBytes)
	}
	if len(raw) < 2 || raw[0] != 0x1f || raw[1] != 0x8b {
		w.plain = append(w.plain, raw...)
		return nil
	}
	w.in.Reset(raw)
	var err error
	if w.zip == nil {
		w.zip, err = gzip.NewReader(&w.in)
	} else {
		err = w.zip.Reset(&w.in)
	}
	if err != nil {
		return fmt.Errorf("%w: gunzip: %w", ErrNotProfile, err)
	}
	w.plain = slices.Grow(w.plain, told(raw)+bytes.MinRead)
	for {
		if len(w.plain) == cap(w.plain) {
			w.plain = slices.Grow(w.plain, max(64<<10, len(w.plain)/2))
		}
		n, err := w.zip.Read(w.plain[len(w.plain):cap(w.plain)])
		w.plain = w.plain[:len(w.plain)+n]
		switch {
		case len(w.plain) > maxProfileBytes:
			return fmt.Errorf("%w: more than %d bytes after decompression", ErrTooLarge, maxProfileBytes)
		case err == io.EOF: //nolint:errorlint // io.Reader's own
			return nil
		case err != nil:
			return fmt.Errorf("%w: gunzip: %w", ErrNotProfile, err)
		}
	}
}

// told is the length that a gzip file gives at its end, if it can be believed:
// deflate makes no more than 1032 bytes of one.
func told(raw []byte) int {
	if len(raw) < 18 { // the shortest there is
		return 0
	}
	n := int(binary.LittleEndian.Uint32(raw[len(raw)-4:]))
	if n > keptBytes || n/1032 > len(raw) {
		return 0
	}
	return n
}
