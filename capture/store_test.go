package capture

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/pprof/profile"

	"github.com/zupee/memwatch"
)

var (
	shop  = memwatch.Target{Service: "shop", Instance: "shop-7f9:8080"}
	start = time.Date(2026, 3, 4, 5, 6, 7, 891e6, time.UTC)
	life  = start.Add(-time.Minute)
)

// testProfile is a small but real heap profile; size adds a comment that does
// not compress.
func testProfile(t testing.TB, size int) []byte {
	t.Helper()
	fn := &profile.Function{ID: 1, Name: "main.leak", Filename: "main.go"}
	loc := &profile.Location{ID: 1, Line: []profile.Line{{Function: fn, Line: 7}}}
	noise := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{byte(size)}).Read(noise)
	p := &profile.Profile{
		SampleType: []*profile.ValueType{{Type: "inuse_space", Unit: "bytes"}},
		Sample:     []*profile.Sample{{Location: []*profile.Location{loc}, Value: []int64{1 << 20}}},
		Location:   []*profile.Location{loc}, Function: []*profile.Function{fn}, Comments: []string{string(noise)},
	}
	var b bytes.Buffer
	if err := p.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func testConfig(t *testing.T) Config {
	cfg := DefaultConfig()
	cfg.Dir = filepath.Join(t.TempDir(), "snap[sh]ots")
	return cfg
}

func openStore(t *testing.T, cfg Config, pinned func(string) bool) *Store {
	t.Helper()
	s, err := Open(cfg, pinned, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// evidence is of shop, at some time after start, with a heap profile.
func evidence(t testing.TB, role memwatch.Role, after time.Duration, size int) Evidence {
	at := start.Add(after)
	e := Evidence{
		Target: shop, Role: role, Time: at, Life: life,
		Profiles: []Profile{{Kind: memwatch.HeapProfile, Time: at, Data: testProfile(t, size)}},
	}
	if role != memwatch.RoleBaseline {
		e.Verdict = &memwatch.Verdict{State: memwatch.Leaking, Kind: memwatch.KindHeap, Since: memwatch.Milli(at.Add(-time.Minute))}
	}
	return e
}

func save(t *testing.T, s *Store, e Evidence) *Bundle {
	t.Helper()
	b, err := s.Save(e)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestALeaksBundleHoldsTheWholeStory(t *testing.T) {
	s := openStore(t, testConfig(t), nil)
	base := save(t, s, evidence(t, memwatch.RoleBaseline, 0, 10))
	suspect := save(t, s, evidence(t, memwatch.RoleSuspect, time.Hour, 20))
	e := evidence(t, memwatch.RoleLeaking, 2*time.Hour, 30)
	e.Profiles = append(e.Profiles, Profile{Kind: memwatch.GoroutineProfile, Time: e.Time, Data: testProfile(t, 31)})
	e.Readings = []memwatch.Sample{{Time: start}, {Time: start.Add(time.Second)}}
	e.Build = map[string]string{"go": "go1.26"}
	leak := save(t, s, e)

	var roles []string
	for _, c := range leak.Captures {
		roles = append(roles, fmt.Sprint(c.Role, " ", c.Kind))
		data, err := os.ReadFile(c.Path)
		if err != nil || int64(len(data)) != c.Size {
			t.Errorf("%s: %d bytes, error %v", c.Path, len(data), err)
		}
		if _, err := profile.ParseData(data); err != nil {
			t.Errorf("%s: %v", c.Path, err)
		}
	}
	if want := []string{"baseline heap", "suspect heap", "leaking heap", "leaking goroutine"}; !slices.Equal(roles, want) {
		t.Errorf("captures %q, want %q", roles, want)
	}
	heap := leak.Captures[2]
	if heap.BaseID != base.Captures[0].ID || suspect.Captures[0].BaseID != base.Captures[0].ID {
		t.Error("not compared with the baseline")
	}
	if leak.Captures[3].BaseID != "" {
		t.Error("a goroutine profile cannot be compared with a heap profile")
	}
	if want := "shop_shop-7f9-8080_heap_leaking_20260304T070607.891Z.pb.gz"; heap.Filename != want {
		t.Errorf("file name %s, want %s", heap.Filename, want)
	}
	var m manifest
	readJSON(t, filepath.Join(leak.Dir, manifestFile), &m)
	if m.ID != leak.ID || len(m.Captures) != 4 || m.Build["go"] != "go1.26" || m.Captures[2] != heap.Capture {
		t.Errorf("manifest %+v", m)
	}
	var v memwatch.Verdict
	readJSON(t, filepath.Join(leak.Dir, verdictFile), &v)
	lines, err := os.ReadFile(filepath.Join(leak.Dir, readingsFile))
	if err != nil || v.Kind != memwatch.KindHeap || bytes.Count(lines, []byte("\n")) != 2 {
		t.Errorf("verdict %+v, readings %s, error %v", v, lines, err)
	}
}

func readJSON(t *testing.T, path string, v any) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(b, v)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestEverythingIsForTheOwnerAlone(t *testing.T) {
	cfg := testConfig(t)
	s := openStore(t, cfg, nil)
	save(t, s, evidence(t, memwatch.RoleLeaking, 0, 10))
	err := filepath.WalkDir(cfg.Dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %s", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestComparesWithTheRightBaseline(t *testing.T) {
	before := life.Add(-24 * time.Hour)
	for name, c := range map[string]struct {
		saved []Evidence
		since time.Duration
		want  int // of saved; -1 for none
	}{
		"nothing to compare with":      {nil, 0, -1},
		"the last before it began":     {[]Evidence{at(t, 0, life), at(t, time.Hour, life), at(t, 2*time.Hour, life)}, 90 * time.Minute, 1},
		"the first, when all are in":   {[]Evidence{at(t, time.Hour, life), at(t, 2*time.Hour, life)}, 0, 0},
		"of this life before others":   {[]Evidence{at(t, 0, before), at(t, 2*time.Hour, life)}, time.Hour, 1},
		"of another life if need be":   {[]Evidence{at(t, 0, before), at(t, 2*time.Hour, before)}, time.Hour, 1},
		"of a start time that jitters": {[]Evidence{at(t, 0, life.Add(time.Second)), at(t, 2*time.Hour, before)}, time.Hour, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := openStore(t, testConfig(t), nil)
			want := ""
			for i, e := range c.saved {
				if b := save(t, s, e); i == c.want {
					want = b.Captures[0].ID
				}
			}
			e := evidence(t, memwatch.RoleLeaking, 10*time.Hour, 1)
			e.Verdict.Since = memwatch.Milli(start.Add(c.since))
			b := save(t, s, e)
			if got := b.Captures[len(b.Captures)-1].BaseID; got != want {
				t.Errorf("compared with %q, want %q", got, want)
			}
		})
	}
}

func TestALeakIsSavedWithoutWhatSomebodyTookAway(t *testing.T) {
	s := openStore(t, testConfig(t), nil)
	first := save(t, s, at(t, 0, life))
	gone := save(t, s, at(t, 2*time.Hour, life))
	suspect := save(t, s, evidence(t, memwatch.RoleSuspect, 3*time.Hour, 2))
	for _, c := range []Saved{gone.Captures[0], suspect.Captures[len(suspect.Captures)-1]} {
		if err := os.Remove(c.Path); err != nil {
			t.Fatal(err)
		}
	}
	b := save(t, s, evidence(t, memwatch.RoleLeaking, 4*time.Hour, 3))
	if last := b.Captures[len(b.Captures)-1]; last.BaseID != first.Captures[0].ID || len(b.Captures) != 2 {
		t.Errorf("compared with %q of %d, want %q, which is there", last.BaseID, len(b.Captures), first.Captures[0].ID)
	}
}

func at(t *testing.T, after time.Duration, life time.Time) Evidence {
	e := evidence(t, memwatch.RoleBaseline, after, int(after.Abs()/time.Minute))
	e.Life = life
	return e
}

func TestKeepsTheFirstAndTheLastBaselines(t *testing.T) {
	s := openStore(t, testConfig(t), nil)
	for i := range 4 { // a life before this one
		save(t, s, at(t, time.Duration(i-10)*time.Hour, life.Add(-24*time.Hour)))
	}
	for i := range 6 {
		save(t, s, at(t, time.Duration(i)*time.Hour, life))
	}
	var got []time.Duration
	for _, b := range s.Bundles(shop) {
		got = append(got, b.Time.Sub(start)/time.Hour)
	}
	if want := []time.Duration{-7, 0, 4, 5}; !slices.Equal(got, want) {
		t.Errorf("kept those of hours %d, want %d", got, want)
	}
}

func TestDue(t *testing.T) {
	s := openStore(t, testConfig(t), nil)
	save(t, s, evidence(t, memwatch.RoleBaseline, 0, 1))
	save(t, s, evidence(t, memwatch.RoleLeaking, 0, 1))
	other := memwatch.Target{Service: "shop", Instance: "other"}
	for _, c := range []struct {
		target memwatch.Target
		role   memwatch.Role
		life   time.Time
		after  time.Duration
		want   bool
	}{
		{shop, memwatch.RoleBaseline, life, 59 * time.Minute, false},
		{shop, memwatch.RoleBaseline, life, time.Hour, true},
		{shop, memwatch.RoleBaseline, life.Add(time.Minute), time.Minute, true}, // restarted
		{shop, memwatch.RoleLeaking, life, 9 * time.Minute, false},
		{shop, memwatch.RoleLeaking, life.Add(time.Minute), 9 * time.Minute, false}, // restart loops too
		{shop, memwatch.RoleLeaking, life, 10 * time.Minute, true},
		{shop, memwatch.RoleLastGasp, life, 0, true},
		{shop, memwatch.RoleLeaking, life, -time.Hour, true}, // the clock jumped back
		{other, memwatch.RoleLeaking, life, 0, true},
	} {
		if got := s.Due(c.target, c.role, c.life, start.Add(c.after)); got != c.want {
			t.Errorf("%s %s after %s: %t, want %t", c.target.Instance, c.role, c.after, got, c.want)
		}
	}
	if _, err := s.Save(evidence(t, memwatch.RoleLeaking, time.Minute, 1)); !errors.Is(err, ErrNotDue) {
		t.Errorf("saved in its cooldown: %v", err)
	}
}

func TestFindsEverythingAgainAfterACrash(t *testing.T) {
	cfg := testConfig(t)
	s := openStore(t, cfg, nil)
	base := save(t, s, evidence(t, memwatch.RoleBaseline, 0, 1))
	leak := save(t, s, evidence(t, memwatch.RoleLeaking, time.Hour, 2))
	before := s.Stats()
	// A crash leaves halves under temporary names; people leave files of their own.
	half := filepath.Join(filepath.Dir(leak.Dir), ".memwatch-123")
	if err := os.CopyFS(half, os.DirFS(leak.Dir)); err != nil {
		t.Fatal(err)
	}
	own := filepath.Join(cfg.Dir, "notes", "of", "mine")
	if err := os.MkdirAll(own, 0o700); err != nil {
		t.Fatal(err)
	}
	_ = s.Close()

	s = openStore(t, cfg, nil)
	after := s.Stats()
	if after.Bundles != 2 || after.Bytes != before.Bytes || after.Open != 1 {
		t.Errorf("found %+v, had %+v", after, before)
	}
	if _, err := os.Stat(half); !errors.Is(err, fs.ErrNotExist) {
		t.Error("the half bundle is still there")
	}
	if _, err := os.Stat(own); err != nil {
		t.Error("somebody's own folder is gone")
	}
	got := s.Bundles(shop)[0]
	if got.ID != base.ID || got.Captures[0] != base.Captures[0] || !got.Life.Equal(base.Life) {
		t.Errorf("found %+v, saved %+v", got, base)
	}
	if s.Due(shop, memwatch.RoleLeaking, life, start.Add(time.Hour+time.Minute)) {
		t.Error("the cooldown is forgotten")
	}
}

func TestASpoiltBundleIsLetBe(t *testing.T) {
	cfg := testConfig(t)
	s := openStore(t, cfg, nil)
	a := save(t, s, evidence(t, memwatch.RoleBaseline, 0, 1))
	b := save(t, s, evidence(t, memwatch.RoleBaseline, 2*time.Hour, 2))
	_ = s.Close()
	if err := os.Truncate(a.Captures[0].Path, 3); err != nil {
		t.Fatal(err)
	}
	s = openStore(t, cfg, nil)
	if got := s.Bundles(shop); len(got) != 1 || got[0].ID != b.ID {
		t.Errorf("found %+v", got)
	}
}

func TestTheBudgetSparesOpenLeaksAndWhatTheHubLacks(t *testing.T) {
	cfg := testConfig(t)
	cfg.MaxBytes, cfg.MaxProfileBytes, cfg.MaxPerTarget = 2<<20, 1<<20, 1000
	var wanted string
	s := openStore(t, cfg, func(path string) bool { return path == wanted })
	open := save(t, s, evidence(t, memwatch.RoleLeaking, 0, 300_000))
	unsent := save(t, s, evidence(t, memwatch.RoleSuspect, time.Hour, 300_000))
	wanted = unsent.Captures[0].Path
	for i := range 20 {
		e := evidence(t, memwatch.RoleSuspect, time.Duration(i+2)*time.Hour, 300_000+i)
		e.Target.Instance = fmt.Sprint("replica ", i)
		save(t, s, e)
	}
	if st := s.Stats(); st.Bytes > cfg.MaxBytes || onDisk(t, cfg.Dir) > cfg.MaxBytes || st.Removed == 0 {
		t.Errorf("stats %+v, %d bytes on disk", st, onDisk(t, cfg.Dir))
	}
	for _, b := range []*Bundle{open, unsent} {
		if _, err := os.Stat(b.Captures[0].Path); err != nil {
			t.Errorf("gone: %s", b.Captures[0].Filename)
		}
	}
	if dirs, _ := filepath.Glob(filepath.Join(escape(cfg.Dir), "shop", "*")); len(dirs) > 7 {
		t.Errorf("%d folders left of replicas without evidence", len(dirs))
	}

	// Nothing is left to give way: what is new is refused, until the leak is over.
	big := evidence(t, memwatch.RoleSuspect, 100*time.Hour, 1_000_000)
	big.Target.Instance = "big"
	save(t, s, big)
	bigger := evidence(t, memwatch.RoleLeaking, 101*time.Hour, 1_000_001)
	bigger.Target.Instance = "bigger"
	save(t, s, bigger) // in place of big
	bigger.Target.Instance = "one too many"
	if _, err := s.Save(bigger); !errors.Is(err, ErrBudget) {
		t.Errorf("error %v, want ErrBudget", err)
	}
	wanted = ""
	if err := s.Resolve(shop, start.Add(102*time.Hour)); err != nil {
		t.Fatal(err)
	}
	bigger.Target, bigger.Profiles[0].Data = memwatch.Target{Service: "pay", Instance: "p"}, testProfile(t, 600_000)
	save(t, s, bigger)
	if _, err := os.Stat(open.Captures[0].Path); !errors.Is(err, fs.ErrNotExist) {
		t.Error("evidence of a leak that is over did not give way")
	}
}

func onDisk(t *testing.T, dir string) (n int64) {
	t.Helper()
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			info, ierr := d.Info()
			if ierr != nil {
				return ierr
			}
			n += info.Size()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestNewerEvidenceOfAnOpenLeakReplacesOlder(t *testing.T) {
	cfg := testConfig(t)
	cfg.MaxPerTarget = 3
	s := openStore(t, cfg, nil)
	for i := range 10 {
		save(t, s, evidence(t, memwatch.RoleLeaking, time.Duration(i)*time.Hour, i))
	}
	got := s.Bundles(shop)
	if len(got) != 3 || got[2].Time != start.Add(9*time.Hour) {
		t.Errorf("%d bundles, the last of %s", len(got), got[len(got)-1].Time)
	}
}

func TestResolveIsRemembered(t *testing.T) {
	cfg := testConfig(t)
	s := openStore(t, cfg, nil)
	save(t, s, evidence(t, memwatch.RoleLeaking, 0, 1))
	if got := s.Unresolved(); len(got) != 1 || got[0].Instance != shop.Instance {
		t.Errorf("unresolved %v", got)
	}
	if err := s.Resolve(shop, start.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	_ = s.Close()
	s = openStore(t, cfg, nil)
	if got := s.Unresolved(); len(got) != 0 || !s.Bundles(shop)[0].Resolved.Equal(start.Add(time.Hour)) {
		t.Errorf("unresolved %v", got)
	}
}

func TestAResolveThatTheDiskDoesNotTakeIsWrittenLater(t *testing.T) {
	cfg := testConfig(t)
	s := openStore(t, cfg, nil)
	stuck := save(t, s, evidence(t, memwatch.RoleLeaking, 0, 1))
	save(t, s, evidence(t, memwatch.RoleLeaking, time.Hour, 2))
	manifest := filepath.Join(stuck.Dir, manifestFile)
	if err := os.Rename(manifest, manifest+".away"); err != nil {
		t.Fatal(err)
	}
	if err := s.Resolve(shop, start.Add(2*time.Hour)); err == nil {
		t.Error("nobody is told")
	}
	if n := s.Stats().Open; n != 0 {
		t.Errorf("%d are open: one must not hold up the others, or stay itself", n)
	}
	if err := os.Rename(manifest+".away", manifest); err != nil {
		t.Fatal(err)
	}
	save(t, s, evidence(t, memwatch.RoleBaseline, 3*time.Hour, 3))
	_ = s.Close()
	if n := openStore(t, cfg, nil).Stats().Open; n != 0 {
		t.Errorf("%d are open after a restart", n)
	}
}

func TestHostileNamesStayInTheFolder(t *testing.T) {
	cfg := testConfig(t)
	s := openStore(t, cfg, nil)
	for i, name := range []string{"../../etc/passwd", "..", "", "a/b\x00c", strings.Repeat("x", 5000), "Füße 🦶", ".memwatch-1"} {
		e := evidence(t, memwatch.RoleBaseline, 0, i)
		e.Target = memwatch.Target{Service: name, Instance: name}
		b := save(t, s, e)
		rel, err := filepath.Rel(cfg.Dir, b.Captures[0].Path)
		if err != nil || strings.HasPrefix(rel, "..") || strings.Count(rel, "/") != 3 {
			t.Errorf("%.20q is saved as %s", name, rel)
		}
		if !regexp.MustCompile(`^[A-Za-z0-9._-]{1,200}$`).MatchString(b.Captures[0].Filename) {
			t.Errorf("%.20q has file name %s", name, b.Captures[0].Filename)
		}
	}
	_ = s.Close()
	if got := openStore(t, cfg, nil).Stats().Bundles; got != 7 {
		t.Errorf("found %d bundles again, want 7", got)
	}
}

func TestRefusesWhatIsNoWholeProfile(t *testing.T) {
	good := testProfile(t, 1000)
	var notProfile bytes.Buffer
	z := gzip.NewWriter(&notProfile)
	_, _ = z.Write([]byte("<html>no such page</html>"))
	_ = z.Close()
	flipped := bytes.Clone(good)
	flipped[len(flipped)/2] ^= 1
	s := openStore(t, testConfig(t), nil)
	for name, data := range map[string][]byte{
		"empty": nil, "cut off": good[:len(good)-9], "cut in half": good[:len(good)/2], "flipped": flipped, "html": []byte("<html>"),
		"gzipped html": notProfile.Bytes(), "too large": append(bytes.Clone(good), make([]byte, 32<<20)...),
	} {
		e := evidence(t, memwatch.RoleBaseline, 0, 1)
		e.Profiles[0].Data = data
		if _, err := s.Save(e); !errors.Is(err, ErrProfile) {
			t.Errorf("%s: %v", name, err)
		}
	}
	e := evidence(t, memwatch.RoleLeaking, 0, 1)
	e.Profiles[0].Data = good[:10]
	b := save(t, s, e)
	if len(b.Captures) != 0 || s.Stats().Refused != 8 {
		t.Errorf("captures %v, stats %+v", b.Captures, s.Stats())
	}
	if _, err := os.Stat(filepath.Join(b.Dir, verdictFile)); err != nil {
		t.Error("a leak whose profile is spoilt leaves no verdict")
	}
}

func TestConvertsOtherFormats(t *testing.T) {
	z, err := gzip.NewReader(bytes.NewReader(testProfile(t, 100)))
	if err != nil {
		t.Fatal(err)
	}
	var plain bytes.Buffer
	if _, err := plain.ReadFrom(z); err != nil {
		t.Fatal(err)
	}
	legacy := "heap profile: 1: 1024 [2: 2048] @ heapprofile\n 1: 1024 [2: 2048] @ 0x10 0x20\n\nMAPPED_LIBRARIES:\n"
	s := openStore(t, testConfig(t), nil)
	for i, data := range [][]byte{plain.Bytes(), []byte(legacy)} {
		e := evidence(t, memwatch.RoleBaseline, time.Duration(i)*time.Hour, 1)
		e.Profiles[0].Data = data
		b := save(t, s, e)
		got, err := os.ReadFile(b.Captures[0].Path)
		if err != nil || !bytes.HasPrefix(got, []byte{0x1f, 0x8b}) {
			t.Fatalf("%d: saved %.20q, error %v", i, got, err)
		}
		if p, err := profile.ParseData(got); err != nil || len(p.Sample) != 1 {
			t.Errorf("%d: %v", i, err)
		}
	}
}

func TestBombsAreReadThroughAndRefused(t *testing.T) {
	for want, bomb := range map[string]struct {
		block []byte
		times int
	}{
		"unpacks to more": {append([]byte{0x0a, 0x80, 0x80, 0x40}, make([]byte, 1<<20)...), maxInflated>>20 + 1}, // large fields
		"fields":          {bytes.Repeat([]byte{0x0a, 0x00}, 1<<19), maxFields>>19 + 1},                          // empty ones
	} {
		var b bytes.Buffer
		z, _ := gzip.NewWriterLevel(&b, gzip.BestSpeed)
		for range bomb.times {
			_, _ = z.Write(bomb.block)
		}
		_ = z.Close()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := normalize(b.Bytes(), 32<<20)
		runtime.ReadMemStats(&after)
		if !errors.Is(err, ErrProfile) || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
		if took := after.TotalAlloc - before.TotalAlloc; took > 1<<20 {
			t.Errorf("%s: %d bytes of memory", want, took)
		}
	}
}

func FuzzNormalize(f *testing.F) {
	f.Add(testProfile(f, 10))
	f.Add([]byte("heap profile: 1: 1 [1: 1] @ heapprofile\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		out, err := normalize(raw, 1<<20)
		if err == nil && !bytes.HasPrefix(out, []byte{0x1f, 0x8b}) {
			t.Errorf("taken, but not gzip: %.20q", out)
		}
	})
}

func TestABaselineWaitsWhileTheDiskIsAtWork(t *testing.T) {
	s := openStore(t, testConfig(t), nil)
	s.mu.Lock()
	due := s.Due(shop, memwatch.RoleBaseline, life, start)
	s.mu.Unlock()
	if due {
		t.Error("a baseline is due while another bundle is being written")
	}
	if !s.Due(shop, memwatch.RoleBaseline, life, start) {
		t.Error("no baseline is due afterwards")
	}
}
