package rules

import (
	"time"

	"github.com/zupee/memwatch"
)

// Rule judges one process, reading by reading. Observe reports whether the rule
// is in alarm now. A Rule is not safe for concurrent use.
type Rule interface {
	Observe(s *memwatch.Sample) bool
}

// Named is a rule with its name in tables.
type Named struct {
	Name string
	New  func() Rule
}

// All are the rules. window is how far back those look that fit a line: an hour
// in the field, 5 minutes on recordings that are no longer than 10.
func All(window time.Duration) []Named {
	w := window.Seconds()
	return []Named{
		{"12 readings, growth > 50 MB, trend > 0.7", func() Rule { return &readings{grow: 50 << 20} }},
		{"the same at 5 MB", func() Rule { return &readings{grow: 5 << 20} }},
		{"5 growing GCs", func() Rule { return &growingGCs{} }},
		{"predict_linear 4 h, RSS to the limit", func() Rule { return &predict{points: over(w)} }},
		{"OLS, R² > 0.8, HeapAlloc", func() Rule { return &fit{points: over(w)} }},
		{"Mann-Kendall, live heap per GC", func() Rule { return &kendall{points: over(w)} }},
		{"RSS > 80 % of the limit", func() Rule { return nearLimit{} }},
		{"Coroot: 5 %/h of the limit", func() Rule { return &coroot{points: over(w)} }},
	}
}

// limitOf is the memory limit, or what people assume when there is none.
func limitOf(s *memwatch.Sample, first float64) float64 {
	return s.Or(memwatch.LimitBytes, max(1<<30, 4*first))
}

// lives tells the lives of a process apart: a rule starts anew after a restart,
// as a monitoring system does with a new series.
type lives struct {
	start time.Time
	gcs   float64
}

func (l *lives) restarted(s *memwatch.Sample) bool {
	gcs := s.Or(memwatch.NumGC, 0)
	moved := s.Start.Sub(l.start)
	again := !l.start.IsZero() && (moved > 2*time.Second || moved < -2*time.Second) || gcs < l.gcs
	l.start, l.gcs = s.Start, gcs
	return again
}

// points is a window over time of one quantity, oldest first.
type points struct {
	span float64 // seconds
	t, v []float64
}

func over(seconds float64) points { return points{span: seconds} }

// add takes a point and returns those that fall out of the window.
func (p *points) add(at time.Time, v float64) (gone []float64) {
	t := float64(at.UnixMicro()) / 1e6
	p.t, p.v = append(p.t, t), append(p.v, v)
	n := 0
	for p.t[n] < t-p.span {
		n++
	}
	gone = p.v[:n]
	p.t, p.v = p.t[n:], p.v[n:]
	return gone
}

// leastPoints is what a fitted line needs to be looked at.
const leastPoints = 10

// filled reports whether the window has been filled since the process started:
// a line through its first few readings says nothing.
func (p *points) filled() bool {
	return len(p.t) >= leastPoints && p.seconds() >= 0.9*p.span
}

func (p *points) clear() { p.t, p.v = p.t[:0], p.v[:0] }

// seconds is the time that the points cover.
func (p *points) seconds() float64 {
	if len(p.t) < 2 {
		return 0
	}
	return p.t[len(p.t)-1] - p.t[0]
}

// line is a least-squares fit.
type line struct {
	slope float64 // a second
	last  float64 // value at the last point
	r2    float64
}

func leastSquares(t, v []float64) line {
	n := float64(len(t))
	if n < 2 {
		return line{}
	}
	var mt, mv float64
	for i := range t {
		mt += t[i] - t[0]
		mv += v[i]
	}
	mt, mv = mt/n, mv/n
	var tt, tv, vv float64
	for i := range t {
		dt, dv := t[i]-t[0]-mt, v[i]-mv
		tt += dt * dt
		tv += dt * dv
		vv += dv * dv
	}
	if tt == 0 {
		return line{last: mv}
	}
	l := line{slope: tv / tt}
	l.last = mv + l.slope*(t[len(t)-1]-t[0]-mt)
	if vv > 0 {
		l.r2 = tv * tv / (tt * vv)
	}
	return l
}

func sign(x float64) int {
	switch {
	case x > 0:
		return 1
	case x < 0:
		return -1
	}
	return 0
}
