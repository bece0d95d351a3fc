package spool

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/zupee/memwatch/internal/durable"
)

// rejected keeps the newest records that the hub refused, for people to read.
type rejected struct {
	dir   string
	limit int
	ids   []uint64 // oldest first
	count map[Class]uint64
}

// rejection is one file.
type rejection struct {
	Class  Class  `json:"class"`
	Reason string `json:"reason"`
	File   string `json:"file,omitempty"`
	Body   string `json:"body"`
}

const rejectedSuffix = ".json"

func loadRejected(dir string, limit int) (*rejected, error) {
	r := &rejected{dir: dir, limit: limit, count: map[Class]uint64{}}
	names, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("list rejected: %w", err)
	}
	for _, d := range names {
		if id, ok := parseName(d.Name(), rejectedSuffix); ok {
			r.ids = append(r.ids, id)
		}
	}
	r.trim()
	return r, nil
}

func (r *rejected) path(id uint64) string { return filepath.Join(r.dir, fileName(id, rejectedSuffix)) }

func (r *rejected) add(class Class, rec Record, reason string) error {
	r.count[class]++
	if r.limit == 0 {
		return nil
	}
	b, err := json.MarshalIndent(rejection{class, reason, rec.File, string(rec.Body)}, "", "  ")
	if err != nil {
		return fmt.Errorf("keep rejected: %w", err)
	}
	id := uint64(1)
	if n := len(r.ids); n > 0 {
		id = r.ids[n-1] + 1
	}
	if err := durable.WriteFile(r.path(id), b); err != nil {
		return fmt.Errorf("keep rejected: %w", err)
	}
	r.ids = append(r.ids, id)
	r.trim()
	return nil
}

func (r *rejected) trim() {
	for len(r.ids) > r.limit {
		_ = os.Remove(r.path(r.ids[0]))
		r.ids = r.ids[1:]
	}
}
