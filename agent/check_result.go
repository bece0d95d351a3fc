package agent

import (
	"time"

	"github.com/zupee/memwatch"
)

// CheckResult is what a one-off check found.
type CheckResult struct {
	StartedAt       memwatch.UnixMilli `json:"startedAt"`
	DurationSeconds float64            `json:"durationSeconds"`
	Targets         []TargetResult     `json:"targets"`
}

// TargetResult is what a one-off check found at one target.
type TargetResult struct {
	Service  string `json:"service"`
	Instance string `json:"instance"`
	URL      string `json:"url"`
	// Samples counts the readings, HeapProfiles the heap profiles among them.
	Samples      int `json:"samples"`
	HeapProfiles int `json:"heapProfiles"`
	ScrapeErrors int `json:"scrapeErrors"`
	// GaveUp says that the check ended early, as the target never answered.
	GaveUp bool `json:"gaveUp,omitempty"`
	// Error is the newest scrape error, nil when there was none.
	Error   *Trouble          `json:"error"`
	Verdict *memwatch.Verdict `json:"verdict"`
	// WorstState is the worst that was seen; Verdict.State is where it ended.
	WorstState memwatch.State `json:"worstState"`
	// Evidence are the files saved, the ones to compare first and last.
	Evidence []SavedFile `json:"evidence"`
}

// Trouble is why a target could not be read.
type Trouble struct {
	Endpoint string `json:"endpoint"`
	Reason   string `json:"reason"`
	Message  string `json:"message"`
}

// SavedFile is one file of evidence.
type SavedFile struct {
	Kind memwatch.ProfileKind `json:"kind"`
	// Role is absent when nothing could be judged.
	Role memwatch.Role      `json:"role,omitempty"`
	Path string             `json:"path"`
	Time memwatch.UnixMilli `json:"timestamp"`
}

// Judged reports whether enough was seen to say anything.
func (t *TargetResult) Judged() bool {
	return t.Samples > 0 && t.Verdict != nil && t.Verdict.State != memwatch.Learning
}

// Duration is how long the check took.
func (r *CheckResult) Duration() time.Duration {
	return time.Duration(r.DurationSeconds * float64(time.Second))
}
