package detector

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"hash/crc32"
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/zupee/memwatch"
)

// life is a made-up target: at rest, leaking, or losing goroutines, now and
// then restarted.
type life struct {
	r          *rand.Rand
	leak       float64 // bytes a reading
	goroutines float64 // a reading
	restartAt  int
	start      time.Time
	gone       int // readings of earlier lives
	frames     []memwatch.Frame
	stacks     [][]uint32
}

func newLife(seed uint64) *life {
	l := &life{r: rand.New(rand.NewPCG(seed, 7)), start: epoch.Add(-time.Minute)}
	for i := range 60 {
		l.frames = append(l.frames, memwatch.Frame{Function: "app/" + string(rune('a'+i%7)) + ".F" + string(rune('a'+i/7)), File: "app.go", Line: i})
	}
	for range 40 {
		var s []uint32
		for range 6 {
			s = append(s, uint32(l.r.IntN(len(l.frames))))
		}
		l.stacks = append(l.stacks, s)
	}
	return l
}

// renumbered is what another decoder would make of the same program: other
// numbers, and a list that grows differently.
func (l *life) renumbered() *life {
	o := *l
	perm := rand.New(rand.NewPCG(9, 9)).Perm(len(l.frames))
	o.frames = make([]memwatch.Frame, len(l.frames))
	for i, p := range perm {
		o.frames[p] = l.frames[i]
	}
	o.stacks = nil
	for _, s := range l.stacks {
		var t []uint32
		for _, id := range s {
			t = append(t, uint32(perm[id]))
		}
		o.stacks = append(o.stacks, t)
	}
	return &o
}

// reading makes the i-th reading, and every third time the profiles with it.
func (l *life) reading(i int) (*memwatch.Sample, []*memwatch.Sites) {
	if l.restartAt > 0 && i == l.restartAt {
		l.start, l.gone = epoch.Add(time.Duration(i)*10*time.Second), i
	}
	n := i - l.gone
	s := healthyReading(l.r, i, 10*time.Second)
	s.Start = l.start
	s.Set(memwatch.NumGC, float64(n+1))
	s.Set(memwatch.TotalAllocBytes, float64(n+1)*50e6)
	live := s.Or(memwatch.LiveHeapBytes, 0) + l.leak*float64(n)
	s.Set(memwatch.LiveHeapBytes, live)
	s.Set(memwatch.RSSBytes, live*2)
	s.Set(memwatch.Goroutines, 100+l.goroutines*float64(n))
	s.Set(memwatch.StackInuseBytes, 1e6+8192*l.goroutines*float64(n))
	if i%3 != 0 {
		return s, nil
	}
	heap := &memwatch.Sites{Kind: memwatch.HeapProfile, Time: s.Time, PeriodBytes: 512 << 10, Frames: l.frames}
	routines := &memwatch.Sites{Kind: memwatch.GoroutineProfile, Time: s.Time, Frames: l.frames}
	for k, stack := range l.stacks {
		if l.r.IntN(8) == 0 {
			continue // a stack that comes and goes
		}
		held := int64(1e6 + 1e5*l.r.NormFloat64())
		if k < 2 {
			held += int64(l.leak * float64(n) / 2)
		}
		born := held + int64(n)*50_000
		heap.Sites = append(heap.Sites, memwatch.Site{Key: uint64(k + 1), Stack: stack, LiveBytes: held, LiveObjects: held / 512, AllocBytes: born, AllocObjects: born / 512})
		routines.Sites = append(routines.Sites, memwatch.Site{Key: uint64(k + 1), Stack: stack, LiveObjects: 2 + int64(l.goroutines*float64(n)/40)})
	}
	return s, []*memwatch.Sites{heap, routines}
}

func show(d *Detector, s *memwatch.Sample, profiles []*memwatch.Sites) {
	d.Observe(s)
	for _, p := range profiles {
		d.ObserveSites(p)
	}
}

func verdictOf(t interface{ Fatal(...any) }, d *Detector) string {
	b, err := json.Marshal(d.Verdict())
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// reborn saves and restores a detector.
func reborn(t interface{ Fatal(...any) }, d *Detector, now time.Time) *Detector {
	b, err := d.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	again, err := Restore(d.cfg, b, now)
	if err != nil {
		t.Fatal(err)
	}
	return again
}

func TestARestoredDetectorJudgesAsTheOneThatWasSaved(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := newLife(rapid.Uint64().Draw(t, "seed"))
		l.leak = float64(rapid.SampledFrom([]int{0, 2e5, 3e6}).Draw(t, "leak"))
		l.goroutines = float64(rapid.SampledFrom([]int{0, 0, 2}).Draw(t, "goroutines"))
		n := 140
		if rapid.Bool().Draw(t, "restarts") {
			l.restartAt = rapid.IntRange(1, n).Draw(t, "restart")
		}
		at := rapid.IntRange(0, n).Draw(t, "saved at")
		d := New(DefaultConfig())
		var r *Detector
		for i := range n {
			s, profiles := l.reading(i)
			if i == at {
				r = reborn(t, d, s.Time)
			}
			show(d, s, profiles)
			if r == nil {
				continue
			}
			show(r, s, profiles)
			if i%7 != 0 && d.State() == r.State() {
				continue // the whole verdict is dear to compare
			}
			if a, b := verdictOf(t, d), verdictOf(t, r); a != b {
				t.Fatalf("reading %d, saved at %d: the one that went on says\n%s\nthe restored one\n%s", i, at, a, b)
			}
			if d.Wants() != r.Wants() || d.Restarts() != r.Restarts() {
				t.Fatalf("reading %d: wants %+v and %+v", i, d.Wants(), r.Wants())
			}
		}
	})
}

// The frames of a new decoder have other numbers than those in the snapshot.
func TestARestoredDetectorNamesTheSameCulpritsByOtherNumbers(t *testing.T) {
	l := newLife(3)
	l.leak = 3e6
	d := New(DefaultConfig())
	var r *Detector
	other := l.renumbered()
	for i := range 250 {
		s, profiles := l.reading(i)
		show(d, s, profiles)
		if i == 150 {
			r = reborn(t, d, s.Time)
			continue
		}
		if r == nil {
			continue
		}
		for _, p := range profiles {
			p.Frames = other.frames
			for k := range p.Sites {
				p.Sites[k].Stack = other.stacks[p.Sites[k].Key-1]
			}
		}
		show(r, s, profiles)
	}
	if d.State() != memwatch.Leaking {
		t.Fatalf("the made-up leak is %s", d.State())
	}
	if a, b := verdictOf(t, d), verdictOf(t, r); a != b {
		t.Errorf("the one that went on says\n%s\nthe restored one\n%s", a, b)
	}
}

func TestASnapshotThatDoesNotFitIsRefused(t *testing.T) {
	l := newLife(1)
	d := New(DefaultConfig())
	for i := range 60 {
		s, profiles := l.reading(i)
		show(d, s, profiles)
	}
	good, err := d.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	seal := func(b []byte) []byte { return binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli)) }
	body := good[:len(good)-4]
	other := bytes.Clone(body)
	other[5]++ // of the fingerprint
	for name, c := range map[string]struct {
		b    []byte
		want error
	}{
		"nothing":          {nil, ErrCorrupt},
		"cut off":          {good[:len(good)/2], ErrCorrupt},
		"one bit":          {append(bytes.Clone(good[:100]), append([]byte{good[100] ^ 1}, good[101:]...)...), ErrCorrupt},
		"of other types":   {seal(other), ErrOtherVersion},
		"too short inside": {seal(bytes.Clone(body[:len(body)-20])), ErrCorrupt},
		"too long inside":  {seal(append(bytes.Clone(body), 0, 0, 0)), ErrCorrupt},
	} {
		if _, err := Restore(d.cfg, c.b, epoch); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
	}
}

func TestARestoredDetectorTakesTheNewConfiguration(t *testing.T) {
	d := New(DefaultConfig())
	show(d, healthyReading(rand.New(rand.NewPCG(1, 1)), 0, time.Second), nil)
	b, err := d.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	cfg := DefaultConfig()
	cfg.LimitBytes = 7 << 20
	r, err := Restore(cfg, b, epoch)
	if err != nil {
		t.Fatal(err)
	}
	if v := r.Verdict(); v.LimitBytes != 7<<20 {
		t.Errorf("the limit is %d", v.LimitBytes)
	}
}

func FuzzRestore(f *testing.F) {
	d := New(DefaultConfig())
	l := newLife(2)
	for i := range 20 {
		s, profiles := l.reading(i)
		show(d, s, profiles)
	}
	good, err := d.Snapshot()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good[len(snapshotHead) : len(good)-4])
	f.Fuzz(func(_ *testing.T, b []byte) {
		b = append(bytes.Clone(snapshotHead), b...)
		_, _ = Restore(DefaultConfig(), binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli)), epoch)
	})
}

func BenchmarkSnapshot(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	d := New(DefaultConfig())
	for i := range 40 {
		d.Observe(healthyReading(r, i, 10*time.Second))
		d.ObserveSites(profileOf(r, 5000, epoch.Add(time.Duration(i)*10*time.Second)))
	}
	b.ReportAllocs()
	for b.Loop() {
		s, err := d.Snapshot()
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(len(s)), "bytes")
	}
}
