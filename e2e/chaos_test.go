package e2e

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/zupee/memwatch"
)

var longChaos = flag.Bool("chaos.long", false, "run the long form of TestChaos: a hundred kills, longer faults, jumping clocks")

// chaos is one run of faults, and what is told of it in the end.
type chaos struct {
	*world
	faults  int
	report  []string
	rng     *rand.Rand
	long    bool
	started time.Time
}

// TestChaos breaks everything that can break while readings come in, and counts:
// every reading that was taken is at the hub exactly once, every capture arrives,
// and both programs take in the end what they took at the start.
//
//	go test ./e2e -run TestChaos -v        the short form, which CI runs
//	make chaos                             the long one
func TestChaos(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	c := &chaos{world: newWorld(t), rng: rand.New(rand.NewPCG(seed, 1)), long: *longChaos, started: time.Now()}
	t.Logf("seed %d", seed)
	eventually(t, "the first evidence of a leak", 60*time.Second, func() error {
		if len(c.evidence()) == 0 {
			return fmt.Errorf("none yet")
		}
		return nil
	})
	c.settle("the start")
	agent, hub := c.levels()

	c.kills(c.pick(6, 100))
	c.network(c.scale(1500*time.Millisecond, 15*time.Second))
	c.fullDisks(c.scale(2*time.Second, 15*time.Second))
	c.targetRestarts(c.pick(3, 20))
	rolledBack := c.olderBackup()
	if c.long {
		c.clockJumps()
	}
	captures := c.settleEvidence("all faults")
	c.settle("all faults")
	c.count(rolledBack, captures)
	agentNow := c.returnsTo("the agent", c.agentAddr, agent)
	hubNow := c.returnsTo("the hub", c.hubAddr, hub)
	t.Logf("agent %s, was %s; hub %s, was %s", agentNow, agent, hubNow, hub)
}

func (c *chaos) pick(short, long int) int {
	if c.long {
		return long
	}
	return short
}

func (c *chaos) scale(short, long time.Duration) time.Duration {
	if c.long {
		return long
	}
	return short
}

func (c *chaos) levels() (agent, hub level) {
	var err error
	if agent, err = levelOf(c.agentAddr); err != nil {
		c.t.Fatal(err)
	}
	if hub, err = levelOf(c.hubAddr); err != nil {
		c.t.Fatal(err)
	}
	return agent, hub
}

// injected notes faults of one kind, and waits until all is well again.
func (c *chaos) injected(n int, what string) {
	c.t.Helper()
	c.faults += n
	began := time.Now()
	c.settle(what)
	c.report = append(c.report, fmt.Sprintf("%4d × %-44s all readings there %.1f s later", n, what, time.Since(began).Seconds()))
}

func (c *chaos) kills(n int) {
	for range n {
		away := time.Duration(c.rng.IntN(500)) * time.Millisecond
		if c.rng.IntN(2) == 0 {
			c.killAgent(away)
		} else {
			c.killHub(away)
		}
		pause(time.Duration(200+c.rng.IntN(800)) * time.Millisecond)
	}
	c.injected(n, "kill -9 of agent or hub")
	c.settleEvidence("the kills")
}

func (c *chaos) network(d time.Duration) {
	for _, f := range []struct{ name, toxic string }{
		{"latency of 300 ms, jitter 200 ms", `{"name":"x","type":"latency","stream":"upstream","attributes":{"latency":300,"jitter":200}}`},
		{"half-open: nothing arrives, nothing is closed", `{"name":"x","type":"timeout","stream":"upstream","attributes":{"timeout":0}}`},
		{"half-open: no answer comes back", `{"name":"x","type":"timeout","stream":"downstream","attributes":{"timeout":0}}`},
		{"reset in the middle of a stream", `{"name":"x","type":"reset_peer","stream":"upstream","attributes":{"timeout":200}}`},
		{"cut after some bytes", `{"name":"x","type":"limit_data","stream":"upstream","attributes":{"bytes":20000}}`},
		{"slow link: 30 kB/s", `{"name":"x","type":"bandwidth","stream":"upstream","attributes":{"rate":30}}`},
		{"bytes in crumbs", `{"name":"x","type":"slicer","stream":"upstream","attributes":{"average_size":64,"size_variation":32,"delay":500}}`},
	} {
		heal := c.toxic(f.toxic)
		pause(d)
		heal()
		c.injected(1, f.name)
	}
	c.link.Stop()
	pause(d)
	if err := c.link.Start(); err != nil {
		c.t.Fatal(err)
	}
	c.injected(1, "network cut")
}

func (c *chaos) fullDisks(d time.Duration) {
	if !c.tmpfs {
		c.report = append(c.report, "  no full disks: "+c.noTmpfs)
		return
	}
	for _, disk := range []struct {
		name, dir string
		whose     *process
		says      string // when it has met the fault
	}{
		{"the agent's disk full", c.agentData, c.agent, "spool cannot write"},
		{"the hub's disk full", c.hubData, c.hub, "cannot store what an agent sent"},
	} {
		heal := c.fill(disk.dir)
		disk.whose.line(c.t, disk.says)
		pause(d)
		heal()
		c.injected(1, disk.name)
	}
}

func (c *chaos) targetRestarts(n int) {
	for range n {
		c.leaky.kill(c.t)
		pause(time.Duration(c.rng.IntN(300)) * time.Millisecond)
		c.startLeaky()
		pause(time.Duration(200+c.rng.IntN(500)) * time.Millisecond)
	}
	c.injected(n, "target killed and started again")
}

// olderBackup sets the hub back to what it was some time before. What it had
// acked since is gone with its disk; everything else must be there, and the
// captures come again when the agent starts. It returns what is gone.
func (c *chaos) olderBackup() (gone int) {
	c.hub.signal(c.t, syscall.SIGTERM)
	<-c.hub.ended
	backup := filepath.Join(c.dir, "backup")
	if err := os.CopyFS(backup, os.DirFS(c.hubData)); err != nil {
		c.t.Fatal(err)
	}
	c.startHub()
	pause(c.scale(2*time.Second, 10*time.Second))
	c.settle("a backup")

	c.link.Stop() // so that it is known what the hub has when it dies
	before := c.heldByHub()
	c.hub.kill(c.t)
	entries, err := os.ReadDir(c.hubData)
	if err != nil {
		c.t.Fatal(err)
	}
	for _, e := range entries {
		if err := os.RemoveAll(filepath.Join(c.hubData, e.Name())); err != nil {
			c.t.Fatal(err)
		}
	}
	if err := os.CopyFS(c.hubData, os.DirFS(backup)); err != nil {
		c.t.Fatal(err)
	}
	c.startHub()
	after := c.heldByHub()
	for i, w := range c.witnesses {
		for n := range before[i] {
			if after[i][n] == 0 && !w.isExcused(n) {
				w.mu.Lock()
				w.excused[n] = true
				w.mu.Unlock()
				gone++
			}
		}
	}
	if err := c.link.Start(); err != nil {
		c.t.Fatal(err)
	}
	c.killAgent(0)
	c.injected(2, "hub restored from an older backup, agent killed")
	c.settleEvidence("the restored backup")
	return gone
}

// heldByHub is how often the hub has each reading of each witness.
func (c *chaos) heldByHub() []map[int]int {
	c.t.Helper()
	out := make([]map[int]int, len(c.witnesses))
	for i, w := range c.witnesses {
		held, err := w.held(c.hubAddr, memwatch.Milli(c.started.Add(-time.Hour)), memwatch.Milli(time.Now().Add(2*time.Hour)))
		if err != nil {
			c.t.Fatal(err)
		}
		out[i] = held
	}
	return out
}

// count prints the result, and fails when a reading is lost or doubled.
func (c *chaos) count(rolledBack, captures int) {
	c.t.Helper()
	sent, lost, doubled, cutOff := 0, 0, 0, -rolledBack
	for i, held := range c.heldByHub() {
		w := c.witnesses[i]
		sent += c.verified[w]
		missing := w.missing(held, 0, c.verified[w])
		lost += len(missing)
		for _, times := range held {
			if times > 1 {
				doubled += times - 1
			}
		}
		for n := range w.excused {
			if held[n] == 0 {
				cutOff++
			}
		}
	}
	result := fmt.Sprintf("faults injected %d, readings sent %d, lost %d, doubled %d; captures arrived %d; in %.0f s\n"+
		"not counted as lost: %d that the hub had acked and its older backup had not; %d that the agent was just taking when it was killed",
		c.faults, sent, lost, doubled, captures, time.Since(c.started).Seconds(), rolledBack, cutOff)
	c.t.Logf("\n%s\n%s", strings.Join(c.report, "\n"), result)
	if lost > 0 || doubled > 0 {
		c.t.Error("readings were lost or doubled")
	}
	if sent < 50 || captures == 0 {
		c.t.Error("there was no load worth speaking of")
	}
}
