package scraper

import (
	"encoding/json"
	"expvar"
	"net/http"
	"net/http/httptest"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/zupee/memwatch"
)

// served is what package expvar answers in this process.
func served() []byte {
	w := httptest.NewRecorder()
	expvar.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/debug/vars", nil))
	return w.Body.Bytes()
}

func TestExpvarIsReadAsTheStandardLibraryReadsIt(t *testing.T) {
	body := served()
	var s memwatch.Sample
	cmdline, err := readVars(body, &s)
	if err != nil {
		t.Fatal(err)
	}
	var want struct {
		Cmdline  []string         `json:"cmdline"`
		MemStats runtime.MemStats `json:"memstats"`
	}
	if err := json.Unmarshal(body, &want); err != nil {
		t.Fatal(err)
	}
	if got := argsOf(cmdline); !reflect.DeepEqual(got, want.Cmdline) {
		t.Errorf("command line %q, want %q", got, want.Cmdline)
	}
	for name, sig := range memStats {
		field := reflect.ValueOf(want.MemStats).FieldByName(name)
		number := field.Convert(reflect.TypeFor[float64]()).Float()
		if v := s.Or(sig, -1); v != number*sig.Info().Scale {
			t.Errorf("%s is %v, want %v", name, v, number*sig.Info().Scale)
		}
	}
}

func TestOddExpvarIsReadAsFarAsItGoes(t *testing.T) {
	for _, c := range []struct {
		body, err string
		alloc     float64 // HeapAlloc; -1 for none
	}{
		{`{"memstats":{"HeapAlloc":5}}`, "", 5},
		{" {\n \"a\" : \"}\\\"\" , \"memstats\" : { \"BySize\" : [ {\"Size\":1} , [ ] ] , \"HeapAlloc\" : 5e0 } }\n", "", 5},
		{`{"memstats":{"HeapAlloc":null}}`, "", -1},
		{`{"memstats":{}}`, "", -1},
		{`{"memstats":{"HeapAlloc":"5"}}`, `memstats.HeapAlloc: want a number, found "5"`, -1},
		{`{"memstats":{"HeapAlloc":0x5}}`, "found 0x5", -1},
		{`{"memstats":{"HeapAlloc":infinity}}`, "found infinity", -1},
		{`{"memstats":[5]}`, "without memstats", -1},
		{`{}`, "without memstats", -1},
		{``, "no JSON", -1},
		{`<html>`, "no JSON", -1},
		{`{"memstats":{"HeapAlloc":5}`, "no JSON", -1},
		{`{"memstats":{"HeapAlloc":5}} {}`, "no JSON", -1},
		{`{"memstats":{"HeapAlloc":5},}`, "no JSON", -1},
		{`{"a":"b`, "no JSON", -1},
		{`{"a"}`, "no JSON", -1},
		{`{"a":}`, "no JSON", -1},
		{`{a:1}`, "no JSON", -1},
	} {
		var s memwatch.Sample
		_, err := readVars([]byte(c.body), &s)
		if got := s.Or(memwatch.HeapAllocBytes, -1); got != c.alloc {
			t.Errorf("%s: HeapAlloc %v, want %v", c.body, got, c.alloc)
		}
		if err == nil && c.err != "" || err != nil && (c.err == "" || !strings.Contains(err.Error(), c.err)) {
			t.Errorf("%s: error %v, want %q", c.body, err, c.err)
		}
	}
}

func BenchmarkVars(b *testing.B) {
	body := served()
	b.ReportAllocs()
	for b.Loop() {
		var s memwatch.Sample
		if _, err := readVars(body, &s); err != nil {
			b.Fatal(err)
		}
	}
}
