package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/hub/store"
)

func captureAt(i int, sha string, size int64) memwatch.Capture {
	return memwatch.Capture{
		ID: fmt.Sprintf("c-%02d", i), Service: "checkout", Instance: "a", Kind: memwatch.HeapProfile, Role: memwatch.RoleLeaking,
		Time: memwatch.Milli(T0.Add(time.Duration(i) * time.Hour)), SHA256: sha, Size: size,
	}
}

func mustCapture(t *testing.T, s store.Store, captures ...memwatch.Capture) {
	t.Helper()
	for _, c := range captures {
		if _, err := s.SaveCapture(context.Background(), c); err != nil {
			t.Fatal(err)
		}
	}
}

func captures(t *testing.T, p Place) {
	ctx := context.Background()
	s := p.Open(t, store.Retention{})
	mustCapture(t, s, captureAt(1, "x", 10), captureAt(2, "x", 10), captureAt(3, "y", 5))
	got, total, err := s.Captures(ctx, store.CaptureQuery{Service: "checkout", Limit: 2})
	if err != nil || total != 3 || len(got) != 2 || got[0].ID != "c-03" {
		t.Errorf("%+v, %d, %v", got, total, err)
	}
	got, total, err = s.Captures(ctx, store.CaptureQuery{IDs: []string{"c-01", "c-03", "none"}, Before: "c-03"})
	if err != nil || total != 2 || len(got) != 1 || got[0] != captureAt(1, "x", 10) {
		t.Errorf("%+v, %d, %v", got, total, err)
	}
	if got, total, err = s.Captures(ctx, store.CaptureQuery{IDs: []string{}}); err != nil || total != 0 || len(got) != 0 {
		t.Errorf("no ids: %+v, %d, %v", got, total, err)
	}
	for _, step := range []struct{ id, orphan string }{{"c-01", ""}, {"c-02", "x"}, {"c-03", "y"}} {
		if orphan, err := s.DeleteCapture(ctx, step.id); orphan != step.orphan || err != nil {
			t.Errorf("delete %s: orphan %q, %v", step.id, orphan, err)
		}
	}
	if _, err := s.DeleteCapture(ctx, "c-01"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("%v", err)
	}
	if _, err := s.Capture(ctx, "c-01"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("%v", err)
	}
}

func pruneCaptures(t *testing.T, p Place) {
	ctx := context.Background()
	for _, r := range []store.Retention{{MaxCaptures: 3}, {MaxCaptureBytes: 35}, {KeepCaptures: 195 * time.Minute}} {
		s := p.Open(t, r)
		for i := range 10 {
			mustCapture(t, s, captureAt(i, fmt.Sprintf("sha-%d", i), 10))
		}
		mustCapture(t, s, captureAt(0, "sha-9", 10)) // the oldest has the newest's bytes
		a := alertAt(1, "checkout", memwatch.AlertFiring, memwatch.SeverityInfo)
		a.Profiles = []string{"c-02"}
		if _, err := s.SaveAlert(ctx, a); err != nil {
			t.Fatal(err)
		}
		removed, blobs, err := s.PruneCaptures(ctx, T0.Add(10*time.Hour))
		if err != nil || removed != 6 || !slices.Equal(blobs, []string{"sha-1", "sha-3", "sha-4", "sha-5", "sha-6"}) {
			t.Errorf("%+v: %d removed, %v, %v", r, removed, blobs, err)
		}
		left, _, err := s.Captures(ctx, store.CaptureQuery{})
		var ids []string
		for _, c := range left {
			ids = append(ids, c.ID)
		}
		if want := []string{"c-09", "c-08", "c-07", "c-02"}; err != nil || !slices.Equal(ids, want) {
			t.Errorf("%+v: left %v, %v, want %v", r, ids, err, want)
		}
		mustClose(t, s)
	}
}

// neighbours has many calls share transactions in
// which some fail.
func neighbours(t *testing.T, p Place) {
	s := p.Open(t, store.Retention{})
	const n = 40
	errs := make(chan error, n)
	for i := range n {
		go func() {
			if i%4 == 0 {
				if _, err := s.DeleteCapture(context.Background(), "none"); !errors.Is(err, store.ErrNotFound) {
					t.Errorf("delete a capture that is not there: %v", err)
				}
				errs <- nil
				return
			}
			_, err := s.Append(context.Background(), []store.Reading{Reading("a", i)})
			errs <- err
		}()
	}
	for range n {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if got := len(All(t, s, "a")); got != 30 {
		t.Errorf("%d readings, want 30", got)
	}
}
