package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// shop is a small service of its own module: each order is remembered by its
// session. The fix forgets the session when it is over.
const shop = `package main

import (
	"expvar"
	"fmt"
	"net"
	"net/http"
	_ "net/http/pprof"
	"time"
)

type sessions map[int][]byte

func (s sessions) open(id int) { s[id] = make([]byte, 8<<10) }

func (s sessions) close(id int) {
	FIX
}

var (
	orders = expvar.NewInt("orders")
	basket []byte // of the newest order
)

func order(s sessions, id int) {
	s.open(id)
	defer s.close(id)
	basket = make([]byte, 512<<10)
	orders.Add(int64(len(basket)))
}

func main() {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println("http://" + ln.Addr().String())
	go http.Serve(ln, nil)
	s := sessions{}
	for id := 0; ; id++ {
		order(s, id)
		time.Sleep(4 * time.Millisecond)
	}
}
`

// project is a repository of two commits: the leaky one, and the fixed one.
func project(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	do := func(args ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GIT_AUTHOR_NAME=ann", "GIT_AUTHOR_EMAIL=ann@example.com", "GIT_COMMITTER_NAME=ann", "GIT_COMMITTER_EMAIL=ann@example.com")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
	}
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	do("git", "init", "--quiet")
	write("go.mod", "module example.com/shop\n\ngo 1.26\n")
	for _, commit := range [][2]string{{"leaky", "_ = id // it is still needed"}, {"fixed", "delete(s, id)"}} {
		write("main.go", strings.Replace(shop, "FIX", commit[1], 1))
		do("git", "add", ".")
		do("git", "commit", "--quiet", "-m", commit[0])
		do("git", "tag", commit[0])
	}
	for _, commit := range []string{"leaky", "fixed"} {
		do("git", "checkout", "--quiet", commit)
		do("go", "build", "-o", commit, ".")
	}
	return dir
}

func TestOnceFailsOnTheLeakyCommitAndPassesOnTheFixedOne(t *testing.T) {
	t.Parallel()
	dir := project(t)
	t.Run("leaky", func(t *testing.T) {
		t.Parallel()
		ctx, url := enough(t, startService(t, exec.Command(filepath.Join(dir, "leaky"))))
		status, out, errOut := callWith(ctx, nil, "once", "--for", "80s", "--interval", "100ms", "--output", "sarif", url)
		if status != exitFailed || !strings.Contains(out, "main.sessions.open") || !strings.Contains(out, "main.go") {
			t.Fatalf("status %d, want 1 and main.sessions.open in main.go:\n%s\n%s", status, out, errOut)
		}
		validate(t, sarifSchema(t), []byte(out))
	})
	t.Run("fixed", func(t *testing.T) {
		t.Parallel()
		ctx, url := enough(t, startService(t, exec.Command(filepath.Join(dir, "fixed"))))
		status, out, errOut := callWith(ctx, nil, "once", "--for", "80s", "--interval", "100ms", "--output", "junit", url)
		if status != exitOK || !strings.Contains(out, `tests="1" failures="0" errors="0"`) {
			t.Fatalf("status %d, want 0:\n%s\n%s", status, out, errOut)
		}
	})
}
