package memwatch

import (
	"fmt"
	"strconv"
	"time"
)

// UnixMilli is a point in time in milliseconds since 1970 UTC, the form in
// which every message carries time. Zero means unknown and is null in JSON.
type UnixMilli int64

// Milli converts t; the zero time stays unknown.
func Milli(t time.Time) UnixMilli {
	if t.IsZero() {
		return 0
	}
	return UnixMilli(t.UnixMilli())
}

// Time converts back, in UTC; unknown becomes the zero time.
func (m UnixMilli) Time() time.Time {
	if m == 0 {
		return time.Time{}
	}
	return time.UnixMilli(int64(m)).UTC()
}

// MarshalJSON writes the milliseconds, or null when unknown.
func (m UnixMilli) MarshalJSON() ([]byte, error) {
	if m == 0 {
		return []byte("null"), nil
	}
	return strconv.AppendInt(nil, int64(m), 10), nil
}

// maxUnixMilli is the last millisecond of the year 9999: time.Time can write
// nothing later as RFC 3339, so nothing later is taken.
const maxUnixMilli = 253402300799999

// MilliOf takes a number of milliseconds out of a message, if it is one that a
// message may carry. A fraction is cut off: JavaScript clocks have them.
func MilliOf(ms float64) (m UnixMilli, ok bool) {
	if !(ms >= 0 && ms <= maxUnixMilli) {
		return 0, false
	}
	return UnixMilli(ms), true
}

// UnmarshalJSON reads milliseconds or null.
func (m *UnixMilli) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		*m = 0
		return nil
	}
	f, err := strconv.ParseFloat(string(b), 64)
	read, ok := MilliOf(f)
	if err != nil || !ok {
		return fmt.Errorf("timestamp %.40s: want milliseconds since 1970, 0 to %d", b, int64(maxUnixMilli))
	}
	*m = read
	return nil
}
