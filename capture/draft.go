package capture

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/zupee/memwatch"
)

// draft is a bundle being written.
type draft struct {
	Evidence
	bundle   *Bundle
	linked   []Saved  // from other bundles
	profiles [][]byte // of the last captures of bundle
}

// weight is what it will take on disk, nearly: text is estimated.
func (d *draft) weight() int64 {
	n := int64(64<<10) + 1<<10*int64(len(d.Readings))
	for _, l := range d.linked {
		n += l.Size
	}
	for _, p := range d.profiles {
		n += int64(len(p))
	}
	return n
}

// add describes one profile.
func (d *draft) add(p Profile, data []byte, base string) error {
	id, err := newID()
	if err != nil {
		return err
	}
	at := p.Time
	if at.IsZero() {
		at = d.Time
	}
	sum := sha256.Sum256(data)
	name := fileName(d.Target, p.Kind, d.Role, at)
	for d.has(name) { // two of one kind in one millisecond
		at = at.Add(time.Millisecond)
		name = fileName(d.Target, p.Kind, d.Role, at)
	}
	d.bundle.Captures = append(d.bundle.Captures, Saved{memwatch.Capture{
		ID: id, Service: d.Target.Service, Instance: d.Target.Instance, Kind: p.Kind, Role: d.Role,
		Time: memwatch.Milli(at), Filename: name, Size: int64(len(data)), SHA256: hex.EncodeToString(sum[:]), BaseID: base,
	}, filepath.Join(d.bundle.Dir, name)})
	d.profiles = append(d.profiles, data)
	return nil
}

func (d *draft) has(name string) bool {
	for _, c := range d.bundle.Captures {
		if c.Filename == name {
			return true
		}
	}
	return false
}

// link takes a profile of another bundle in, once.
func (d *draft) link(c *Saved) {
	if c == nil || d.has(c.Filename) {
		return
	}
	d.linked = append(d.linked, *c)
	d.bundle.Captures = append(d.bundle.Captures, Saved{c.Capture, filepath.Join(d.bundle.Dir, c.Filename)})
}

// fill writes everything into dir.
func (d *draft) fill(dir string) error {
	for _, l := range d.linked {
		if err := linkOrCopy(l.Path, filepath.Join(dir, l.Filename)); err != nil {
			return err
		}
	}
	for i, c := range d.bundle.Captures[len(d.linked):] {
		if err := os.WriteFile(filepath.Join(dir, c.Filename), d.profiles[i], 0o600); err != nil {
			return err
		}
	}
	if d.Verdict != nil {
		if err := writeJSON(filepath.Join(dir, verdictFile), d.Verdict); err != nil {
			return err
		}
	}
	if len(d.Readings) > 0 {
		var lines bytes.Buffer
		enc := json.NewEncoder(&lines)
		for i := range d.Readings {
			if err := enc.Encode(&d.Readings[i]); err != nil {
				return fmt.Errorf("encode readings: %w", err)
			}
		}
		if err := os.WriteFile(filepath.Join(dir, readingsFile), lines.Bytes(), 0o600); err != nil {
			return err
		}
	}
	return writeJSON(filepath.Join(dir, manifestFile), d.bundle.manifest(d.Build))
}

func writeJSON(path string, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("encode %s: %w", filepath.Base(path), err)
	}
	return os.WriteFile(path, append(b, '\n'), 0o600)
}

// linkOrCopy copies where the file system has no hard links.
func linkOrCopy(from, to string) error {
	err := os.Link(from, to)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return err
	}
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, b, 0o600) //nolint:gosec // G703: to is a file name of ours in a folder of ours
}
