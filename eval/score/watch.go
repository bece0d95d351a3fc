package score

// Truth is what is the case at one reading.
type Truth int

// The truths. Unknowable time is counted apart: nobody can be right there.
const (
	Sound Truth = iota
	Leaks
	Unknowable
)

// People are not called twice for one thing: an alarm that returns within quiet
// seconds is the same episode. And an alarm may outlive its reason by so much.
const quiet = 30 * 60

// Watch follows the alarms of one judge on one instance.
type Watch struct {
	// Episodes by what was the case when they began. One that goes on for more
	// than half an hour after its reason ended is a false one from then on.
	Episodes [3]int
	// Seconds in alarm, by what was the case.
	Seconds [3]float64
	// First is the first alarm while it leaked: when, and how much of the room
	// beneath the limit was taken by then. False until Found.
	Found     bool
	FirstAt   float64
	FirstUsed float64

	any        bool
	last       float64 // the newest alarm
	began      Truth   // of the present episode
	otherUntil float64 // when it last was not sound; 0 for never
	other      Truth
}

// Note takes one reading: whether the judge is in alarm at t seconds, dt after
// the reading before. used is the share of the room that the leak has taken. It
// reports whether this is the first alarm on the leak.
func (w *Watch) Note(t, dt float64, alarm bool, truth Truth, used float64) (first bool) {
	if truth != Sound {
		w.otherUntil, w.other = t, truth
	}
	if !alarm {
		return false
	}
	why := truth
	if truth == Sound && w.otherUntil > 0 && t-w.otherUntil <= quiet {
		why = w.other
	}
	w.Seconds[why] += dt
	if !w.any || t-w.last > quiet || why == Sound && w.began != Sound {
		w.Episodes[why]++
		w.began = why
	}
	w.any, w.last = true, t
	if truth == Leaks && !w.Found {
		w.Found, w.FirstAt, w.FirstUsed = true, t, used
		return true
	}
	return false
}
