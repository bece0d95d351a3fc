package agent

import (
	"testing"
	"time"
)

func TestReadingsKeepTimesOfTheirOwnWhenTheClockIsSetBack(t *testing.T) {
	var ts times
	seen := map[int64]bool{}
	tell := func(at time.Time) time.Time {
		got := ts.apart(at)
		if seen[got.UnixMilli()] {
			t.Fatalf("the time %v was told twice", got)
		}
		seen[got.UnixMilli()] = true
		return got
	}
	at := start
	for range 300 {
		if got := tell(at); !got.Equal(at) {
			t.Fatalf("%v became %v although the clock goes on", at, got)
		}
		at = at.Add(100 * time.Millisecond)
	}
	for range 3 { // the same ten seconds again and again
		at = at.Add(-10 * time.Second)
		for range 100 {
			if got := tell(at); got.Sub(at) > 5*time.Millisecond {
				t.Fatalf("%v was moved by %v", at, got.Sub(at))
			}
			at = at.Add(100 * time.Millisecond)
		}
	}
}
