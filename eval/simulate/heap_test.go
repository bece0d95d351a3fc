package simulate

import (
	"math"
	"testing"
)

func TestGoalFollowsThePacer(t *testing.T) {
	for _, c := range []struct {
		name                       string
		gogc, limit, marked, roots float64
		others, want               float64
	}{
		{"twice what is live", 100, 0, 100 * mib, 0, 0, 200 * mib},
		{"roots count", 100, 0, 100 * mib, 10 * mib, 0, 210 * mib},
		{"the floor", 100, 0, 1 * mib, 0, 0, 4 * mib},
		{"the floor follows GOGC", 200, 0, 1 * mib, 0, 0, 8 * mib},
		{"the memory limit", 100, 150 * mib, 80 * mib, 0, 20 * mib, 130 * mib / spanLoss},
		{"GOGC off", 0, 150 * mib, 20 * mib, 0, 20 * mib, 130 * mib / spanLoss},
	} {
		h := newHeap(c.gogc, c.limit)
		h.marked = c.marked
		if got := h.goal(c.roots, c.others); math.Abs(got-c.want) > 1 {
			t.Errorf("%s: goal %.1f MiB, want %.1f", c.name, got/mib, c.want/mib)
		}
	}
}

func TestHeapKeepsItsInvariants(t *testing.T) {
	r := newSource(1, "heap")
	for range 200 {
		h := newHeap(pick(r.Float64() < 0.2, 0, r.between(50, 400)), 0)
		if h.gogc == 0 {
			h.limit = 300 * mib
		}
		rate, held := r.scale(100, 300*mib), r.scale(1*mib, 200*mib)
		var now, cycles, total float64
		for range 500 {
			now += 10
			was := h
			next := held * r.between(0.95, 1.05)
			n := h.step(r, now, 10, held, next, rate*10, 0, 20*mib)
			held = next
			switch {
			case h.cycles < cycles || h.total < total:
				t.Fatal("a counter fell")
			case h.cycles != was.cycles+float64(n):
				t.Fatalf("%d cycles reported, the counter rose by %.0f", n, h.cycles-was.cycles)
			case n == 0 && now-h.lastGC >= forceAfter:
				t.Fatalf("no collection for %.0f s", now-h.lastGC)
			case h.alloc < 0 || h.peak < h.alloc-1 || h.next < h.marked:
				t.Fatalf("alloc %.0f, peak %.0f, marked %.0f, goal %.0f", h.alloc, h.peak, h.marked, h.next)
			case n > 0 && (h.marked < 0.9*min(was.marked, held) && h.marked < 0.9*held):
				t.Fatalf("a collection freed what is reachable: marked %.0f of %.0f", h.marked, held)
			case h.lastGC > now:
				t.Fatal("a collection in the future")
			}
			cycles, total = h.cycles, h.total
		}
	}
}

func TestIdleProcessCollectsEveryTwoMinutes(t *testing.T) {
	h, r := newHeap(100, 0), newSource(1)
	for now := 10.0; now <= 1200; now += 10 {
		h.step(r, now, 10, mib, mib, 1000, 0, 0)
	}
	if h.forced != 10 || h.cycles != 10 {
		t.Errorf("%.0f forced of %.0f cycles in 20 minutes, want 10 of 10", h.forced, h.cycles)
	}
}

func TestResidentMemoryLagsBehindTheHeap(t *testing.T) {
	p := pages{lag: 5 * minute}
	h := heap{alloc: 400 * mib, peak: 400 * mib, next: 400 * mib}
	p.step(&h, 0, 10)
	h = heap{alloc: 50 * mib, peak: 50 * mib, next: 100 * mib}
	p.step(&h, 0, 10)
	if p.resident < 350*mib {
		t.Errorf("%.0f MiB resident 10 s after the peak: given back at once", p.resident/mib)
	}
	for range 360 {
		p.step(&h, 0, 10)
	}
	if p.resident > 80*mib || p.sys < 400*mib {
		t.Errorf("an hour later %.0f MiB resident of %.0f obtained", p.resident/mib, p.sys/mib)
	}
}

func TestRandomCountsHaveTheirMeans(t *testing.T) {
	r := newSource(9, "counts")
	const n = 20000
	for _, mean := range []float64{0.01, 0.7, 12, 39, 41, 5000} {
		var sum, squares float64
		for range n {
			k := float64(r.poisson(mean))
			sum += k
			squares += k * k
		}
		m := sum / n
		v := squares/n - m*m
		if math.Abs(m-mean) > 5*math.Sqrt(mean/n) || math.Abs(v/mean-1) > 0.15 {
			t.Errorf("poisson(%v): mean %.3f, variance %.3f", mean, m, v)
		}
	}
	for _, c := range []struct {
		n int64
		p float64
	}{{10, 0.3}, {1000, 0.5}, {1000, 0.001}, {1000, 0.999}, {100000, 0.9}} {
		var sum float64
		for range n {
			k := r.binomial(c.n, c.p)
			if k < 0 || k > c.n {
				t.Fatalf("binomial(%d, %v) gave %d", c.n, c.p, k)
			}
			sum += float64(k)
		}
		want := float64(c.n) * c.p
		if sd := math.Sqrt(want * (1 - c.p) / n); math.Abs(sum/n-want) > 5*sd+0.02 {
			t.Errorf("binomial(%d, %v): mean %.3f, want %.3f", c.n, c.p, sum/n, want)
		}
	}
}
