package capture

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/internal/durable"
)

// Add puts one more profile into a bundle of the target and returns it, durable,
// for the hub. It is compared with what the bundle's own profiles of that kind
// are compared with. A crash leaves the bundle as it was. ErrProfile and
// ErrBudget are wrapped.
func (s *Store) Add(t memwatch.Target, bundle string, p Profile) (*Saved, error) {
	data, err := normalize(p.Data, s.cfg.MaxProfileBytes)
	if err != nil {
		s.refuse(t, err)
		return nil, fmt.Errorf("add to evidence of %s: %w", t.Service, err)
	}
	p.Data = data
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.targets[key(t)], func(b *Bundle) bool { return b.ID == bundle })
	if i < 0 {
		return nil, fmt.Errorf("add to evidence of %s: bundle %s is gone", t.Service, bundle)
	}
	b := s.targets[key(t)][i]
	c, err := s.add(b, p)
	if err != nil {
		s.stats.Failed++
		s.lastErr = err
		return nil, fmt.Errorf("add to evidence of %s: %w", t.Service, err)
	}
	return c, nil
}

func (s *Store) add(b *Bundle, p Profile) (*Saved, error) {
	keep := map[string]bool{b.Dir: true}
	if !s.shrink(int64(len(p.Data))+4<<10, keep) {
		return nil, ErrBudget
	}
	raw, err := os.ReadFile(filepath.Join(b.Dir, manifestFile))
	if err != nil {
		return nil, err
	}
	var m manifest
	if err := json.Unmarshal(raw, &m); err != nil {
		return nil, fmt.Errorf("%s: %w", manifestFile, err)
	}
	base := ""
	if c := b.find(p.Kind, b.Role); c != nil {
		base = c.BaseID
	}
	d := &draft{Evidence: Evidence{Target: b.Target, Role: b.Role, Time: b.Time}, bundle: &Bundle{Dir: b.Dir, Captures: slices.Clone(b.Captures)}}
	if err := d.add(p, p.Data, base); err != nil {
		return nil, err
	}
	c := d.bundle.Captures[len(d.bundle.Captures)-1]
	m.Captures = append(m.Captures, c.Capture)
	if raw, err = json.MarshalIndent(m, "", "  "); err != nil {
		return nil, fmt.Errorf("encode %s: %w", manifestFile, err)
	}
	if err := durable.WriteFile(c.Path, p.Data); err != nil {
		return nil, err
	}
	if err := durable.WriteFile(filepath.Join(b.Dir, manifestFile), append(raw, '\n')); err != nil {
		_ = os.Remove(c.Path)
		return nil, err
	}
	was := b.size
	b.Captures = d.bundle.Captures
	err = b.measure()
	s.stats.Bytes += b.size - was
	return &c, err
}
