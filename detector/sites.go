package detector

import (
	"math"

	"github.com/zupee/memwatch"
)

// Bounds of what is kept of profiles: 16 profiles, and the stacks that held
// memory in any of them. 5,000 stacks take under 1 MB, an eighth of it when they
// do not move.
const (
	snapshots = 16
	maxSites  = 20000
)

// siteTable keeps, for each stack of one kind of profile, what it held at up to
// 16 times: dense lately, sparse long ago, so that growth is seen over the last
// minutes and over the whole life alike. Which calls a stack is made of is read
// from the profile at hand (survey); what is kept of them is who is to blame.
type siteTable struct {
	t      [snapshots]float64 // seconds of the process's life
	n      int                // snapshots held; the newest profile is always the last
	sites  []site
	moved  []course // histories of the sites that are not what they always were
	period float64  // sampling period of the newest profile
	swept  bool     // empty sites were forgotten at the newest profile
	kept   keptStacks
	owners []suspect // as of the newest profile, surest first
}

// site is one stack.
type site struct {
	key uint64
	// live is bytes (goroutines: a count) and born objects allocated since the
	// process started, in the newest profile; and in all since snapshot first,
	// where the site has no course.
	live, born float32
	// size is bytes an object, 1 for goroutines.
	size   float32
	course uint16 // its place in moved, from 1 on; 0 for none
	first  uint8
	seen   bool // in the newest profile
}

// course is the history of a site that moved, by snapshot.
type course struct {
	live, born [snapshots]float32
}

// add takes a profile read at t seconds, and returns the look at it, which is
// to be released; nil when the profile is out of order.
func (s *siteTable) add(t float64, p *memwatch.Sites) *survey {
	if s.n > 0 && t <= s.t[s.n-1] {
		return nil
	}
	if s.n == snapshots {
		s.thin(t)
	}
	s.t[s.n] = t
	s.n++
	s.period, s.swept = float64(p.PeriodBytes), false
	s.prepare(p)
	v := newSurvey(s, p)
	for i := range p.Sites {
		if in := &p.Sites[i]; wellFormed(in, len(p.Frames)) {
			s.put(v, i)
		}
	}
	for i := range s.sites {
		if x := &s.sites[i]; !x.seen {
			s.record(x, 0, 0)
		}
	}
	s.kept.number = nil
	return v
}

// prepare makes room for what is new in a profile, all at once.
func (s *siteTable) prepare(p *memwatch.Sites) {
	for i := range s.sites {
		s.sites[i].seen = false
	}
	if s.sites == nil {
		holding := 0
		for i := range p.Sites {
			if p.Sites[i].LiveObjects != 0 || p.Sites[i].LiveBytes != 0 {
				holding++
			}
		}
		s.sites = make([]site, 0, min(holding, maxSites))
	}
	s.kept.follow(p)
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

// put takes in the profile's stack at a place.
func (s *siteTable) put(v *survey, place int) {
	in := &v.profile.Sites[place]
	live, born, size := float32(in.LiveBytes), float32(in.AllocObjects), float32(-1)
	switch {
	case v.profile.Kind != memwatch.HeapProfile:
		live, born, size = float32(in.LiveObjects), 0, 1
	case in.AllocObjects > 0:
		size = float32(in.AllocBytes) / float32(in.AllocObjects)
	case in.LiveObjects > 0:
		size = float32(in.LiveBytes) / float32(in.LiveObjects)
	}
	i, known := v.find(in.Key)
	if !known {
		// A stack that never held anything cannot be what grows.
		if in.LiveObjects == 0 && in.LiveBytes == 0 || !s.room(v) {
			return
		}
		i = len(s.sites)
		if i == cap(s.sites) { // a table lasts for long: little more than it needs
			s.sites = append(make([]site, 0, i+i/16+16), s.sites...)
		}
		s.sites = append(s.sites, site{key: in.Key, first: uint8(s.n - 1), live: live, born: born})
		v.where = append(v.where, 0)
	}
	x := &s.sites[i]
	s.record(x, live, born)
	if x.seen = true; size >= 0 {
		x.size = size
	}
	v.where[i] = int32(place)
	s.kept.keep(i, in.Stack, v.profile.Frames)
}

// room reports whether one more site fits, after forgetting the empty ones if need be.
func (s *siteTable) room(v *survey) bool {
	if len(s.sites) < maxSites {
		return true
	}
	if s.swept {
		return false // once a profile: a full table must not be gone through for each new stack
	}
	s.swept = true
	n := 0
	for i := range s.sites {
		x := &s.sites[i] // not seen yet, it holds what it held in the profile before
		if x.live > 0 || x.seen && s.n > 1 && s.history(x, new(course)).live[s.n-2] > 0 {
			s.sites[n], v.where[n] = *x, v.where[i]
			s.kept.move(n, i)
			n++
		}
	}
	s.sites, v.where = s.sites[:n], v.where[:n]
	s.kept.cut(n)
	s.settle(func(*site, *course) bool { return false }) // leaves those out that are gone
	v.forget()
	return n < maxSites
}

// record notes what a site holds in the newest profile.
func (s *siteTable) record(x *site, live, born float32) {
	last := s.n - 1
	if x.course == 0 {
		if live == x.live && born == x.born {
			return
		}
		var c course
		s.moved = append(s.moved, *s.history(x, &c))
		x.course = uint16(len(s.moved))
	}
	c := &s.moved[x.course-1]
	c.live[last], c.born[last] = live, born
	x.live, x.born = live, born
}

// history is what a site held at each snapshot, in buf where it never moved.
func (s *siteTable) history(x *site, buf *course) *course {
	if x.course > 0 {
		return &s.moved[x.course-1]
	}
	for i := int(x.first); i < s.n; i++ {
		buf.live[i], buf.born[i] = x.live, x.born
	}
	return buf
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
	s.n--
	for i := range s.sites {
		if x := &s.sites[i]; int(x.first) > drop {
			x.first--
		}
	}
	for i := range s.moved {
		c := &s.moved[i]
		copy(c.live[drop:], c.live[drop+1:])
		copy(c.born[drop:], c.born[drop+1:])
		c.live[snapshots-1], c.born[snapshots-1] = 0, 0
	}
	s.settle(s.rests)
}

// rests reports whether a site has held the same in all snapshots since it
// began to hold anything, and notes when that was.
func (s *siteTable) rests(x *site, c *course) bool {
	first := s.n
	for first > 0 && c.live[first-1] == x.live && c.born[first-1] == x.born {
		first--
	}
	for i := range first {
		if c.live[i] != 0 || c.born[i] != 0 {
			return false
		}
	}
	x.first = uint8(first)
	return true
}

// settle takes the courses of sites away that need none, and those that are
// nobody's.
func (s *siteTable) settle(rests func(*site, *course) bool) {
	used := 0
	for i := range s.sites {
		x := &s.sites[i]
		if x.course == 0 {
			continue
		}
		if rests(x, &s.moved[x.course-1]) {
			x.course = 0
			continue
		}
		used++
	}
	if used == len(s.moved) {
		return
	}
	moved := make([]course, 0, used+used/8)
	for i := range s.sites {
		if x := &s.sites[i]; x.course > 0 {
			moved = append(moved, s.moved[x.course-1])
			x.course = uint16(len(moved))
		}
	}
	s.moved = moved
}

// sampled is the chance that one object of the site is in the profile: the
// runtime takes a sample each period bytes on average.
func (x *site) sampled(period float64) float64 {
	if period <= 1 || x.size <= 0 {
		return 1
	}
	return -math.Expm1(-float64(x.size) / period)
}
