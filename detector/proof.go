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
	total  int64   // goroutines leaked for good
	grown  float64 // goroutines that had grown when it was read
	sites  []memwatch.Site
	frames []memwatch.Frame
}

// proofSites bounds what is kept of it.
const proofSites = 16

// take reads the profile; grown is by how many the goroutines have grown.
func (p *proof) take(in *memwatch.Sites, grown float64) {
	*p = proof{read: true, grown: grown}
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
	p.frames = nil
	for i := range p.sites { // the profile's own are not ours to keep
		stack := make([]uint32, len(p.sites[i].Stack))
		for j, id := range p.sites[i].Stack {
			stack[j] = uint32(len(p.frames))
			p.frames = append(p.frames, in.Frames[id])
		}
		p.sites[i].Stack = stack
	}
}

// proofShare of the goroutines that grew must be proven lost, and proofLeast of
// them in any case: a program may lose a few at its start and never again.
const (
	proofShare = 0.5
	proofLeast = 10
)

// needs is how many lost goroutines settle the growth that there was when the
// profile was read. It is read once: what has grown since is of the same kind.
func (p *proof) needs() float64 { return max(proofLeast, proofShare*p.grown) }

// settles reports whether the proof covers the growth.
func (p *proof) settles() bool { return p.read && float64(p.total) >= p.needs() }
