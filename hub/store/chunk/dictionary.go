package chunk

import (
	"fmt"

	"github.com/zupee/memwatch"
)

// maxNames is how many signal names one database can hold over its life: a row
// names its signals by one 64-bit mask.
const maxNames = 64

// noNumber marks a signal that the dictionary lacks.
const noNumber = 0xff

// Dictionary says which number stands for which signal. It is immutable and
// safe for concurrent use.
type Dictionary struct {
	numberOf [memwatch.SignalCount]uint8
	signalOf [maxNames]memwatch.Signal
	known    uint64 // the numbers whose signal this build knows
}

// NewDictionary makes a dictionary from signal names and their numbers, 0 to 63.
// Names that this build does not know are passed over when reading.
func NewDictionary(numbers map[string]int) (*Dictionary, error) {
	d := &Dictionary{}
	for sig := range memwatch.SignalCount {
		d.numberOf[sig] = noNumber
	}
	for name, n := range numbers {
		if n < 0 || n >= maxNames {
			return nil, fmt.Errorf("signal %s has number %d: want 0 to %d", name, n, maxNames-1)
		}
		sig, ok := memwatch.SignalNamed(name)
		if !ok {
			continue
		}
		if d.known&(1<<n) != 0 {
			return nil, fmt.Errorf("signals %s and %s have the same number %d", d.signalOf[n], name, n)
		}
		d.numberOf[sig] = uint8(n)
		d.signalOf[n] = sig
		d.known |= 1 << n
	}
	for sig := range memwatch.SignalCount {
		if d.numberOf[sig] == noNumber {
			return nil, fmt.Errorf("signal %s has no number", sig)
		}
	}
	return d, nil
}

// mask is the set of signals in a sample, by their numbers.
func (d *Dictionary) mask(s *memwatch.Sample) uint64 {
	var m uint64
	for sig := range memwatch.SignalCount {
		if _, ok := s.Get(sig); ok {
			m |= 1 << d.numberOf[sig]
		}
	}
	return m
}
