package ingest

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
	"golang.org/x/time/rate"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/internal/ws"
	"github.com/zupee/memwatch/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// recorder is a sink and a place for blobs that remembers, or fails.
type recorder struct {
	fails     error
	joined    []memwatch.Target
	readings  []wire.Metrics
	snapshots []wire.Snapshot
	bytes     map[string][]byte
	complete  map[string]bool
}

func (r *recorder) Join(t memwatch.Target) error {
	r.joined = append(r.joined, t)
	return nil
}

func (r *recorder) Leave([]memwatch.Target)                           {}
func (r *recorder) Register(context.Context, wire.Registration) error { return r.fails }
func (r *recorder) Has(_ context.Context, sha256 string) (bool, error) {
	return r.complete[sha256], r.fails
}

func (r *recorder) Partial(_ context.Context, s string) (int64, error) {
	return int64(len(r.bytes[s])), nil
}

func (r *recorder) Finish(_ context.Context, s string, size int64) error {
	if int64(len(r.bytes[s])) != size {
		return ErrCorrupt
	}
	r.complete[s] = true
	return nil
}

func (r *recorder) Readings(_ context.Context, m []wire.Metrics) error {
	if r.fails == nil {
		r.readings = append(r.readings, m...)
	}
	return r.fails
}

func (r *recorder) Snapshot(_ context.Context, s wire.Snapshot) error {
	if r.fails == nil {
		r.snapshots = append(r.snapshots, s)
	}
	return r.fails
}

func (r *recorder) Write(_ context.Context, s string, offset int64, part []byte) (int64, error) {
	have := int64(len(r.bytes[s]))
	if offset <= have && offset+int64(len(part)) > have {
		r.bytes[s] = append(r.bytes[s], part[have-offset:]...)
	}
	return int64(len(r.bytes[s])), nil
}

func newSession() (*session, *recorder) {
	r := &recorder{bytes: map[string][]byte{}, complete: map[string]bool{}}
	s := New(DefaultConfig(), r, r, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	s.now = func() time.Time { return time.UnixMilli(1767225600000) }
	sess := s.session(func() {}, "10.0.0.1")
	sess.logger = slog.New(slog.DiscardHandler)
	return sess, r
}

func golden(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "wire", "testdata", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestEveryGoldenMessageOfAnAgentIsTaken(t *testing.T) {
	for name, want := range map[string]any{
		"v0-registration": nil, "v0-metrics": nil, "v0-snapshot": nil,
		"registration":   wire.Ack{Type: wire.TypeAck, ID: "r1"},
		"metrics":        wire.Ack{Type: wire.TypeAck, ID: "m1"},
		"metrics-failed": wire.Ack{Type: wire.TypeAck, ID: "m2"},
		"batch":          wire.Ack{Type: wire.TypeAck, ID: "b1"},
		"snapshot":       wire.Want{Type: wire.TypeWant, ID: "s1"},
	} {
		s, r := newSession()
		if got := s.take(t.Context(), ws.Text, golden(t, name)); got != want {
			t.Errorf("%s: answer = %+v, want %+v", name, got, want)
		}
		if len(r.joined) != 1 {
			t.Errorf("%s: joined = %v, want its target", name, r.joined)
		}
	}
}

func TestVersion0IsNamedAfterItsAddress(t *testing.T) {
	s, r := newSession()
	s.take(t.Context(), ws.Text, golden(t, "v0-metrics"))
	if len(r.readings) != 1 || r.readings[0].Instance != "10.0.0.1" {
		t.Errorf("readings = %+v, want one of 10.0.0.1", r.readings)
	}
}

func TestWhatCannotBeStoredIsAskedForAgain(t *testing.T) {
	for _, name := range []string{"registration", "metrics", "batch", "snapshot"} {
		s, r := newSession()
		r.fails = errors.New("disk full at /secret/path")
		got, ok := s.take(t.Context(), ws.Text, golden(t, name)).(wire.Error)
		if !ok || got.Code != codeUnavailable || got.RetryAfterMs <= 0 || got.ID == "" {
			t.Errorf("%s: answer = %+v, want unavailable with a time to try again", name, got)
		}
		if b, _ := json.Marshal(got); strings.Contains(string(b), "secret") {
			t.Errorf("%s: the answer tells the hub's own business: %s", name, b)
		}
	}
}

// A wait of less than a millisecond is not told as none: that would refuse for good.
func TestWhoIsTooFastByLittleIsAskedAgain(t *testing.T) {
	s, _ := newSession()
	s.rate = rate.NewLimiter(2000, 1)
	s.rate.AllowN(s.server.now(), 1)
	got, ok := s.take(t.Context(), ws.Text, golden(t, "metrics")).(wire.Error)
	if !ok || got.Code != codeRate || got.RetryAfterMs <= 0 {
		t.Errorf("answer = %+v, want %s and a time to try again", got, codeRate)
	}
}

func TestOneConnectionSpeaksForManyTargetsOnly(t *testing.T) {
	s, _ := newSession()
	for i := range maxTargets {
		s.joined[name{"s", string(rune(i))}] = true
	}
	got, ok := s.take(t.Context(), ws.Text, golden(t, "registration")).(wire.Error)
	if !ok || got.Code != codeTooMany {
		t.Errorf("answer = %+v, want %s", got, codeTooMany)
	}
}

func TestUploadsOfOneConnectionAreBounded(t *testing.T) {
	s, _ := newSession()
	for i := range maxUploads {
		s.uploads[string(rune('a'+i))] = &upload{}
	}
	got, ok := s.take(t.Context(), ws.Text, golden(t, "snapshot")).(wire.Error)
	if !ok || got.Code != codeTooMany || got.RetryAfterMs <= 0 {
		t.Errorf("answer = %+v, want %s and a time to try again", got, codeTooMany)
	}
}

func TestMoreBytesThanAnnouncedAreRefused(t *testing.T) {
	s, r := newSession()
	s.take(t.Context(), ws.Text, golden(t, "snapshot")) // of 4,096 bytes
	frame, err := wire.AppendChunk(nil, wire.Chunk{ID: "s1", Offset: 4000}, make([]byte, 97))
	if err != nil {
		t.Fatal(err)
	}
	got, ok := s.take(t.Context(), ws.Binary, frame).(wire.Error)
	if !ok || got.Code != codeTooLarge || len(r.bytes) != 0 {
		t.Errorf("answer = %+v, %d profiles begun; want %s and none", got, len(r.bytes), codeTooLarge)
	}
}

// Whatever an agent sends, it gets an answer of a known form, and nothing that
// breaks the rules gets through.
func FuzzFrame(f *testing.F) {
	for _, name := range []string{"v0-registration", "v0-metrics", "v0-snapshot", "registration", "metrics", "metrics-failed", "batch", "snapshot"} {
		f.Add(false, golden(f, name))
	}
	f.Add(true, []byte("{\"id\":\"s1\",\"offset\":0}\nbytes"))
	f.Add(false, []byte(`{"type":"batch","id":"x","messages":[{},null]}`))
	f.Fuzz(func(t *testing.T, binary bool, frame []byte) {
		s, r := newSession()
		kind := ws.Text
		if binary {
			s.take(t.Context(), ws.Text, golden(t, "snapshot"))
			kind = ws.Binary
		}
		switch got := s.take(t.Context(), kind, frame).(type) {
		case nil, wire.Ack, wire.Want:
		case wire.Error:
			if got.Code == "" || got.Message == "" || len(got.Message) > 2000 {
				t.Errorf("error = %+v, want a code and a short message", got)
			}
		default:
			t.Errorf("answer = %T", got)
		}
		for _, m := range r.readings {
			if m.Service == "" || m.Instance == "" || m.Timestamp == 0 {
				t.Errorf("stored %+v", m)
			}
		}
	})
}
