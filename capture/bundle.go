package capture

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/internal/durable"
)

// Bundle is what one Save made, or what was found on disk.
type Bundle struct {
	ID     string
	Dir    string
	Target memwatch.Target
	Role   memwatch.Role
	Time   time.Time
	// Life is when the process started; zero when unknown.
	Life time.Time
	// Resolved is when its leak ended; zero while it is open, and for other roles.
	Resolved time.Time
	unsaid   bool // Resolved is not in the manifest yet
	// Captures are its profiles, those to compare with first.
	Captures []Saved

	size int64
}

// Saved is one profile on disk.
type Saved struct {
	memwatch.Capture
	// Path is absolute. The file never changes.
	Path string
}

// manifest is a bundle's manifest.json.
type manifest struct {
	Version  int                `json:"version"`
	ID       string             `json:"id"`
	Target   memwatch.Target    `json:"target"`
	Role     memwatch.Role      `json:"role"`
	Time     memwatch.UnixMilli `json:"timestamp"`
	Life     memwatch.UnixMilli `json:"startTime"`
	Resolved memwatch.UnixMilli `json:"resolvedAt"`
	Build    map[string]string  `json:"build,omitempty"`
	Captures []memwatch.Capture `json:"captures"`
}

const (
	manifestFile = "manifest.json"
	verdictFile  = "verdict.json"
	readingsFile = "readings.jsonl"
)

// maxManifest bounds what is read of a manifest.
const maxManifest = 1 << 20

func readBundle(dir string) (*Bundle, error) {
	f, err := os.Open(filepath.Join(dir, manifestFile))
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	raw, err := io.ReadAll(io.LimitReader(f, maxManifest))
	if err != nil {
		return nil, err
	}
	var m manifest
	if err := json.Unmarshal(raw, &m); err != nil {
		return nil, fmt.Errorf("%s: %w", manifestFile, err)
	}
	b := &Bundle{ID: m.ID, Dir: dir, Target: m.Target, Role: m.Role, Time: m.Time.Time(), Life: m.Life.Time(), Resolved: m.Resolved.Time()}
	for _, c := range m.Captures {
		path := filepath.Join(dir, filepath.Base(c.Filename))
		if info, err := os.Stat(path); err != nil || info.Size() != c.Size {
			return nil, fmt.Errorf("%s is missing or not whole", c.Filename)
		}
		b.Captures = append(b.Captures, Saved{c, path})
	}
	return b, b.measure()
}

// measure adds up the files, hard links as if they were copies.
func (b *Bundle) measure() error {
	entries, err := os.ReadDir(b.Dir)
	if err != nil {
		return fmt.Errorf("list bundle: %w", err)
	}
	b.size = 0
	for _, e := range entries {
		if info, err := e.Info(); err == nil {
			b.size += info.Size()
		}
	}
	return nil
}

func (b *Bundle) manifest(build map[string]string) manifest {
	m := manifest{
		Version: 1, ID: b.ID, Target: b.Target, Role: b.Role, Time: memwatch.Milli(b.Time), Life: memwatch.Milli(b.Life),
		Resolved: memwatch.Milli(b.Resolved), Build: build, Captures: []memwatch.Capture{},
	}
	for _, c := range b.Captures {
		m.Captures = append(m.Captures, c.Capture)
	}
	return m
}

func (b *Bundle) open() bool { return b.Role.Incident() && b.Resolved.IsZero() }

// sayResolved writes Resolved to the manifest.
func (b *Bundle) sayResolved() error {
	path := filepath.Join(b.Dir, manifestFile)
	raw, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var m manifest
	if err := json.Unmarshal(raw, &m); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	m.Resolved = memwatch.Milli(b.Resolved)
	if raw, err = json.MarshalIndent(m, "", "  "); err != nil {
		return fmt.Errorf("encode %s: %w", path, err)
	}
	if err := durable.WriteFile(path, append(raw, '\n')); err != nil {
		return err
	}
	b.unsaid = false
	return nil
}
