package capture

import (
	"path/filepath"
	"strings"

	"github.com/zupee/memwatch/internal/durable"
)

// load reads the manifests. Folders without one are not ours and are let be.
func (s *Store) load() error {
	if err := durable.Clean(s.cfg.Dir); err != nil {
		return err
	}
	found, err := filepath.Glob(filepath.Join(escape(s.cfg.Dir), "*", "*", "*", manifestFile))
	if err != nil {
		return err
	}
	cleaned := map[string]bool{}
	for _, path := range found {
		dir := filepath.Dir(path)
		if parent := filepath.Dir(dir); !cleaned[parent] {
			cleaned[parent] = true
			if err := durable.Clean(parent); err != nil {
				return err
			}
		}
		if strings.HasPrefix(filepath.Base(dir), ".") {
			continue // was cut off, and is cleaned away
		}
		if err := durable.Clean(dir); err != nil { // a profile that was being added
			return err
		}
		b, err := readBundle(dir)
		if err != nil {
			s.log.Warn("evidence that cannot be read is let be", "dir", dir, "error", err)
			continue
		}
		s.insert(b)
	}
	return nil
}

// escape keeps a path from being a pattern.
func escape(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}
