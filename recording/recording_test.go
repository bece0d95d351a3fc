package recording

import (
	"bytes"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zupee/memwatch"
)

var begin = time.Date(2026, 1, 2, 3, 4, 5, 678901000, time.UTC)

// full is a sample with every signal; each has another value.
func full(at time.Time) *memwatch.Sample {
	s := &memwatch.Sample{Time: at, Start: begin.Add(-time.Hour)}
	for sig := range memwatch.SignalCount {
		v := 1000 + 7.5*float64(sig)
		if info := sig.Info(); info.MemStats != "" && info.Scale == 1 && sig != memwatch.GCCPUFraction {
			v = math.Round(v)
		}
		s.Set(sig, v)
	}
	return s
}

func collect(t *testing.T, dir string) []Event {
	t.Helper()
	r, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []Event
	for e, err := range r.Events() {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, e)
	}
	return out
}

// written is a recording of n readings a second apart, a heap profile after the second.
func written(t *testing.T, n int) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "shop")
	w, err := Create(dir, Meta{Scenario: "test", IntervalSeconds: 1})
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if err := w.WriteSample(full(begin.Add(time.Duration(i)*time.Second)), ""); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.WriteProfile(memwatch.HeapProfile, begin.Add(1500*time.Millisecond), []byte("heap")); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestWhatIsWrittenIsReadAgain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "deep", "shop")
	w, err := Create(dir, Meta{Label: "leak", Kind: "heap", IntervalSeconds: 1})
	if err != nil {
		t.Fatal(err)
	}
	some := &memwatch.Sample{Time: begin.Add(2 * time.Second)}
	some.Set(memwatch.RSSBytes, 5)
	for _, step := range []error{
		w.WriteSample(full(begin), ""),
		w.WriteProfile(memwatch.HeapProfile, begin.Add(500*time.Millisecond), []byte("h1")),
		w.WriteProfile(memwatch.GoroutineProfile, begin.Add(1500*time.Millisecond), []byte("g1")),
		w.WriteSample(&memwatch.Sample{Time: begin.Add(time.Second)}, "connection refused"),
		w.WriteSample(some, ""),
		w.WriteProfile(memwatch.GoroutineLeakProfile, begin.Add(3*time.Second), []byte("p1")),
		w.Close(),
	} {
		if step != nil {
			t.Fatal(step)
		}
	}
	events := collect(t, dir)
	var order []string
	for _, e := range events {
		switch {
		case e.Profile != nil:
			order = append(order, string(e.Kind)+":"+string(e.Profile))
		case e.Err != "":
			order = append(order, e.Err)
		default:
			order = append(order, "sample")
		}
	}
	if want := []string{"sample", "heap:h1", "connection refused", "goroutine:g1", "sample", "goroutineleak:p1"}; !slices.Equal(order, want) {
		t.Fatalf("read\n%q\nwant\n%q", order, want)
	}
	first := events[0].Sample
	if !first.Time.Equal(begin.Truncate(time.Microsecond)) || !first.Start.Equal(begin.Add(-time.Hour)) {
		t.Errorf("taken at %v of a process of %v, want %v of %v", first.Time, first.Start, begin, begin.Add(-time.Hour))
	}
	want := full(begin)
	for sig := range memwatch.SignalCount {
		a, ok := first.Get(sig)
		b, _ := want.Get(sig)
		if !ok || math.Abs(a-b) > 1e-9*b {
			t.Errorf("%s: read %v (%v), wrote %v", sig.Info().Name, a, ok, b)
		}
	}
	for sig := range events[4].Sample.All() {
		if sig != memwatch.RSSBytes {
			t.Errorf("%s was absent and is there", sig.Info().Name)
		}
	}
	r, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if m := r.Meta(); m.Name != "shop" || m.Label != "leak" || m.DurationSeconds != 2 {
		t.Errorf("meta %+v: want the folder's name, the label and 2 s", m)
	}
}

func TestAFailedReadingMayKeepWhatWasReadByOtherMeans(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "shop")
	w, err := Create(dir, Meta{})
	if err != nil {
		t.Fatal(err)
	}
	s := &memwatch.Sample{Time: begin}
	s.Set(memwatch.RSSBytes, 77)
	if err := errors.Join(w.WriteSample(s, "timed out"), w.Close()); err != nil {
		t.Fatal(err)
	}
	e := collect(t, dir)[0]
	if e.Err != "timed out" || e.Sample == nil || e.Sample.Or(memwatch.RSSBytes, 0) != 77 {
		t.Errorf("read %+v", e)
	}
}

func TestALineThatWasNeverFinishedIsPassedOver(t *testing.T) {
	dir := written(t, 5)
	file := filepath.Join(dir, samplesFile)
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, cut := range []int{1, 20, 200} {
		if err := os.WriteFile(file, whole[:len(whole)-cut], 0o600); err != nil {
			t.Fatal(err)
		}
		if n := len(collect(t, dir)); n != 5 { // four readings and the profile
			t.Errorf("%d events when the last line lacks %d bytes, want 5", n, cut)
		}
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if n := len(collect(t, dir)); n != 1 {
		t.Errorf("%d events without a reading, want the profile", n)
	}
}

func TestABadLineEndsTheReadingAndIsNamed(t *testing.T) {
	for name, c := range map[string]struct{ line, want string }{
		"no JSON":        {"what?", "line 3"},
		"no time":        {`{"memstats":{}}`, "t is 0: want seconds since 1970"},
		"an odd time":    {`{"t":1e30}`, "want seconds since 1970"},
		"a wrong type":   {`{"t":1700000000,"goroutines":"many"}`, "line 3"},
		"without end":    {`{"t":1700000000,"error":"` + strings.Repeat("x", maxLineBytes) + `"}`, "line 3"},
		"NaN is no JSON": {`{"t":1700000000,"rss_bytes":NaN}`, "line 3"},
	} {
		dir := written(t, 2)
		f, err := os.OpenFile(filepath.Join(dir, samplesFile), os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		_, err = f.WriteString(c.line + "\n")
		if err := errors.Join(err, f.Close()); err != nil {
			t.Fatal(err)
		}
		r, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		var last error
		n := 0
		for _, err := range r.Events() {
			n++
			last = err
		}
		if last == nil || !strings.Contains(last.Error(), c.want) || !strings.Contains(last.Error(), samplesFile) {
			t.Errorf("%s: %v, want the file and %q", name, last, c.want)
		}
		if n != 3 { // the profile comes after the readings before it: it is not reached
			t.Errorf("%s: %d events, want two readings and the error", name, n)
		}
	}
}

func TestWhatIsNoRecordingIsSaid(t *testing.T) {
	empty := t.TempDir()
	badMeta := written(t, 1)
	if err := os.WriteFile(filepath.Join(badMeta, metaFile), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	heapIsAFile := written(t, 1)
	if err := errors.Join(os.RemoveAll(filepath.Join(heapIsAFile, "heap")), os.WriteFile(filepath.Join(heapIsAFile, "heap"), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ dir, want string }{
		"nothing there":  {filepath.Join(empty, "gone"), "no such file"},
		"an empty one":   {empty, "samples.jsonl"},
		"a broken meta":  {badMeta, "meta.json"},
		"heap is a file": {heapIsAFile, "heap"},
	} {
		if _, err := Open(c.dir); err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "open recording") {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func TestARecordingWithoutMetaIsUnlabelled(t *testing.T) {
	dir := written(t, 1)
	if err := os.Remove(filepath.Join(dir, metaFile)); err != nil {
		t.Fatal(err)
	}
	r, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if r.Meta() != (Meta{Name: "shop"}) {
		t.Errorf("meta %+v, want the folder's name alone", r.Meta())
	}
}

func TestProfilesAreBytesWhateverTheyHold(t *testing.T) {
	dir := written(t, 3)
	for name, content := range map[string]string{
		"1700000000.250.pb.gz": "", "note.txt": "mine", "x.pb.gz": "no time", "NaN.pb.gz": "", "-5.pb.gz": "", "1767323046.5.pb.gz.part": "half",
	} {
		if err := os.WriteFile(filepath.Join(dir, "heap", name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var profiles []string
	for _, e := range collect(t, dir) {
		if e.Sample == nil && e.Err == "" {
			profiles = append(profiles, string(e.Profile))
		}
	}
	if !slices.Equal(profiles, []string{"", "heap"}) {
		t.Errorf("profiles %q, want the empty one and the other; no file of the user's", profiles)
	}
}

func TestAProfileBeyondTheCapIsNotRead(t *testing.T) {
	dir := written(t, 1)
	f, err := os.Create(filepath.Join(dir, "heap", "1700000000.000.pb.gz"))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.Truncate(maxProfileBytes+1), f.Close()); err != nil {
		t.Fatal(err)
	}
	r, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range r.Events() {
		if err == nil || !strings.Contains(err.Error(), "at most 67108864 are read") {
			t.Errorf("%v, want the cap said", err)
		}
		break
	}
}

func TestARecordingIsNeverOverwritten(t *testing.T) {
	dir := written(t, 2)
	before, err := os.ReadFile(filepath.Join(dir, samplesFile))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Create(dir, Meta{}); !errors.Is(err, fs.ErrExist) || !strings.Contains(err.Error(), "choose a folder without one") {
		t.Errorf("%v, want it refused with what to do", err)
	}
	after, err := os.ReadFile(filepath.Join(dir, samplesFile))
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("what was there has changed, %v", err)
	}
}

func TestAPlaceThatCannotBeWrittenIsNamed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Create(filepath.Join(file, "shop"), Meta{}); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("%v, want the path", err)
	}
	dir := written(t, 1)
	w := &Writer{dir: dir}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := w.WriteProfile(memwatch.HeapProfile, begin, nil); err == nil || !strings.Contains(err.Error(), dir) {
		t.Errorf("%v, want the path", err)
	}
}

func TestTheReaderStopsWhenToldTo(t *testing.T) {
	r, err := Open(written(t, 5))
	if err != nil {
		t.Fatal(err)
	}
	for stop := range 7 {
		n := 0
		for range r.Events() {
			if n++; n > stop {
				break
			}
		}
		if n != min(stop+1, 6) {
			t.Errorf("%d events, stopped after %d", n, stop+1)
		}
	}
}

func FuzzReader(f *testing.F) {
	f.Add([]byte(`{"t":1795424500.7,"scrape_ms":0.3,"memstats":{"Alloc":9034264,"NumGC":2},"goroutines":14,"rss_bytes":20475904,"start_time":1795424499.69,"gc_heap_live_bytes":7831016}`+"\n"), []byte(`{"name":"a","leak_start_s":null}`), "1795424501.000.pb.gz")
	f.Add([]byte(`{"t":1,"error":"refused"}`+"\n"+`{"t":2,"signals":{"limitBytes":1e308,"cgroupBytes":-4}}`+"\n\n{"), []byte(`{}`), "1e10.pb.gz")
	f.Add([]byte("\x00\n"), []byte(`[]`), "../x.pb.gz")
	f.Fuzz(func(t *testing.T, lines, meta []byte, profile string) {
		dir := t.TempDir()
		if err := errors.Join(
			os.WriteFile(filepath.Join(dir, samplesFile), lines, 0o600),
			os.WriteFile(filepath.Join(dir, metaFile), meta, 0o600),
			os.Mkdir(filepath.Join(dir, "heap"), 0o700),
		); err != nil {
			t.Fatal(err)
		}
		_ = os.WriteFile(filepath.Join(dir, "heap", filepath.Base(profile)), []byte("p"), 0o600) // not every name is one
		r, err := Open(dir)
		if err != nil {
			return
		}
		for e, err := range r.Events() {
			if err != nil {
				break
			}
			if e.Time.IsZero() || e.Sample == nil && e.Err == "" && e.Profile == nil {
				t.Errorf("an event of nothing: %+v", e)
			}
			if e.Sample != nil {
				for sig, v := range e.Sample.All() {
					if v < 0 || math.IsNaN(v) || math.IsInf(v, 0) {
						t.Errorf("%s is %v", sig.Info().Name, v)
					}
				}
			}
		}
	})
}
