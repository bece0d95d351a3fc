package api

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/pprof/profile"
)

// stacks makes a profile of one sample type from lines such as "main;serve;add 5".
func stacks(t *testing.T, lines ...string) *profile.Profile {
	t.Helper()
	p := &profile.Profile{SampleType: []*profile.ValueType{{Type: "inuse_space", Unit: "bytes"}}}
	locations := map[string]*profile.Location{}
	for _, line := range lines {
		var names string
		var v int64
		if _, err := fmt.Sscanf(line, "%s %d", &names, &v); err != nil {
			t.Fatal(err)
		}
		s := &profile.Sample{Value: []int64{v}}
		for name := range strings.SplitSeq(names, ";") {
			if locations[name] == nil {
				f := &profile.Function{ID: uint64(len(p.Function) + 1), Name: name, Filename: name + ".go"}
				locations[name] = &profile.Location{ID: f.ID, Line: []profile.Line{{Function: f, Line: 7}}}
				p.Function, p.Location = append(p.Function, f), append(p.Location, locations[name])
			}
			s.Location = append([]*profile.Location{locations[name]}, s.Location...)
		}
		p.Sample = append(p.Sample, s)
	}
	if err := p.CheckValid(); err != nil {
		t.Fatal(err)
	}
	return p
}

// spell writes a tree in one line.
func spell(n *Node) string {
	out := fmt.Sprintf("%s %d", n.Function, n.Value)
	if n.Base != 0 {
		out += fmt.Sprintf("/%d", n.Base)
	}
	if len(n.Children) == 0 {
		return out
	}
	var inner []string
	for _, c := range n.Children {
		inner = append(inner, spell(c))
	}
	return out + " (" + strings.Join(inner, ", ") + ")"
}

func value(n *Node, v int64) { n.Value += v }
func base(n *Node, v int64)  { n.Base += v }

func TestStacksBecomeATree(t *testing.T) {
	root := &Node{Function: "root"}
	graft(root, stacks(t, "main;serve;add 5", "main;serve;get 3", "main;serve 2", "boot 1"), 0, value)
	prune(root, 0)
	if got, want := spell(root), "root 11 (boot 1, main 10 (serve 10 (add 5, get 3)))"; got != want {
		t.Errorf("tree = %s\nwant   %s", got, want)
	}
}

func TestTwoProfilesShareATree(t *testing.T) {
	root := &Node{Function: "root"}
	graft(root, stacks(t, "main;add 9"), 0, value)
	graft(root, stacks(t, "main;add 4", "main;gone 2"), 0, base)
	prune(root, 0)
	if got, want := spell(root), "root 9/6 (main 9/6 (add 9/4, gone 0/2))"; got != want {
		t.Errorf("tree = %s\nwant   %s", got, want)
	}
}

func TestSmallNodesAreLeftOutAndTotalsStayRight(t *testing.T) {
	root := &Node{Function: "root"}
	graft(root, stacks(t, "main;big 9995", "main;small 4", "main;enough 5"), 0, value)
	prune(root, int64(leastShare*float64(root.Value)))
	if got, want := spell(root), "root 10004 (main 10004 (big 9995, enough 5))"; got != want {
		t.Errorf("tree = %s\nwant   %s", got, want)
	}
}

func TestInlinedCallsAndBareAddresses(t *testing.T) {
	inner, outer := &profile.Function{ID: 1, Name: "inner"}, &profile.Function{ID: 2, Name: "outer"}
	p := &profile.Profile{Sample: []*profile.Sample{{Value: []int64{3}, Location: []*profile.Location{
		{ID: 1, Line: []profile.Line{{Function: inner, Line: 1}, {Function: outer, Line: 2}}}, {ID: 2, Address: 0xbeef},
	}}}}
	root := &Node{Function: "root"}
	graft(root, p, 0, value)
	if got, want := spell(root), "root 3 (0xbeef 3 (outer 3 (inner 3)))"; got != want {
		t.Errorf("tree = %s, want the root first and the inlined call last: %s", got, want)
	}
}

func TestDeepRecursionIsBounded(t *testing.T) {
	root := &Node{Function: "root"}
	graft(root, stacks(t, strings.Repeat("f;", 5000)+"f 3"), 0, value)
	depth := 0
	for n := root; len(n.Children) > 0; n = n.Children[0] {
		depth++
	}
	if depth != maxDepth {
		t.Errorf("depth = %d, want %d", depth, maxDepth)
	}
	if _, err := json.Marshal(root); err != nil {
		t.Error(err)
	}
}

func TestSampleTypeIsFoundByName(t *testing.T) {
	p := &profile.Profile{SampleType: []*profile.ValueType{{Type: "alloc_objects"}, {Type: "inuse_space"}, {Type: "other"}}}
	if i, err := sampleType(p, ""); i != 1 || err != nil {
		t.Errorf("by default %d, %v; want inuse_space", i, err)
	}
	if i, err := sampleType(p, "other"); i != 2 || err != nil {
		t.Errorf("other: %d, %v", i, err)
	}
	var problem *Problem
	if _, err := sampleType(p, "nope"); !errors.As(err, &problem) || problem.Allowed != "one of alloc_objects, inuse_space, other" {
		t.Errorf("unknown type: %v", err)
	}
}

// zeros is a gzip stream of very many zeros.
func zeros(t *testing.T, n int64) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := io.CopyN(z, endless{}, n); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestProfilesThatGrowTooLargeAreRefused(t *testing.T) {
	_, err := inflate(bytes.NewReader(zeros(t, 10_001)), 10_000)
	if err == nil || !strings.Contains(err.Error(), "after decompression") {
		t.Errorf("bomb: %v", err)
	}
	for _, bad := range []string{"", "x", "\x1f\x8bnonsense"} {
		if _, err := inflate(strings.NewReader(bad), 10_000); err == nil {
			t.Errorf("inflate(%q) took it", bad)
		}
	}
}
