package wire

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/internal/flatjson"
)

// FuzzUnmarshalMetrics and FuzzUnmarshalBatch hold the fast reading against
// encoding/json: the same values, and errors for the same texts.
func FuzzUnmarshalMetrics(f *testing.F) {
	seed(f, "metrics", "metrics-failed", "v0-metrics")
	f.Add([]byte(`{"type":"metrics","sample":{"timestamp":1,"liveHeapBytes":1},"sample":{"rssBytes":2},"verdict":{"state":"x"},"verdict":{"kind":"y"}}`))
	f.Add([]byte(`{"type":"metrics","timestamp":1e300,"Service":"x","v":1.5,"sample":{"timestamp":{}}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var got, want Metrics
		same(t, b, UnmarshalMetrics(b, &got), json.Unmarshal(b, &want), got, want)
	})
}

func FuzzUnmarshalBatch(f *testing.F) {
	seed(f, "batch")
	f.Add([]byte(`{"type":"batch","v":1,"id":"b","messages":[{"service":"a"},{"service":"b"}],"messages":[{"instance":"c"}]}`))
	f.Add([]byte(`{"messages":[]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var got, want Batch
		same(t, b, UnmarshalBatch(b, &got), json.Unmarshal(b, &want), got, want)
	})
}

func same(t *testing.T, b []byte, gotErr, wantErr error, got, want any) {
	t.Helper()
	if (gotErr == nil) != (wantErr == nil) {
		t.Fatalf("%s: %v, encoding/json: %v", b, gotErr, wantErr)
	}
	if wantErr == nil && !reflect.DeepEqual(got, want) {
		t.Fatalf("%s: %+v, encoding/json: %+v", b, got, want)
	}
}

func seed(f *testing.F, names ...string) {
	for _, name := range names {
		f.Add(compact(f, name))
	}
}

// compact is a golden file as encoders write it.
func compact(t testing.TB, name string) []byte {
	b, err := os.ReadFile(filepath.Join("testdata", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var v json.RawMessage
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	if b, err = json.Marshal(v); err != nil {
		t.Fatal(err)
	}
	return b
}

func TestWhatAgentsWriteIsReadTheFastWay(t *testing.T) {
	for _, name := range []string{"metrics", "metrics-failed", "v0-metrics"} {
		r := flatjson.New(compact(t, name))
		if d := (decoder{&r}); !d.metrics(&Metrics{}) || !d.End() {
			t.Errorf("%s is left to encoding/json", name)
		}
	}
}

// plainMetrics are the fields of Metrics and its sample as encoding/json takes
// them fastest.
func plainMetrics() reflect.Type {
	var signals []reflect.StructField
	for sig := range memwatch.SignalCount {
		signals = append(signals, reflect.StructField{
			Name: fmt.Sprintf("F%d", sig), Type: reflect.TypeFor[float64](), Tag: reflect.StructTag(fmt.Sprintf(`json:"%s"`, sig)),
		})
	}
	var fields []reflect.StructField
	for f := range reflect.TypeFor[Metrics]().Fields() {
		switch f.Name {
		case "Sample":
			f.Type = reflect.StructOf(signals)
		case "Timestamp":
			f.Type = reflect.TypeFor[int64]()
		}
		fields = append(fields, f)
	}
	return reflect.StructOf(fields)
}

func BenchmarkUnmarshalMetrics(b *testing.B) {
	s := &memwatch.Sample{Time: at, Start: at}
	for sig := range memwatch.SignalCount {
		s.Set(sig, float64(1_234_567*(int(sig)+1)))
	}
	frame, err := json.Marshal(NewMetrics("", target, s, nil))
	if err != nil {
		b.Fatal(err)
	}
	plain := plainMetrics()
	for _, c := range []struct {
		name string
		read func() error
	}{
		{"memwatch", func() error { return UnmarshalMetrics(frame, &Metrics{}) }},
		{"encoding-json", func() error { return json.Unmarshal(frame, reflect.New(plain).Interface()) }},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(len(frame)))
			b.ReportAllocs()
			for b.Loop() {
				if err := c.read(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
