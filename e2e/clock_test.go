package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// A process's clock cannot be set without setting everybody's. So an agent is
// built whose standard library tells another time: time.Now is overlaid with
// one that adds what CLOCK_JUMPS says, as seconds of uptime and of shift:
// "5:1800 10:-60". The monotonic clock stays what it is, as when a clock is set.
const jumpingNow = `package time

import "syscall"

var jumps = func() (out [][2]int64) {
	text, _ := syscall.Getenv("CLOCK_JUMPS")
	var pair [2]int64
	at, sign := 0, int64(1)
	for i := 0; i <= len(text); i++ {
		switch {
		case i == len(text) || text[i] == ' ':
			pair[at] *= sign
			out = append(out, pair)
			pair, at, sign = [2]int64{}, 0, 1
		case text[i] == ':':
			at = 1
		case text[i] == '-':
			sign = -1
		default:
			pair[at] = pair[at]*10 + int64(text[i]-'0')
		}
	}
	return out
}()

func jump(mono int64) (seconds int64) {
	for _, j := range jumps {
		if mono-startNano >= j[0]*1e9 {
			seconds = j[1]
		}
	}
	return seconds
}
`

// buildJumping builds memwatchd with a clock that jumps.
func (w *world) buildJumping() {
	w.t.Helper()
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		w.t.Fatal(err)
	}
	timeGo := filepath.Join(strings.TrimSpace(string(root)), "src", "time", "time.go")
	source, err := os.ReadFile(timeGo)
	if err != nil {
		w.t.Fatal(err)
	}
	const read = "func Now() Time {\n\tsec, nsec, mono := runtimeNow()\n"
	if !strings.Contains(string(source), read) {
		w.t.Fatalf("%s is not what this test knows: time.Now does not begin with %q", timeGo, read)
	}
	shifted, more := filepath.Join(w.dir, "time.go"), filepath.Join(w.dir, "jump.go")
	overlay := filepath.Join(w.dir, "overlay.json")
	doc, err := json.Marshal(map[string]map[string]string{"Replace": {timeGo: shifted, filepath.Join(filepath.Dir(timeGo), "jump.go"): more}})
	if err != nil {
		w.t.Fatal(err)
	}
	for path, text := range map[string]string{
		shifted: strings.Replace(string(source), read, read+"\tsec += jump(mono)\n", 1), more: jumpingNow, overlay: string(doc),
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			w.t.Fatal(err)
		}
	}
	build := exec.Command("go", "build", "-overlay", overlay, "-o", filepath.Join(binaries, "memwatchd-jumping"), "../cmd/memwatchd")
	if out, err := build.CombinedOutput(); err != nil {
		w.t.Fatalf("build an agent with another clock: %v\n%s", err, out)
	}
}

// clockJumps runs an agent whose clock is set half an hour ahead, back, and back
// by less than what it had gained.
func (c *chaos) clockJumps() {
	c.t.Helper()
	c.buildJumping()
	excuse := c.endAgent(syscall.SIGTERM)
	excuse()
	c.agentName, c.agentEnv = "memwatchd-jumping", []string{"CLOCK_JUMPS=6:1800 12:300 18:290"}
	c.startAgent()
	pause(25 * time.Second)
	c.injected(3, "clock set ahead 30 min, back 25 min, back 10 s")
	excuse = c.endAgent(syscall.SIGTERM)
	excuse()
	c.agentName, c.agentEnv = "memwatchd", nil
	c.startAgent()
	c.injected(1, "agent whose saved state is of the future")
}
