package scraper

import (
	"bytes"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// claim is what a target says of itself. A port of this machine may belong to a
// tunnel or a proxy (kubectl port-forward, ssh -L, docker-proxy): a listening
// process is taken for the target only when it fits.
type claim struct {
	args  []string  // its command line
	start time.Time // when it started
}

func (c claim) empty() bool { return len(c.args) == 0 && c.start.IsZero() }

// find looks for the one process that listens where the target answers, as it
// did at the time asked, and is what the target says of itself; it stays unknown
// when there is none, more than one, or it may not be seen.
func (p *process) find(base *url.URL, socket string, is claim, asked time.Time) {
	p.forget()
	if is.empty() || socket == "" && !isLoopback(base.Hostname()) {
		return
	}
	// What is known already may do; a process that has just begun is not in it.
	for _, since := range []time.Time{asked.Add(-searchShared), asked} {
		pids := around.listening(p.root, address(base, socket), since)
		pids = slices.DeleteFunc(pids, func(pid int) bool { return !p.fits(pid, is) })
		if len(pids) == 1 {
			p.use(pids[0])
			return
		}
	}
}

func (p *process) fits(pid int, is claim) bool {
	if len(is.args) > 0 {
		text, err := os.ReadFile(p.file(pid, "cmdline"))
		return err == nil && string(text) == strings.Join(is.args, "\x00")+"\x00"
	}
	line, err := os.ReadFile(p.file(pid, "stat"))
	if err != nil {
		return false
	}
	ticks, _, err := parseStat(line)
	if err != nil {
		return false
	}
	start, err := startTime(p.root, ticks)
	return err == nil && start.Sub(is.start).Abs() <= clockSlack
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// address is where a target listens as neighbours has it: a port, or the path
// of a unix socket.
func address(base *url.URL, socket string) string {
	if port, err := strconv.ParseUint(base.Port(), 10, 16); socket == "" && err == nil {
		return fmt.Sprintf(":%04X", port)
	}
	return socket
}

// neighbours are the processes that listen on this machine, by where they do.
// To find them much of /proc is read, so all targets share what one search found.
type neighbours struct {
	mu    sync.Mutex
	root  string
	at    time.Time
	where map[string][]int
}

var around neighbours

// searchShared is how old a search may be that is used again: a hundred targets
// that begin within a second need one.
const searchShared = time.Second

// listening are the processes that listen at an address and may be seen, by a
// search no older than since.
func (n *neighbours) listening(root, address string, since time.Time) []int {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.root != root || n.at.Before(since) {
		n.root, n.at = root, time.Now()
		n.where = search(root)
	}
	return slices.Clone(n.where[address])
}

// search reads which process listens where.
func search(root string) map[string][]int {
	sockets := listeners(root)
	where := map[string][]int{}
	if len(sockets) == 0 {
		return where
	}
	dirs, _ := filepath.Glob(filepath.Join(root, "proc/[0-9]*"))
	for _, dir := range dirs {
		pid, err := strconv.Atoi(filepath.Base(dir))
		links, failed := os.ReadDir(filepath.Join(dir, "fd"))
		if err != nil || failed != nil {
			continue
		}
		for _, link := range links {
			to, err := os.Readlink(filepath.Join(dir, "fd", link.Name()))
			if address, ok := sockets[to]; err == nil && ok && !slices.Contains(where[address], pid) {
				where[address] = append(where[address], pid)
			}
		}
	}
	return where
}

// listeners are the addresses of the sockets that listen, by the names that
// /proc/PID/fd has for them.
func listeners(root string) map[string]string {
	const listen, local, state, inode = "0A", 1, 3, 9
	const unixListen, unixState, unixInode, unixPath = "00010000", 3, 6, 7
	found := map[string]string{}
	for _, table := range []string{"tcp", "tcp6"} {
		eachSocket(root, table, func(f []string) {
			if port := strings.LastIndexByte(f[local], ':'); len(f) > inode && f[state] == listen && port >= 0 {
				found["socket:["+f[inode]+"]"] = f[local][port:]
			}
		})
	}
	eachSocket(root, "unix", func(f []string) {
		if len(f) > unixPath && f[unixState] == unixListen {
			found["socket:["+f[unixInode]+"]"] = f[unixPath]
		}
	})
	return found
}

func eachSocket(root, table string, f func(fields []string)) {
	text, err := os.ReadFile(filepath.Join(root, "proc/net", table))
	if err != nil {
		return
	}
	for line := range bytes.Lines(text) {
		if fields := strings.Fields(string(line)); len(fields) > 1 {
			f(fields)
		}
	}
}
