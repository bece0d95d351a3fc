package memwatchtest

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/zupee/memwatch"
)

// T is what NoLeak needs of a *testing.T, *testing.B or *testing.F.
type T interface {
	Helper()
	TempDir() string
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// Option changes how a workload is watched.
type Option func(*options)

type options struct {
	rounds int
	expect []string
}

// Rounds are 120 unless this says otherwise: more find slower leaks. The
// detector needs 60 at least.
func Rounds(n int) Option { return func(o *options) { o.rounds = n } }

// Expect names a function that is meant to grow, such as a cache, as a failed
// test names it; the end of its name from a package or a type on will do.
func Expect(function string) Option {
	return func(o *options) { o.expect = append(o.expect, function) }
}

const minRounds = 60

// alone lets one workload run at a time: they share one heap.
var alone sync.Mutex

// NoLeak runs work, which is one round of a workload, again and again, and
// fails the test when memory grows with the rounds. One round should do enough
// that a leak in it is not lost in the noise: 16 KiB over all rounds are found.
func NoLeak(t T, work func(), opts ...Option) {
	t.Helper()
	o := options{rounds: 120}
	for _, set := range opts {
		set(&o)
	}
	if o.rounds < minRounds {
		t.Fatalf("memwatchtest: Rounds is %d: want %d or more, fewer cannot be judged", o.rounds, minRounds)
		return
	}
	alone.Lock()
	defer alone.Unlock()
	r := recorder{dir: t.TempDir(), samples: make([]memwatch.Sample, 0, o.rounds)}
	if err := r.run(work, o.rounds); err != nil {
		t.Fatalf("memwatchtest: %v", err)
		return
	}
	v, err := r.judge()
	if err != nil {
		t.Fatalf("memwatchtest: %v", err)
		return
	}
	if v.State == memwatch.Leaking && !o.expected(v) {
		t.Errorf("%s", report(v))
	}
	runtime.KeepAlive(work) // what it holds is a part of what is measured
}

// expected reports whether all that matters of the growth is meant to be.
func (o *options) expected(v *memwatch.Verdict) bool {
	accounted := 0.0
	for i := range v.Culprits {
		c := &v.Culprits[i]
		is := func(want string) bool {
			return c.Function == want || strings.HasSuffix(c.Function, "/"+want) || strings.HasSuffix(c.Function, "."+want)
		}
		switch {
		case slices.ContainsFunc(o.expect, is):
			accounted += c.Share
		case i == 0 || c.Share >= 0.1:
			return false
		}
	}
	return accounted >= 0.5
}

// report says what leaks; a verdict's seconds are rounds here.
func report(v *memwatch.Verdict) string {
	var b strings.Builder
	g := v.GrowthBytesPerSecond
	fmt.Fprintf(&b, "memwatchtest: memory leaks (%s): %s a round (%s to %s), %s in all", v.Kind, size(g.Estimate), size(g.Low), size(g.High), size(v.GrowthBytes))
	for i := range v.Culprits {
		c := &v.Culprits[i]
		if i > 0 && c.Share < 0.1 {
			continue
		}
		fmt.Fprintf(&b, "\n  %3.0f %%  %s a round, %s held by %s\n         %s:%d", 100*c.Share, size(c.GrowthBytesPerSecond), size(float64(c.LiveBytes)), c.Function, c.File, c.Line)
		if i == 0 {
			stack(&b, c)
		}
	}
	return b.String()
}

// stack writes the calls below the workload, the allocation first.
func stack(b *strings.Builder, c *memwatch.Culprit) {
	b.WriteString("\n         allocated by")
	for _, f := range c.Stack {
		if strings.HasPrefix(f.Function, "github.com/zupee/memwatch/memwatchtest.(*recorder)") {
			return
		}
		fmt.Fprintf(b, "\n           %s %s:%d", f.Function, f.File, f.Line)
	}
}

func size(bytes float64) string {
	for _, unit := range []string{"B", "KiB", "MiB"} {
		if bytes < 1023.5 {
			return fmt.Sprintf("%.3g %s", bytes, unit)
		}
		bytes /= 1024
	}
	return fmt.Sprintf("%.3g GiB", bytes)
}
