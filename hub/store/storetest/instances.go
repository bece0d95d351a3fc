package storetest

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/hub/store"
)

func instances(t *testing.T, p Place) {
	ctx := context.Background()
	s := p.Open(t, store.Retention{})
	MustAppend(t, s, Sequence("b", 0, 40))
	MustAppend(t, s, Sequence("a", 0, 3))
	first, last := T0.Add(-time.Hour), T0.Add(time.Hour)
	steps := []error{
		s.UpsertInstance(ctx, store.Instance{Service: "checkout", Instance: "c", Labels: map[string]string{"zone": "1"}, Agent: "v1", FirstSeen: first, LastSeen: T0}),
		s.UpsertInstance(ctx, store.Instance{Service: "checkout", Instance: "c", FirstSeen: T0, LastSeen: last}),
		s.UpsertInstance(ctx, store.Instance{Service: "checkout", Instance: "c", LastSeen: T0}),
		s.SaveVerdict(ctx, "checkout", "a", T0.Add(time.Second), &memwatch.Verdict{State: memwatch.Leaking, Summary: "newer"}),
		s.SaveVerdict(ctx, "checkout", "a", T0, &memwatch.Verdict{State: memwatch.Healthy, Summary: "older"}),
	}
	if err := errors.Join(steps...); err != nil {
		t.Fatal(err)
	}
	sampleB, sampleA := Reading("b", 39).Sample, Reading("a", 2).Sample
	want := []store.InstanceState{
		{
			Instance: store.Instance{Service: "checkout", Instance: "a", Labels: map[string]string{}, FirstSeen: T0, LastSeen: sampleA.Time}, Last: &sampleA,
			Verdict: &memwatch.Verdict{State: memwatch.Leaking, Summary: "newer"}, VerdictAt: T0.Add(time.Second),
		},
		{Instance: store.Instance{Service: "checkout", Instance: "b", Labels: map[string]string{}, FirstSeen: T0, LastSeen: sampleB.Time}, Last: &sampleB},
		{Instance: store.Instance{Service: "checkout", Instance: "c", Labels: map[string]string{"zone": "1"}, Agent: "v1", FirstSeen: first, LastSeen: last}},
	}
	for range 2 {
		got, err := s.Instances(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got  %+v\nwant %+v", got, want)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = p.Open(t, store.Retention{})
	}
}

// newestAnywhere has the newest reading come before others, and grow old.
func newestAnywhere(t *testing.T, p Place) {
	s := p.Open(t, store.Retention{})
	MustAppend(t, s, Sequence("a", 100, 110))
	MustAppend(t, s, Sequence("a", 0, 10))
	newest := Reading("a", 109).Sample
	check := func() {
		t.Helper()
		got, err := s.Instances(context.Background())
		if err != nil || len(got) != 1 || got[0].Last == nil || *got[0].Last != newest {
			t.Errorf("%+v, %v", got, err)
		}
	}
	check()
	mustPrune(t, s, T0.Add(10*time.Hour))
	check()
	MustAppend(t, s, Sequence("a", 20, 30))
	check()
	mustPrune(t, s, T0.Add(10*24*time.Hour))
	check()
	mustPrune(t, s, T0.Add(30*24*time.Hour))
	check()
}
