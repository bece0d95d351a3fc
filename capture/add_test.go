package capture

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/zupee/memwatch"
)

func TestASecondProfileJoinsTheEvidenceAndStays(t *testing.T) {
	cfg := testConfig(t)
	s := openStore(t, cfg, nil)
	base := save(t, s, evidence(t, memwatch.RoleBaseline, 0, 10))
	e := evidence(t, memwatch.RoleLeaking, time.Hour, 20)
	e.Build = map[string]string{"version": "v1.4"}
	b := save(t, s, e)
	before := s.Stats().Bytes

	at := start.Add(time.Hour + time.Minute)
	c, err := s.Add(shop, b.ID, Profile{Kind: memwatch.HeapProfile, Time: at, Data: testProfile(t, 3000)})
	if err != nil {
		t.Fatal(err)
	}
	if c.BaseID != base.Captures[0].ID || c.Role != memwatch.RoleLeaking || !c.Time.Time().Equal(at.Truncate(time.Millisecond)) || filepath.Dir(c.Path) != b.Dir {
		t.Errorf("got %+v", c)
	}
	if info, err := os.Stat(c.Path); err != nil || info.Size() != c.Size || info.Mode().Perm() != 0o600 {
		t.Errorf("the file: %v %v", info, err)
	}
	if grew := s.Stats().Bytes - before; grew < c.Size {
		t.Errorf("the store counts %d bytes more, want at least %d", grew, c.Size)
	}

	// What a crash in the middle of another one leaves behind is cleaned away.
	torn := filepath.Join(b.Dir, ".memwatch-123")
	if err := os.WriteFile(torn, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	_ = s.Close()
	s = openStore(t, cfg, nil)
	got := s.Bundles(shop)
	again := got[len(got)-1]
	if n := len(again.Captures); n != len(b.Captures) || again.Captures[n-1].ID != c.ID {
		t.Errorf("after a restart it has %+v", again.Captures)
	}
	if _, err := os.Stat(torn); err == nil {
		t.Error("half a profile was left lying about")
	}
	// The next evidence is compared with the same baseline, and this one is the
	// newest of its kind.
	if last := again.find(memwatch.HeapProfile, memwatch.RoleLeaking); last == nil || last.ID != c.ID {
		t.Errorf("the newest is %+v", last)
	}
}

func TestASecondProfileThatCannotBeKeptChangesNothing(t *testing.T) {
	cfg := testConfig(t)
	cfg.MaxBytes = 1 << 20
	cfg.MaxProfileBytes = 1 << 20
	s := openStore(t, cfg, nil)
	b := save(t, s, evidence(t, memwatch.RoleLeaking, 0, 400_000))
	for _, c := range []struct {
		name, bundle string
		data         []byte
		want         error
	}{
		{"no profile", b.ID, []byte("<html>"), ErrProfile},
		{"no room", b.ID, testProfile(t, 700_000), ErrBudget},
		{"no such bundle", "other", testProfile(t, 1), nil},
	} {
		if _, err := s.Add(shop, c.bundle, Profile{Kind: memwatch.HeapProfile, Data: c.data}); err == nil || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
	}
	if got := s.Bundles(shop); len(got) != 1 || len(got[0].Captures) != 1 {
		t.Errorf("the evidence is now %+v", got)
	}
}
