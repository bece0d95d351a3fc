package hub

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/pprof/profile"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/hub/api"
	"github.com/zupee/memwatch/wire"
)

func (r *running) alerts(query string) []memwatch.Alert {
	r.t.Helper()
	var got api.Alerts
	r.get("/api/alerts?"+query, &got)
	return got.Alerts
}

func (r *running) leaks() []memwatch.Alert {
	r.t.Helper()
	var out []memwatch.Alert
	for _, a := range r.alerts("service=shop") {
		if a.Type == memwatch.AlertLeak {
			out = append(out, a)
		}
	}
	return out
}

func TestSessionOfTheOriginalAgent(t *testing.T) {
	r := start(t, quick(t.TempDir()))
	s := r.dial("/")
	at := time.Now().Add(-time.Minute).UnixMilli()
	s.sendText(fmt.Sprintf(`{"type":"registration","service":"legacy","timestamp":%d}`, at))
	metrics := `{"type":"metrics","service":"legacy","heapUsedMB":%d,"heapTotalMB":64,"rssMB":101.25,"externalMB":1.5,"eventLoopDelayMs":0.75,"leakDetected":%t,"memoryGrowthMB":12.5,"timestamp":%d}`
	s.sendText(fmt.Sprintf(metrics, 40, false, at+1000))
	s.sendText(fmt.Sprintf(metrics, 52, true, at+2000))
	s.sendText(fmt.Sprintf(`{"type":"snapshot","service":"legacy","filename":"heap-1.heapsnapshot","filepath":"snapshots/heap-1.heapsnapshot","timestamp":%d}`, at+3000))

	eventually(t, "the alerts of a leak and a snapshot", func() error {
		if got := r.alerts("service=legacy"); len(got) != 2 {
			return fmt.Errorf("%d alerts", len(got))
		}
		return nil
	})
	alerts := r.alerts("service=legacy")
	if a := alerts[0]; a.Type != memwatch.AlertLeak || a.State != memwatch.AlertFiring || a.HeapUsedMB != 52 || a.MemoryGrowthMB != 12.5 {
		if alerts[1].Type != memwatch.AlertLeak {
			t.Errorf("alerts = %+v, want one that a leak fires", alerts)
		}
	}
	var services []api.Service
	r.get("/api/services", &services)
	if len(services) != 1 || services[0].Name != "legacy" || services[0].Status != wire.Connected || services[0].TotalAlerts != 2 {
		t.Fatalf("services = %+v", services)
	}
	if m := services[0].LastMetrics; m.HeapUsedMB != 52 || !m.LeakDetected || m.EventLoopDelayMs != 0.75 {
		t.Errorf("last metrics = %+v, want what was sent", m)
	}
	if i := services[0].Instances[0].Name; i != "127.0.0.1" {
		t.Errorf("instance = %q, want the agent's address", i)
	}
	var metricsOf api.ServiceMetrics
	r.get("/api/services/legacy/metrics", &metricsOf)
	if metricsOf.Total != 2 || len(metricsOf.Metrics) != 2 || metricsOf.Metrics[0].HeapUsedMB != 40 || metricsOf.Metrics[1].RSSMB != 101.25 {
		t.Errorf("metrics = %+v, want both readings, oldest first", metricsOf)
	}
}

func TestProfileCrossesInPartsAndOpens(t *testing.T) {
	r := start(t, quick(t.TempDir()))
	before, after := heapProfile(t, 5_000), heapProfile(t, 9_000)
	base, leak := captureOf("c1-base", memwatch.RoleBaseline, before, ""), captureOf("c2-leak", memwatch.RoleLeaking, after, "c1-base")

	s := r.agent()
	s.ack(wire.Registration{Type: wire.TypeRegistration, V: 1, ID: "r", Service: shop.Service, Instance: shop.Instance, Labels: map[string]string{"version": "v1"}}, "r")
	s.send(snapshotOf("s1", base))
	if a := s.answer(); a.Type != wire.TypeWant || a.ID != "s1" || a.Offset != 0 {
		t.Fatalf("answer = %+v, want all bytes wanted", a)
	}
	s.sendChunk("s1", 0, before[:60])
	s.close() // the link breaks

	s = r.agent()
	eventually(t, "the part is kept", func() error {
		s.send(snapshotOf("s1", base))
		if a := s.answer(); a.Type != wire.TypeWant || a.Offset != 60 {
			return fmt.Errorf("answer = %+v, want the bytes from 60 on", a)
		}
		return nil
	})
	s.sendChunk("s1", 100, before[100:]) // a gap
	if a := s.answer(); a.Type != wire.TypeWant || a.Offset != 60 {
		t.Fatalf("answer to a gap = %+v, want the bytes from 60 on", a)
	}
	s.sendChunk("s1", 50, before[50:]) // an overlap is no harm
	if a := s.answer(); a.Type != wire.TypeAck || a.ID != "s1" {
		t.Fatalf("answer = %+v, want the ack", a)
	}
	s.ack(snapshotOf("s1", base), "s1") // a resend
	s.send(snapshotOf("s2", leak))
	s.answer()
	s.sendChunk("s2", 0, after)
	if a := s.answer(); a.Type != wire.TypeAck {
		t.Fatalf("answer = %+v, want the ack", a)
	}

	var list api.Profiles
	r.get("/api/profiles?service=shop", &list)
	if list.Total != 2 || list.Profiles[0].ID != "c2-leak" || list.Profiles[0].Instance != "shop-1" {
		t.Errorf("profiles = %+v, want both, newest first", list)
	}
	var raw []byte
	r.get("/api/profiles/c2-leak", &raw)
	if !bytes.Equal(raw, after) {
		t.Error("the download is not what was sent")
	}
	if _, err := profile.ParseData(raw); err != nil {
		t.Error(err)
	}
	var flame api.Flamegraph
	r.get("/api/profiles/c2-leak/flamegraph?base=c1-base", &flame)
	if flame.SampleType != "inuse_space" || flame.Unit != "bytes" || flame.Total != 10_000 || flame.BaseTotal != 6_000 {
		t.Errorf("flame graph = %+v", flame)
	}
	serve := flame.Root.Children[0]
	if serve.Function != "main.serve" || serve.Value != 10_000 || len(serve.Children) != 2 {
		t.Fatalf("below the root = %+v", serve)
	}
	if add := serve.Children[0]; add.Function != "main.(*Cart).Add" || add.Value != 9_000 || add.Base != 5_000 || add.Line != 20 {
		t.Errorf("first child by name = %+v", add)
	}
}

func TestCorruptProfileIsRefusedAndForgotten(t *testing.T) {
	r := start(t, quick(t.TempDir()))
	data := heapProfile(t, 5_000)
	c := captureOf("c1", memwatch.RoleLeaking, data, "")
	s := r.agent()
	s.send(snapshotOf("s1", c))
	s.answer()
	wrong := bytes.Clone(data)
	wrong[len(wrong)/2] ^= 1
	s.sendChunk("s1", 0, wrong)
	if err := wantCode(s.answer(), "corrupt", "sha256"); err != nil {
		t.Error(err)
	}
	s.send(snapshotOf("s2", c))
	if a := s.answer(); a.Type != wire.TypeWant || a.Offset != 0 {
		t.Errorf("answer = %+v, want all bytes wanted anew", a)
	}
	var list api.Profiles
	if r.get("/api/profiles", &list); list.Total != 0 {
		t.Errorf("profiles = %+v, want none", list)
	}
}

// What an agent sends twice, over a new connection, or to a hub that was
// restarted meanwhile, is one alert and one reading.
func TestLeakFiresOnceWhateverIsRepeated(t *testing.T) {
	dir := t.TempDir()
	r := start(t, quick(dir))
	now := time.Now().Add(-time.Minute)
	var messages []*wire.Metrics
	for i := range 20 {
		messages = append(messages, wire.NewMetrics("", shop, sampleAt(now.Add(time.Duration(i)*time.Second), 1e8+1e6*float64(i)), nil))
	}
	messages[0].Verdict, messages[10].Verdict = healthy(), leaking()

	s := r.agent()
	s.ack(batch("b1", messages...), "b1")
	s.ack(batch("b1", messages...), "b1")
	s.close()
	s = r.agent()
	s.ack(batch("b1", messages...), "b1")
	first := r.leaks()
	if len(first) != 1 || first[0].State != memwatch.AlertFiring || !strings.Contains(first[0].Message, "Cart") {
		t.Fatalf("leaks = %+v, want one that fires", first)
	}
	r.stop()

	r = start(t, quick(dir))
	s = r.agent()
	s.ack(batch("b1", messages...), "b1")
	s.ack(batch("b2", wire.NewMetrics("", shop, sampleAt(now.Add(time.Minute), 2e8), leaking())), "b2")
	again := r.leaks()
	if len(again) != 1 || again[0].ID != first[0].ID {
		t.Fatalf("leaks after the restart = %+v, want the one from before", again)
	}
	var m api.ServiceMetrics
	r.get("/api/services/shop/metrics", &m)
	if m.Total != 21 || len(m.Metrics) != 21 {
		t.Errorf("%d readings, %d of them shown, want 21", m.Total, len(m.Metrics))
	}
	var one api.Service
	r.get("/api/services/shop", &one)
	if one.OpenAlerts != 1 || one.TotalAlerts != 1 || one.Verdict.State != memwatch.Leaking || one.LastMetrics == nil || !one.LastMetrics.LeakDetected {
		t.Errorf("service = %+v", one)
	}
	if one.Sparkline == nil || len(one.Sparkline.Values) < 10 || one.Sparkline.Signal != "liveHeapBytes" {
		t.Errorf("sparkline = %+v, want the history from before the restart", one.Sparkline)
	}
}

func TestRestartedHubShowsTheStateOfTheLastRun(t *testing.T) {
	dir := t.TempDir()
	r := start(t, quick(dir))
	s := r.agent()
	s.ack(wire.Registration{Type: wire.TypeRegistration, V: 1, ID: "r", Service: shop.Service, Instance: shop.Instance, Labels: map[string]string{"zone": "a"}}, "r")
	s.ack(batch("b", wire.NewMetrics("", shop, sampleAt(time.Now(), 1e8), leaking())), "b")
	r.stop()

	r = start(t, quick(dir))
	var one api.Service
	r.get("/api/services/shop", &one)
	if one.Status != wire.Disconnected || one.Labels["zone"] != "a" || one.Verdict == nil || one.Verdict.State != memwatch.Leaking {
		t.Errorf("service = %+v, want it disconnected, with labels and verdict", one)
	}
	eventually(t, "who does not come back is alerted", func() error {
		for _, a := range r.alerts("service=shop&state=firing") {
			if a.Type == memwatch.AlertDisconnect {
				return nil
			}
		}
		return errNotYet
	})
}

func TestMalformedMessagesAreAnsweredAndCounted(t *testing.T) {
	r := start(t, quick(t.TempDir()))
	long := strings.Repeat("x", 300)
	now := time.Now().UnixMilli()
	for name, c := range map[string]struct{ send, code, says string }{
		"no JSON":           {`hello`, "malformed", "invalid character"},
		"an array":          {`[1]`, "malformed", "message"},
		"no type":           {`{"service":"a"}`, "malformed", "no type"},
		"unknown type":      {`{"type":"party","id":"p1"}`, "unknown_type", "want registration"},
		"wrong field type":  {`{"type":"metrics","service":7}`, "malformed", "service"},
		"no service":        {`{"type":"registration"}`, "invalid", "service: missing"},
		"long service":      {`{"type":"registration","service":"` + long + `"}`, "invalid", "300 characters: want at most 200"},
		"control character": {`{"type":"registration","service":"a\u0007b"}`, "invalid", "control characters"},
		"time ahead":        {fmt.Sprintf(`{"type":"metrics","service":"a","timestamp":%d}`, now+86_400_000), "invalid", "ahead of the hub's clock"},
		"impossible time":   {`{"type":"metrics","service":"a","timestamp":1e300}`, "malformed", "timestamp"},
		"no sample":         {fmt.Sprintf(`{"type":"metrics","v":1,"service":"a","instance":"b","timestamp":%d}`, now), "invalid", "sample: missing"},
		"bad state":         {fmt.Sprintf(`{"type":"metrics","v":1,"service":"a","sample":{"timestamp":%d},"verdict":{"state":"ill"}}`, now), "invalid", "verdict.state"},
		"no capture":        {`{"type":"snapshot","v":1,"id":"s","service":"a"}`, "invalid", "capture: missing"},
		"path as id":        {`{"type":"snapshot","v":1,"id":"s","service":"a","capture":{"id":"../../etc"}}`, "invalid", "capture.id"},
		"bad sha256":        {`{"type":"snapshot","v":1,"id":"s","service":"a","capture":{"id":"c","sha256":"XYZ"}}`, "invalid", "capture.sha256"},
		"huge profile":      {`{"type":"snapshot","v":1,"id":"s","service":"a","capture":{"id":"c","size":99999999999,"sha256":"` + strings.Repeat("0", 64) + `"}}`, "too_large", "maxProfileBytes"},
		"batch without id":  {`{"type":"batch","messages":[]}`, "invalid", "id: missing"},
		"part of a batch":   {fmt.Sprintf(`{"type":"batch","v":1,"id":"b","messages":[{"v":1,"service":"ok","instance":"i","sample":{"timestamp":%d}},{"v":1}]}`, now), "invalid", "1 of 2 messages refused, the others are stored; messages[1]: service: missing"},
	} {
		t.Run(name, func(t *testing.T) {
			s := r.agent()
			s.sendText(c.send)
			if err := wantCode(s.answer(), c.code, c.says); err != nil {
				t.Error(err)
			}
			s.ack(wire.Registration{Type: wire.TypeRegistration, V: 1, ID: "still here", Service: "b", Instance: "i"}, "still here")
			s.close()
		})
	}
	t.Run("chunk that nobody wants", func(t *testing.T) {
		s := r.agent()
		s.sendChunk("nothing", 0, []byte("x"))
		if err := wantCode(s.answer(), "invalid", "no profile with this id is wanted"); err != nil {
			t.Error(err)
		}
	})
	t.Run("frame above the limit", func(t *testing.T) {
		s := r.agent()
		s.sendText(`{"type":"` + strings.Repeat("x", wire.MaxFrameBytes) + `"}`)
		if _, err := s.events(); err == nil {
			t.Error("the connection is still open")
		}
	})
	var stored api.ServiceMetrics
	if r.get("/api/services/ok/metrics", &stored); stored.Total != 1 {
		t.Errorf("%d readings of the good part of the batch, want 1", stored.Total)
	}
	for _, want := range []string{
		`memwatch_hub_refused_total{reason="malformed"} `, `memwatch_hub_refused_total{reason="invalid"} `,
		`memwatch_hub_refused_total{reason="too_large"} 2`, `memwatch_hub_refused_total{reason="unknown_type"} 1`,
	} {
		eventually(t, "/metrics counts it", func() error {
			var metrics []byte
			if r.get("/metrics", &metrics); !bytes.Contains(metrics, []byte(want)) {
				return fmt.Errorf("it does not say %s", want)
			}
			return nil
		})
	}
}

func TestAgentsAreListedWithWhatTheySent(t *testing.T) {
	r := start(t, quick(t.TempDir()))
	s := r.agent()
	s.ack(wire.Registration{Type: wire.TypeRegistration, V: 1, ID: "r", Service: "shop", Instance: "shop-1", Agent: "v1.2.3", Timestamp: memwatch.Milli(time.Now())}, "r")
	s.ack(batch("b", wire.NewMetrics("", shop, sampleAt(time.Now().Add(-time.Minute), 1e8), nil)), "b")
	s.sendText(`{"type":"nonsense","id":"x"}`)
	if err := wantCode(s.answer(), "unknown_type", "nonsense"); err != nil {
		t.Fatal(err)
	}
	var got api.Agents
	r.get("/api/agents", &got)
	if got.Total != 1 || len(got.Agents) != 1 {
		t.Fatalf("agents = %+v, want one", got)
	}
	a := got.Agents[0]
	if a.Version != "v1.2.3" || a.Targets != 1 || a.Readings != 1 || a.Refused != 1 || !strings.Contains(a.Refusal, "nonsense") || a.Since == 0 || a.Heard < a.Since {
		t.Errorf("agent = %+v, want what it said and what became of it", a)
	}
	if a.LagSeconds < 60 || a.LagSeconds > 3600 {
		t.Errorf("lag %v s of a reading a minute old", a.LagSeconds)
	}
	s.close()
	eventually(t, "the agent's leaving", func() error {
		if r.get("/api/agents", &got); got.Total != 0 {
			return fmt.Errorf("agents = %+v", got)
		}
		return nil
	})
}
