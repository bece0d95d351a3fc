package hub

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zupee/memwatch/hub/auth"
	"github.com/zupee/memwatch/internal/ws"
	"github.com/zupee/memwatch/wire"
)

const password = "correct horse battery"

// guardedHub is a hub without its port that asks everybody who they are, and the
// ways in.
type guardedHub struct {
	*hub
	handler http.Handler
	// ways are headers by who sends them.
	ways map[string]http.Header
}

func guardedBy(t *testing.T) *guardedHub {
	t.Helper()
	cfg := quick(t.TempDir())
	cfg.Auth.Required = true
	h, err := open(context.Background(), cfg, slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		h.feed.Close(context.Background())
		if err := h.close(); err != nil {
			t.Error(err)
		}
	})
	g := &guardedHub{hub: h, handler: h.handler(), ways: map[string]http.Header{"nobody": {}}}
	ctx := t.Context()
	for name, role := range map[string]auth.Role{"agent": auth.RoleAgent, "viewer": auth.RoleViewer, "operator": auth.RoleOperator, "revoked": auth.RoleOperator, "expired": auth.RoleOperator} {
		lifetime := time.Duration(0)
		if name == "expired" {
			lifetime = time.Nanosecond
		}
		tok, secret, err := h.access.CreateToken(ctx, name, role, lifetime)
		if err != nil {
			t.Fatal(err)
		}
		if name == "revoked" {
			if err := h.access.RevokeToken(ctx, tok.ID); err != nil {
				t.Fatal(err)
			}
		}
		g.ways[name] = http.Header{"Authorization": {"Bearer " + secret}}
	}
	for name, role := range map[string]auth.Role{"viewer's session": auth.RoleViewer, "operator's session": auth.RoleOperator} {
		if err := h.access.AddUser(ctx, name, role, password); err != nil {
			t.Fatal(err)
		}
		body, _ := json.Marshal(map[string]string{"name": name, "password": password})
		r := httptest.NewRequest(http.MethodPost, "/api/session", strings.NewReader(string(body)))
		r.Host = "127.0.0.1"
		w := httptest.NewRecorder()
		g.handler.ServeHTTP(w, r)
		if w.Code != http.StatusOK {
			t.Fatalf("sign in: %d: %s", w.Code, w.Body)
		}
		cookie, _, _ := strings.Cut(w.Header().Get("Set-Cookie"), ";")
		g.ways[name] = http.Header{"Cookie": {cookie}}
	}
	return g
}

func (g *guardedHub) ask(who, method, path string, header http.Header) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader("{}"))
	r.Host = "127.0.0.1"
	r.Header.Set("Content-Type", "application/json")
	for _, from := range []http.Header{g.ways[who], header} {
		for k, v := range from {
			r.Header[k] = v
		}
	}
	w := httptest.NewRecorder()
	g.handler.ServeHTTP(w, r)
	return w
}

// endpoint is one line of the table, with what it asks for.
type endpoint struct{ method, path, needs string }

// endpoints are all that the hub answers: those of the OpenAPI document, and
// those that are no part of the API.
func (g *guardedHub) endpoints(t *testing.T) []endpoint {
	t.Helper()
	raw, err := g.rest.OpenAPI()
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Paths map[string]map[string]struct {
			Access string `json:"x-access"`
		}
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		t.Fatal(err)
	}
	var out []endpoint
	for path, methods := range doc.Paths {
		for method, op := range methods {
			out = append(out, endpoint{strings.ToUpper(method), strings.NewReplacer("{service}", "x", "{id}", "x").Replace(path), op.Access})
		}
	}
	for _, path := range []string{"/metrics", "/pprof/x/", "/pprof/x/flamegraph", "/pprof/x/base/y/top", "/pprof/x/source", "/ws"} {
		out = append(out, endpoint{"GET", path, "viewer"})
	}
	out = append(out, endpoint{"GET", "/ws/agent", "agent"})
	for _, path := range []string{"/", "/services/x", "/login", "/login/style.css", "/api/openapi.json", "/api/docs", "/assets/app-1.js"} {
		out = append(out, endpoint{"GET", path, ""})
	}
	return out
}

func TestEveryEndpointLetsInWhomItShould(t *testing.T) {
	g := guardedBy(t)
	all := g.endpoints(t)
	if len(all) < 35 {
		t.Fatalf("%d endpoints", len(all))
	}
	may := map[string][]string{
		"":         {"nobody", "agent", "viewer", "operator", "revoked", "expired", "viewer's session", "operator's session"},
		"agent":    {"agent"},
		"viewer":   {"viewer", "operator", "viewer's session", "operator's session"},
		"operator": {"operator", "operator's session"},
	}
	says := map[string]string{"nobody": "sign in", "revoked": "was revoked", "expired": "has expired"}
	for _, e := range all {
		if e.path == "/api/session" && e.method == "DELETE" {
			continue // it ends the sessions of this table; TestSigningOut has it
		}
		for who := range g.ways {
			w := g.ask(who, e.method, e.path, nil)
			let := w.Code != http.StatusUnauthorized && w.Code != http.StatusForbidden
			if e.path == "/api/session" && e.method == "POST" {
				let = true // {} is no sign-in, whoever sends it
			}
			if want := slices.Contains(may[e.needs], who); let != want {
				t.Errorf("%s %s by %s: %d: %.150s; let in: want %v", e.method, e.path, who, w.Code, w.Body, want)
				continue
			}
			if let {
				continue
			}
			known := !slices.Contains([]string{"nobody", "revoked", "expired"}, who)
			if (w.Code == http.StatusForbidden) != known || !strings.Contains(w.Body.String(), says[who]) || w.Header().Get("Content-Type") != "application/problem+json" {
				t.Errorf("%s %s by %s: %d: %s", e.method, e.path, who, w.Code, w.Body)
			}
			if w.Code == http.StatusUnauthorized && w.Header().Get("WWW-Authenticate") != "Bearer" {
				t.Errorf("%s %s by %s: no WWW-Authenticate", e.method, e.path, who)
			}
		}
	}
}

func TestBrowsersAreSentToSignInAndBack(t *testing.T) {
	g := guardedBy(t)
	w := g.ask("nobody", "GET", "/services/shop?range=1h", http.Header{"Accept": {"text/html,*/*"}})
	if w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/login?next=%2Fservices%2Fshop%3Frange%3D1h" {
		t.Errorf("%d to %s", w.Code, w.Header().Get("Location"))
	}
	if w := g.ask("viewer's session", "GET", "/services/shop", http.Header{"Accept": {"text/html,*/*"}}); w.Code != http.StatusOK {
		t.Errorf("signed in: %d", w.Code)
	}
}

func TestSigningOut(t *testing.T) {
	g := guardedBy(t)
	if w := g.ask("viewer's session", "DELETE", "/api/session", nil); w.Code != http.StatusNoContent || !strings.Contains(w.Header().Get("Set-Cookie"), "Max-Age=0") {
		t.Errorf("%d, %v", w.Code, w.Header())
	}
	if w := g.ask("viewer's session", "GET", "/api/services", nil); w.Code != http.StatusUnauthorized {
		t.Errorf("after signing out: %d", w.Code)
	}
	var session struct{ SignedIn, Required bool }
	if w := g.ask("viewer's session", "GET", "/api/session", nil); json.Unmarshal(w.Body.Bytes(), &session) != nil || session.SignedIn || !session.Required {
		t.Errorf("%s", w.Body)
	}
}

func TestWhatIsOpenToEverybodyIsNoDenial(t *testing.T) {
	g := guardedBy(t)
	for _, path := range []string{"/healthz", "/readyz", "/api/session"} {
		if w := g.ask("nobody", "GET", path, nil); w.Code != http.StatusOK {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	if w := g.ask("operator", "GET", "/metrics", nil); strings.Contains(w.Body.String(), "memwatch_hub_denied_total{") {
		t.Errorf("denials: %s", w.Body)
	}
}

func TestAPageOfAnotherSiteChangesNothing(t *testing.T) {
	for name, g := range map[string]*guardedHub{"with auth": guardedBy(t), "without": unguarded(t)} {
		for _, header := range []http.Header{
			{"Origin": {"https://evil.example"}}, {"Sec-Fetch-Site": {"cross-site"}}, {"Sec-Fetch-Site": {"same-site"}}, {"Origin": {"null"}},
		} {
			for _, e := range []endpoint{
				{"POST", "/api/profiles", ""},
				{"POST", "/api/alerts/x/resolve", ""},
				{"DELETE", "/api/profiles/x", ""},
				{"POST", "/login", ""},
				{"POST", "/api/session", ""},
				{"DELETE", "/api/session", ""},
				{"POST", "/setup", ""},
			} {
				if w := g.ask("operator's session", e.method, e.path, header); w.Code != http.StatusForbidden || !strings.Contains(w.Body.String(), "another site") {
					t.Errorf("%s: %s %s with %v: %d: %s", name, e.method, e.path, header, w.Code, w.Body)
				}
			}
		}
		own := http.Header{"Origin": {"http://127.0.0.1"}, "Sec-Fetch-Site": {"same-origin"}}
		if w := g.ask("operator's session", "POST", "/api/alerts/x/resolve", own); w.Code != http.StatusNotFound {
			t.Errorf("%s: from its own page: %d: %s", name, w.Code, w.Body)
		}
	}
}

func unguarded(t *testing.T) *guardedHub {
	t.Helper()
	h, shut := opened(t, t.TempDir())
	t.Cleanup(shut)
	return &guardedHub{hub: h, handler: h.handler(), ways: map[string]http.Header{}}
}

func TestWebSocketsOfOtherOriginsAreRefused(t *testing.T) {
	r := start(t, quick(t.TempDir()))
	for _, path := range []string{"/", "/ws", "/ws/agent"} {
		_, resp, err := ws.Dial(t.Context(), "ws://"+r.addr+path, ws.DialOptions{
			HTTPClient: r.http, Header: http.Header{"Origin": {"https://evil.example"}}, MaxFrameBytes: 1 << 16,
		})
		if err == nil || resp == nil || resp.StatusCode != http.StatusForbidden {
			t.Errorf("%s: %v, %v", path, resp, err)
		}
	}
}

func TestNobodyGuessesAPasswordForLong(t *testing.T) {
	g := guardedBy(t)
	body := func(password string) string {
		b, _ := json.Marshal(map[string]string{"name": "operator's session", "password": password})
		return string(b)
	}
	refused := 0
	for range 10 {
		r := httptest.NewRequest(http.MethodPost, "/api/session", strings.NewReader(body("wrong password")))
		r.Host = "127.0.0.1"
		w := httptest.NewRecorder()
		g.handler.ServeHTTP(w, r)
		switch w.Code {
		case http.StatusUnauthorized:
		case http.StatusTooManyRequests:
			if refused++; w.Header().Get("Retry-After") == "" {
				t.Error("no Retry-After")
			}
		default:
			t.Errorf("%d: %s", w.Code, w.Body)
		}
	}
	if refused < 4 {
		t.Errorf("%d of 10 refused for being too many", refused)
	}
	if w := g.ask("operator", "GET", "/metrics", nil); !strings.Contains(w.Body.String(), `memwatch_hub_denied_total{reason="too_many"}`) {
		t.Error("they are not counted")
	}
	if w := g.ask("operator", "GET", "/api/audit", nil); !strings.Contains(w.Body.String(), `"action":"login-failed"`) || strings.Contains(w.Body.String(), "wrong password") {
		t.Errorf("audit: %s", w.Body)
	}
}

// keyPair makes a certificate for 127.0.0.1, of a CA or (nil) of its own.
func keyPair(t *testing.T, dir, name string, ca *tls.Certificate) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: ca == nil, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	parent, signer := template, any(key)
	if ca != nil {
		parent, signer = ca.Leaf, ca.PrivateKey
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for suffix, block := range map[string]*pem.Block{".pem": {Type: "CERTIFICATE", Bytes: der}, ".key": {Type: "EC PRIVATE KEY", Bytes: raw}} {
		if err := os.WriteFile(filepath.Join(dir, name+suffix), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, name+".pem"), filepath.Join(dir, name+".key"))
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

func TestCertificatesAreReadAgainAndBadOnesAreNot(t *testing.T) {
	dir := t.TempDir()
	first := keyPair(t, dir, "hub", nil)
	cfg := TLS{Cert: filepath.Join(dir, "hub.pem"), Key: filepath.Join(dir, "hub.key")}
	c, err := newCertificates(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	serial := func() *big.Int {
		now = now.Add(2 * certificateCheck)
		leaf, err := x509.ParseCertificate(c.present(now).Certificates[0].Certificate[0])
		if err != nil {
			t.Fatal(err)
		}
		return leaf.SerialNumber
	}
	if serial().Cmp(first.Leaf.SerialNumber) != 0 {
		t.Error("another certificate than the first")
	}
	later := func() {
		for _, f := range []string{cfg.Cert, cfg.Key} {
			now = now.Add(time.Second)
			if err := os.Chtimes(f, now, now); err != nil {
				t.Fatal(err)
			}
		}
	}
	second := keyPair(t, dir, "hub", nil)
	later()
	if serial().Cmp(second.Leaf.SerialNumber) != 0 {
		t.Error("the new certificate is not read")
	}
	if err := os.WriteFile(cfg.Cert, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	later()
	if serial().Cmp(second.Leaf.SerialNumber) != 0 {
		t.Error("a bad file took the certificate away")
	}
	if _, err := newCertificates(cfg, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "hub.pem") {
		t.Errorf("a start with a bad file: %v", err)
	}
}

// secured is a hub with TLS and auth.
func secured(t *testing.T) (r *running, dir string, ca tls.Certificate) {
	t.Helper()
	dir = t.TempDir()
	ca = keyPair(t, dir, "ca", nil)
	keyPair(t, dir, "hub", &ca)
	cfg := quick(filepath.Join(dir, "data"))
	cfg.TLS = TLS{Cert: filepath.Join(dir, "hub.pem"), Key: filepath.Join(dir, "hub.key"), ClientCA: filepath.Join(dir, "ca.pem")}
	cfg.Auth.Required = true
	r = start(t, cfg)
	pool := x509.NewCertPool()
	pool.AddCert(ca.Leaf)
	r.http.Transport = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}
	return r, dir, ca
}

// tokenOf makes a token as the command does, while the hub runs.
func tokenOf(t *testing.T, dir string, role auth.Role) (db *auth.DB, id, secret string) {
	t.Helper()
	db, err := auth.OpenDB(t.Context(), filepath.Join(dir, "data"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	tok, secret, err := db.CreateToken(t.Context(), string(role), role, 0)
	if err != nil {
		t.Fatal(err)
	}
	return db, tok.ID, secret
}

func TestAnAgentComesInByTokenOrCertificateAndLeavesWithThem(t *testing.T) {
	r, dir, ca := secured(t)
	dial := func(secret string) (*ws.Conn, error) {
		o := ws.DialOptions{HTTPClient: r.http, Subprotocols: []string{wire.Subprotocol}, MaxFrameBytes: 1 << 20}
		if secret != "" {
			o.Header = http.Header{"Authorization": {"Bearer " + secret}}
		}
		conn, _, err := ws.Dial(t.Context(), "wss://"+r.addr+"/ws/agent", o)
		return conn, err
	}
	if _, err := dial(""); err == nil || !strings.Contains(err.Error(), "401") {
		t.Errorf("without anything: %v", err)
	}
	db, id, secret := tokenOf(t, dir, auth.RoleAgent)
	conn, err := dial(secret)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	if err := db.RevokeToken(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if _, _, err := conn.Read(ctx); err == nil || ctx.Err() != nil {
		t.Errorf("after the token was revoked: %v", err)
	}
	if _, err := dial(secret); err == nil {
		t.Error("in again with the revoked token")
	}
	client := keyPair(t, dir, "agent-7", &ca)
	r.http.Transport.(*http.Transport).TLSClientConfig.Certificates = []tls.Certificate{client}
	r.http.CloseIdleConnections()
	conn, err = dial("")
	if err != nil {
		t.Fatalf("with a certificate: %v", err)
	}
	conn.CloseNow()
	resp, err := r.http.Get("https://" + r.addr + "/api/services")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusForbidden {
		t.Errorf("an agent's certificate reads the API: %s", resp.Status)
	}
}

func TestGoToolPprofOpensAProfileAndADiffOverHTTPSWithAToken(t *testing.T) {
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("needs the go command")
	}
	r, dir, _ := secured(t)
	_, _, secret := tokenOf(t, dir, auth.RoleOperator)
	bring := func(cart int64) string {
		req, err := http.NewRequest(http.MethodPost, "https://"+r.addr+"/api/profiles", strings.NewReader(string(heapProfile(t, cart))))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+secret)
		resp, err := r.http.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var c struct{ ID string }
		if err := json.NewDecoder(resp.Body).Decode(&c); err != nil || resp.StatusCode != http.StatusCreated {
			t.Fatalf("%s, %v", resp.Status, err)
		}
		return "https://token:" + secret + "@" + r.addr + "/api/profiles/" + c.ID
	}
	small, large := bring(5_000), bring(5_000_000)
	for _, c := range []struct {
		args []string
		ok   bool
		says string
	}{
		{[]string{large}, true, "main.(*Cart).Add"},
		{[]string{"-diff_base=" + small, large}, true, "main.(*Cart).Add"},
		{[]string{strings.Replace(large, secret, "wrong", 1)}, false, "401"},
	} {
		args := append([]string{"tool", "pprof", "-sample_index=inuse_space", "-top"}, c.args...)
		cmd := exec.CommandContext(t.Context(), "go", args...)
		cmd.Env = append(os.Environ(), "PPROF_TMPDIR="+t.TempDir(), "SSL_CERT_FILE="+filepath.Join(dir, "ca.pem"))
		out, err := cmd.CombinedOutput()
		if (err == nil) != c.ok || !strings.Contains(string(out), c.says) {
			t.Errorf("%v: %v: %s", c.args, err, out)
		}
	}
}

func TestTheFirstRunPrintsALinkAndNoPassword(t *testing.T) {
	var log strings.Builder
	cfg := quick(t.TempDir())
	cfg.Auth.Required = true
	h, err := open(t.Context(), cfg, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	defer h.close()
	defer h.feed.Close(t.Context())
	h.handler()
	h.invite(t.Context(), "https://hub")
	if !strings.Contains(log.String(), "https://hub/setup?code=") {
		t.Errorf("log: %s", log.String())
	}
	if err := h.access.AddUser(t.Context(), "ann", auth.RoleOperator, password); err != nil {
		t.Fatal(err)
	}
	log.Reset()
	h.invite(t.Context(), "https://hub")
	if log.Len() > 0 {
		t.Errorf("with a user there: %s", log.String())
	}
}

func TestWhoAsksForWhatIsChecked(t *testing.T) {
	for want, change := range map[string]func(*Config){
		"":           func(c *Config) { c.Auth.Required, c.TLS.Cert, c.TLS.Key = true, "a", "b" },
		"say --auth": func(*Config) {},
		"--tls-cert": func(c *Config) { c.Auth.Required = true },
		"tls: cert without key, or key without cert":          func(c *Config) { c.TLS.Cert = "a" },
		"tls.clientCA: not allowed without tls.cert":          func(c *Config) { c.TLS.ClientCA = "a" },
		"tls.requireClientCert: not allowed without tls.clie": func(c *Config) { c.TLS = TLS{Cert: "a", Key: "b", RequireClientCert: true} },
	} {
		cfg := DefaultConfig()
		cfg.Listen = "0.0.0.0:4000"
		change(&cfg)
		if err := cfg.Validate(); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %q", err, want)
		}
	}
}
