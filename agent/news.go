package agent

import (
	"math"
	"time"

	"github.com/zupee/memwatch"
)

// tellEvery is how often a verdict is told although nothing about it changed.
const tellEvery = time.Minute

// news decides when a verdict is worth telling the hub again.
type news struct {
	told *memwatch.Verdict
	at   time.Time
}

// due reports whether enough time has passed to tell a verdict that need not
// have changed.
func (n *news) due(now time.Time) bool { return n.told == nil || now.Sub(n.at) >= tellEvery }

// worth reports whether v is to be told now, and takes it for told if so.
func (n *news) worth(v *memwatch.Verdict, now time.Time) bool {
	if !n.due(now) && !changed(n.told, v) {
		return false
	}
	n.told, n.at = v, now
	return true
}

// changed reports a difference that somebody who reads both would care for.
func changed(a, b *memwatch.Verdict) bool {
	if a.State != b.State || a.Kind != b.Kind || a.Severity != b.Severity || len(a.Culprits) != len(b.Culprits) {
		return true
	}
	if len(a.Culprits) > 0 && a.Culprits[0].Function != b.Culprits[0].Function {
		return true
	}
	was, is := a.GrowthBytesPerSecond.Estimate, b.GrowthBytesPerSecond.Estimate
	return math.Abs(is-was) > 0.25*max(math.Abs(was), math.Abs(is))
}
