package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/zupee/memwatch/inject"
)

// certificate writes a new one for 127.0.0.1 to files and returns it.
func certificate(t *testing.T, cert, key string) *x509.Certificate {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: serial, DNSNames: []string{"hub"}, NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	rawKey, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: raw}, key: {Type: "PRIVATE KEY", Bytes: rawKey}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out, err := x509.ParseCertificate(raw)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestTheWebhookAnswersOverTLSAndTakesANewCertificate(t *testing.T) {
	dir := t.TempDir()
	f := injectFlags{listen: "127.0.0.1:0", cert: filepath.Join(dir, "tls.crt"), key: filepath.Join(dir, "tls.key"), options: inject.Options{Image: "m", DashboardURL: "ws://hub:4000"}}
	first := certificate(t, f.cert, f.key)
	ctx, cancel := context.WithCancel(t.Context())
	addr, ended := make(chan string, 1), make(chan error, 1)
	go func() { ended <- serveInject(ctx, f, slog.New(slog.DiscardHandler), func(a string) { addr <- a }) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("it ended with %v", err)
		}
	}()
	host := <-addr
	ask := func(ca *x509.Certificate, body string) (int, string) {
		pool := x509.NewCertPool()
		pool.AddCert(ca)
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, ServerName: "hub", MinVersion: tls.VersionTLS12}}}
		defer client.CloseIdleConnections()
		resp, err := client.Post("https://"+host+"/inject", "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(b)
	}
	const review = `{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"1","object":
		{"metadata":{"generateName":"shop-","annotations":{"memwatch.io/inject":"true"}},"spec":{"containers":[{"name":"shop"}]}}}}`
	if status, body := ask(first, review); status != http.StatusOK || !strings.Contains(body, `"patchType":"JSONPatch"`) {
		t.Errorf("%d %s", status, body)
	}
	second := certificate(t, f.cert, f.key)
	if status, body := ask(second, "{}"); status != http.StatusBadRequest || !strings.Contains(body, "want a request of admission.k8s.io/v1") {
		t.Errorf("%d %s", status, body)
	}
	if status, body := ask(second, strings.Repeat(" ", maxReview+1)); status != http.StatusRequestEntityTooLarge {
		t.Errorf("%d %s", status, body)
	}
}

func TestInjectWithoutACertificateSaysSo(t *testing.T) {
	for _, args := range [][]string{{"inject"}, {"inject", "--tls-cert", "/no/such/file", "--tls-key", "/no/such/file"}} {
		var errOut strings.Builder
		if status := run(t.Context(), args, io.Discard, &errOut); status != exitUsage || errOut.Len() == 0 {
			t.Errorf("%v: status %d, %s", args, status, errOut.String())
		}
	}
}
