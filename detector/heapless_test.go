package detector

import (
	"testing"
	"time"

	"github.com/zupee/memwatch"
)

// A process of which only its resident memory is known is judged by that.
func TestRSSAloneIsJudged(t *testing.T) {
	for name, c := range map[string]struct {
		perReading float64
		want       memwatch.State
	}{
		"steady":  {0, memwatch.Healthy},
		"growing": {200 << 10, memwatch.Leaking},
	} {
		d := New(DefaultConfig())
		for i := range 600 {
			s := memwatch.Sample{Time: time.Unix(1_795_000_000, 0).Add(time.Duration(i) * 10 * time.Second)}
			s.Set(memwatch.RSSBytes, 60<<20+float64(i)*c.perReading+float64(i*7919%11)*(64<<10))
			d.Observe(&s)
		}
		if v := d.Verdict(); v.State != c.want || c.want == memwatch.Leaking && v.Kind != memwatch.KindOffHeap {
			t.Errorf("%s: %s, %s: %s", name, v.State, v.Kind, v.Summary)
		}
	}
}

// A target whose heap is known is not judged by a reading that lacks it.
func TestAReadingWithoutTheHeapIsNoGrowthOutsideIt(t *testing.T) {
	d := New(DefaultConfig())
	for i := range 600 {
		s := memwatch.Sample{Time: time.Unix(1_795_000_000, 0).Add(time.Duration(i) * 10 * time.Second)}
		s.Set(memwatch.RSSBytes, 600<<20)
		if i < 300 || i%5 > 0 {
			s.Set(memwatch.NumGC, float64(i))
			s.Set(memwatch.LiveHeapBytes, 500<<20)
			s.Set(memwatch.SysBytes, 580<<20)
			s.Set(memwatch.HeapReleasedBytes, 0)
		}
		d.Observe(&s)
	}
	if v := d.Verdict(); v.State != memwatch.Healthy {
		t.Errorf("%s: %s", v.State, v.Summary)
	}
}
