package memwatch

import (
	"encoding/json"
	"fmt"
	"iter"
	"math"
	"strconv"
	"time"

	"github.com/zupee/memwatch/internal/flatjson"
)

// Sample is one reading of one target. A signal that the target lacks is
// absent, never zero. The zero Sample is empty and ready to use; copying a
// Sample copies its values.
type Sample struct {
	// Time is when the reading was taken, by the agent's clock.
	Time time.Time
	// Start is when the process started; zero when unknown. A change means a restart.
	Start time.Time

	present uint64
	values  [SignalCount]float64
}

// mostValue is more than any process can have or count; what is beyond is a
// way of saying "unlimited", or a lie. Sums and squares of what is below stay finite.
const mostValue = 1 << 62

// Set records a signal. A number that is negative, NaN or beyond what can be is
// no reading: the signal becomes absent.
func (s *Sample) Set(sig Signal, v float64) {
	if !(v >= 0 && v <= mostValue) {
		s.present &^= 1 << sig
		return
	}
	s.present |= 1 << sig
	s.values[sig] = v
}

// Get returns a signal and whether the sample has it.
func (s *Sample) Get(sig Signal) (float64, bool) {
	return s.values[sig], s.present&(1<<sig) != 0
}

// Or returns the signal, or the fallback when it is absent.
func (s *Sample) Or(sig Signal, fallback float64) float64 {
	if v, ok := s.Get(sig); ok {
		return v
	}
	return fallback
}

// All yields the signals that are present, in the order of the constants.
func (s *Sample) All() iter.Seq2[Signal, float64] {
	return func(yield func(Signal, float64) bool) {
		for sig := range SignalCount {
			if v, ok := s.Get(sig); ok && !yield(sig, v) {
				return
			}
		}
	}
}

// MarshalJSON writes one flat object: timestamp and startTime in Unix
// milliseconds (startTime left out when unknown), then the present signals.
func (s Sample) MarshalJSON() ([]byte, error) {
	b := make([]byte, 0, 640)
	b = append(b, `{"timestamp":`...)
	b = strconv.AppendInt(b, int64(Milli(s.Time)), 10)
	if !s.Start.IsZero() {
		b = append(b, `,"startTime":`...)
		b = strconv.AppendInt(b, s.Start.UnixMilli(), 10)
	}
	for sig, v := range s.All() {
		b = append(b, ',', '"')
		b = append(b, signals[sig].Name...)
		b = append(b, '"', ':')
		if v == math.Trunc(v) && v < 1e18 {
			b = strconv.AppendInt(b, int64(v), 10)
		} else {
			b = strconv.AppendFloat(b, v, 'g', -1, 64)
		}
	}
	return append(b, '}'), nil
}

// UnmarshalJSON reads what MarshalJSON writes. Names it does not know are
// passed over, so that a newer agent can speak to an older hub.
func (s *Sample) UnmarshalJSON(b []byte) error {
	if s.plain(b) {
		return nil
	}
	return s.any(b)
}

// plain reads the form that MarshalJSON writes, and reports false for any other.
func (s *Sample) plain(b []byte) bool {
	*s = Sample{}
	r := flatjson.New(b)
	next := Signal(0) // they come in order, and most are there
	return r.Object(func(name []byte) bool {
		v, ok := r.Number()
		if !ok {
			return false
		}
		switch string(name) {
		case "timestamp", "startTime":
			at, ok := MilliOf(v)
			if name[0] == 't' {
				s.Time = at.Time()
			} else {
				s.Start = at.Time()
			}
			return ok
		}
		for sig := next; sig < SignalCount; sig++ {
			if signals[sig].Name == string(name) {
				s.Set(sig, v)
				next = sig + 1
				return true
			}
		}
		if sig, known := SignalNamed(string(name)); known {
			s.Set(sig, v)
		}
		return true
	}) && r.End()
}

// any reads an object of any form.
func (s *Sample) any(b []byte) error {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(b, &fields); err != nil {
		return fmt.Errorf("sample: %w", err)
	}
	*s = Sample{}
	for name, raw := range fields {
		if name == "timestamp" || name == "startTime" {
			var t UnixMilli
			if err := t.UnmarshalJSON(raw); err != nil {
				return fmt.Errorf("sample: %s: %w", name, err)
			}
			if name == "timestamp" {
				s.Time = t.Time()
			} else {
				s.Start = t.Time()
			}
			continue
		}
		sig, known := SignalNamed(name)
		if !known || string(raw) == "null" {
			continue
		}
		v, err := strconv.ParseFloat(string(raw), 64)
		if err != nil {
			return fmt.Errorf("sample: %s: want a number, found %.40s", name, raw)
		}
		s.Set(sig, v)
	}
	return nil
}
