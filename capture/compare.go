package capture

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"time"

	"github.com/zupee/memwatch"
)

// compare chooses what each kind of profile is compared with, and takes it into
// the bundle of a leak.
func (s *Store) compare(d *draft, profiles []Profile, bases map[memwatch.ProfileKind]string) {
	since := d.Time
	if d.Verdict != nil && d.Verdict.Since != 0 {
		since = d.Verdict.Since.Time()
	}
	for _, p := range profiles {
		base := s.base(d.Target, p.Kind, d.Life, since)
		if base != nil {
			bases[p.Kind] = base.ID
		}
		if d.Role.Incident() {
			d.link(base)
			d.link(s.newest(d.Target, p.Kind, memwatch.RoleSuspect, d.Life))
		}
	}
}

// base is the capture to compare with: of the same life the last baseline
// before the growth began, else its first; else the first one that was suspect;
// else the last baseline of an earlier life.
func (s *Store) base(t memwatch.Target, kind memwatch.ProfileKind, life, since time.Time) *Saved {
	var before, first, suspect, earlier *Saved
	for _, b := range s.targets[key(t)] {
		c := b.find(kind, b.Role)
		switch {
		case c == nil:
		case b.Role == memwatch.RoleBaseline && !sameLife(b.Life, life):
			earlier = c
		case b.Role == memwatch.RoleBaseline:
			if first == nil {
				first = c
			}
			if !b.Time.After(since) {
				before = c
			}
		case b.Role == memwatch.RoleSuspect && sameLife(b.Life, life) && suspect == nil:
			suspect = c
		}
	}
	for _, c := range []*Saved{before, first, suspect, earlier} {
		if c != nil {
			return c
		}
	}
	return nil
}

func (s *Store) newest(t memwatch.Target, kind memwatch.ProfileKind, role memwatch.Role, life time.Time) *Saved {
	for _, b := range slices.Backward(s.targets[key(t)]) {
		if b.Role == role && sameLife(b.Life, life) {
			return b.find(kind, role)
		}
	}
	return nil
}

// find is the bundle's last own capture of a kind: of two heap profiles the
// first may be one GC behind. One whose file was taken away is none.
func (b *Bundle) find(kind memwatch.ProfileKind, role memwatch.Role) *Saved {
	for i := len(b.Captures) - 1; i >= 0; i-- {
		if c := &b.Captures[i]; c.Kind == kind && c.Role == role {
			if _, err := os.Stat(c.Path); !errors.Is(err, fs.ErrNotExist) {
				return c
			}
		}
	}
	return nil
}
