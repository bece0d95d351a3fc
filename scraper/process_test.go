package scraper

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/zupee/memwatch"
)

// machine is a made-up root folder with /proc and /sys.
type machine struct {
	t    *testing.T
	root string
}

func newMachine(t *testing.T) machine {
	m := machine{t, t.TempDir()}
	m.write("proc/stat", "cpu 1 2 3\nbtime 1700000000\n")
	m.write("proc/net/tcp", "sl local_address rem_address st tx_queue tr tm->when retrnsmt uid timeout inode\n"+
		" 0: 0100007F:17AC 00000000:0000 0A 0:0 0:0 0 0 0 555 1\n"+ // 127.0.0.1:6060, listening
		" 1: 0100007F:17AC 0100007F:9999 01 0:0 0:0 0 0 0 556 1\n") // one of its connections
	m.write("proc/net/unix", "Num RefCount Protocol Flags Type St Inode Path\n"+
		"0: 00000002 00000000 00010000 0001 01 777 /run/app.sock\n")
	return m
}

func (m machine) write(path, text string) {
	m.t.Helper()
	path = filepath.Join(m.root, path)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		m.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		m.t.Fatal(err)
	}
}

// run adds a process that began so many seconds after boot and has a socket open.
func (m machine) run(pid, began, socket int, args ...string) {
	m.t.Helper()
	dir := fmt.Sprintf("proc/%d/", pid)
	m.write(dir+"cmdline", strings.Join(args, "\x00")+"\x00")
	m.write(dir+"stat", fmt.Sprintf("%d (a) name) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 9 0 %d 5000 1000", pid, began*userHZ))
	m.write(dir+"environ", "HOME=/\x00GOGC=50\x00GOMEMLIMIT=512MiB\x00")
	fd := filepath.Join(m.root, dir, "fd")
	if err := os.MkdirAll(fd, 0o700); err != nil {
		m.t.Fatal(err)
	}
	if err := os.Symlink(fmt.Sprintf("socket:[%d]", socket), filepath.Join(fd, "3")); err != nil {
		m.t.Fatal(err)
	}
}

func (m machine) find(url string, is claim) process {
	m.t.Helper()
	u, err := ParseURL(url)
	if err != nil {
		m.t.Fatal(err)
	}
	p := process{root: m.root}
	m.t.Cleanup(p.forget)
	socket := ""
	if u.Scheme == "unix" {
		socket = u.Path
	}
	p.find(u, socket, is, time.Now())
	return p
}

func TestTheProcessBehindAPortIsFoundAndRead(t *testing.T) {
	m := newMachine(t)
	m.run(40, 100, 555, "/bin/shop", "--x")
	m.run(41, 100, 999, "/bin/shop", "--x")
	p := m.find("localhost:6060", claim{args: []string{"/bin/shop", "--x"}})
	var s memwatch.Sample
	if p.pid != 40 || !p.read(&s) {
		t.Fatalf("found process %d, want 40", p.pid)
	}
	if want := time.Unix(1700000100, 0); !s.Start.Equal(want) {
		t.Errorf("start %v, want %v", s.Start, want)
	}
	for sig, want := range map[memwatch.Signal]float64{
		memwatch.RSSBytes: 1000 * float64(os.Getpagesize()), memwatch.GOGCPercent: 50, memwatch.GoMemLimitBytes: 512 << 20,
	} {
		if v := s.Or(sig, -1); v != want {
			t.Errorf("%v = %v, want %v", sig, v, want)
		}
	}
	if _, ok := s.Get(memwatch.LimitBytes); ok {
		t.Error("a limit from nowhere")
	}
}

func TestTheProcessBehindAUnixSocketIsFound(t *testing.T) {
	m := newMachine(t)
	m.run(40, 100, 777, "app")
	if p := m.find("unix:///run/app.sock", claim{args: []string{"app"}}); p.pid != 40 {
		t.Errorf("found process %d, want 40", p.pid)
	}
}

func TestATunnelIsNotTakenForTheTarget(t *testing.T) {
	m := newMachine(t)
	m.run(40, 100, 555, "kubectl", "port-forward", "shop", "6060")
	for name, is := range map[string]claim{
		"another command line": {args: []string{"/bin/shop"}},
		"another start":        {start: time.Unix(1700009999, 0)},
		"nothing said":         {},
	} {
		if p := m.find(":6060", is); p.pid != 0 {
			t.Errorf("%s: took process %d for the target", name, p.pid)
		}
	}
	if p := m.find(":6060", claim{start: time.Unix(1700000101, 0)}); p.pid != 40 {
		t.Error("a process that began when the target says was not found")
	}
}

func TestTwoProcessesThatShareASocketAreNotGuessedBetween(t *testing.T) {
	m := newMachine(t)
	m.run(40, 100, 555, "web")
	m.run(41, 100, 555, "web")
	if p := m.find(":6060", claim{args: []string{"web"}}); p.pid != 0 {
		t.Errorf("took process %d of two", p.pid)
	}
}

func TestARemoteTargetIsNotLookedForHere(t *testing.T) {
	m := newMachine(t)
	m.run(40, 100, 555, "web")
	if p := m.find("http://10.0.0.1:6060", claim{args: []string{"web"}}); p.pid != 0 {
		t.Errorf("took process %d for a target elsewhere", p.pid)
	}
}

func TestAReusedProcessNumberIsNoticed(t *testing.T) {
	m := newMachine(t)
	m.run(40, 100, 555, "web")
	p := m.find(":6060", claim{args: []string{"web"}})
	var s memwatch.Sample
	m.write("proc/40/stat", "40 (x) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 9 0 99900 5000 1000")
	if p.read(&s) {
		t.Error("another process with the same number was taken for the target")
	}
	m.write("proc/40/stat", "40 (x) S")
	if p.read(&s) {
		t.Error("a process that cannot be read was taken for the target")
	}
}

func TestMemoryOfCgroups(t *testing.T) {
	const v2files, v1files = "sys/fs/cgroup/", "sys/fs/cgroup/memory/"
	group := func(m machine, dir, limit, usage string) {
		m.write(dir+"/memory.max", limit+"\n")
		m.write(dir+"/memory.current", usage+"\n")
		m.write(dir+"/memory.stat", "anon 1\ninactive_file 1000\nactive_file 7\n")
	}
	for _, c := range []struct {
		name         string
		line, own    string // /proc/PID/cgroup of the target and of ours
		files        func(m machine)
		limit, usage float64 // 0 for none
	}{
		{"v2, the lowest on the way", "0::/a/b", "0::/c", func(m machine) {
			group(m, v2files+"a/b", "max", "70000")
			group(m, v2files+"a", "200000", "150000")
			group(m, v2files, "900000", "800000")
		}, 200000, 149000},
		{"v2, none", "0::/a", "0::/a", func(m machine) { group(m, v2files+"a", "max", "5000") }, 0, 0},
		{"v2, another container is not given our limit", "0::/../other", "0::/", func(m machine) {
			group(m, v2files, "64", "32")
		}, 0, 0},
		{"v2, another container seen through its root", "0::/../other", "0::/", func(m machine) {
			group(m, v2files, "64", "32")
			group(m, "proc/40/root/sys/fs/cgroup", "300000", "21000")
		}, 300000, 20000},
		{"v2, usage is never negative", "0::/", "0::/", func(m machine) { group(m, v2files, "300000", "10") }, 300000, 0},
		{"v1, a host's path in our own container", "4:memory:/docker/x", "4:memory:/docker/x", func(m machine) {
			m.write(v1files+"memory.limit_in_bytes", "500000")
			m.write(v1files+"memory.usage_in_bytes", "90000")
			m.write(v1files+"memory.stat", "cache 5\ntotal_inactive_file 40000\n")
		}, 500000, 50000},
		{"v1, unlimited", "4:memory:/", "4:memory:/", func(m machine) {
			m.write(v1files+"memory.limit_in_bytes", "9223372036854771712")
			m.write(v1files+"memory.usage_in_bytes", "90000")
		}, 0, 0},
		{"no cgroups", "garbage", "", func(machine) {}, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newMachine(t)
			m.write("proc/40/cgroup", "1:cpu:/z\n"+c.line+"\n")
			m.write("proc/self/cgroup", c.own+"\n")
			c.files(m)
			g := cgroups{m.root}.tightest(40)
			if usage, _ := g.usage(); g.limit != c.limit || usage != c.usage {
				t.Errorf("limit %v, usage %v; want %v, %v", g.limit, usage, c.limit, c.usage)
			}
		})
	}
}

func TestGOMEMLIMITAsTheRuntimeReadsIt(t *testing.T) {
	for in, want := range map[string]float64{"1000": 1000, "1000B": 1000, "2KiB": 2048, "1TiB": 1 << 40} {
		if v, ok := goMemLimit(in); !ok || v != want {
			t.Errorf("%s: %v %v, want %v", in, v, ok, want)
		}
	}
	for _, in := range []string{"off", "", "-1", "1GB", "9223372036854775807"} {
		if v, ok := goMemLimit(in); ok {
			t.Errorf("%s: %v, want none", in, v)
		}
	}
}

func TestTargetsShareOneSearchAndANewProcessIsFoundAtOnce(t *testing.T) {
	m := newMachine(t)
	m.run(40, 100, 555, "web")
	if p := m.find(":6060", claim{args: []string{"web"}}); p.pid != 40 {
		t.Fatalf("found process %d, want 40", p.pid)
	}
	first := around.at
	if p := m.find(":6060", claim{args: []string{"web"}}); p.pid != 40 || !around.at.Equal(first) {
		t.Errorf("found process %d, by another search: %v", p.pid, !around.at.Equal(first))
	}
	m.run(41, 100, 777, "app")
	if p := m.find("unix:///run/app.sock", claim{args: []string{"app"}}); p.pid != 41 {
		t.Errorf("found process %d that has just begun, want 41", p.pid)
	}
}
