package pprof

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
)

// errTruncated is a message that ends within a field.
var errTruncated = errors.New("a field is cut off")

// The wire types of protobuf.
const (
	varintType = 0
	fixed64    = 1
	bytesType  = 2
	fixed32    = 5
)

// field is one field of a message: bytes hold it for bytesType, number for the others.
type field struct {
	number int
	value  uint64
	bytes  []byte
}

// next reads the next outermost field of the profile; its bytes are good until
// the call after. io.EOF is the profile's end.
func (s *scratch) next(f *field) error {
	if s.buffered(f) {
		if s.fields++; s.fields > maxFields {
			return fmt.Errorf("%w: more than %d fields", ErrTooLarge, maxFields)
		}
		return nil
	}
	tag, err := binary.ReadUvarint(s.in)
	if err != nil {
		return s.readError(err, err == io.EOF) //nolint:errorlint // an EOF between fields is not wrapped
	}
	if s.fields++; s.fields > maxFields {
		return fmt.Errorf("%w: more than %d fields", ErrTooLarge, maxFields)
	}
	f.number, f.value, f.bytes = int(tag>>3&0xffff), 0, nil
	if f.number == 0 {
		return fmt.Errorf("%w: a field without a number", ErrNotProfile)
	}
	switch tag & 7 {
	case varintType:
		f.value, err = binary.ReadUvarint(s.in)
	case bytesType:
		var n uint64
		if n, err = binary.ReadUvarint(s.in); err != nil {
			break
		}
		if n > maxFieldBytes {
			return fmt.Errorf("%w: a field of %d bytes, at most %d are read", ErrTooLarge, n, maxFieldBytes)
		}
		if f.bytes, err = s.in.Peek(int(n)); err == nil {
			_, err = s.in.Discard(int(n)) // what was peeked at stays where it is until the next read
		}
	case fixed64:
		_, err = s.in.Discard(8)
	case fixed32:
		_, err = s.in.Discard(4)
	default:
		return fmt.Errorf("%w: wire type %d", ErrNotProfile, tag&7)
	}
	return s.readError(err, false)
}

// buffered takes the next field where it is a message, a text or the like, and
// lies in the reader's buffer as a whole: nearly all do.
func (s *scratch) buffered(f *field) bool {
	b, _ := s.in.Peek(s.in.Buffered())
	tag, rest := uvarint(b)
	if rest == nil || tag&7 != bytesType || tag>>3&0xffff == 0 {
		return false
	}
	n, rest := uvarint(rest)
	if rest == nil || n > uint64(len(rest)) || n > maxFieldBytes {
		return false
	}
	f.number, f.value, f.bytes = int(tag>>3&0xffff), 0, rest[:n]
	_, err := s.in.Discard(len(b) - len(rest) + int(n))
	return err == nil
}

// readError says what ended the stream; clean is an end between two fields.
func (s *scratch) readError(err error, clean bool) error {
	switch {
	case err == nil:
		return nil
	case s.limited.N <= 0:
		return fmt.Errorf("%w: more than %d bytes after decompression", ErrTooLarge, maxPlainBytes)
	case clean:
		return io.EOF
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, bufio.ErrBufferFull):
		return fmt.Errorf("%w: it ends early", ErrNotProfile)
	}
	return fmt.Errorf("%w: %w", ErrNotProfile, err)
}

// take cuts the first field off a message that lies in memory.
func take(b []byte, f *field) (rest []byte, err error) {
	tag, b := uvarint(b)
	if b == nil {
		return nil, errTruncated
	}
	f.number, f.value, f.bytes = int(tag>>3&0xffff), 0, nil
	var size int
	switch tag & 7 {
	case varintType:
		if f.value, b = uvarint(b); b == nil {
			return nil, errTruncated
		}
		return b, nil
	case bytesType:
		n, rest := uvarint(b)
		if rest == nil || n > uint64(len(rest)) {
			return nil, errTruncated
		}
		f.bytes = rest[:n]
		return rest[n:], nil
	case fixed64:
		size = 8
	case fixed32:
		size = 4
	default:
		return nil, fmt.Errorf("wire type %d", tag&7)
	}
	if len(b) < size {
		return nil, errTruncated
	}
	return b[size:], nil
}

// uvarint cuts a number off; rest is nil when there is none. Most numbers of a
// profile take one byte or two.
func uvarint(b []byte) (v uint64, rest []byte) {
	switch {
	case len(b) > 0 && b[0] < 0x80:
		return uint64(b[0]), b[1:]
	case len(b) > 1 && b[1] < 0x80:
		return uint64(b[0]&0x7f) | uint64(b[1])<<7, b[2:]
	}
	v, n := binary.Uvarint(b)
	if n <= 0 {
		return 0, nil
	}
	return v, b[n:]
}

// numbers appends a repeated number, packed or not.
func (f *field) numbers(to []uint64) ([]uint64, error) {
	if f.bytes == nil {
		return append(to, f.value), nil
	}
	to = slices.Grow(to, min(len(f.bytes), maxDepth))
	for b := f.bytes; len(b) > 0; {
		if b[0] < 0x80 {
			to, b = append(to, uint64(b[0])), b[1:]
			continue
		}
		if len(b) > 2 && b[2] < 0x80 && b[1] >= 0x80 {
			to, b = append(to, uint64(b[0]&0x7f)|uint64(b[1]&0x7f)<<7|uint64(b[2])<<14), b[3:]
			continue
		}
		var v uint64
		if v, b = uvarint(b); b == nil {
			return nil, errTruncated
		}
		to = append(to, v)
	}
	return to, nil
}
