package hub

import (
	"testing"
	"time"

	"github.com/zupee/memwatch"
)

func feed(s *spark, from time.Time, every time.Duration, n int) {
	for i := range n {
		sample := memwatch.Sample{Time: from.Add(time.Duration(i) * every)}
		sample.Set(memwatch.LiveHeapBytes, float64(i))
		s.add(&sample)
	}
}

func TestSparklineIsEvenWithoutHolesAtAnyInterval(t *testing.T) {
	from := time.UnixMilli(1767225600000)
	for _, every := range []time.Duration{500 * time.Millisecond, time.Second, 10 * time.Second, time.Minute} {
		for _, n := range []int{1, 2, 30, 89, 90, 91, 500, 8640} {
			var s spark
			feed(&s, from, every, n)
			line := s.line()
			if len(s.points) > sparkPoints || len(line.Values) > 2*sparkPoints {
				t.Fatalf("%v × %d: %d points, %d values", every, n, len(s.points), len(line.Values))
			}
			for i, v := range line.Values {
				if v == nil {
					t.Errorf("%v × %d: no value at %d of %d, want none missing", every, n, i, len(line.Values))
					break
				}
			}
			if last := line.Values[len(line.Values)-1]; last != nil && *last < float64(n-1)*0.9-float64(time.Minute/every) {
				t.Errorf("%v × %d: ends at %g, want the newest", every, n, *last)
			}
		}
	}
}

func TestSparklineShowsAnOutageAsMissing(t *testing.T) {
	from := time.UnixMilli(1767225600000)
	var s spark
	feed(&s, from, time.Second, 30)
	feed(&s, from.Add(60*time.Second), time.Second, 30)
	missing := 0
	for _, v := range s.line().Values {
		if v == nil {
			missing++
		}
	}
	if missing < 10 {
		t.Errorf("%d values missing, want those of half a minute", missing)
	}
}

func TestSparklineTakesTheBestSignal(t *testing.T) {
	var s spark
	at := time.UnixMilli(1767225600000)
	put := func(sig memwatch.Signal, v float64) {
		at = at.Add(time.Second)
		sample := memwatch.Sample{Time: at}
		sample.Set(sig, v)
		s.add(&sample)
	}
	put(memwatch.RSSBytes, 1)
	put(memwatch.LiveHeapBytes, 2)
	put(memwatch.RSSBytes, 3)
	put(memwatch.LiveHeapBytes, 4)
	if line := s.line(); line.Signal != "liveHeapBytes" || *line.Values[0] != 2 || *line.Values[len(line.Values)-1] != 4 {
		t.Errorf("line = %+v, want live heap alone", line)
	}
}
