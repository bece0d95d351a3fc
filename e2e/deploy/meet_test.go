package deploy

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	_ "net/http/pprof"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	sigsyaml "sigs.k8s.io/yaml"
)

// binaries is the folder of the programs.
var binaries string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "memwatch-deploy-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer func() { _ = os.RemoveAll(dir) }()
		build := exec.Command("go", "build", "-o", dir, "./cmd/...")
		build.Dir, build.Stdout, build.Stderr = "../..", os.Stderr, os.Stderr
		if err := build.Run(); err != nil {
			fmt.Fprintln(os.Stderr, "build the programs:", err)
			return 1
		}
		binaries = dir
		return m.Run()
	}())
}

// started runs a program until the test ends; its lines come by the channel.
func started(t *testing.T, dir string, env []string, name string, args ...string) <-chan string {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines, read := make(chan string, 1000), make(chan struct{})
	go func() {
		defer close(read)
		for s := bufio.NewScanner(out); s.Scan(); {
			select {
			case lines <- s.Text():
			default: // nobody waits for so many
			}
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-read
		_ = cmd.Wait() // ended by us
	})
	return lines
}

// line is the first that matches.
func line(t *testing.T, lines <-chan string, pattern string) []string {
	t.Helper()
	want := regexp.MustCompile(pattern)
	var said []string
	for limit := time.After(time.Minute); ; {
		select {
		case l := <-lines:
			if m := want.FindStringSubmatch(l); m != nil {
				return m
			}
			said = append(said, l)
		case <-limit:
			t.Fatalf("%s was not said:\n%s", pattern, strings.Join(said, "\n"))
		}
	}
}

// certificate writes tls.crt, tls.key and ca.crt as the Secret memwatch-hub-tls has them.
func certificate(t *testing.T, dir string, names []string) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "memwatch-hub"}, DNSNames: names,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	public := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	write(t, filepath.Join(dir, "tls.crt"), public)
	write(t, filepath.Join(dir, "ca.crt"), public)
	write(t, filepath.Join(dir, "tls.key"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(public)
	return pool
}

func write(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// certified are the names that cert-manager is asked for.
func certified(t *testing.T) []string {
	t.Helper()
	for _, o := range kustomized(t, k8s+"/overlays/cert-manager") {
		if o.kind == "Certificate" && o.name == "memwatch-hub" {
			var c struct{ Spec struct{ DNSNames []string } }
			if err := sigsyaml.Unmarshal(o.text, &c); err != nil {
				t.Fatal(err)
			}
			return c.Spec.DNSNames
		}
	}
	t.Fatal("no certificate for the hub")
	return nil
}

// TestHubAndSidecarMeetAsTheManifestsSay runs both with the configuration,
// environment and files that the manifests give them, other folders and ports
// apart: TLS by the hub's certificate, sign-in by a token from the Secret, which
// comes after the pod has started.
func TestHubAndSidecarMeetAsTheManifestsSay(t *testing.T) {
	dir := t.TempDir()
	place := strings.NewReplacer("0.0.0.0:4000", "127.0.0.1:0", "/var/lib/memwatch", dir+"/data", "/etc/memwatch/tls", dir)
	var text string
	for _, o := range kustomized(t, k8s+"/base/hub") {
		if c, ok := o.typed.(*corev1.ConfigMap); ok {
			text = c.Data["hub.yaml"]
		}
	}
	config := filepath.Join(dir, "hub.yaml")
	write(t, config, []byte(place.Replace(text)))
	names := certified(t)
	authority := certificate(t, dir, names)
	hub := filepath.Join(binaries, "memwatch-hub")
	port := line(t, started(t, dir, nil, hub, "serve", "--config", config), `hub is ready.*https://127\.0\.0\.1:(\d+)`)[1]
	token := func(role string) string {
		out, err := exec.CommandContext(t.Context(), hub, "token", "create", role, "--role", role, "--config", config).Output()
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(out))
	}

	target := httptest.NewServer(http.DefaultServeMux) // with net/http/pprof
	t.Cleanup(target.Close)
	keys := filepath.Join(dir, "keys") // the Secret memwatch-agent, not there yet
	pod, _ := watched(t, "sidecar", "Deployment")
	env := []string{
		"MEMWATCH_SERVICE_NAME=shop", "MEMWATCH_DASHBOARD_URL=wss://localhost:" + port, "MEMWATCH_TARGET_URL=" + target.URL,
		"MEMWATCH_LISTEN=127.0.0.1:0", "MEMWATCH_CHECK_INTERVAL=200ms",
	}
	for _, e := range pod.InitContainers[0].Env {
		if strings.HasPrefix(e.Name, "MEMWATCH_UPLINK_") {
			env = append(env, e.Name+"="+strings.Replace(e.Value, "/var/run/secrets/memwatch", keys, 1))
		}
	}
	agent := started(t, t.TempDir(), env, filepath.Join(binaries, "memwatchd"), pod.InitContainers[0].Args...)
	line(t, agent, `records wait in the spool.*keys/token`)

	ca, err := os.ReadFile(filepath.Join(dir, "ca.crt"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(keys, 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(keys, "ca.crt"), ca)
	write(t, filepath.Join(keys, "token"), []byte(token("agent")))

	viewer := token("viewer")
	for _, name := range names { // as each agent in the cluster calls it
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: authority, ServerName: name}}}
		t.Cleanup(client.CloseIdleConnections)
		if status, _ := get(t, client, "https://localhost:"+port+"/api/services", ""); status != http.StatusUnauthorized {
			t.Errorf("%s: without a token: HTTP %d", name, status)
		}
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: authority}}}
	t.Cleanup(client.CloseIdleConnections)
	every := time.NewTicker(100 * time.Millisecond)
	defer every.Stop()
	for limit := time.After(time.Minute); ; {
		status, body := get(t, client, "https://localhost:"+port+"/api/services", viewer)
		if status == http.StatusOK && strings.Contains(body, `"shop"`) {
			return
		}
		select {
		case <-every.C:
		case <-limit:
			t.Fatalf("the service did not come: HTTP %d\n%s", status, body)
		}
	}
}

func get(t *testing.T, client *http.Client, url, token string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}
