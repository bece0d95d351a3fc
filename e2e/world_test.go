package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/hub/api"
)

// world is one agent, one hub, a link between them that can be made bad, two
// witnesses and a service that leaks and starts again when it is full.
type world struct {
	t          *testing.T
	dir        string
	hubData    string
	agentData  string
	hubAddr    string // the hub's own
	agentAddr  string // of its /metrics
	leakyAddr  string
	link       *toxiproxy.Proxy
	witnesses  []*witness
	hub, agent *process
	leaky      *process
	agentName  string // the program
	agentEnv   []string
	tmpfs      bool
	noTmpfs    string // why not

	verified   map[*witness]int // readings to here are known to be held
	verifiedAt time.Time
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, dir: t.TempDir(), agentName: "memwatchd", verified: map[*witness]int{}, verifiedAt: time.Now()}
	w.hubData, w.agentData = filepath.Join(w.dir, "hub"), filepath.Join(w.dir, "agent")
	w.mount(w.hubData, "128m")
	w.mount(w.agentData, "96m")
	w.witnesses = []*witness{newWitness(t, "witness-a"), newWitness(t, "witness-b")}
	w.hubAddr, w.agentAddr, w.leakyAddr = freeAddress(t), freeAddress(t), freeAddress(t)
	w.startHub()
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(prometheus.NewRegistry()), zerolog.Nop())
	w.link = toxiproxy.NewProxy(server, "hub", "127.0.0.1:0", w.hubAddr)
	if err := w.link.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.link.Stop)
	w.writeConfig()
	w.startLeaky()
	w.startAgent()
	return w
}

// mount makes a folder, on a small disk of its own where that is allowed.
func (w *world) mount(dir, size string) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		w.t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		w.noTmpfs = fmt.Sprintf("a small disk cannot be mounted here: %v", err)
		return
	}
	w.tmpfs = true
	w.t.Cleanup(func() { _ = syscall.Unmount(dir, 2) }) // MNT_DETACH
}

func freeAddress(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

func (w *world) writeConfig() {
	var b strings.Builder
	fmt.Fprintf(&b, "dashboardUrl: ws://%s\ncheckInterval: 100ms\nlisten: %s\nleakThresholdMB: 5\nprofileShare: 0.2\ngrace: 2s\n",
		w.link.Listen, w.agentAddr)
	fmt.Fprintf(&b, "snapshotPath: %[1]s/snapshots\nstateDir: %[1]s/state\nspool: {dir: %[1]s/spool, maxBytes: 32MiB, maxMemoryBytes: 8MiB}\n", w.agentData)
	b.WriteString("capture: {maxBytes: 32MiB, maxProfileBytes: 4MiB, baselineEvery: 10s, cooldown: 3s}\nuplink: {maxBackoff: 1s, pingInterval: 1s}\ntargets:\n")
	fmt.Fprintf(&b, "  - {service: leaky, instance: leaky-1, url: 'http://%s'}\n", w.leakyAddr)
	for _, wit := range w.witnesses {
		fmt.Fprintf(&b, "  - {service: %s, instance: %s-1, url: '%s'}\n", wit.name, wit.name, wit.url)
	}
	if err := os.WriteFile(filepath.Join(w.dir, "config.yaml"), []byte(b.String()), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) startHub() {
	w.hub = start(w.t, "memwatch-hub", "serve", "--data", w.hubData, "--listen", w.hubAddr)
	w.hub.line(w.t, regexp.QuoteMeta(w.hubAddr))
}

func (w *world) startAgent() {
	w.agent = startWith(w.t, w.agentEnv, w.agentName, "run", "--config", filepath.Join(w.dir, "config.yaml"))
	w.agent.line(w.t, "msg=watching")
}

func (w *world) startLeaky() {
	w.leaky = start(w.t, "leaky", "--name", "leaky", "--listen", w.leakyAddr, "--intensity", "8", "--simulate-leak", "map", "--restart-at", "160")
	w.leaky.line(w.t, regexp.QuoteMeta(w.leakyAddr))
}

// endAgent ends the agent by a signal; what it was just reading is excused.
func (w *world) endAgent(sig syscall.Signal) (excuse func()) {
	w.agent.signal(w.t, sig)
	<-w.agent.ended
	last := make([]int, len(w.witnesses))
	for i, wit := range w.witnesses {
		last[i] = wit.count()
	}
	return func() {
		for i, wit := range w.witnesses {
			wit.excuse(last[i])
		}
	}
}

func (w *world) killAgent(away time.Duration) {
	excuse := w.endAgent(syscall.SIGKILL)
	pause(away)
	excuse()
	w.startAgent()
}

func (w *world) killHub(away time.Duration) {
	w.hub.kill(w.t)
	pause(away)
	w.startHub()
}

// pause lets a fault last: there is nothing to wait for but time.
func pause(d time.Duration) { <-time.After(d) }

func (w *world) toxic(doc string) (heal func()) {
	w.t.Helper()
	x, err := w.link.Toxics.AddToxicJson(strings.NewReader(doc))
	if err != nil {
		w.t.Fatal(err)
	}
	return func() {
		if err := w.link.Toxics.RemoveToxic(w.t.Context(), x.Name); err != nil {
			w.t.Error(err)
		}
	}
}

// fill leaves no byte free on the disk of dir.
func (w *world) fill(dir string) (heal func()) {
	w.t.Helper()
	path := filepath.Join(dir, "filler")
	f, err := os.Create(path)
	if err != nil {
		w.t.Fatal(err)
	}
	defer f.Close()
	for block := make([]byte, 1<<20); len(block) > 0; {
		if _, err := f.Write(block); errors.Is(err, syscall.ENOSPC) {
			block = block[:len(block)/2]
		} else if err != nil {
			w.t.Fatal(err)
		}
	}
	return func() {
		if err := os.Remove(path); err != nil {
			w.t.Error(err)
		}
	}
}

// settle waits until the hub has every reading taken so far.
func (w *world) settle(after string) {
	w.t.Helper()
	now := time.Now()
	upTo := map[*witness]int{}
	for _, wit := range w.witnesses {
		upTo[wit] = wit.count()
	}
	from := memwatch.Milli(w.verifiedAt.Add(-5 * time.Second))
	eventually(w.t, "every reading at the hub after "+after, 90*time.Second, func() error {
		for _, wit := range w.witnesses {
			held, err := wit.held(w.hubAddr, from, memwatch.Milli(now.Add(time.Hour)))
			if err != nil {
				return err
			}
			if lost := wit.missing(held, w.verified[wit], upTo[wit]); len(lost) > 0 {
				return fmt.Errorf("%s: %d of %d readings are not there, the first is %d", wit.name, len(lost), upTo[wit]-w.verified[wit], lost[0])
			}
		}
		return nil
	})
	w.verified, w.verifiedAt = upTo, now
}

// evidence are the captures of leaks on the agent's disk.
func (w *world) evidence() (captures []memwatch.Capture) {
	found, err := filepath.Glob(filepath.Join(w.agentData, "snapshots", "*", "*", "*", "manifest.json"))
	if err != nil {
		w.t.Fatal(err)
	}
	for _, path := range found {
		var m struct {
			Role     memwatch.Role      `json:"role"`
			Captures []memwatch.Capture `json:"captures"`
		}
		b, err := os.ReadFile(path)
		if errors.Is(err, os.ErrNotExist) {
			continue // retention took it just now
		}
		if err == nil {
			err = json.Unmarshal(b, &m)
		}
		if err != nil {
			w.t.Fatal(err)
		}
		if m.Role == memwatch.RoleLeaking || m.Role == memwatch.RoleLastGasp {
			captures = append(captures, m.Captures...)
		}
	}
	return captures
}

// settleEvidence waits until the hub has every capture that is on the agent's
// disk now, byte for byte.
func (w *world) settleEvidence(after string) (n int) {
	w.t.Helper()
	captures := w.evidence()
	eventually(w.t, "every capture at the hub after "+after, 60*time.Second, func() error {
		var got api.Profiles
		if err := getJSON("http://"+w.hubAddr+"/api/profiles?limit=1000", &got); err != nil {
			return err
		}
		held := map[string]memwatch.Capture{}
		for _, c := range got.Profiles {
			held[c.ID] = c
		}
		for _, c := range captures {
			if held[c.ID].SHA256 != c.SHA256 {
				return fmt.Errorf("%s (%s) is not there", c.Filename, c.ID)
			}
		}
		return nil
	})
	return len(captures)
}

// level is what a program takes.
type level struct {
	rss        int64
	goroutines int
}

func (l level) String() string { return fmt.Sprintf("%d MiB, %d goroutines", l.rss>>20, l.goroutines) }

func levelOf(addr string) (l level, err error) {
	resp, err := http.Get("http://" + addr + "/metrics")
	if err != nil {
		return l, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return l, err
	}
	for line := range bytes.Lines(body) {
		name, value, _ := strings.Cut(strings.TrimSpace(string(line)), " ")
		v, err := strconv.ParseFloat(value, 64)
		switch {
		case err != nil:
		case name == "process_resident_memory_bytes":
			l.rss = int64(v)
		case name == "go_goroutines":
			l.goroutines = int(v)
		}
	}
	if l.rss == 0 || l.goroutines == 0 {
		return l, fmt.Errorf("%s/metrics tells no memory or goroutines", addr)
	}
	return l, nil
}

// returnsTo waits until a program takes no more than before, or hardly.
func (w *world) returnsTo(name, addr string, before level) (now level) {
	w.t.Helper()
	eventually(w.t, name+" takes what it took before", 60*time.Second, func() (err error) {
		if now, err = levelOf(addr); err != nil {
			return err
		}
		if now.goroutines > before.goroutines+8 || now.rss > before.rss*3/2+24<<20 {
			return fmt.Errorf("%s, was %s", now, before)
		}
		return nil
	})
	return now
}
