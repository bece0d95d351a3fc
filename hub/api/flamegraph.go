package api

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/google/pprof/profile"

	"github.com/zupee/memwatch"
)

const (
	// maxProfileBytes bounds a profile after decompression.
	maxProfileBytes = 128 << 20
	// maxDepth bounds a flame graph; what is deeper is in the last node's value.
	maxDepth = 512
	// leastShare is the part of the total below which a node is left out; its
	// value stays in its parent's.
	leastShare = 0.0005
)

// flamegraph answers with one profile, or with two on top of each other.
func (s *Server) flamegraph(r *http.Request) (any, error) {
	p := parse(r)
	if p.err != nil {
		return nil, p.err
	}
	c, err := s.find(r, r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	out := Flamegraph{Profile: c}
	if id := p.text("base"); id != "" {
		base, err := s.find(r, id)
		if err != nil {
			return nil, err
		}
		out.Base = &base
	}
	select {
	case s.flames <- struct{}{}:
		defer func() { <-s.flames }()
	case <-r.Context().Done():
		return nil, context.Cause(r.Context())
	}
	prof, err := s.profile(r.Context(), c)
	if err != nil {
		return nil, err
	}
	index, err := sampleType(prof, p.text("type"))
	if err != nil {
		return nil, err
	}
	t := prof.SampleType[index]
	out.SampleType, out.Unit, out.Root = t.Type, t.Unit, &Node{Function: "root"}
	graft(out.Root, prof, index, func(n *Node, v int64) { n.Value += v })
	out.Total = out.Root.Value
	if out.Base != nil {
		base, err := s.profile(r.Context(), *out.Base)
		if err != nil {
			return nil, err
		}
		index, err := sampleType(base, t.Type)
		if err != nil {
			return nil, err
		}
		graft(out.Root, base, index, func(n *Node, v int64) { n.Base += v })
		out.BaseTotal = out.Root.Base
	}
	prune(out.Root, int64(leastShare*float64(max(out.Total, out.BaseTotal))))
	return out, nil
}

// profile reads a stored profile, however it was compressed.
func (s *Server) profile(ctx context.Context, c memwatch.Capture) (*profile.Profile, error) {
	f, err := s.Blobs.Open(ctx, c.SHA256)
	if errors.Is(err, ErrNotFound) {
		return nil, notFound("stored data of profile", c.ID)
	}
	if err != nil {
		return nil, fmt.Errorf("open profile %s: %w", c.ID, err)
	}
	defer func() { _ = f.Close() }()
	b, err := inflate(f, maxProfileBytes)
	if err == nil {
		var p *profile.Profile
		if p, err = profile.ParseUncompressed(b); err == nil {
			return p, nil
		}
	}
	return nil, &Problem{
		Title: "Unreadable profile", Status: http.StatusUnprocessableEntity,
		Detail: fmt.Sprintf("profile %s: %v", c.ID, err),
	}
}

// inflate reads a profile, compressed or not, of at most limit bytes.
func inflate(f io.Reader, limit int64) ([]byte, error) {
	head := make([]byte, 2)
	n, err := io.ReadFull(f, head)
	if err != nil {
		return nil, errors.New("no data")
	}
	r := io.MultiReader(bytes.NewReader(head[:n]), f)
	if head[0] == 0x1f && head[1] == 0x8b {
		z, err := gzip.NewReader(r)
		if err != nil {
			return nil, fmt.Errorf("gzip: %w", err)
		}
		r = z
	}
	b, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, fmt.Errorf("decompress: %w", err)
	}
	if int64(len(b)) > limit {
		return nil, fmt.Errorf("more than %d bytes after decompression", limit)
	}
	return b, nil
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
		return 0, &Problem{Title: "Unreadable profile", Status: http.StatusUnprocessableEntity, Detail: "the profile has no sample type"}
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
		parent         *Node
		function, file string
	}
	nodes := map[edge]*Node{}
	var known func(n *Node)
	known = func(n *Node) {
		for _, c := range n.Children {
			nodes[edge{n, c.Function, c.File}] = c
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
		n := root
		for depth, f := range frames(sample) {
			if depth == maxDepth {
				break
			}
			e := edge{n, f.Function, f.File}
			child := nodes[e]
			if child == nil {
				child = &Node{Function: f.Function, File: f.File, Line: f.Line}
				nodes[e], largest[child] = child, v
				n.Children = append(n.Children, child)
			}
			add(child, v)
			if most, mine := largest[child]; mine && v > most { // the line that holds most
				largest[child], child.Line = v, f.Line
			}
			n = child
		}
	}
}

// frames spells out a stack, root first, inlined calls included.
func frames(s *profile.Sample) []memwatch.Frame {
	var out []memwatch.Frame
	for _, loc := range slices.Backward(s.Location) {
		if len(loc.Line) == 0 {
			out = append(out, memwatch.Frame{Function: fmt.Sprintf("0x%x", loc.Address)})
		}
		for _, l := range slices.Backward(loc.Line) {
			if l.Function != nil {
				out = append(out, memwatch.Frame{Function: l.Function.Name, File: l.Function.Filename, Line: int(l.Line)})
			}
		}
	}
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
