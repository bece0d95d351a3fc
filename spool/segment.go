package spool

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
)

// loadReadings opens the log in dir. It writes to a new segment, so that a
// torn tail is never written behind.
func loadReadings(dir string, segmentBytes int64) (*readings, error) {
	r := &readings{dir: dir, segmentBytes: segmentBytes, done: map[uint64]bool{}, end: 1}
	names, err := os.ReadDir(dir) // sorted by name, which is the id in fixed width
	if err != nil {
		return nil, fmt.Errorf("list readings: %w", err)
	}
	for _, d := range names {
		first, ok := parseName(d.Name(), segmentSuffix)
		if !ok {
			continue
		}
		s, torn, err := scanSegment(filepath.Join(dir, d.Name()), first)
		if err != nil {
			return nil, err
		}
		if torn {
			r.corrupt++
		}
		if s.count == 0 || s.first < r.end && len(r.segments) > 0 {
			_ = os.Remove(r.path(first))
			continue
		}
		r.segments = append(r.segments, s)
		r.diskBytes += s.size
		r.pending += int(s.count)
		r.end = s.end()
	}
	return r, r.openCursor()
}

// openCursor finds out what is done already.
func (r *readings) openCursor() error {
	f, err := os.OpenFile(filepath.Join(r.dir, "cursor"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("open cursor: %w", err)
	}
	r.cursor = f
	r.base = max(readCursor(f), 1)
	r.end = max(r.end, r.base)
	for _, s := range r.segments {
		if s.first < r.base {
			r.pending -= int(min(s.end(), r.base) - s.first)
		}
	}
	r.compact()
	r.base = r.existing(r.base)
	r.pos = r.base
	return nil
}

// scanSegment counts the whole frames of a segment. Torn says that something
// else follows them.
func scanSegment(path string, first uint64) (s *segment, torn bool, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, false, fmt.Errorf("open segment: %w", err)
	}
	defer func() { _ = f.Close() }()
	s = &segment{first: first}
	in := bufio.NewReaderSize(f, 64<<10)
	for {
		head, err := in.Peek(headBytes)
		if errors.Is(err, io.EOF) {
			return s, len(head) > 0, nil
		} else if err != nil {
			return nil, false, fmt.Errorf("read segment: %w", err)
		}
		n, ok := payloadLen(head)
		if !ok {
			return s, true, nil
		}
		if _, err := in.Discard(headBytes + n); err != nil {
			return s, true, nil // the frame goes beyond the end of the file
		}
		s.count++
		s.size += int64(headBytes + n)
	}
}

// reader reads a segment's frames in order, with one open file.
type reader struct {
	seg    *segment
	file   *os.File
	id     uint64 // of the frame at offset
	offset int64
	buf    []byte
}

// body returns the body of a record, in memory of its own.
func (r *reader) body(path string, s *segment, id uint64) ([]byte, error) {
	if r.seg != s || r.id > id {
		if err := r.open(path, s); err != nil {
			return nil, err
		}
	}
	for {
		frame, err := r.frame()
		if err != nil {
			return nil, err
		}
		r.id++
		r.offset += int64(len(frame))
		if r.id <= id {
			continue
		}
		payload, err := parseFrame(frame)
		return append([]byte(nil), payload...), err
	}
}

func (r *reader) open(path string, s *segment) error {
	r.forget(nil)
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("read segment: %w", err)
	}
	r.seg, r.file, r.id, r.offset = s, f, s.first, 0
	return nil
}

// frame reads the one at offset, most often with a single call.
func (r *reader) frame() ([]byte, error) {
	rest := r.seg.size - r.offset
	if rest < headBytes {
		return nil, errCorrupt
	}
	if r.buf == nil {
		r.buf = make([]byte, 4<<10)
	}
	n := int(min(rest, int64(len(r.buf))))
	if _, err := r.file.ReadAt(r.buf[:n], r.offset); err != nil {
		return nil, fmt.Errorf("read segment: %w", err)
	}
	length, ok := payloadLen(r.buf)
	if !ok || int64(headBytes+length) > rest {
		return nil, errCorrupt
	}
	total := headBytes + length
	if total <= n {
		return r.buf[:total], nil
	}
	frame := make([]byte, total)
	if _, err := r.file.ReadAt(frame, r.offset); err != nil {
		return nil, fmt.Errorf("read segment: %w", err)
	}
	return frame, nil
}

// forget closes the file when it is of this segment; nil stands for any.
func (r *reader) forget(s *segment) {
	if r.file != nil && (s == nil || s == r.seg) {
		_ = r.file.Close()
		r.file, r.seg = nil, nil
	}
}

const cursorBytes = 12

func writeCursor(f *os.File, base uint64) error {
	b := binary.BigEndian.AppendUint64(nil, base)
	b = binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
	_, err := f.WriteAt(b, 0)
	return err
}

// readCursor returns 0 when there is none.
func readCursor(f *os.File) uint64 {
	b := make([]byte, cursorBytes)
	if _, err := f.ReadAt(b, 0); err != nil {
		return 0
	}
	if crc32.Checksum(b[:8], castagnoli) != binary.BigEndian.Uint32(b[8:]) {
		return 0
	}
	return binary.BigEndian.Uint64(b)
}
