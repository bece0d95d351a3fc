// Package pgtest gives tests a PostgreSQL of their own: Debian's server in a
// temporary folder on loopback, ended with the test. Where the server is not
// installed a test says so and is skipped, except where the environment sets
// MEMWATCH_TEST_SERVERS, as scripts/test does: there it fails.
package pgtest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"
)

// user is the superuser that initdb makes.
const user = "memwatch"

// Server is one running PostgreSQL.
type Server struct {
	bin, dir string
	port     int
	options  []string
	process  *process
	made     atomic.Int64
}

// Start runs a server that ends with the test. Settings are as in
// postgresql.conf, name=value; by default commits do not wait for the disk.
func Start(t testing.TB, settings ...string) *Server {
	t.Helper()
	bin, err := programs()
	if err != nil {
		if os.Getenv("MEMWATCH_TEST_SERVERS") != "" {
			t.Fatalf("%v: run 'scripts/test setup'", err)
		}
		t.Skipf("%v: 'scripts/test setup' installs it", err)
	}
	s, err := start(bin, settings)
	if err != nil {
		t.Fatalf("start PostgreSQL: %v", err)
	}
	t.Cleanup(func() {
		if err := s.end(); err != nil {
			t.Errorf("end PostgreSQL: %v", err)
		}
	})
	return s
}

// shared is the server of this test binary, and how it came to be.
var shared struct {
	once sync.Once
	on   *Server
	err  error
}

// Database makes an empty database on a server that the tests of this binary
// share, and answers its address. The binary's TestMain must be Main.
func Database(t testing.TB) string {
	t.Helper()
	bin, err := programs()
	if err != nil {
		return Start(t).Database(t) // which says why not
	}
	shared.once.Do(func() { shared.on, shared.err = start(bin, nil) })
	if shared.err != nil {
		t.Fatalf("start PostgreSQL: %v", shared.err)
	}
	return shared.on.Database(t)
}

// Main runs the tests of a binary that use Database, ends the server after them, and
// makes sure that they left no goroutine behind. It answers the exit status.
func Main(m *testing.M) int {
	code := m.Run()
	if shared.on != nil {
		if err := shared.on.end(); err != nil {
			fmt.Fprintln(os.Stderr, "end PostgreSQL:", err)
			code = 1
		}
	}
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	return code
}

// programs finds the folder of the server's programs: Debian keeps them out of
// the path, a folder for each version.
func programs() (string, error) {
	if runtime.GOOS != "linux" {
		return "", errors.New("a PostgreSQL for tests runs on Linux alone")
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if path, err := exec.LookPath("initdb"); err == nil {
		found = append(found, path)
	}
	if len(found) == 0 {
		return "", errors.New("PostgreSQL's initdb is neither in the path nor in /usr/lib/postgresql")
	}
	return filepath.Dir(slices.Max(found)), nil
}

func start(bin string, settings []string) (s *Server, err error) {
	s = &Server{bin: bin, options: []string{"-c", "fsync=off", "-c", "max_connections=200", "-c", "listen_addresses=127.0.0.1", "-c", "logging_collector=off"}}
	for _, set := range settings {
		s.options = append(s.options, "-c", set)
	}
	if s.dir, err = os.MkdirTemp("", "pg"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = os.RemoveAll(s.dir)
		}
	}()
	if err := own(s.dir); err != nil {
		return nil, err
	}
	//nolint:gosec,noctx // the program is the system's, and ends by itself
	cmd := exec.Command(filepath.Join(bin, "initdb"), "-D", s.data(), "-U", user, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
	cmd.Dir = s.dir
	unprivileged(cmd)
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w: %s", err, out)
	}
	return s, s.Begin()
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

// Begin starts the server, again after Kill on the port that it had.
func (s *Server) Begin() error {
	var err error
	for range 5 { // the port that was free may be taken meanwhile
		if s.port == 0 {
			if s.port, err = freePort(); err != nil {
				return err
			}
		}
		if err = s.begin(); err == nil {
			return nil
		}
		if s.made.Load() == 0 {
			s.port = 0
		}
	}
	return err
}

func (s *Server) begin() (err error) {
	args := append([]string{"-D", s.data(), "-k", s.dir, "-p", strconv.Itoa(s.port)}, s.options...)
	if s.process, err = run(filepath.Join(s.bin, "postgres"), args, s.dir); err != nil {
		return err
	}
	deadline := time.Now().Add(time.Minute)
	for {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		conn, err := pgx.Connect(ctx, s.url("postgres"))
		if err == nil {
			err = conn.Close(ctx)
			cancel()
			return err
		}
		cancel()
		select {
		case <-s.process.ended:
			return fmt.Errorf("the server ended: %s", s.process.log())
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return errors.Join(err, s.process.kill())
		}
	}
}

// Kill ends the server as a crash does: at once, with nothing written that was not.
func (s *Server) Kill() error { return s.process.kill() }

// CPU is how much of it the server has used, all of its processes together.
func (s *Server) CPU() time.Duration { return time.Duration(s.process.cpu()) * 10 * time.Millisecond }

func (s *Server) end() error {
	return errors.Join(s.process.interrupt(), os.RemoveAll(s.dir))
}

func (s *Server) url(database string) string {
	return (&url.URL{Scheme: "postgres", User: url.User(user), Host: s.Addr(), Path: database}).String()
}

// Addr is where it listens.
func (s *Server) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

// Database makes an empty database and answers its address.
func (s *Server) Database(t testing.TB) string {
	t.Helper()
	name := fmt.Sprintf("test%d", s.made.Add(1))
	s.Exec(t, s.url("postgres"), "CREATE DATABASE "+name)
	return s.url(name)
}

// Exec runs a statement on a database, behind the back of whoever else has it open.
func (s *Server) Exec(t testing.TB, database, query string, args ...any) {
	Exec(t, database, query, args...)
}

// Exec runs a statement on a database.
func Exec(t testing.TB, database, query string, args ...any) {
	t.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, database)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }()
	if _, err := conn.Exec(ctx, query, args...); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // nothing to wait for
	if err != nil {
		return 0, err
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}
