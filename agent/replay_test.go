package agent

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/detector"
	"github.com/zupee/memwatch/recording"
	"github.com/zupee/memwatch/scraper/pprof"
)

// recordings are the repository's own: each leak of examples/leaky, leaks of
// libraries (e2e/libraries), and healthy ones that look like leaks for a while.
const recordings = "../recording/testdata"

func TestRecordingsOfOurOwnAreJudgedByTheirLabels(t *testing.T) {
	dirs, err := filepath.Glob(filepath.Join(recordings, "*", "meta.json"))
	if err != nil || len(dirs) < 9 {
		t.Fatalf("%d recordings, %v: want nine at least", len(dirs), err)
	}
	labels := map[string]int{}
	for _, file := range dirs {
		dir := filepath.Dir(file)
		t.Run(filepath.Base(dir), func(t *testing.T) {
			rec, err := recording.Open(dir)
			if err != nil {
				t.Fatal(err)
			}
			m := rec.Meta()
			labels[m.Label]++
			r, err := Replay(t.Context(), dir, detector.DefaultConfig())
			if err != nil {
				t.Fatal(err)
			}
			if r.Recording != filepath.Base(dir) || r.Samples < 100 || r.ScrapeErrors+r.ProfileErrors+r.Restarts > 0 {
				t.Errorf("%s: %d readings, %d and %d errors, %d restarts", r.Recording, r.Samples, r.ScrapeErrors, r.ProfileErrors, r.Restarts)
			}
			v := r.Verdict
			if m.Label == "healthy" {
				if r.FinalState != memwatch.Healthy || r.LeakingEpisodes > 0 || r.Notifications > 0 {
					t.Errorf("%s, leaking %d times, %d told: want healthy, never leaking\n%s", r.FinalState, r.LeakingEpisodes, r.Notifications, v.Summary)
				}
				return
			}
			if r.FinalState != memwatch.Leaking || string(v.Kind) != m.Kind {
				t.Fatalf("%s, %s: want leaking, %s\n%s", r.FinalState, v.Kind, m.Kind, v.Summary)
			}
			if *r.FirstLeakingSeconds < *m.LeakStartSeconds {
				t.Errorf("leaking after %v s, before it began", *r.FirstLeakingSeconds)
			}
			if len(v.Culprits) == 0 || !strings.Contains(v.Culprits[0].Function, m.Culprit) {
				t.Errorf("culprits %+v, want %s first", v.Culprits, m.Culprit)
			}
			if v.Culprits[0].OwnFrame == "" || v.Culprits[0].File == "" || v.Culprits[0].Line == 0 {
				t.Errorf("culprit %+v: want file, line and a frame of the program's own", v.Culprits[0])
			}
		})
	}
	if labels["leak"] < 6 || labels["healthy"] < 3 {
		t.Errorf("labels %v: want six leaks and three healthy ones at least", labels)
	}
}

// What is committed tells nothing of the machine that it was made on.
func TestRecordingsOfOurOwnAreSmallAndTellNoPaths(t *testing.T) {
	sizes := map[string]int64{}
	err := filepath.WalkDir(recordings, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, _ := filepath.Rel(recordings, path)
		info, err := d.Info()
		if err != nil {
			return err
		}
		sizes[strings.Split(rel, string(filepath.Separator))[0]] += info.Size()
		if !strings.HasSuffix(path, ".pb.gz") {
			return nil
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, f := range framesOf(t, raw, filepath.Base(filepath.Dir(path))) {
			if filepath.IsAbs(f.File) {
				t.Errorf("%s names the file %s", path, f.File)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, size := range sizes {
		if size > 300<<10 {
			t.Errorf("%s has %d bytes, want 300 KiB at most", name, size)
		}
	}
}

func TestReplayIsTheSameEachTime(t *testing.T) {
	var said []string
	for range 2 {
		r, err := Replay(t.Context(), filepath.Join(recordings, "leaky-map"), detector.DefaultConfig())
		if err != nil {
			t.Fatal(err)
		}
		b, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		said = append(said, string(b))
	}
	if said[0] != said[1] {
		t.Errorf("said\n%s\nand\n%s", said[0], said[1])
	}
}

// One profile that cannot be read costs itself, not the replay.
func TestReplayPassesOverACorruptProfile(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(recordings, "leaky-map"))); err != nil {
		t.Fatal(err)
	}
	heaps, err := filepath.Glob(filepath.Join(dir, "heap", "*"))
	if err != nil || len(heaps) < 5 {
		t.Fatalf("%d heap profiles, %v", len(heaps), err)
	}
	slices.Sort(heaps)
	whole, err := os.ReadFile(heaps[2])
	if err != nil {
		t.Fatal(err)
	}
	for i, bytes := range [][]byte{whole[:len(whole)/2], []byte("<html>"), {}} {
		if err := os.WriteFile(heaps[2+i], bytes, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r, err := Replay(t.Context(), dir, detector.DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	if r.ProfileErrors != 3 || r.FinalState != memwatch.Leaking || !strings.Contains(r.Verdict.Culprits[0].Function, "remember") {
		t.Errorf("%d profile errors, %s: want 3, and the leak still found", r.ProfileErrors, r.FinalState)
	}
}

func TestOtherSettingsGiveOtherVerdicts(t *testing.T) {
	cfg := detector.DefaultConfig()
	cfg.LeakThresholdBytes = 1 << 40
	r, err := Replay(t.Context(), filepath.Join(recordings, "leaky-map"), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if r.FinalState != memwatch.Suspect {
		t.Errorf("%s with a threshold of 1 TiB, want suspect: seen for a minute only", r.FinalState)
	}
}

func framesOf(t *testing.T, raw []byte, kind string) []memwatch.Frame {
	t.Helper()
	var d pprof.Decoder
	sites, err := d.Decode(raw, memwatch.ProfileKind(kind), start)
	if err != nil {
		t.Fatal(err)
	}
	return sites.Frames
}
