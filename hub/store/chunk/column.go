package chunk

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math/bits"

	"github.com/zupee/memwatch"
)

// MaxReadings is the most that one chunk holds.
const MaxReadings = 4096

// version is a chunk's first byte.
const version = 1

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Encode writes readings, sorted by time, as columns: a version byte, the count,
// times, process starts, then for each signal its number and its column, and a
// CRC-32C of it all. There must be 1 to MaxReadings of them.
func (d *Dictionary) Encode(readings []memwatch.Sample) []byte {
	e := encoder{ns: make([]int64, len(readings))}
	e.out = append(make([]byte, 0, 64*len(readings)), version)
	e.out = binary.AppendUvarint(e.out, uint64(len(readings)))
	for i := range readings {
		e.ns[i] = readings[i].Time.UnixMilli()
	}
	e.integers(whole, e.ns)
	for i := range readings {
		e.ns[i] = startMillis(&readings[i])
	}
	e.integers(whole, e.ns)
	var union uint64
	for i := range readings {
		union |= d.mask(&readings[i])
	}
	for ; union != 0; union &= union - 1 {
		number := bits.TrailingZeros64(union)
		e.out = append(e.out, byte(number))
		e.signal(readings, d.signalOf[number])
	}
	return binary.LittleEndian.AppendUint32(e.out, crc32.Checksum(e.out, castagnoli))
}

type encoder struct {
	out    []byte
	ns     []int64
	values []float64
}

// signal writes one column: whether every reading has the signal, else which
// (a bit each), then the values of those that do.
func (e *encoder) signal(readings []memwatch.Sample, sig memwatch.Signal) {
	e.values = e.values[:0]
	present := make([]byte, (len(readings)+7)/8)
	for i := range readings {
		if v, ok := readings[i].Get(sig); ok {
			e.values = append(e.values, v)
			present[i/8] |= 1 << (i % 8)
		}
	}
	if len(e.values) == len(readings) {
		e.out = append(e.out, 1)
	} else {
		e.out = append(append(e.out, 0), present...)
	}
	m, ns := whole, e.ns[:len(e.values)]
	for !m.all(e.values, ns) {
		m++ // ends at bitwise
	}
	e.integers(m, ns)
}

// all puts the values into ns and reports whether every one comes back the same.
func (m mode) all(values []float64, ns []int64) bool {
	for i, v := range values {
		n, ok := m.exact(v)
		if !ok {
			return false
		}
		ns[i] = n
	}
	return true
}

// The head byte of integers: two bits of mode, then these.
const (
	twice    = 1 << 2 // differences of differences
	shiftBit = 3      // above it: how many low bits are zero in all numbers (0 to 31)
)

// integers writes numbers as differences, or differences of differences where
// that is shorter, in zigzag varints; a run of zeros is one zero and its length.
// Low bits that are zero throughout (pages are multiples of 4,096) are left out.
func (e *encoder) integers(m mode, ns []int64) {
	var all int64
	for _, n := range ns {
		all |= n
	}
	shift := min(bits.TrailingZeros64(uint64(all)), 31)
	for i := range ns {
		ns[i] >>= shift
	}
	differences(ns)
	head := byte(m) | byte(shift)<<shiftBit
	if twiceIsShorter(ns) {
		head |= twice
		differences(ns)
	}
	out := append(e.out, head)
	for i := 0; i < len(ns); i++ {
		out = appendSigned(out, ns[i])
		if ns[i] != 0 {
			continue
		}
		run := 0 // how many zeros follow
		for i+1 < len(ns) && ns[i+1] == 0 {
			run, i = run+1, i+1
		}
		out = binary.AppendUvarint(out, uint64(run))
	}
	e.out = out
}

// differences replaces each number by what it has more than the one before.
func differences(ns []int64) {
	var last int64
	for i, n := range ns {
		ns[i], last = n-last, n
	}
}

// twiceIsShorter reports whether the differences of these differences take
// fewer bytes.
func twiceIsShorter(ns []int64) bool {
	once, again := 0, 0
	var last, lastStep int64 = 1, 1 // no run of zeros yet
	var before int64
	for _, d := range ns {
		step := d - before
		before = d
		once += encodedLen(d, last)
		again += encodedLen(step, lastStep)
		last, lastStep = d, step
	}
	return again < once
}

// encodedLen is what d takes after last: a zero and its run's length once a run.
func encodedLen(d, last int64) int {
	switch {
	case d != 0:
		return uvarintLen(zigzag(d))
	case last == 0:
		return 0
	}
	return 2
}

// Decode reads a chunk and appends its readings to dst.
func (d *Dictionary) Decode(dst []memwatch.Sample, data []byte) ([]memwatch.Sample, error) {
	c, count, err := open(data)
	if err != nil {
		return dst, err
	}
	first := len(dst)
	dst = append(dst, make([]memwatch.Sample, count)...)
	out := dst[first:]
	ns := make([]int64, count)
	c.integers(ns)
	for i, n := range ns {
		out[i].Time = millis(n)
	}
	c.integers(ns)
	for i, n := range ns {
		if n != 0 {
			out[i].Start = millis(n)
		}
	}
	for len(c.b) > 0 && !c.bad {
		d.column(c, out, ns)
	}
	if c.bad {
		return dst[:first], errDamaged
	}
	return dst, nil
}

// column reads one signal into the readings.
func (d *Dictionary) column(c *cursor, out []memwatch.Sample, ns []int64) {
	number, full := c.uvarint(), c.uvarint() == 1
	if number >= maxNames {
		c.bad = true
		return
	}
	count := len(out)
	var present []byte
	if !full {
		present = c.take(uint64(len(out)+7) / 8)
		count = 0
		for _, b := range present {
			count += bits.OnesCount8(b)
		}
		if count > len(out) {
			c.bad = true
			return
		}
	}
	m := c.integers(ns[:count])
	if c.bad || d.known&(1<<number) == 0 {
		return
	}
	sig, next := d.signalOf[number], 0
	if full && m == whole { // by far the commonest
		for i, n := range ns {
			out[i].Set(sig, float64(n))
		}
		return
	}
	for i := range out {
		if full || present[i/8]&(1<<(i%8)) != 0 {
			if next == count {
				return // bits beyond the last reading
			}
			out[i].Set(sig, m.value(ns[next]))
			next++
		}
	}
}

// Times reads a chunk's times alone, in milliseconds, and appends them to dst.
func Times(dst []int64, data []byte) ([]int64, error) {
	c, count, err := open(data)
	if err != nil {
		return dst, err
	}
	first := len(dst)
	dst = append(dst, make([]int64, count)...)
	c.integers(dst[first:])
	if c.bad {
		return dst[:first], errDamaged
	}
	return dst, nil
}

// open checks the frame and stands the cursor on the times.
func open(data []byte) (*cursor, int, error) {
	if len(data) < 6 {
		return nil, 0, errDamaged
	}
	if data[0] != version {
		return nil, 0, fmt.Errorf("chunk of version %d: this build reads version %d", data[0], version)
	}
	body := data[:len(data)-4]
	if crc32.Checksum(body, castagnoli) != binary.LittleEndian.Uint32(data[len(body):]) {
		return nil, 0, errDamaged
	}
	c := &cursor{b: body[1:]}
	count := c.uvarint()
	if c.bad || count == 0 || count > MaxReadings {
		return nil, 0, errDamaged
	}
	return c, int(count), nil
}

// integers fills ns with what encoder.integers wrote and returns the mode. It is
// where reading spends its time, hence the plain loops.
func (c *cursor) integers(ns []int64) mode {
	head := c.take(1)
	if c.bad {
		return whole
	}
	shift, b := head[0]>>shiftBit, c.b
	for i := 0; i < len(ns); i++ {
		// Most numbers take one or two bytes.
		var u uint64
		switch {
		case len(b) > 0 && b[0] < 0x80:
			u, b = uint64(b[0]), b[1:]
		case len(b) > 1 && b[1] < 0x80:
			u, b = uint64(b[0]&0x7f)|uint64(b[1])<<7, b[2:]
		default:
			v, n := binary.Uvarint(b)
			if n <= 0 {
				c.bad = true
				return whole
			}
			u, b = v, b[n:]
		}
		if ns[i] = unzigzag(u); u != 0 {
			continue
		}
		run, n := binary.Uvarint(b) // how many zeros follow
		if n <= 0 || run >= uint64(len(ns)-i) {
			c.bad = true
			return whole
		}
		b = b[n:]
		clear(ns[i : i+int(run)+1])
		i += int(run)
	}
	c.b = b
	if head[0]&twice != 0 {
		sum(ns)
	}
	sum(ns)
	for i := range ns {
		ns[i] <<= shift
	}
	return mode(head[0] & modeMask)
}

// sum turns differences into what they are the differences of.
func sum(ns []int64) {
	var last int64
	for i, d := range ns {
		last += d
		ns[i] = last
	}
}
