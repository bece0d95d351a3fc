package notify

import (
	"fmt"
	"slices"
	"time"

	"github.com/zupee/memwatch"
)

// hours are Quiet, understood.
type hours struct {
	from, to int // minutes of the day
	days     []time.Weekday
	zone     *time.Location
	upTo     memwatch.Severity
}

var weekdays = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

func (q Quiet) parse() (h hours, err error) {
	h.upTo = q.UpTo
	if h.upTo == "" {
		h.upTo = memwatch.SeverityWarning
	}
	if err := severity("upTo", q.UpTo); err != nil {
		return h, err
	}
	for _, f := range []struct {
		name, value string
		into        *int
	}{{"from", q.From, &h.from}, {"to", q.To, &h.to}} {
		t, err := time.Parse("15:04", f.value)
		if err != nil {
			return h, fmt.Errorf("%s: %q is not allowed: want a time such as 22:00", f.name, f.value)
		}
		*f.into = t.Hour()*60 + t.Minute()
	}
	if h.from == h.to {
		return h, fmt.Errorf("to: %q is the same as from: want another time", q.To)
	}
	for _, d := range q.Days {
		i := slices.Index(weekdays, d)
		if i < 0 {
			return h, fmt.Errorf("days: %q is not allowed: want mon, tue, wed, thu, fri, sat or sun", d)
		}
		h.days = append(h.days, time.Weekday(i))
	}
	if h.zone, err = time.LoadLocation(q.Zone); err != nil {
		return h, fmt.Errorf("zone: %q is not known here: want a name such as Europe/Prague, or none for UTC", q.Zone)
	}
	return h, nil
}

// quiet reports whether an alert of that severity waits at now, and until when.
func (h hours) quiet(s memwatch.Severity, now time.Time) (until time.Time, ok bool) {
	if s.Rank() > h.upTo.Rank() {
		return time.Time{}, false
	}
	local := now.In(h.zone)
	for _, back := range []int{0, 1} { // begun today, or yesterday
		y, m, d := local.AddDate(0, 0, -back).Date()
		begin := time.Date(y, m, d, 0, h.from, 0, 0, h.zone)
		end := time.Date(y, m, d, 0, h.to, 0, 0, h.zone)
		if h.to < h.from {
			end = time.Date(y, m, d+1, 0, h.to, 0, 0, h.zone)
		}
		fits := len(h.days) == 0 || slices.Contains(h.days, begin.Weekday())
		if fits && !now.Before(begin) && now.Before(end) {
			return end, true
		}
	}
	return time.Time{}, false
}
