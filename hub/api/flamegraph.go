package api

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/google/pprof/profile"

	"github.com/zupee/memwatch"
)

const (
	// maxNodes bounds a flame graph being made; what comes beyond stays in the
	// value of the call above it.
	maxNodes = 1 << 20
	// maxDepth bounds a flame graph; what is deeper is in the last node's value.
	maxDepth = 512
	// leastShare is the part of the total below which a node is left out; its
	// value stays in its parent's.
	leastShare = 0.0005
)

type flamegraphInput struct {
	ByID
	Base string `query:"base" maxLength:"200" doc:"The id of a profile to compare with"`
	Type string `query:"type" maxLength:"200" doc:"The sample type, such as inuse_space"`
}

type flamegraphReply struct {
	CacheControl string `header:"Cache-Control"`
	Body         Flamegraph
}

// flamegraph answers with one profile, or with two on top of each other.
func (s *Server) flamegraph(ctx context.Context, in *flamegraphInput) (*flamegraphReply, error) {
	c, err := s.find(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	var base *memwatch.Capture
	if in.Base != "" {
		b, err := s.find(ctx, in.Base)
		if err != nil {
			return nil, err
		}
		base = &b
	}
	out, err := s.flames(ctx, c, base, in.Type)
	if err != nil {
		return nil, err
	}
	return &flamegraphReply{CacheControl: forever, Body: out}, nil
}

// flames makes a flame graph of one profile, or of two.
func (s *Server) flames(ctx context.Context, c memwatch.Capture, base *memwatch.Capture, sample string) (Flamegraph, error) {
	out := Flamegraph{Profile: c, Base: base}
	release, err := s.acquire(ctx)
	if err != nil {
		return out, err
	}
	defer release()
	prof, err := s.profile(ctx, c)
	if err != nil {
		return out, err
	}
	index, err := sampleType(prof, sample)
	if err != nil {
		return out, err
	}
	t := prof.SampleType[index]
	out.SampleType, out.Unit, out.Root = t.Type, t.Unit, &Node{Function: "root"}
	graft(out.Root, prof, index, func(n *Node, v int64) { n.Value += v })
	out.Total = out.Root.Value
	if base != nil {
		prof, err := s.profile(ctx, *base)
		if err != nil {
			return out, err
		}
		index, err := sampleType(prof, t.Type)
		if err != nil {
			return out, err
		}
		graft(out.Root, prof, index, func(n *Node, v int64) { n.Base += v })
		out.BaseTotal = out.Root.Base
	}
	prune(out.Root, int64(leastShare*float64(max(out.Total, out.BaseTotal))))
	return out, nil
}

// sampleType finds the kind of value to show by name, never by position.
func sampleType(p *profile.Profile, name string) (int, error) {
	var names []string
	for i, t := range p.SampleType {
		if t.Type == name {
			return i, nil
		}
		names = append(names, t.Type)
	}
	if len(names) == 0 {
		return 0, unreadable("the profile has no sample type")
	}
	if name != "" {
		return 0, badParameter("type", name, "one of "+strings.Join(names, ", "))
	}
	for _, usual := range []string{"inuse_space", "space", "goroutine", p.DefaultSampleType} {
		if i := slices.Index(names, usual); i >= 0 {
			return i, nil
		}
	}
	return len(names) - 1, nil
}

// graft adds a profile's stacks to the tree, root first.
func graft(root *Node, p *profile.Profile, index int, add func(*Node, int64)) {
	type edge struct {
		parent *Node
		name   int32
	}
	names := interned{names: map[[2]string]int32{}, of: map[*profile.Location][]call{}}
	nodes := map[edge]*Node{}
	var known func(n *Node)
	known = func(n *Node) {
		for _, c := range n.Children {
			nodes[edge{n, names.id(c.Function, c.File)}] = c
			known(c)
		}
	}
	known(root)
	largest := map[*Node]int64{} // of the nodes that this profile brings
	for _, sample := range p.Sample {
		v := sample.Value[index]
		if v == 0 {
			continue
		}
		add(root, v)
		n, depth := root, 0
	stack:
		for _, loc := range slices.Backward(sample.Location) {
			for _, f := range names.calls(loc) {
				if depth++; depth > maxDepth {
					break stack
				}
				e := edge{n, f.name}
				child := nodes[e]
				if child == nil && len(nodes) >= maxNodes {
					break stack
				}
				if child == nil {
					child = &Node{Function: f.Function, File: f.File, Line: f.Line}
					nodes[e], largest[child] = child, v
					n.Children = append(n.Children, child)
				} else if most, mine := largest[child]; mine && v > most { // the line that holds most
					largest[child], child.Line = v, f.Line
				}
				add(child, v)
				n = child
			}
		}
	}
}

// call is one frame of a stack, with a number for its function and file.
type call struct {
	memwatch.Frame
	name int32
}

// interned spells out every location of a profile once: stacks share most of them.
type interned struct {
	names map[[2]string]int32
	of    map[*profile.Location][]call
}

func (in *interned) id(function, file string) int32 {
	key := [2]string{function, file}
	id, ok := in.names[key]
	if !ok {
		id = int32(len(in.names)) //nolint:gosec // a profile that is read has far fewer
		in.names[key] = id
	}
	return id
}

// calls are a location's, the outermost of inlined ones first.
func (in *interned) calls(loc *profile.Location) []call {
	if known, ok := in.of[loc]; ok {
		return known
	}
	var out []call
	if len(loc.Line) == 0 {
		function := fmt.Sprintf("0x%x", loc.Address)
		out = append(out, call{memwatch.Frame{Function: function}, in.id(function, "")})
	}
	for _, l := range slices.Backward(loc.Line) {
		if l.Function != nil {
			f := memwatch.Frame{Function: l.Function.Name, File: l.Function.Filename, Line: int(l.Line)}
			out = append(out, call{f, in.id(f.Function, f.File)})
		}
	}
	in.of[loc] = out
	return out
}

// prune leaves out the nodes below least and puts the others in order of name.
func prune(n *Node, least int64) {
	n.Children = slices.DeleteFunc(n.Children, func(c *Node) bool { return max(c.Value, c.Base) < max(least, 1) })
	slices.SortFunc(n.Children, func(a, b *Node) int {
		return cmp.Or(cmp.Compare(a.Function, b.Function), cmp.Compare(a.File, b.File))
	})
	for _, c := range n.Children {
		prune(c, least)
	}
}
