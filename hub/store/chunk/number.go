package chunk

import (
	"encoding/binary"
	"errors"
	"math"
	"math/bits"
)

// mode says how a float64 is held as an integer. Every mode gives back the
// very same float64.
type mode uint8

const (
	whole    mode = iota // the number itself: bytes and counts
	nanos                // n × 1e-9: how MemStats' nanoseconds become seconds
	perNano              // n ÷ 1e9: how a time.Duration becomes seconds
	bitwise              // the bits of the float64: anything else
	modeMask = 3
)

// maxWhole is 2⁵³: up to it every integer is a float64 of its own.
const maxWhole = 1 << 53

var errDamaged = errors.New("damaged: the bytes are not what was written")

// quantize finds the smallest form that gives v back exactly.
func quantize(v float64) (mode, int64) {
	for m := whole; m < bitwise; m++ {
		if n, ok := m.exact(v); ok {
			return m, n
		}
	}
	return bitwise, int64(math.Float64bits(v))
}

// exact is v in this mode, and whether v comes back the same.
func (m mode) exact(v float64) (int64, bool) {
	n := m.near(v)
	return n, m == bitwise || m.value(n) == v
}

// near is the integer nearest to v in this mode; 0 where there is none.
func (m mode) near(v float64) int64 {
	switch m {
	case bitwise:
		return int64(math.Float64bits(v))
	case nanos, perNano:
		v = math.Round(v * 1e9)
	}
	if v < 0 || v >= maxWhole {
		return 0
	}
	return int64(v)
}

// value is the float64 that n stands for.
func (m mode) value(n int64) float64 {
	switch m {
	case nanos:
		return float64(n) * 1e-9
	case perNano:
		return float64(n) / 1e9
	case bitwise:
		return math.Float64frombits(uint64(n))
	}
	return float64(n)
}

func zigzag(n int64) uint64   { return uint64(n<<1) ^ uint64(n>>63) }
func unzigzag(u uint64) int64 { return int64(u>>1) ^ -int64(u&1) }

func appendSigned(dst []byte, n int64) []byte { return binary.AppendUvarint(dst, zigzag(n)) }

// uvarintLen is the number of bytes that u takes.
func uvarintLen(u uint64) int { return (bits.Len64(u|1) + 6) / 7 }

// cursor reads varints; the first failure sticks.
type cursor struct {
	b   []byte
	bad bool
}

func (c *cursor) uvarint() uint64 {
	// One byte is by far the commonest length.
	if len(c.b) > 0 && c.b[0] < 0x80 {
		v := uint64(c.b[0])
		c.b = c.b[1:]
		return v
	}
	v, n := binary.Uvarint(c.b)
	if n <= 0 {
		c.bad, c.b = true, nil
		return 0
	}
	c.b = c.b[n:]
	return v
}

func (c *cursor) signed() int64 { return unzigzag(c.uvarint()) }

// take cuts off the next n bytes; nil when there are not so many.
func (c *cursor) take(n uint64) []byte {
	if n > uint64(len(c.b)) {
		c.bad, c.b = true, nil
		return nil
	}
	out := c.b[:n]
	c.b = c.b[n:]
	return out
}
