package detector

import (
	"cmp"
	"slices"

	"github.com/zupee/memwatch"
)

// proof is a goroutineleak profile: goroutines that wait for what nobody can
// reach any more. Where the runtime serves it, it settles the question, for
// such a goroutine can never run again.
type proof struct {
	read   bool
	total  int64 // goroutines leaked for good
	sites  []memwatch.Site
	frames []memwatch.Frame
}

// proofSites bounds what is kept of it.
const proofSites = 16

func (p *proof) take(in *memwatch.Sites) {
	*p = proof{read: true, frames: in.Frames}
	for i := range in.Sites {
		if s := &in.Sites[i]; wellFormed(s, len(in.Frames)) && s.LiveObjects > 0 {
			p.total += s.LiveObjects
			p.sites = append(p.sites, *s)
		}
	}
	slices.SortFunc(p.sites, func(a, b memwatch.Site) int {
		return cmp.Or(cmp.Compare(b.LiveObjects, a.LiveObjects), cmp.Compare(a.Key, b.Key))
	})
	p.sites = slices.Clip(p.sites[:min(len(p.sites), proofSites)])
}

// proofShare of the goroutines that grew must be proven lost, and proofLeast of
// them in any case: a program may lose a few at its start and never again.
const (
	proofShare = 0.5
	proofLeast = 10
)

// settles reports whether the proof covers a growth of so many goroutines.
func (p *proof) settles(growth float64) bool {
	return p.total >= proofLeast && float64(p.total) >= proofShare*growth
}
