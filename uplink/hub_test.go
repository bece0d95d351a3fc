package uplink_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/internal/ws"
	"github.com/zupee/memwatch/spool"
	"github.com/zupee/memwatch/uplink"
	"github.com/zupee/memwatch/wire"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"),
		// A cut link of the fault proxy may leave a goroutine sending to nobody.
		goleak.IgnoreAnyFunction("github.com/Shopify/toxiproxy/v2/toxics.(*ToxicStub).Run"))
}

// hub is what the other end does, as little of it as the tests need.
type hub struct {
	*httptest.Server
	subprotocols []string
	versions     string // told in a header, "" for none
	token        string
	// answer may refuse a message; nil means that it is acknowledged.
	answer func(t wire.Type, id string, frame []byte) any

	mu         sync.Mutex
	conns      map[*ws.Conn]bool
	registered map[string]int
	readings   map[int64]int // by timestamp, with how often it came
	frames     []string      // text frames as they came
	snapshots  map[string]wire.Snapshot
	bytes      map[string][]byte // by the snapshot message's id
	chunks     []wire.Chunk
	farewell   string // how the last connection ended
	changed    chan struct{}
}

func newHub(t *testing.T) *hub {
	h := &hub{
		subprotocols: []string{wire.Subprotocol}, conns: map[*ws.Conn]bool{}, registered: map[string]int{}, readings: map[int64]int{},
		snapshots: map[string]wire.Snapshot{}, bytes: map[string][]byte{}, changed: make(chan struct{}),
	}
	h.Server = httptest.NewServer(h)
	t.Cleanup(func() { h.cut(); h.Close() })
	return h
}

func (h *hub) url() string { return "ws" + strings.TrimPrefix(h.URL, "http") }

// cut ends every connection without a word.
func (h *hub) cut() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for c := range h.conns {
		_ = c.CloseNow()
	}
}

func (h *hub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if h.token != "" && r.Header.Get("Authorization") != "Bearer "+h.token {
		http.Error(w, "no", http.StatusUnauthorized)
		return
	}
	if h.versions != "" {
		w.Header().Set(wire.VersionsHeader, h.versions)
	}
	c, err := ws.Accept(w, r, ws.AcceptOptions{Subprotocols: h.subprotocols, MaxFrameBytes: wire.MaxFrameBytes})
	if err != nil {
		return
	}
	h.mu.Lock()
	h.conns[c] = true
	h.mu.Unlock()
	defer func() {
		h.mu.Lock()
		delete(h.conns, c)
		h.mu.Unlock()
		_ = c.CloseNow()
	}()
	for {
		kind, frame, err := c.Read(context.Background())
		if err != nil {
			h.mu.Lock()
			h.farewell = err.Error()
			close(h.changed)
			h.changed = make(chan struct{})
			h.mu.Unlock()
			return
		}
		a := h.take(kind, frame)
		if a == nil || c.Subprotocol() != wire.Subprotocol {
			continue
		}
		b, _ := json.Marshal(a)
		if c.Write(context.Background(), ws.Text, b, 10*time.Second) != nil {
			return
		}
	}
}

func (h *hub) take(kind ws.Kind, frame []byte) any {
	h.mu.Lock()
	defer h.mu.Unlock()
	defer func() { close(h.changed); h.changed = make(chan struct{}) }()
	if kind == ws.Binary {
		return h.chunk(frame)
	}
	h.frames = append(h.frames, string(frame))
	t, err := wire.TypeOf(frame)
	if err != nil {
		return wire.Error{Type: wire.TypeError, Code: "malformed", Message: err.Error()}
	}
	var head struct{ ID string }
	_ = json.Unmarshal(frame, &head)
	if h.answer != nil {
		if a := h.answer(t, head.ID, frame); a != nil {
			return a
		}
	}
	switch t {
	case wire.TypeRegistration:
		var m wire.Registration
		_ = json.Unmarshal(frame, &m)
		h.registered[m.Service]++
	case wire.TypeMetrics:
		var m wire.Metrics
		_ = json.Unmarshal(frame, &m)
		h.readings[int64(m.Timestamp)]++
	case wire.TypeBatch:
		var m wire.Batch
		_ = json.Unmarshal(frame, &m)
		for _, r := range m.Messages {
			h.readings[int64(r.Timestamp)]++
		}
	case wire.TypeSnapshot:
		var m wire.Snapshot
		_ = json.Unmarshal(frame, &m)
		h.snapshots[head.ID] = m
		if m.Capture != nil && int64(len(h.bytes[head.ID])) < m.Capture.Size {
			return wire.Want{Type: wire.TypeWant, ID: head.ID, Offset: int64(len(h.bytes[head.ID]))}
		}
	}
	return wire.Ack{Type: wire.TypeAck, ID: head.ID}
}

func (h *hub) chunk(frame []byte) any {
	head, data, err := wire.ParseChunk(frame)
	m := h.snapshots[head.ID]
	if err != nil || m.Capture == nil || head.Offset != int64(len(h.bytes[head.ID])) {
		return wire.Error{Type: wire.TypeError, ID: head.ID, Code: "invalid", Message: fmt.Sprint(head, err)}
	}
	h.chunks = append(h.chunks, head)
	h.bytes[head.ID] = append(h.bytes[head.ID], data...)
	if int64(len(h.bytes[head.ID])) < m.Capture.Size {
		return nil
	}
	sum := sha256.Sum256(h.bytes[head.ID])
	if hex.EncodeToString(sum[:]) != m.Capture.SHA256 {
		return wire.Error{Type: wire.TypeError, ID: head.ID, Code: "corrupt", Message: "sha256 differs"}
	}
	return wire.Ack{Type: wire.TypeAck, ID: head.ID}
}

// await waits until ok holds of the hub, at most 20 s.
func (h *hub) await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	end := time.After(20 * time.Second)
	for {
		h.mu.Lock()
		done, changed := ok(), h.changed
		h.mu.Unlock()
		if done {
			return
		}
		select {
		case <-changed:
		case <-end:
			t.Fatalf("waited 20 s for %s", what)
		}
	}
}

// edge is a spool and an uplink that runs.
type edge struct {
	spool *spool.Spool
	up    *uplink.Uplink
	log   *syncBuffer
	stop  func() // ends Run and waits for it
}

func config(urls ...string) uplink.Config {
	cfg := uplink.DefaultConfig()
	cfg.URLs, cfg.Version = urls, "test"
	cfg.BatchDelay = 5 * time.Millisecond
	return cfg
}

func newSpool(t *testing.T) *spool.Spool {
	t.Helper()
	cfg := spool.DefaultConfig()
	cfg.Dir = filepath.Join(t.TempDir(), "spool")
	sp, err := spool.Open(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sp.Close() })
	return sp
}

func run(t *testing.T, cfg uplink.Config, sp *spool.Spool) *edge {
	t.Helper()
	e := &edge{spool: sp, log: &syncBuffer{}}
	log := slog.New(slog.NewTextHandler(e.log, nil))
	targets := func() []memwatch.Target {
		return []memwatch.Target{{Service: "shop", Instance: "a:1"}, {Service: "pay", Instance: "b:1"}}
	}
	up, err := uplink.New(cfg, sp.Queue(spool.Reading), sp.Queue(spool.Evidence), targets, log)
	if err != nil {
		t.Fatal(err)
	}
	up.SetPatience(3*time.Second, time.Second)
	e.up = up
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- up.Run(ctx) }()
	e.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(e.stop)
	return e
}

// awaitStats waits until ok holds of the uplink's numbers.
func (e *edge) awaitStats(t *testing.T, what string, ok func(uplink.Stats) bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(20 * time.Second); !ok(e.up.Stats()); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("waited 20 s for %s; stats %+v; log:\n%s", what, e.up.Stats(), e.log)
		}
	}
}

func putReadings(t *testing.T, sp *spool.Spool, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		s := memwatch.Sample{Time: time.UnixMilli(int64(i))}
		s.Set(memwatch.HeapAllocBytes, float64(i)*wire.MB)
		b, err := json.Marshal(wire.NewMetrics("", memwatch.Target{Service: "shop", Instance: "a:1"}, &s, nil))
		if err != nil {
			t.Fatal(err)
		}
		if err := sp.Put(spool.Record{Class: spool.Reading, Body: b}); err != nil {
			t.Fatal(err)
		}
	}
}

func putSnapshot(t *testing.T, sp *spool.Spool, id, file string, data []byte) {
	t.Helper()
	sum := sha256.Sum256(data)
	b, err := json.Marshal(wire.Snapshot{
		Type: wire.TypeSnapshot, V: 1, ID: id, Service: "shop", Instance: "a:1", Filename: filepath.Base(file), Timestamp: 1,
		Capture: &memwatch.Capture{ID: id, Service: "shop", Instance: "a:1", Size: int64(len(data)), SHA256: hex.EncodeToString(sum[:])},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := sp.Put(spool.Record{Class: spool.Evidence, Body: b, File: file}); err != nil {
		t.Fatal(err)
	}
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
