package uplink_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zupee/memwatch/spool"
	"github.com/zupee/memwatch/uplink"
	"github.com/zupee/memwatch/wire"
)

func TestRegistersThenDeliversReadingsInBatches(t *testing.T) {
	h, sp := newHub(t), newSpool(t)
	putReadings(t, sp, 1, 3001)
	e := run(t, config(h.url()), sp)
	e.awaitStats(t, "acks", func(s uplink.Stats) bool { return s.Acked == 3000 })
	h.mu.Lock()
	defer h.mu.Unlock()
	if !strings.Contains(h.frames[0], `"registration"`) || h.registered["shop"] != 1 || h.registered["pay"] != 1 {
		t.Errorf("registered %v, first frame %s", h.registered, h.frames[0])
	}
	if len(h.readings) != 3000 || len(h.frames) > 40 {
		t.Errorf("%d readings in %d frames", len(h.readings), len(h.frames))
	}
	if s := e.up.Stats(); !s.Connected || s.Version != 1 || s.Resent != 0 || s.Sent != 3000 || sp.Queue(spool.Reading).Len() != 0 {
		t.Errorf("stats %+v", s)
	}
}

func TestResendsWhatWasNotConfirmed(t *testing.T) {
	h, sp := newHub(t), newSpool(t)
	var refused atomic.Int64
	h.answer = func(ty wire.Type, _ string, _ []byte) any {
		if ty == wire.TypeBatch && refused.Add(1) <= 3 { // taken, but never confirmed
			return wire.Ack{Type: "gossip of a newer hub"}
		}
		return nil
	}
	putReadings(t, sp, 1, 1001)
	cfg := config(h.url())
	cfg.BatchReadings, cfg.BatchDelay = 100, time.Second // each batch is full
	e := run(t, cfg, sp)
	h.await(t, "unconfirmed batches", func() bool { return refused.Load() >= 3 })
	h.cut()
	e.awaitStats(t, "all acks", func(s uplink.Stats) bool { return s.Acked == 1000 })
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.readings) != 1000 {
		t.Errorf("%d readings came, want 1000", len(h.readings))
	}
	if s := e.up.Stats(); s.Resent < 300 || s.Connects < 2 {
		t.Errorf("stats %+v", s)
	}
	if h.registered["shop"] < 2 {
		t.Error("not registered again after the second connect")
	}
}

func TestSendsProfilesInChunksAndResumes(t *testing.T) {
	h, sp := newHub(t), newSpool(t)
	data := profile(3 << 20)
	file := filepath.Join(t.TempDir(), "p.pb.gz")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	h.bytes["c1"] = bytes.Clone(data[:1<<20]) // from an earlier connection
	putSnapshot(t, sp, "c1", file, data)
	e := run(t, config(h.url()), sp)
	e.awaitStats(t, "the profile", func(s uplink.Stats) bool { return s.Acked == 1 })
	h.mu.Lock()
	defer h.mu.Unlock()
	if !bytes.Equal(h.bytes["c1"], data) || h.chunks[0].Offset != 1<<20 {
		t.Errorf("%d bytes came, first chunk at %d", len(h.bytes["c1"]), h.chunks[0].Offset)
	}
	if sp.Pinned(file) {
		t.Error("file is still pinned")
	}
}

func TestReadingsPassWhileAProfileGoesOverACutConnection(t *testing.T) {
	h, sp := newHub(t), newSpool(t)
	data := profile(8 << 20)
	file := filepath.Join(t.TempDir(), "p.pb.gz")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	putSnapshot(t, sp, "c1", file, data)
	e := run(t, config(h.url()), sp)
	for i, at := range []int{1, 9, 20} { // cut it three times on its way
		putReadings(t, sp, 100*i, 100*i+100)
		h.await(t, "chunks", func() bool { return len(h.chunks) >= at })
		h.cut()
	}
	e.awaitStats(t, "everything", func(uplink.Stats) bool { return sp.Queue(spool.Evidence).Len()+sp.Queue(spool.Reading).Len() == 0 })
	h.mu.Lock()
	defer h.mu.Unlock()
	if !bytes.Equal(h.bytes["c1"], data) || len(h.readings) != 300 {
		t.Errorf("%d of %d bytes, %d of 300 readings", len(h.bytes["c1"]), len(data), len(h.readings))
	}
}

func TestFindsTheOneReadingThatTheHubRefuses(t *testing.T) {
	h, sp := newHub(t), newSpool(t)
	h.answer = func(ty wire.Type, id string, frame []byte) any {
		if ty == wire.TypeBatch && bytes.Contains(frame, []byte(`"timestamp":77,`)) {
			return wire.Error{Type: wire.TypeError, ID: id, Code: "invalid", Message: "77 is not liked"}
		}
		return nil
	}
	putReadings(t, sp, 50, 150)
	for _, bad := range []string{`{"type":`, `{"x":"` + strings.Repeat("y", wire.MaxFrameBytes-100) + `"}`} {
		if err := sp.Put(spool.Record{Class: spool.Reading, Body: []byte(bad)}); err != nil {
			t.Fatal(err)
		}
	}
	e := run(t, config(h.url()), sp)
	e.awaitStats(t, "the others", func(s uplink.Stats) bool { return s.Acked == 99 && s.Rejected == 3 })
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.readings) != 99 || h.readings[77] != 0 {
		t.Errorf("%d readings came", len(h.readings))
	}
	if !strings.Contains(e.log.String(), "77 is not liked") {
		t.Errorf("the reason is not in the log:\n%s", e.log)
	}
}

func TestSendsAgainWhenTheHubAsksForLater(t *testing.T) {
	h, sp := newHub(t), newSpool(t)
	var n atomic.Int64
	h.answer = func(ty wire.Type, id string, _ []byte) any {
		if ty != wire.TypeRegistration && n.Add(1) <= 4 {
			return wire.Error{Type: wire.TypeError, ID: id, Code: "unavailable", Message: "later", RetryAfterMs: 5}
		}
		return nil
	}
	putReadings(t, sp, 0, 10)
	putSnapshot(t, sp, "c1", "", nil)
	e := run(t, config(h.url()), sp)
	e.awaitStats(t, "acks", func(s uplink.Stats) bool { return s.Acked == 11 })
	if s := e.up.Stats(); s.Rejected != 0 || s.Failures != 0 {
		t.Errorf("stats %+v", s)
	}
}

func TestRejectsEvidenceWhoseFileIsGone(t *testing.T) {
	h, sp := newHub(t), newSpool(t)
	putSnapshot(t, sp, "c1", filepath.Join(t.TempDir(), "gone"), []byte("x"))
	putSnapshot(t, sp, "c2", "", nil)
	e := run(t, config(h.url()), sp)
	e.awaitStats(t, "both", func(s uplink.Stats) bool { return s.Rejected == 1 && s.Acked == 1 })
}

func TestRejectsEvidenceWhoseFileIsCutShort(t *testing.T) {
	h, sp := newHub(t), newSpool(t)
	data := profile(100 << 10)
	file := filepath.Join(t.TempDir(), "p.pb.gz")
	if err := os.WriteFile(file, data[:70<<10], 0o600); err != nil {
		t.Fatal(err)
	}
	putSnapshot(t, sp, "c1", file, data)
	e := run(t, config(h.url()), sp)
	e.awaitStats(t, "the end of it", func(s uplink.Stats) bool { return s.Rejected == 1 })
	if s := e.up.Stats(); s.Failures != 0 || !strings.Contains(e.log.String(), "ends after 71680 of 102400 bytes") {
		t.Errorf("%d connections broke; log:\n%s", s.Failures, e.log)
	}
}

func TestSpeaksVersion0ToAnOldHub(t *testing.T) {
	for name, chosen := range map[string][]string{
		"that chooses no subprotocol":         nil,
		"that chooses whatever comes first":   {"memwatch.v0", wire.Subprotocol},
		"that chooses one of its own liking?": {"mqtt"},
	} {
		t.Run(name, func(t *testing.T) {
			h, sp := newHub(t), newSpool(t)
			h.subprotocols = chosen
			putReadings(t, sp, 1, 4)
			putSnapshot(t, sp, "c1", "/captures/shop.pb.gz", []byte("x"))
			if err := sp.Put(spool.Record{Class: spool.Reading, Body: []byte(`{"type":"metrics","v":1,"service":"shop","timestamp":9,"scrapeError":{"endpoint":"e","reason":"refused","message":"m"}}`)}); err != nil {
				t.Fatal(err)
			}
			e := run(t, config(h.url()), sp)
			e.awaitStats(t, "delivery", func(s uplink.Stats) bool { return s.Unconfirmed == 4 && s.Skipped == 1 })
			h.await(t, "frames", func() bool { return len(h.frames) == 6 })
			all := strings.Join(h.frames, "\n")
			for _, word := range []string{`"v":`, `"id"`, `"instance"`, `"sample"`, `"capture"`, "batch"} {
				if strings.Contains(all, word) {
					t.Errorf("version 0 knows no %s:\n%s", word, all)
				}
			}
			if !strings.Contains(all, `"heapUsedMB":3,`) || !strings.Contains(all, `"filename":"shop.pb.gz"`) {
				t.Errorf("frames:\n%s", all)
			}
			if n := strings.Count(e.log.String(), "version 0 only"); n != 1 {
				t.Errorf("said %d times that the hub is old", n)
			}
			if s := e.up.Stats(); s.Version != 0 || s.Acked != 0 || sp.Queue(spool.Reading).Len() != 0 {
				t.Errorf("stats %+v", s)
			}
		})
	}
}

// A hub that tells which versions it speaks is never taken for the original.
func TestANewerHubIsToldApartAndNothingIsLost(t *testing.T) {
	for name, c := range map[string]struct{ versions, want string }{
		"that no longer speaks ours":          {"2, 3", "upgrade memwatchd"},
		"behind a proxy that drops the offer": {"0, 1", "Sec-WebSocket-Protocol"},
	} {
		t.Run(name, func(t *testing.T) {
			h, sp := newHub(t), newSpool(t)
			h.subprotocols, h.versions = nil, c.versions
			putReadings(t, sp, 0, 3)
			e := run(t, config(h.url()), sp)
			e.awaitStats(t, "a refusal", func(s uplink.Stats) bool { return s.Failures > 0 })
			if log := e.log.String(); !strings.Contains(log, c.want) || !strings.Contains(log, c.versions) {
				t.Errorf("log lacks %q:\n%s", c.want, log)
			}
			if s := e.up.Stats(); s.Unconfirmed != 0 || sp.Queue(spool.Reading).Len() != 3 {
				t.Errorf("%d readings left in the spool, stats %+v", sp.Queue(spool.Reading).Len(), s)
			}
		})
	}
	t.Run("that speaks ours too", func(t *testing.T) {
		h, sp := newHub(t), newSpool(t)
		h.versions = "1, 2, 3"
		putReadings(t, sp, 0, 1)
		e := run(t, config(h.url()), sp)
		e.awaitStats(t, "delivery", func(s uplink.Stats) bool { return s.Acked == 1 && s.Version == 1 })
	})
}

func TestReadsTheTokenAnewAtEachConnect(t *testing.T) {
	h, sp := newHub(t), newSpool(t)
	h.token = "right"
	cfg := config(h.url())
	cfg.TokenFile = filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(cfg.TokenFile, []byte("wrong\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	putReadings(t, sp, 0, 1)
	e := run(t, cfg, sp)
	e.awaitStats(t, "a refusal", func(s uplink.Stats) bool { return s.Failures > 0 })
	for _, want := range []string{h.url(), "401", "memwatch-hub token create"} {
		if !strings.Contains(e.log.String(), want) {
			t.Errorf("log lacks %s:\n%s", want, e.log)
		}
	}
	if strings.Contains(e.log.String(), "wrong") {
		t.Error("the token is in the log")
	}
	if err := os.WriteFile(cfg.TokenFile, []byte("right\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	e.awaitStats(t, "delivery", func(s uplink.Stats) bool { return s.Acked == 1 })
}

func TestTriesTheNextHub(t *testing.T) {
	h, sp := newHub(t), newSpool(t)
	down := closedPort(t)
	putReadings(t, sp, 0, 1)
	e := run(t, config(down, h.url()), sp)
	e.awaitStats(t, "delivery", func(s uplink.Stats) bool { return s.Acked == 1 && s.URL == h.url() })
	for _, want := range []string{down, "nothing listens there"} {
		if !strings.Contains(e.log.String(), want) {
			t.Errorf("log lacks %s:\n%s", want, e.log)
		}
	}
}

func TestSaysWhatIsWrongAndWhatToDo(t *testing.T) {
	status := func(code int, header ...string) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if len(header) > 0 {
				w.Header().Set(header[0], header[1])
			}
			w.WriteHeader(code)
		}))
		t.Cleanup(s.Close)
		return "ws" + strings.TrimPrefix(s.URL, "http")
	}
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(secure.Close)
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	for name, c := range map[string]struct{ url, want string }{
		"refused":        {closedPort(t), "nothing listens there"},
		"401":            {status(401), "does not know this token"},
		"403":            {status(403), "may not send readings"},
		"404":            {status(404), "no memwatch-hub"},
		"200":            {status(200), "no memwatch-hub"},
		"429":            {status(429, "Retry-After", "3"), "busy or starting"},
		"502":            {status(502), "hub behind it does not"},
		"unknown CA":     {"wss" + strings.TrimPrefix(secure.URL, "https"), "set caFile"},
		"TLS where none": {"wss" + strings.TrimPrefix(plain.URL, "http"), "use ws:// in place of wss://"},
		"none where TLS": {"ws" + strings.TrimPrefix(secure.URL, "https"), "use wss:// in place of ws://"},
		"unknown host":   {"ws://no-such-host.invalid:4000", "DNS"},
	} {
		t.Run(name, func(t *testing.T) {
			e := run(t, config(c.url), newSpool(t))
			e.awaitStats(t, "a failure", func(s uplink.Stats) bool { return s.Failures > 0 })
			e.stop()
			if log := e.log.String(); !strings.Contains(log, c.want) || !strings.Contains(log, c.url) {
				t.Errorf("log lacks %q or the URL:\n%s", c.want, log)
			}
		})
	}
}

func TestTrustsACustomCA(t *testing.T) {
	h, sp := newHub(t), newSpool(t)
	secure := httptest.NewTLSServer(h)
	t.Cleanup(func() { h.cut(); secure.Close() })
	cfg := config("wss" + strings.TrimPrefix(secure.URL, "https"))
	cfg.CAFile = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(cfg.CAFile, pemOf(secure), 0o600); err != nil {
		t.Fatal(err)
	}
	putReadings(t, sp, 0, 1)
	e := run(t, cfg, sp)
	e.awaitStats(t, "delivery", func(s uplink.Stats) bool { return s.Acked == 1 })
}

func TestDrainWaitsForTheHubAndNoLonger(t *testing.T) {
	h, sp := newHub(t), newSpool(t)
	release := make(chan struct{})
	h.answer = func(ty wire.Type, _ string, _ []byte) any {
		if ty == wire.TypeBatch {
			<-release
		}
		return nil
	}
	putReadings(t, sp, 0, 10)
	e := run(t, config(h.url()), sp)
	e.awaitStats(t, "the batch", func(s uplink.Stats) bool { return s.Sent == 10 })
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := e.up.Drain(ctx); err == nil || !strings.Contains(err.Error(), "10 records stay") {
		t.Errorf("drain: %v, want 10 records to stay", err)
	}
	close(release)
	if err := e.up.Drain(t.Context()); err != nil {
		t.Errorf("drain: %v", err)
	}
}

func TestDrainDoesNotWaitForAHubThatIsDown(t *testing.T) {
	sp := newSpool(t)
	putReadings(t, sp, 0, 10)
	e := run(t, config(closedPort(t)), sp)
	e.awaitStats(t, "a failure", func(s uplink.Stats) bool { return s.Failures > 0 })
	if err := e.up.Drain(t.Context()); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("drain: %v, want why", err)
	}
}

func TestAnnounceRegistersAgain(t *testing.T) {
	h := newHub(t)
	e := run(t, config(h.url()), newSpool(t))
	h.await(t, "registration", func() bool { return h.registered["pay"] == 1 })
	e.up.Announce()
	h.await(t, "another", func() bool { return h.registered["pay"] == 2 })
}

func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return fmt.Sprintf("ws://%s", l.Addr())
}

func profile(n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{})
	_, _ = r.Read(b)
	return b
}
