package memwatch_test

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/zupee/memwatch"
)

func TestAnAbsentSignalIsAbsentAndNotZero(t *testing.T) {
	var s memwatch.Sample
	if _, ok := s.Get(memwatch.RSSBytes); ok {
		t.Error("an empty sample has RSS")
	}
	s.Set(memwatch.RSSBytes, 0)
	if v, ok := s.Get(memwatch.RSSBytes); !ok || v != 0 {
		t.Errorf("a zero that was set is gone: %v %v", v, ok)
	}
	if got := s.Or(memwatch.LimitBytes, 7); got != 7 {
		t.Errorf("Or gave %v for an absent signal, want the fallback 7", got)
	}
}

func TestNumbersThatAreNoReadingMakeASignalAbsent(t *testing.T) {
	for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), -1} {
		var s memwatch.Sample
		s.Set(memwatch.HeapAllocBytes, 5)
		s.Set(memwatch.HeapAllocBytes, bad)
		if v, ok := s.Get(memwatch.HeapAllocBytes); ok {
			t.Errorf("Set(%v) left %v in the sample", bad, v)
		}
	}
}

func TestASampleSurvivesJSON(t *testing.T) {
	in := memwatch.Sample{Time: time.UnixMilli(1795424020316).UTC(), Start: time.UnixMilli(1795424019300).UTC()}
	for sig := range memwatch.SignalCount {
		in.Set(sig, float64(sig)*1e9+0.25)
	}
	b, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	var out memwatch.Sample
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatal(err)
	}
	if in != out {
		t.Errorf("came back different:\n in %s\nout %+v", b, out)
	}
}

func TestASampleFromANewerAgentIsRead(t *testing.T) {
	var s memwatch.Sample
	err := json.Unmarshal([]byte(`{"timestamp":1000,"liveHeapBytes":5,"goroutines":null,"someNewSignal":{"a":1}}`), &s)
	if err != nil {
		t.Fatal(err)
	}
	if s.Or(memwatch.LiveHeapBytes, 0) != 5 {
		t.Error("the known signal was lost")
	}
	if _, ok := s.Get(memwatch.Goroutines); ok {
		t.Error("null became a reading")
	}
}

func TestABadSampleNamesTheKeyAndWhatWasFound(t *testing.T) {
	for in, want := range map[string]string{
		`{"rssBytes":"many"}`: `sample: rssBytes: want a number, found "many"`,
		`{"timestamp":-5}`:    `sample: timestamp: timestamp -5: want milliseconds since 1970`,
		`[]`:                  `sample: `,
	} {
		var s memwatch.Sample
		if err := json.Unmarshal([]byte(in), &s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one with %q", in, err, want)
		}
	}
}

func TestEverySignalHasAUniqueNameAndAUnit(t *testing.T) {
	seen := map[string]bool{}
	for sig := range memwatch.SignalCount {
		info := sig.Info()
		if info.Name == "" || info.Unit == "" || seen[info.Name] {
			t.Errorf("signal %d: name %q (seen: %v), unit %q", sig, info.Name, seen[info.Name], info.Unit)
		}
		seen[info.Name] = true
		if back, ok := memwatch.SignalNamed(info.Name); !ok || back != sig {
			t.Errorf("SignalNamed(%q) = %v, %v", info.Name, back, ok)
		}
		if info.MemStats != "" && info.Scale == 0 {
			t.Errorf("%s: a scale of 0 would lose MemStats.%s", info.Name, info.MemStats)
		}
	}
}

func FuzzSampleJSON(f *testing.F) {
	f.Add([]byte(`{"timestamp":1795424020316,"liveHeapBytes":1e9}`))
	f.Add([]byte(`{"timestamp":null,"rssBytes":-1,"x":[]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var s, again, other memwatch.Sample
		err := json.Unmarshal(b, &s)
		if plain, found := bytes.CutPrefix(b, []byte("{")); found { // with a space it is read by encoding/json
			otherErr := json.Unmarshal(append([]byte("{ "), plain...), &other)
			if (err == nil) != (otherErr == nil) || err == nil && s != other {
				t.Errorf("%s: %+v, %v; with a space in it %+v, %v", b, s, err, other, otherErr)
			}
		}
		if err != nil {
			return
		}
		out, err := json.Marshal(s)
		if err != nil {
			t.Fatalf("%s was read but cannot be written: %v", b, err)
		}
		if err := json.Unmarshal(out, &again); err != nil || again != s {
			t.Fatalf("%s became %s: %v", b, out, err)
		}
	})
}
