package recording

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Meta says where a recording comes from and, when it is labelled, what is
// known of it. Fields that a recording lacks are zero.
type Meta struct {
	Name     string `json:"name"`
	Scenario string `json:"scenario,omitempty"`
	// Label is leak or healthy, "" when not labelled.
	Label string `json:"label,omitempty"`
	// Kind is the true kind of growth, by the names of memwatch.Kind.
	Kind string `json:"kind,omitempty"`
	// Culprit is a part of the name of the function expected at or near the leaf.
	Culprit string `json:"culprit,omitempty"`
	// LeakStartSeconds counts from the first reading; null when nothing leaks.
	LeakStartSeconds *float64 `json:"leak_start_s,omitempty"`
	// LeakRate is in bytes per second; null when nothing leaks.
	LeakRate *float64 `json:"leak_rate_bytes_per_s,omitempty"`
	// MemoryLimitBytes is the limit that the process ran under; null when none.
	MemoryLimitBytes *float64 `json:"memory_limit_bytes,omitempty"`
	// Undecidable marks a cache still filling at the end: nobody can know.
	Undecidable     bool    `json:"undecidable,omitempty"`
	IntervalSeconds float64 `json:"interval_s,omitempty"`
	DurationSeconds float64 `json:"duration_s,omitempty"`
	GoVersion       string  `json:"go_version,omitempty"`
	Notes           string  `json:"notes,omitempty"`
}

const metaFile = "meta.json"

// readMeta reads meta.json. A recording without one is unlabelled and takes
// its name from the folder.
func readMeta(dir string) (Meta, error) {
	m := Meta{Name: filepath.Base(dir)}
	b, err := os.ReadFile(filepath.Join(dir, metaFile))
	if errors.Is(err, fs.ErrNotExist) {
		return m, nil
	}
	if err != nil {
		return m, err
	}
	if err := json.Unmarshal(b, &m); err != nil {
		return m, fmt.Errorf("%s: %w", filepath.Join(dir, metaFile), err)
	}
	return m, nil
}

func writeMeta(dir string, m Meta) error {
	b, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, metaFile), append(b, '\n'), 0o644)
}
