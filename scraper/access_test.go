package scraper_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/scraper"
)

// authority signs certificates of its own and leaves them in files.
type authority struct {
	t    *testing.T
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	a := &authority{t: t, dir: t.TempDir()}
	a.cert, a.key = a.issue("ca", &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	return a
}

func (a *authority) file(name string) string { return filepath.Join(a.dir, name) }

func (a *authority) issue(name string, c *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	a.must(err)
	c.SerialNumber, c.Subject = big.NewInt(time.Now().UnixNano()), pkix.Name{CommonName: name}
	c.NotBefore, c.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
	a.must(err)
	keyDER, err := x509.MarshalECPrivateKey(key)
	a.must(err)
	a.must(os.WriteFile(a.file(name+".pem"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	a.must(os.WriteFile(a.file(name+".key"), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER}), 0o600))
	cert, err := x509.ParseCertificate(der)
	a.must(err)
	return cert, key
}

func (a *authority) must(err error) {
	a.t.Helper()
	if err != nil {
		a.t.Fatal(err)
	}
}

func TestATargetWithTLSOfItsOwnAuthorityAsksForOurCertificate(t *testing.T) {
	a := newAuthority(t)
	a.issue("server", &x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	a.issue("client", &x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	pair, err := tls.LoadX509KeyPair(a.file("server.pem"), a.file("server.key"))
	a.must(err)
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	srv := httptest.NewUnstartedServer(say(goodVars))
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS12}
	srv.StartTLS()
	defer srv.Close()

	trusting := func(c *scraper.Config) { c.TLS.CAFile = a.file("ca.pem") }
	if _, err := scrape(t, srv.URL, trusting, func(c *scraper.Config) {
		c.TLS.CertFile, c.TLS.KeyFile = a.file("client.pem"), a.file("client.key")
	}).Sample(t.Context()); err != nil {
		t.Errorf("with authority and certificate: %v", err)
	}
	wantError(t, sampleError(t, scrape(t, srv.URL)), scraper.TLSFailed, "set tls.caFile")
	if err := sampleError(t, scrape(t, srv.URL, trusting)); err == nil {
		t.Error("read without a certificate of ours")
	}
	cfg := scraper.DefaultConfig()
	cfg.URL, cfg.TLS.CAFile = srv.URL, a.file("ca.key")
	if _, err := scraper.New(cfg); err == nil {
		t.Error("a key was taken for the certificate of an authority")
	}
}

func TestNameAndPasswordAreSent(t *testing.T) {
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := target(t, map[string]http.HandlerFunc{"/debug/vars": func(w http.ResponseWriter, r *http.Request) {
		if user, pass, ok := r.BasicAuth(); !ok || user != "memwatch" || pass != "secret" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		say(goodVars)(w, r)
	}}, func(c *scraper.Config) { c.Username, c.PasswordFile = "memwatch", password })
	got, err := s.Sample(t.Context())
	if err != nil || got.Or(memwatch.HeapAllocBytes, 0) != 1000 {
		t.Errorf("%v, trouble %v", err, s.Trouble())
	}
}

func TestAServiceWithGperftoolsIsFoundAndReadWhereItIs(t *testing.T) {
	text, err := os.ReadFile("pprof/testdata/gperftools-sampled.heap")
	if err != nil {
		t.Fatal(err)
	}
	asked := map[string]int{}
	s := target(t, map[string]http.HandlerFunc{
		"/": func(w http.ResponseWriter, r *http.Request) {
			asked[r.URL.Path]++
			http.NotFound(w, r)
		},
		"/metrics":    say("process_resident_memory_bytes 7e7\n"),
		"/pprof/heap": say(string(text)),
	})
	for range 3 {
		p, err := s.Profile(t.Context(), memwatch.HeapProfile)
		if err != nil {
			t.Fatal(err)
		}
		if len(p.Sites.Sites) == 0 || len(p.Raw) < 2 || p.Raw[0] != 0x1f {
			t.Errorf("%d sites, kept as %.10q: want pprof", len(p.Sites.Sites), p.Raw)
		}
	}
	if n := asked["/debug/pprof/heap"]; n != 1 {
		t.Errorf("asked at the usual place %d times, want once", n)
	}
}

func TestAWrongClockOfTheTargetIsNoRestart(t *testing.T) {
	start := 1795554126.0
	s := target(t, map[string]http.HandlerFunc{"/metrics": func(w http.ResponseWriter, _ *http.Request) {
		start += 0.7 // wavers, as where it is computed from the uptime while the clock is set
		say("process_resident_memory_bytes 5\nprocess_start_time_seconds "+big.NewFloat(start).Text('f', 2)+"\n")(w, nil)
	}})
	first, err := s.Sample(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	second, err := s.Sample(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if first.Start.IsZero() || !first.Start.Equal(second.Start) {
		t.Errorf("started at %v, then at %v", first.Start, second.Start)
	}
}
