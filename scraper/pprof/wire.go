package pprof

import "encoding/binary"

// The few parts of the protobuf wire format that a profile uses. A cursor that
// meets anything else says so with ok false, and the reference parser decides.

// Wire types.
const (
	wireVarint = 0
	wire64     = 1
	wireBytes  = 2
	wire32     = 5
)

// cursor reads fields one after the other.
type cursor struct {
	b  []byte
	at int
}

func (c *cursor) more() bool { return c.at < len(c.b) }

// varint reads one number.
func (c *cursor) varint() (uint64, bool) {
	if c.at < len(c.b) && c.b[c.at] < 0x80 { // most are small
		c.at++
		return uint64(c.b[c.at-1]), true
	}
	v, n := binary.Uvarint(c.b[c.at:])
	if n <= 0 {
		return 0, false
	}
	c.at += n
	return v, true
}

// field reads a field: its number and, by its type, its value or its bytes.
// Fixed-width fields, which profiles do not use, are passed over.
func (c *cursor) field() (number int, value uint64, body []byte, ok bool) {
	tag, ok := c.varint()
	if !ok || tag>>3 == 0 || tag>>3 > 1<<20 {
		return 0, 0, nil, false
	}
	number = int(tag >> 3)
	switch tag & 7 {
	case wireVarint:
		value, ok = c.varint()
		return number, value, nil, ok
	case wireBytes:
		n, ok := c.varint()
		if !ok || n > uint64(len(c.b)-c.at) {
			return 0, 0, nil, false
		}
		body = c.b[c.at : c.at+int(n) : c.at+int(n)]
		c.at += int(n)
		return number, 0, body, true
	case wire64:
		return number, 0, nil, c.skip(8)
	case wire32:
		return number, 0, nil, c.skip(4)
	}
	return 0, 0, nil, false
}

func (c *cursor) skip(n int) bool {
	c.at += n
	return c.at <= len(c.b)
}

// numbers calls use with each number of a repeated field, packed or single.
func numbers(value uint64, body []byte, use func(uint64) bool) bool {
	if body == nil {
		return use(value)
	}
	for c := (cursor{b: body}); c.more(); {
		v, ok := c.varint()
		if !ok || !use(v) {
			return false
		}
	}
	return true
}
