package detector

import (
	"math"

	"github.com/zupee/memwatch"
)

// Bounds of what is kept of profiles: 16 profiles, and the stacks that held
// memory in any of them. 5,000 stacks take under 1 MB.
const (
	snapshots = 16
	maxSites  = 20000
)

// siteTable keeps, for each stack of one kind of profile, what it held at up to
// 16 times: dense lately, sparse long ago, so that growth is seen over the last
// minutes and over the whole life alike.
type siteTable struct {
	t     [snapshots]float64 // seconds of the process's life
	n     int                // snapshots held; the newest profile is always the last
	sites []site
	index map[uint64]int32
	// The newest profile's frames, its sampling period, and how often it was read.
	frames []memwatch.Frame
	names  names
	period float64
	reads  uint32
	swept  uint32 // reads when empty sites were last forgotten
}

// site is the history of one stack.
type site struct {
	key   uint64
	stack []uint32
	// live is bytes (goroutines: a count); born is objects allocated since the
	// process started.
	live, born [snapshots]float32
	// size is bytes an object, 1 for goroutines.
	size float32
	read uint32 // siteTable.reads when last seen
}

// add takes a profile read at t seconds. It reports false when it is out of order.
func (s *siteTable) add(t float64, p *memwatch.Sites) bool {
	if s.n > 0 && t <= s.t[s.n-1] {
		return false
	}
	if s.index == nil {
		s.index = make(map[uint64]int32, len(p.Sites))
		s.sites = make([]site, 0, min(len(p.Sites), maxSites))
	}
	if s.n == snapshots {
		s.thin(t)
	}
	s.t[s.n] = t
	s.n++
	s.reads++
	// Our own decoder only ever appends to its list of frames.
	same := len(s.frames) > 0 && len(p.Frames) >= len(s.frames) && p.Frames[0] == s.frames[0] && p.Frames[len(s.frames)-1] == s.frames[len(s.frames)-1]
	if !same {
		s.translate(p.Frames)
	}
	s.frames, s.period = p.Frames, float64(p.PeriodBytes)
	s.names.follow(s.frames, same)
	for i := range p.Sites {
		if in := &p.Sites[i]; wellFormed(in, len(p.Frames)) {
			s.put(in, p.Kind)
		}
	}
	return true
}

// mostLive bytes or objects in one stack are 256 TiB: beyond that a profile
// lies, and below it the sum of all its stacks fits an integer.
const mostLive = 1 << 48

// wellFormed guards against profiles that were not made by our own decoder, or
// of an honest process.
func wellFormed(in *memwatch.Site, frames int) bool {
	for _, f := range in.Stack {
		if int(f) >= frames {
			return false
		}
	}
	return len(in.Stack) > 0 && in.LiveBytes >= 0 && in.LiveBytes <= mostLive && in.LiveObjects >= 0 && in.LiveObjects <= mostLive
}

func (s *siteTable) put(in *memwatch.Site, kind memwatch.ProfileKind) {
	i, known := s.index[in.Key]
	if !known {
		// A stack that never held anything cannot be what grows.
		if in.LiveObjects == 0 && in.LiveBytes == 0 || !s.room() {
			return
		}
		i = int32(len(s.sites))
		s.sites = append(s.sites, site{key: in.Key})
		s.index[in.Key] = i
	}
	x, last := &s.sites[i], s.n-1
	x.stack, x.read = in.Stack, s.reads
	if kind != memwatch.HeapProfile {
		x.live[last], x.size = float32(in.LiveObjects), 1
		return
	}
	x.live[last], x.born[last] = float32(in.LiveBytes), float32(in.AllocObjects)
	switch {
	case in.AllocObjects > 0:
		x.size = float32(in.AllocBytes) / float32(in.AllocObjects)
	case in.LiveObjects > 0:
		x.size = float32(in.LiveBytes) / float32(in.LiveObjects)
	}
}

// room reports whether one more site fits, after forgetting the empty ones if need be.
func (s *siteTable) room() bool {
	if len(s.sites) < maxSites {
		return true
	}
	if s.swept == s.reads {
		return false // once a profile: a full table must not be gone through for each new stack
	}
	s.swept = s.reads
	kept := s.sites[:0]
	for i := range s.sites {
		if s.sites[i].live[s.n-1] > 0 || s.n > 1 && s.sites[i].live[s.n-2] > 0 {
			kept = append(kept, s.sites[i])
		}
	}
	s.sites = kept
	clear(s.index)
	for i := range kept {
		s.index[kept[i].key] = int32(i)
	}
	return len(kept) < maxSites
}

// thin drops the one snapshot that is missed least: the one in the smallest gap,
// where a gap long ago counts less than the same gap lately.
func (s *siteTable) thin(now float64) {
	drop, least := 1, math.Inf(1)
	life := now - s.t[0]
	for i := 1; i < s.n; i++ {
		next := now
		if i+1 < s.n {
			next = s.t[i+1]
		}
		if gap := (next - s.t[i-1]) / (now - s.t[i] + life/4); gap < least {
			drop, least = i, gap
		}
	}
	copy(s.t[drop:], s.t[drop+1:s.n])
	for i := range s.sites {
		x := &s.sites[i]
		copy(x.live[drop:], x.live[drop+1:])
		copy(x.born[drop:], x.born[drop+1:])
		x.live[snapshots-1], x.born[snapshots-1] = 0, 0
	}
	s.n--
}

// sampled is the chance that one object of the site is in the profile: the
// runtime takes a sample each period bytes on average.
func (x *site) sampled(period float64) float64 {
	if period <= 1 || x.size <= 0 {
		return 1
	}
	return -math.Expm1(-float64(x.size) / period)
}
