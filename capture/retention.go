package capture

import (
	"os"
	"path/filepath"
	"slices"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/internal/durable"
)

// shrink makes room for need bytes under the budget, and reports whether it
// could. Keep names folders that are needed now.
func (s *Store) shrink(need int64, keep map[string]bool) bool {
	for s.stats.Bytes+need > s.cfg.MaxBytes {
		victim := s.victim(keep)
		if victim == nil {
			return false
		}
		s.remove(victim)
	}
	return true
}

// victim is the bundle that is worth least: the oldest that is neither a
// target's newest baseline nor to be kept; else the oldest newest baseline; nil
// when all must stay.
func (s *Store) victim(keep map[string]bool) *Bundle {
	var plain, baseline *Bundle
	older := func(a, b *Bundle) bool { return b == nil || a.Time.Before(b.Time) }
	for _, list := range s.targets {
		last := newestOf(list, memwatch.RoleBaseline)
		for _, b := range list {
			switch {
			case keep[b.Dir] || s.stays(b, list):
			case b == last && older(b, baseline):
				baseline = b
			case b != last && older(b, plain):
				plain = b
			}
		}
	}
	if plain != nil {
		return plain
	}
	return baseline
}

// stays reports whether a bundle must not go: the newest evidence of an open
// leak, and what the hub does not have yet.
func (s *Store) stays(b *Bundle, list []*Bundle) bool {
	if b.open() && b == newestOf(list, b.Role) {
		return true
	}
	return slices.ContainsFunc(b.Captures, func(c Saved) bool { return s.pinned(c.Path) })
}

func newestOf(list []*Bundle, role memwatch.Role) *Bundle {
	for _, b := range slices.Backward(list) {
		if b.Role == role {
			return b
		}
	}
	return nil
}

// trim keeps of one target MaxPerTarget bundles and, of baselines, the first
// and the last two of its present life and the last of the life before: the
// first shows a slow leak best, the last a fast one.
func (s *Store) trim(k string) {
	var others, baselines []*Bundle
	for _, b := range s.targets[k] {
		if b.Role == memwatch.RoleBaseline {
			baselines = append(baselines, b)
		} else {
			others = append(others, b)
		}
	}
	s.drop(k, others[:max(0, len(others)-s.cfg.MaxPerTarget)])
	if len(baselines) == 0 {
		return
	}
	life := baselines[len(baselines)-1].Life
	present := slices.IndexFunc(baselines, func(b *Bundle) bool { return sameLife(b.Life, life) })
	if present > 1 {
		s.drop(k, baselines[:present-1])
	}
	if now := baselines[present:]; len(now) > 3 {
		s.drop(k, now[1:len(now)-2])
	}
}

func (s *Store) drop(k string, bundles []*Bundle) {
	for _, b := range bundles {
		if !s.stays(b, s.targets[k]) {
			s.remove(b)
		}
	}
}

// remove takes a bundle away at once, so that a crash leaves no half of one.
func (s *Store) remove(b *Bundle) {
	k := key(b.Target)
	s.targets[k] = slices.DeleteFunc(slices.Clone(s.targets[k]), func(o *Bundle) bool { return o == b })
	if len(s.targets[k]) == 0 {
		delete(s.targets, k)
	}
	s.stats.Bundles--
	s.stats.Removed++
	s.stats.Bytes -= b.size
	if err := durable.RemoveDir(b.Dir); err != nil {
		s.lastErr = err
		s.log.Warn("old evidence cannot be removed", "dir", b.Dir, "error", err)
		return
	}
	_ = os.Remove(filepath.Dir(b.Dir)) // succeed only when empty
	_ = os.Remove(filepath.Dir(filepath.Dir(b.Dir)))
}
