package hub

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/pprof/profile"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/hub/blob"
	"github.com/zupee/memwatch/hub/relay"
	"github.com/zupee/memwatch/internal/pgtest"
	"github.com/zupee/memwatch/internal/ws"
	"github.com/zupee/memwatch/wire"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

// running is a hub that a test talks to as everybody does: over its port.
type running struct {
	t    *testing.T
	addr string
	dir  string
	stop func()
	http *http.Client
}

// quick makes things happen in test time.
func quick(dir string) Config {
	cfg := DefaultConfig()
	cfg.Listen, cfg.Data = "127.0.0.1:0", dir
	cfg.Presence = Presence{Grace: 400 * time.Millisecond, Silence: time.Minute, AlertAfter: 100 * time.Millisecond, ForgetAfter: time.Hour}
	cfg.Live.Window = 20 * time.Millisecond
	cfg.UI = fstest.MapFS{
		"index.html":      {Data: []byte("<!doctype html><title>memwatch</title>")},
		"assets/app-1.js": {Data: []byte("console.log(1)")},
		"theme.js":        {Data: []byte("// theme")},
	}
	return cfg
}

func start(t *testing.T, cfg Config) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan string, 1), make(chan error, 1)
	cfg.Ready = func(addr string) { ready <- addr }
	logger := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
	go func() { ended <- Run(ctx, cfg, logger) }()
	r := &running{t: t, dir: cfg.Data, http: &http.Client{Transport: &http.Transport{}}}
	select {
	case r.addr = <-ready:
	case err := <-ended:
		cancel()
		t.Fatalf("the hub did not start: %v", err)
	}
	stopped := false
	r.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the hub ended with %v", err)
		}
		r.http.CloseIdleConnections()
	}
	t.Cleanup(r.stop)
	return r
}

func (r *running) get(path string, into any) {
	r.t.Helper()
	resp, err := r.http.Get("http://" + r.addr + path)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		r.t.Fatalf("GET %s: %s: %s", path, resp.Status, b)
	}
	if raw, ok := into.(*[]byte); ok {
		*raw = b
		return
	}
	if err := json.Unmarshal(b, into); err != nil {
		r.t.Fatalf("GET %s: %v: %s", path, err, b)
	}
}

// eventually asks again until check is content.
func eventually(t *testing.T, what string, check func() error) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(10 * time.Second)
	for {
		err := check()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s: %v", what, err)
		}
	}
}

// socket is one WebSocket to the hub.
type socket struct {
	t    *testing.T
	conn *ws.Conn
}

func (r *running) dial(path string, subprotocols ...string) *socket {
	r.t.Helper()
	conn, _, err := ws.Dial(r.t.Context(), "ws://"+r.addr+path, ws.DialOptions{
		HTTPClient: r.http, Subprotocols: subprotocols, MaxFrameBytes: 8 << 20,
	})
	if err != nil {
		r.t.Fatal(err)
	}
	s := &socket{r.t, conn}
	r.t.Cleanup(s.close)
	return s
}

func (r *running) agent() *socket { return r.dial("/ws/agent", wire.Subprotocol) }

func (s *socket) close() { _ = s.conn.CloseNow() }

func (s *socket) sendText(text string) {
	s.t.Helper()
	if err := s.conn.Write(s.t.Context(), ws.Text, []byte(text), 10*time.Second); err != nil {
		s.t.Fatal(err)
	}
}

func (s *socket) send(message any) {
	s.t.Helper()
	b, err := json.Marshal(message)
	if err != nil {
		s.t.Fatal(err)
	}
	s.sendText(string(b))
}

func (s *socket) sendChunk(id string, offset int64, data []byte) {
	s.t.Helper()
	b, err := wire.AppendChunk(nil, wire.Chunk{ID: id, Offset: offset}, data)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := s.conn.Write(s.t.Context(), ws.Binary, b, 10*time.Second); err != nil {
		s.t.Fatal(err)
	}
}

// answer is any of the hub's answers.
type answer struct {
	Type         wire.Type
	ID           string
	Code         string
	Message      string
	Offset       int64
	RetryAfterMs int64
}

func (s *socket) answer() answer {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 10*time.Second)
	defer cancel()
	_, b, err := s.conn.Read(ctx)
	if err != nil {
		s.t.Fatal(err)
	}
	var a answer
	if err := json.Unmarshal(b, &a); err != nil {
		s.t.Fatalf("%v: %s", err, b)
	}
	return a
}

func (s *socket) ack(message any, id string) {
	s.t.Helper()
	s.send(message)
	if a := s.answer(); a.Type != wire.TypeAck || a.ID != id {
		s.t.Fatalf("answer to %s = %+v, want its ack", id, a)
	}
}

// event is anything that a browser is sent.
type event struct {
	Type     wire.Type
	Seq      uint64
	Service  string
	Instance string
	Status   wire.Status
	Alert    memwatch.Alert
	Profile  memwatch.Capture
	Sample   *memwatch.Sample
	Verdict  *memwatch.Verdict
}

// events reads one frame.
func (s *socket) events() ([]event, error) {
	ctx, cancel := context.WithTimeout(s.t.Context(), 10*time.Second)
	defer cancel()
	_, b, err := s.conn.Read(ctx)
	if err != nil {
		return nil, err
	}
	if !bytes.HasPrefix(b, []byte("[")) {
		b = append(append([]byte("["), b...), ']')
	}
	var out []event
	if err := json.Unmarshal(b, &out); err != nil {
		return nil, fmt.Errorf("%w: %s", err, b)
	}
	return out, nil
}

// until reads frames until an event pleases, and returns all that came.
func (s *socket) until(what string, pleases func(event) bool) []event {
	s.t.Helper()
	var all []event
	for {
		frame, err := s.events()
		if err != nil {
			s.t.Fatalf("%s: %v; so far %+v", what, err, all)
		}
		all = append(all, frame...)
		for _, e := range frame {
			if pleases(e) {
				return all
			}
		}
	}
}

var shop = memwatch.Target{Service: "shop", Instance: "shop-1"}

func sampleAt(at time.Time, live float64) *memwatch.Sample {
	s := &memwatch.Sample{Time: at.Truncate(time.Millisecond).UTC()}
	s.Set(memwatch.LiveHeapBytes, live)
	s.Set(memwatch.HeapAllocBytes, live*1.25)
	s.Set(memwatch.Goroutines, 12)
	return s
}

func leaking() *memwatch.Verdict {
	return &memwatch.Verdict{
		State: memwatch.Leaking, Kind: memwatch.KindHeap, Severity: memwatch.SeverityWarning,
		GrowthBytesPerSecond: memwatch.Interval{Estimate: 1000, Low: 900, High: 1100}, GrowthBytes: 60 << 20,
		Culprits: []memwatch.Culprit{{Function: "main.(*Cart).Add", Leaf: "main.(*Cart).Add", Certainty: memwatch.Certain, Stack: []memwatch.Frame{}}},
		Gates:    []memwatch.Gate{}, Summary: "shop leaks in main.(*Cart).Add",
	}
}

func healthy() *memwatch.Verdict {
	return &memwatch.Verdict{
		State: memwatch.Healthy, Kind: memwatch.KindNone, Severity: memwatch.SeverityNone,
		Culprits: []memwatch.Culprit{}, Gates: []memwatch.Gate{}, Summary: "nothing grows",
	}
}

func batch(id string, messages ...*wire.Metrics) wire.Batch {
	b := wire.Batch{Type: wire.TypeBatch, V: wire.Version, ID: id}
	for _, m := range messages {
		b.Messages = append(b.Messages, *m)
	}
	return b
}

// heapProfile is a profile of two stacks: main.serve → main.(*Cart).Add holds
// cart bytes, main.serve → main.cache 1,000.
func heapProfile(t *testing.T, cart int64) []byte {
	t.Helper()
	p := &profile.Profile{
		SampleType: []*profile.ValueType{{Type: "inuse_objects", Unit: "count"}, {Type: "inuse_space", Unit: "bytes"}},
		PeriodType: &profile.ValueType{Type: "space", Unit: "bytes"}, Period: 512 << 10,
	}
	call := func(name string, line int64) *profile.Location {
		f := &profile.Function{ID: uint64(len(p.Function) + 1), Name: name, Filename: "main.go"}
		l := &profile.Location{ID: uint64(len(p.Location) + 1), Line: []profile.Line{{Function: f, Line: line}}}
		p.Function, p.Location = append(p.Function, f), append(p.Location, l)
		return l
	}
	serve, add, cache := call("main.serve", 10), call("main.(*Cart).Add", 20), call("main.cache", 30)
	p.Sample = []*profile.Sample{
		{Location: []*profile.Location{add, serve}, Value: []int64{cart / 100, cart}},
		{Location: []*profile.Location{cache, serve}, Value: []int64{10, 1000}},
	}
	var b bytes.Buffer
	if err := p.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func captureOf(id string, role memwatch.Role, data []byte, base string) *memwatch.Capture {
	sum := sha256.Sum256(data)
	return &memwatch.Capture{
		ID: id, Kind: memwatch.HeapProfile, Role: role, Time: memwatch.Milli(time.Now()), Filename: id + ".pb.gz",
		Size: int64(len(data)), SHA256: hex.EncodeToString(sum[:]), BaseID: base,
	}
}

func snapshotOf(id string, c *memwatch.Capture) wire.Snapshot {
	return wire.Snapshot{
		Type: wire.TypeSnapshot, V: wire.Version, ID: id, Service: shop.Service, Instance: shop.Instance,
		Filename: c.Filename, Timestamp: c.Time, Capture: c,
	}
}

func wantCode(a answer, code, says string) error {
	if a.Type != wire.TypeError || a.Code != code || !strings.Contains(a.Message, says) {
		return fmt.Errorf("answer = %+v, want the error %s with %q", a, code, says)
	}
	return nil
}

var errNotYet = errors.New("not yet")

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// joined is a hub of another version, without what is above its relay.
func joined(t *testing.T, url string, beside *running) *relay.Relay {
	t.Helper()
	files, err := blob.OpenFiles(blob.Config{Dir: filepath.Join(beside.dir, blobsDir)})
	if err != nil {
		t.Fatal(err)
	}
	place, err := files.Place()
	if err != nil {
		t.Fatal(err)
	}
	r, err := relay.Open(t.Context(), relay.Config{URL: url, Version: "newer", Address: "elsewhere", Blobs: place, Logger: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}
