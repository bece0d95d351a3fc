// Package s3test runs a real S3 server for tests: versitygw, which scripts/test
// setup builds, on a folder of its own.
package s3test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// The credentials that the server knows.
const (
	AccessKey = "memwatch-test"
	SecretKey = "not-a-secret-of-anybody"
	Bucket    = "blobs"
)

// Server is an S3 server with one bucket.
type Server struct {
	// Dir is where its buckets are folders.
	Dir string

	t       *testing.T
	program string
	addr    string
	cmd     *exec.Cmd
	said    bytes.Buffer
}

// Start runs a server until the test ends, and puts its credentials where the hub
// looks for them. Where the program is missing the test is skipped; with
// MEMWATCH_TEST_SERVERS set, as in scripts/test, it fails.
func Start(t *testing.T) *Server {
	t.Helper()
	s := &Server{t: t, Dir: t.TempDir(), program: find(t)}
	if err := os.Mkdir(filepath.Join(s.Dir, Bucket), 0o750); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_ACCESS_KEY_ID", AccessKey)
	t.Setenv("AWS_SECRET_ACCESS_KEY", SecretKey)
	for _, other := range []string{"AWS_REGION", "AWS_DEFAULT_REGION", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"} {
		t.Setenv(other, "")
	}
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Kill)
	s.Run()
	return s
}

// URL names a prefix in its bucket as a hub is told.
func (s *Server) URL(prefix string) string {
	return "s3://" + Bucket + "/" + prefix + "?endpoint=http://" + s.addr
}

// Run starts the server, again after Kill, and returns when it answers.
func (s *Server) Run() {
	s.t.Helper()
	s.said.Reset()
	s.cmd = exec.CommandContext(context.Background(), s.program, "--quiet", "--port", s.addr, "--access", AccessKey, "--secret", SecretKey, "posix", s.Dir)
	s.cmd.Stdout, s.cmd.Stderr = &s.said, &s.said
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); ; {
		resp, err := http.Get("http://" + s.addr + "/") //nolint:noctx // on loopback
		if err == nil {
			_ = resp.Body.Close()
			http.DefaultClient.CloseIdleConnections()
			return
		}
		if time.Now().After(deadline) {
			s.Kill()
			s.t.Fatalf("%s does not answer: %v\n%s", s.program, err, s.said.String())
		}
		time.Sleep(20 * time.Millisecond) // between two looks
	}
}

// Kill ends the server as a crash does.
func (s *Server) Kill() {
	if s.cmd != nil {
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait()
	}
	s.cmd = nil
}

func find(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
	}
	program := filepath.Join(dir, "bin", "tools", "versitygw")
	if _, err := os.Stat(program); err != nil {
		missing := fmt.Sprintf("%v: 'scripts/test setup' builds it", err)
		if os.Getenv("MEMWATCH_TEST_SERVERS") != "" {
			t.Fatal(missing)
		}
		t.Skip(missing)
	}
	return program
}
