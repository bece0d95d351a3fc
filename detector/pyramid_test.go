package detector

import "testing"

// stack closes n blocks ten seconds apart; the i-th has the level f(i).
func stack(n int, f func(i int) float64) *pyramid {
	p := &pyramid{}
	for i := range n {
		p.add(f(i))
		p.closeBlock(float64(10*i), float32(i))
	}
	return p
}

func TestABlockIsTheMedianOfItsReadings(t *testing.T) {
	for _, c := range []struct {
		readings []float64
		want     float64
	}{
		{[]float64{5}, 5},
		{[]float64{5, 9}, 5},
		{[]float64{1, 900, 3}, 3},
		{[]float64{100, 1, 2, 3, 4}, 2}, // of more than fit, the newest four
	} {
		var p pyramid
		for _, v := range c.readings {
			p.add(v)
		}
		if !p.closeBlock(1, 0) || p.level[0].at(0).v != c.want {
			t.Errorf("%v: %v, want %v", c.readings, p.level[0].at(0).v, c.want)
		}
	}
	var p pyramid
	if p.closeBlock(1, 0) || p.level[0].n != 0 {
		t.Error("a block without readings was kept")
	}
	p.add(1)
	p.discard()
	if p.closeBlock(1, 0) {
		t.Error("what was discarded came back")
	}
}

func TestAWindowIsTheNewestInOrder(t *testing.T) {
	p := stack(130, func(i int) float64 { return float64(i) })
	var buf [levelBlocks]block
	for _, n := range []int{1, 9, levelBlocks, 1000} {
		w := p.window(0, n, &buf)
		if len(w) != min(n, levelBlocks) {
			t.Fatalf("a window of %d has %d blocks", n, len(w))
		}
		for i, b := range w {
			if want := float64(130 - len(w) + i); b.v != want {
				t.Errorf("block %d of %d is %v, want %v", i, len(w), b.v, want)
			}
		}
	}
}

func TestFourBlocksMakeOneOfTheNextLevel(t *testing.T) {
	p := stack(64, func(i int) float64 { return float64(i % 4) })
	for l, want := range []int{levelBlocks, 16, 4, 1, 0} {
		if got := p.level[l].n; got != want {
			t.Errorf("level %d holds %d blocks, want %d", l, got, want)
		}
	}
	// Levels 0, 1, 2, 3 of each four: the lower middle is 1, the mean time 15 s.
	if b := p.level[1].at(0); b.v != 1 || b.t != 15 || b.load != 1.5 {
		t.Errorf("the first of level 1 is %+v, want level 1 at 15 s with load 1.5", b)
	}
}

func TestTheHighestLevelWasHeldForTwoBlocks(t *testing.T) {
	p := stack(40, func(i int) float64 {
		switch {
		case i == 5:
			return 900 // a spike
		case i >= 10 && i < 14:
			return 300
		}
		return 100
	})
	if got := p.highest(1e9); got != 300 {
		t.Errorf("highest ever %v, want 300: a spike of one block is no level", got)
	}
	if got := p.highest(45); got != 100 {
		t.Errorf("highest in the first 45 s %v, want 100", got)
	}
	if got := p.highest(0); got != 0 {
		t.Errorf("highest before the beginning %v, want 0: nothing is known", got)
	}
}

func TestLoadIsLookedUpOnTheFinestLevelThatReachesBack(t *testing.T) {
	p := stack(130, func(int) float64 { return 1 })
	for at, want := range map[float64]float32{1290: 129, 1285: 129, 900: 90, 5000: 129} {
		if got := p.loadAt(at); got != want {
			t.Errorf("load at %v s: %v, want %v", at, got, want)
		}
	}
	// 400 s lie before the lowest level: one of the next covers them.
	if got := p.loadAt(400); got < 38 || got > 44 {
		t.Errorf("load at 400 s: %v, want about 40", got)
	}
	if got := (&pyramid{}).loadAt(1); got != -1 {
		t.Errorf("load of an empty pyramid %v, want -1", got)
	}
}
