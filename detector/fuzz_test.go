package detector

import (
	"encoding/binary"
	"math"
	"testing"
	"time"

	"github.com/zupee/memwatch"
)

// tape turns fuzzed bytes into choices; past its end it gives zeros.
type tape []byte

func (t *tape) byte() byte {
	if len(*t) == 0 {
		return 0
	}
	b := (*t)[0]
	*t = (*t)[1:]
	return b
}

func (t *tape) word() uint64 {
	var b [8]byte
	for i := range b {
		b[i] = t.byte()
	}
	return binary.LittleEndian.Uint64(b[:])
}

// number is any float, the odd ones more often than they deserve.
func (t *tape) number() float64 {
	odd := [...]float64{0, 1, -1, math.NaN(), math.Inf(1), math.Inf(-1), math.MaxFloat64, math.SmallestNonzeroFloat64, 1e300, 1 << 30, 1e18}
	if k := int(t.byte()); k < len(odd) {
		return odd[k]
	} else if k < 128 {
		return float64(k) * mib
	}
	return math.Float64frombits(t.word())
}

// gap moves the clock: mostly on, also back, not at all, and by centuries.
func (t *tape) gap() time.Duration {
	switch k := t.byte(); {
	case k < 8:
		return time.Duration(int64(t.word()))
	case k < 16:
		return -time.Duration(k) * time.Second
	case k < 20:
		return 0
	default:
		return time.Duration(k) * time.Second
	}
}

func (t *tape) sites(at time.Time) *memwatch.Sites {
	kinds := [...]memwatch.ProfileKind{memwatch.HeapProfile, memwatch.GoroutineProfile, memwatch.GoroutineLeakProfile, "", "threadcreate"}
	p := &memwatch.Sites{Kind: kinds[int(t.byte())%len(kinds)], Time: at, PeriodBytes: int64(t.word())}
	for range t.byte() % 8 {
		names := [...]string{"", "main.main", "runtime.mallocgc", "shop.(*Cache).Put", "bytes.growSlice", "[", "a/b.c[d/e.f]"}
		p.Frames = append(p.Frames, memwatch.Frame{Function: names[int(t.byte())%len(names)], Line: int(t.byte())})
	}
	for range t.byte() % 16 {
		s := memwatch.Site{Key: uint64(t.byte() % 8), LiveBytes: t.integer(), LiveObjects: t.integer(), AllocBytes: t.integer(), AllocObjects: t.integer()}
		for range t.byte() % 6 {
			s.Stack = append(s.Stack, uint32(t.byte())%10)
		}
		p.Sites = append(p.Sites, s)
	}
	return p
}

func (t *tape) integer() int64 {
	if k := t.byte(); k < 200 {
		return int64(k) * mib
	}
	return int64(t.word())
}

// play feeds a detector what the tape says and returns its last word.
func play(t *testing.T, data []byte) *memwatch.Verdict {
	t.Helper()
	cfg := DefaultConfig()
	in := tape(data)
	if in.byte() > 200 {
		cfg.LimitBytes = int64(in.word() &^ (1 << 63))
	}
	d := New(cfg)
	at := epoch
	s := memwatch.Sample{Start: epoch}
	for len(in) > 0 {
		at = at.Add(in.gap())
		switch k := in.byte(); {
		case k < 160: // a signal changes, the others stay
			s.Set(memwatch.Signal(k)%memwatch.SignalCount, in.number())
		case k < 170:
			s.Start = at
		case k < 200:
			d.ObserveSites(in.sites(at))
		case k < 240: // a stretch of steady growth: only that gets far
			sig, step := memwatch.Signal(in.byte())%memwatch.SignalCount, in.number()/64
			for range 64 {
				at = at.Add(time.Second)
				s.Time = at
				s.Set(sig, s.Or(sig, 0)+step)
				s.Set(memwatch.NumGC, s.Or(memwatch.NumGC, 0)+1)
				d.Observe(&s)
			}
		default:
			finiteAll(t, d.Verdict())
		}
		s.Time = at
		d.Observe(&s)
		_ = d.Wants()
	}
	v := d.Verdict()
	finiteAll(t, v)
	return v
}

func FuzzDetector(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte("\x00\x14\xd0\x00\x20\x14\xd0\x00\x20\x14\xd0\x00\x20\x14\xd0\x00\x20\x14\xff"))                 // the live heap grows, step after step
	f.Add([]byte("\x00\x14\xd0\x00\x06\x14\xd0\x00\x06\x14\xd0\x00\x06\x14\xd0\x00\x06\x14\xff"))                 // to beyond what a float holds
	f.Add([]byte("\xff\x00\x00\x00\x00\x00\x00\x00\x7f\x14\xd0\x14\x20\x14\xd0\x14\x20\x14\xd0\x14\x20\x14\xff")) // goroutines, an endless limit
	f.Add([]byte("\x00\x02\xff\xff\xff\xff\xff\xff\xff\x7f\x10\x01\x0a\xc8\x14\xb0"))                             // centuries, then back
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 1<<12 {
			return // long enough
		}
		same(t, "the same again", play(t, data), play(t, data))
	})
}

// Hostile numbers in the middle of a real leak: the verdict stays sendable.
func TestHugeNumbersStayNumbers(t *testing.T) {
	for _, huge := range []float64{1e18, 1e100, 1e300, math.MaxFloat64} {
		p := newProcess(DefaultConfig())
		p.live = func(i int) float64 { return huge / 400 * float64(i) }
		p.goroutines = func(i int) float64 { return huge / 400 * float64(i) }
		p.offHeap = func(i int) float64 { return huge / 400 * float64(i) }
		for range 30 {
			p.run(10)
			finiteAll(t, p.d.Verdict())
		}
	}
}

func TestHostileSitesAreHarmless(t *testing.T) {
	d := New(DefaultConfig())
	p := newProcess(DefaultConfig())
	p.live = line(mib)
	frames := []memwatch.Frame{{Function: "shop.keep"}, {}}
	for i := range int64(200) {
		s := p.reading()
		d.Observe(s)
		q := &memwatch.Sites{Kind: memwatch.HeapProfile, Time: s.Time, PeriodBytes: math.MaxInt64, Frames: frames, Sites: []memwatch.Site{
			{Key: 1, Stack: []uint32{0}, LiveBytes: math.MaxInt64, LiveObjects: 1, AllocBytes: math.MaxInt64, AllocObjects: math.MaxInt64},
			{Key: 2, Stack: []uint32{0, 2}, LiveBytes: i * mib, LiveObjects: i},                     // a frame that is not there
			{Key: 3, Stack: []uint32{math.MaxUint32}, LiveBytes: i * mib, LiveObjects: i},           // nor this
			{Key: 4, LiveBytes: i * mib, LiveObjects: i},                                            // no stack
			{Key: 5, Stack: []uint32{1}, LiveBytes: -5, LiveObjects: math.MinInt64, AllocBytes: -1}, // negative
			{Key: 6, Stack: []uint32{1, 1, 1, 0, 0}, LiveBytes: i * mib, LiveObjects: 0, AllocBytes: math.MinInt64},
			{Key: 6, Stack: []uint32{0}, LiveBytes: i * mib, LiveObjects: i, AllocObjects: math.MaxInt64}, // twice
		}}
		switch i % 4 {
		case 1:
			q.Kind = memwatch.GoroutineProfile
		case 2:
			q.Kind, q.Frames = memwatch.GoroutineLeakProfile, nil
		case 3:
			q.Frames = frames[:1] // the list of frames shrinks
		}
		d.ObserveSites(q)
		finiteAll(t, d.Verdict())
	}
}
