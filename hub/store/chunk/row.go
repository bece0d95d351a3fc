package chunk

import (
	"encoding/binary"
	"math/bits"
	"time"

	"github.com/zupee/memwatch"
)

// Tail is what the next row is written against: the row before it. The zero
// Tail begins a new run of rows.
type Tail struct {
	mask  uint64 // signals of the last row, by number, unknown ones included
	ms    int64
	start int64
	// Last is the last reading.
	Last memwatch.Sample
}

// AppendRow appends one reading as a row and moves the tail on to it.
//
// A row is: the set of signals (xor the set before), time and process start in
// milliseconds (each less the one before), then the values in the order of
// their numbers, each less the signal's value before.
func (d *Dictionary) AppendRow(dst []byte, tail *Tail, s *memwatch.Sample) []byte {
	mask, ms, start := d.mask(s), s.Time.UnixMilli(), startMillis(s)
	dst = binary.AppendUvarint(dst, mask^tail.mask)
	dst = appendSigned(dst, ms-tail.ms)
	dst = appendSigned(dst, start-tail.start)
	for rest := mask; rest != 0; rest &= rest - 1 {
		sig := d.signalOf[bits.TrailingZeros64(rest)]
		v, _ := s.Get(sig)
		m, n := quantize(v)
		delta := zigzag(n - m.near(tail.Last.Or(sig, 0)))
		if m == bitwise {
			dst = append(dst, byte(bitwise))
			dst = binary.AppendUvarint(dst, delta)
		} else {
			dst = binary.AppendUvarint(dst, delta<<2|uint64(m))
		}
	}
	tail.mask, tail.ms, tail.start, tail.Last = mask, ms, start, *s
	return dst
}

// ReadRow reads one row into the tail and returns the bytes after it.
func (d *Dictionary) ReadRow(src []byte, tail *Tail) (rest []byte, err error) {
	c := cursor{b: src}
	tail.mask ^= c.uvarint()
	tail.ms += c.signed()
	tail.start += c.signed()
	next := memwatch.Sample{Time: millis(tail.ms)}
	if tail.start != 0 {
		next.Start = millis(tail.start)
	}
	for left := tail.mask; left != 0; left &= left - 1 {
		number := bits.TrailingZeros64(left)
		head := c.uvarint()
		m, delta := mode(head&modeMask), head>>2
		if m == bitwise {
			delta = c.uvarint()
		}
		if d.known&(1<<number) == 0 {
			continue
		}
		sig := d.signalOf[number]
		next.Set(sig, m.value(m.near(tail.Last.Or(sig, 0))+unzigzag(delta)))
	}
	if c.bad {
		return nil, errDamaged
	}
	tail.Last = next
	return c.b, nil
}

// Rows decodes a run of rows and appends the readings to dst.
func (d *Dictionary) Rows(dst []memwatch.Sample, rows []byte) ([]memwatch.Sample, error) {
	var tail Tail
	var err error
	for len(rows) > 0 {
		if rows, err = d.ReadRow(rows, &tail); err != nil {
			return dst, err
		}
		dst = append(dst, tail.Last)
	}
	return dst, nil
}

func startMillis(s *memwatch.Sample) int64 {
	if s.Start.IsZero() {
		return 0
	}
	return s.Start.UnixMilli()
}

func millis(ms int64) time.Time { return time.UnixMilli(ms).UTC() }
