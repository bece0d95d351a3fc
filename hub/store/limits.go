package store

import (
	"fmt"
	"math"
	"time"

	"github.com/zupee/memwatch"
)

const (
	// defaultLimit is the Limit of a query that names none, MaxLimit the most.
	defaultLimit = 100
	MaxLimit     = 1000
	// defaultPoints is the MaxPoints of a query that names none.
	defaultPoints = 1000
	// maxAnswer bounds the readings that one answer holds (some 300 bytes each):
	// a service with very many instances gets fewer points for each.
	maxAnswer = 100_000
	// MaxLog is how many lines of an alert's log are answered: the newest.
	MaxLog = 1000
)

// Limit is how many things a query with that Limit is answered.
func Limit(n int) int {
	if n <= 0 {
		return defaultLimit
	}
	return min(n, MaxLimit)
}

// Points is how many readings of each instance the query is answered, when that
// many instances have any.
func (q Query) Points(instances int) int {
	points := q.MaxPoints
	if points <= 0 {
		points = defaultPoints
	}
	return max(4, min(points, maxAnswer/max(1, instances)))
}

// Range is the query's range in milliseconds, both ends included.
func (q Query) Range() (from, to int64) {
	from, to = 0, math.MaxInt64
	if !q.From.IsZero() {
		from = q.From.UnixMilli()
	}
	if !q.To.IsZero() {
		to = q.To.UnixMilli()
	}
	return from, to
}

// CheckTimes refuses readings whose time cannot be kept.
func CheckTimes(readings []Reading) error {
	for i := range readings {
		r := &readings[i]
		if ms := r.Sample.Time.UnixMilli(); r.Sample.Time.IsZero() || ms <= 0 || ms > math.MaxInt64/4 {
			return fmt.Errorf("reading of %s/%s: its time is %v: want one after 1970", r.Service, r.Instance, r.Sample.Time)
		}
	}
	return nil
}

// HeldUntil is when the last decision about an alert ends.
func HeldUntil(a *memwatch.Alert) (until memwatch.UnixMilli) {
	for _, m := range []*memwatch.Mark{a.Silenced, a.Expected, a.Dismissed} {
		if m != nil {
			until = max(until, m.Until)
		}
	}
	return until
}

// Retention says how long things are kept, and how many. Zero values mean the
// defaults.
type Retention struct {
	// KeepReadings is how long readings are kept as they came in; 48 h. After that
	// two of each minute are, for KeepMinutes since they came; 14 days. Then two of
	// each ten minutes, for KeepTenMinutes; 180 days.
	KeepReadings, KeepMinutes, KeepTenMinutes time.Duration
	// KeepAlerts is how long alerts are kept after they resolved; 180 days.
	KeepAlerts time.Duration
	// KeepCaptures is how long captures are kept that no open alert needs; 30 days.
	KeepCaptures time.Duration
	// MaxCaptures and MaxCaptureBytes bound the captures kept, open alerts' own
	// not counted; 10,000 and 20 GiB.
	MaxCaptures     int
	MaxCaptureBytes int64
}

// WithDefaults fills in what is zero.
func (r Retention) WithDefaults() Retention {
	defaultTo(&r.KeepReadings, 48*time.Hour)
	defaultTo(&r.KeepMinutes, max(14*24*time.Hour, r.KeepReadings))
	defaultTo(&r.KeepTenMinutes, max(180*24*time.Hour, r.KeepMinutes))
	defaultTo(&r.KeepAlerts, 180*24*time.Hour)
	defaultTo(&r.KeepCaptures, 30*24*time.Hour)
	defaultTo(&r.MaxCaptures, 10_000)
	defaultTo(&r.MaxCaptureBytes, 20<<30)
	return r
}

func defaultTo[T comparable](p *T, v T) {
	var zero T
	if *p == zero {
		*p = v
	}
}

// Validate names the field that is wrong, its value and what is allowed.
func (r Retention) Validate() error {
	for name, v := range map[string]int64{
		"KeepReadings": int64(r.KeepReadings), "KeepMinutes": int64(r.KeepMinutes), "KeepTenMinutes": int64(r.KeepTenMinutes),
		"KeepAlerts": int64(r.KeepAlerts), "KeepCaptures": int64(r.KeepCaptures),
		"MaxCaptures": int64(r.MaxCaptures), "MaxCaptureBytes": r.MaxCaptureBytes,
	} {
		if v < 0 {
			return fmt.Errorf("store: %s is %d: want 0 (the default) or more", name, v)
		}
	}
	return nil
}
