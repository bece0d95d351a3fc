package flatjson_test

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/zupee/memwatch/internal/flatjson"
)

// FuzzNumber and FuzzString hold what is taken against encoding/json.
func FuzzNumber(f *testing.F) {
	for _, s := range []string{"0", "00", "0.", ".5", "1.5", "9007199254740991", "9007199254740993", "0.1", "123456.789012", "1e3", "-1", "1.2.3", "0.0000000000000000000001", "12,", "0.30000000000000004"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r := flatjson.New([]byte(s))
		got, ok := r.Number()
		if !ok || !r.End() {
			return
		}
		var want float64
		if err := json.Unmarshal([]byte(s), &want); err != nil || math.Float64bits(got) != math.Float64bits(want) {
			t.Errorf("%q: %v, encoding/json: %v, %v", s, got, want, err)
		}
	})
}

func FuzzString(f *testing.F) {
	for _, s := range []string{`""`, `"a"`, `"ü"`, "\"\xff\"", `"\n"`, "\"\n\"", `"`, `x`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r := flatjson.New([]byte(s))
		got, ok := r.String()
		if !ok || !r.End() {
			return
		}
		var want string
		if err := json.Unmarshal([]byte(s), &want); err != nil || string(got) != want {
			t.Errorf("%q: %q, encoding/json: %q, %v", s, got, want, err)
		}
	})
}

func TestNumbersOfOurEncodersAreTaken(t *testing.T) {
	for _, s := range []string{"0", "7", "1767225600000", "9007199254740991", "0.0015", "45.67", "101.25", "0.000001"} {
		r := flatjson.New([]byte(s))
		if _, ok := r.Number(); !ok || !r.End() {
			t.Errorf("%s is left to encoding/json", s)
		}
	}
}

func TestValuesEndWhereTheyEnd(t *testing.T) {
	for text, want := range map[string]string{
		`{"a":{"b":[1,"}"]}},"c":1`: `{"a":{"b":[1,"}"]}}`,
		`{"a":"\"}"} `:              `{"a":"\"}"}`,
		`[1,[2]]]`:                  `[1,[2]]`,
		`{"a":"}","b":1},2`:         `{"a":"}","b":1}`,
		`{"a":1},{"b":2}`:           `{"a":1}`,
		`{"a":1`:                    "",
		`{"a":"\`:                   "",
		`1,2`:                       "",
		`"a"`:                       "",
		``:                          "",
	} {
		r := flatjson.New([]byte(text))
		if got, ok := r.Value(); string(got) != want || ok != (want != "") {
			t.Errorf("%s: %q, %v, want %q", text, got, ok, want)
		}
	}
}
