package auth

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/prometheus/client_golang/prometheus"
)

const good = "correct horse battery"

func openDB(t *testing.T) *DB {
	t.Helper()
	d, err := opener(t)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

func newGate(t *testing.T, d *DB, change func(*Config)) *Gate {
	t.Helper()
	cfg := DefaultConfig()
	cfg.Required = true
	if change != nil {
		change(&cfg)
	}
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	g, err := New(cfg, d, slog.New(slog.NewTextHandler(t.Output(), nil)), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func request(method, target string, header ...string) *http.Request {
	r := httptest.NewRequest(method, target, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return r
}

func TestTokensAreKnownUntilTheyAreRevokedOrExpire(t *testing.T) {
	d, ctx := openDB(t), t.Context()
	g := newGate(t, d, nil)
	tok, secret, err := d.CreateToken(ctx, "ci", RoleAgent, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	identify := func(header string) (Identity, error) { return g.Identify(request("GET", "/", "Authorization", header)) }
	if who, err := identify("Bearer " + secret); err != nil || who.Role != RoleAgent || who.Name != "ci" {
		t.Errorf("%+v, %v", who, err)
	}
	basic := request("GET", "/")
	basic.SetBasicAuth("anything", secret)
	if who, err := g.Identify(basic); err != nil || who.Name != "ci" {
		t.Errorf("as a password: %+v, %v", who, err)
	}
	for name, header := range map[string]string{
		"another secret": "Bearer " + secret[:len(secret)-1] + "x", "another id": "Bearer memwatch_000000000000_" + secret[len(secret)-43:],
		"nonsense": "Bearer x", "nothing": "Bearer ", "another scheme": "Digest " + secret, "a long one": "Bearer " + strings.Repeat("memwatch_", 1000),
		"SQL": "Bearer memwatch_' OR 1=1 --_x",
	} {
		if who, err := identify(header); !errors.Is(err, ErrUnknown) || who.Role != "" {
			t.Errorf("%s: %+v, %v", name, who, err)
		}
	}
	d.now = func() time.Time { return time.Now().Add(2 * time.Hour) }
	if _, err := identify("Bearer " + secret); !errors.Is(err, ErrExpired) {
		t.Errorf("after its time: %v", err)
	}
	d.now = time.Now
	if err := d.RevokeToken(ctx, tok.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := identify("Bearer " + secret); !errors.Is(err, ErrRevoked) {
		t.Errorf("after it was revoked: %v", err)
	}
	if _, err := identify("Bearer " + secret[:len(secret)-1] + "x"); !errors.Is(err, ErrUnknown) {
		t.Errorf("a guess at a revoked token is told that it was: %v", err)
	}
}

func TestSecretsAreNotInTheDatabase(t *testing.T) {
	dir, ctx := t.TempDir(), t.Context()
	d, err := OpenDB(ctx, dir)
	if err != nil {
		t.Fatal(err)
	}
	_, secret, err := d.CreateToken(ctx, "ci", RoleAgent, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.AddUser(ctx, "ann", RoleViewer, good); err != nil {
		t.Fatal(err)
	}
	session, _, err := d.begin(ctx, Identity{Name: "ann", Role: RoleViewer, Method: "password"}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	d.Close()
	files, err := filepath.Glob(filepath.Join(dir, FileName+"*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for what, s := range map[string]string{"token": secret[len(tokenPrefix)+13:], "password": good, "session": session} {
			if strings.Contains(string(b), s) {
				t.Errorf("%s has the %s in the clear", filepath.Base(f), what)
			}
		}
		if info, err := os.Stat(f); err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: mode %v, %v", filepath.Base(f), info.Mode(), err)
		}
	}
}

func TestPasswordsAndUsers(t *testing.T) {
	d, ctx := openDB(t), t.Context()
	for name, bad := range map[string]error{
		"a short password": d.AddUser(ctx, "ann", RoleViewer, "short"), "a long one": d.AddUser(ctx, "ann", RoleViewer, strings.Repeat("x", 201)),
		"no name": d.AddUser(ctx, "", RoleViewer, good), "a name with a line break": d.AddUser(ctx, "a\nb", RoleViewer, good),
		"an agent": d.AddUser(ctx, "ann", RoleAgent, good),
	} {
		if bad == nil || !strings.Contains(bad.Error(), "not allowed") && !strings.Contains(bad.Error(), "are not allowed") {
			t.Errorf("%s: %v", name, bad)
		}
	}
	if err := d.AddUser(ctx, "ann", RoleViewer, good); err != nil {
		t.Fatal(err)
	}
	if err := d.AddUser(ctx, "ann", RoleOperator, good); !errors.Is(err, ErrExists) {
		t.Errorf("twice: %v", err)
	}
	if u, err := d.checkUser(ctx, "ann", good); err != nil || u.Role != RoleViewer {
		t.Errorf("%+v, %v", u, err)
	}
	for _, c := range [][2]string{{"ann", "correct horse"}, {"bob", good}, {"' OR 1=1 --", good}, {"ann", strings.Repeat("x", 10_000)}} {
		if _, err := d.checkUser(ctx, c[0], c[1]); !errors.Is(err, ErrPassword) {
			t.Errorf("%.20q with %.20q: %v", c[0], c[1], err)
		}
	}
	if err := d.RemoveUser(ctx, "bob"); !errors.Is(err, ErrNotFound) {
		t.Errorf("remove nobody: %v", err)
	}
}

func TestASessionHoldsWhatItsUserMayDoNow(t *testing.T) {
	d, ctx := openDB(t), t.Context()
	g := newGate(t, d, nil)
	if err := d.AddUser(ctx, "ann", RoleViewer, good); err != nil {
		t.Fatal(err)
	}
	signIn := func() *http.Cookie {
		t.Helper()
		_, cookie, err := g.SignIn(request("POST", "https://hub/login"), "ann", good)
		if err != nil {
			t.Fatal(err)
		}
		return cookie
	}
	cookie := signIn()
	if !cookie.HttpOnly || !cookie.Secure || cookie.SameSite != http.SameSiteLaxMode || cookie.Name != "__Host-memwatch_session" {
		t.Errorf("cookie %v", cookie)
	}
	with := func(c *http.Cookie) *http.Request {
		r := request("GET", "https://hub/")
		r.AddCookie(c)
		return r
	}
	if who, err := g.Identify(with(cookie)); err != nil || who.Role != RoleViewer || who.Name != "ann" {
		t.Errorf("%+v, %v", who, err)
	}
	for what, do := range map[string]func(*http.Cookie) error{
		"password changed": func(*http.Cookie) error { return d.SetPassword(ctx, "ann", good+"2") },
		"signed out":       func(c *http.Cookie) error { _, err := g.SignOut(with(c)); return err },
	} {
		if err := d.SetPassword(ctx, "ann", good); err != nil {
			t.Fatal(err)
		}
		c := signIn()
		if err := do(c); err != nil {
			t.Fatal(err)
		}
		if _, err := g.Identify(with(c)); !errors.Is(err, ErrSession) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := d.SetPassword(ctx, "ann", good); err != nil {
		t.Fatal(err)
	}
	c := signIn()
	d.now = func() time.Time { return time.Now().Add(13 * time.Hour) }
	if _, err := g.Identify(with(c)); !errors.Is(err, ErrSession) {
		t.Errorf("after 13 hours: %v", err)
	}
	d.now = time.Now
	if err := d.RemoveUser(ctx, "ann"); err != nil {
		t.Fatal(err)
	}
	if _, err := g.Identify(with(c)); !errors.Is(err, ErrSession) {
		t.Errorf("after the user was removed: %v", err)
	}
}

func TestGuessingPasswordsIsSlowedDown(t *testing.T) {
	tr := newTries()
	now := time.Now()
	tr.now = func() time.Time { return now }
	for i := range triesAtOnce {
		if w := tr.wait("1.2.3.4", "ann"); w != 0 {
			t.Fatalf("try %d waits %s", i, w)
		}
	}
	if tr.wait("1.2.3.4", "bob") == 0 {
		t.Error("another name from the same address does not wait")
	}
	if tr.wait("5.6.7.8", "ann") == 0 {
		t.Error("the same name from another address does not wait")
	}
	if tr.wait("5.6.7.9", "eve") != 0 {
		t.Error("somebody else waits")
	}
	now = now.Add(time.Hour)
	if w := tr.wait("1.2.3.4", "ann"); w != 0 {
		t.Errorf("an hour later: %s", w)
	}
	for i := range 3 * maxTries {
		tr.wait(time.Duration(i).String(), "x")
	}
	if n := len(tr.limiters); n > maxTries {
		t.Errorf("%d remembered", n)
	}
}

func TestTheProxysHeaderCountsFromTheProxyAlone(t *testing.T) {
	g := newGate(t, openDB(t), func(c *Config) { c.Proxy = Proxy{"X-Forwarded-User", []string{"10.0.0.0/8", "::1"}, []string{"ann"}} })
	for _, c := range []struct {
		from, name string
		role       Role
	}{{"10.1.2.3:1", "ann", RoleOperator}, {"10.1.2.3:1", "bob", RoleViewer}, {"[::1]:9", "ann", RoleOperator}, {"192.168.0.1:1", "ann", ""}, {"10.1.2.3:1", "", ""}, {"@", "ann", ""}} {
		r := request("GET", "/", "X-Forwarded-User", c.name)
		r.RemoteAddr = c.from
		who, err := g.Identify(r)
		if who.Role != c.role || (err == nil) != (c.role != "") {
			t.Errorf("%q from %s: %+v, %v; want the role %q", c.name, c.from, who, err, c.role)
		}
	}
}

func TestTheFirstUserIsMadeOnceByTheLink(t *testing.T) {
	d := openDB(t)
	g := newGate(t, d, nil)
	mux := http.NewServeMux()
	g.Pages(mux)
	post := func(form url.Values) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodPost, "/setup", strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		return w
	}
	if w := post(url.Values{"code": {""}, "name": {"eve"}, "password": {good}, "again": {good}}); w.Code != http.StatusForbidden {
		t.Errorf("before there is a link: %d", w.Code)
	}
	link, err := url.Parse(g.SetupPath(0))
	if err != nil {
		t.Fatal(err)
	}
	form := url.Values{"code": {link.Query().Get("code")}, "name": {"ann"}, "password": {good}, "again": {good}}
	for what, change := range map[string][2]string{"another code": {"code", "x"}, "a short password": {"password", "short"}, "two passwords": {"again", "another password"}} {
		bad := url.Values{}
		for k, v := range form {
			bad[k] = v
		}
		bad.Set(change[0], change[1])
		if w := post(bad); w.Code != http.StatusForbidden && w.Code != http.StatusBadRequest {
			t.Errorf("%s: %d", what, w.Code)
		}
	}
	if w := post(form); w.Code != http.StatusSeeOther || len(w.Result().Cookies()) != 1 {
		t.Errorf("%d: %s", w.Code, w.Body)
	}
	if w := post(form); w.Code != http.StatusForbidden {
		t.Errorf("twice: %d", w.Code)
	}
	if users, err := d.Users(t.Context()); err != nil || len(users) != 1 || users[0].Role != RoleOperator {
		t.Errorf("%+v, %v", users, err)
	}
	if g.SetupPath(1) != "" {
		t.Error("a link while there is a user")
	}
}

func TestAfterSigningInOneStaysOnThisHub(t *testing.T) {
	for next, want := range map[string]string{
		"/services/shop?x=1": "/services/shop?x=1", "": "/", "//evil.example": "/", "https://evil.example/": "/", `/\evil.example`: "/", "javascript:alert(1)": "/", "services": "/",
	} {
		if got := safeNext(next); got != want {
			t.Errorf("%q leads to %q, want %q", next, got, want)
		}
	}
}

func TestLongConnectionsEndWithTheirToken(t *testing.T) {
	d, ctx := openDB(t), t.Context()
	g := newGate(t, d, nil)
	tok, secret, err := d.CreateToken(ctx, "agent", RoleAgent, 0)
	if err != nil {
		t.Fatal(err)
	}
	who, err := g.Identify(request("GET", "/", "Authorization", "Bearer "+secret))
	if err != nil {
		t.Fatal(err)
	}
	held, release := g.Hold(context.Background(), who)
	defer release()
	g.Recheck(ctx)
	if held.Err() != nil {
		t.Fatal("cut off while the token holds")
	}
	if err := d.RevokeToken(ctx, tok.Name); err != nil {
		t.Fatal(err)
	}
	g.Recheck(ctx)
	if held.Err() == nil {
		t.Error("open after the token was revoked")
	}
}

func TestBadAuthConfigurations(t *testing.T) {
	for want, change := range map[string]func(*Config){
		"auth.session: 1s is not allowed: want 1m to 744h":                                       func(c *Config) { c.Session = time.Second },
		"auth.required: false is not allowed with auth.oidc or auth.proxy: want true":            func(c *Config) { c.Required, c.Proxy.Header = false, "X-User" },
		"auth.proxy.from: missing":                                                               func(c *Config) { c.Proxy.Header = "X-User" },
		`auth.proxy.from: "ten" is not allowed: want an address or a network such as 10.0.0.0/8`: func(c *Config) { c.Proxy.Header, c.Proxy.From = "X-User", []string{"ten"} },
		`auth.oidc.issuer: "sso" is not allowed: want a URL such as https://sso.example`:         func(c *Config) { c.OIDC.Issuer = "sso" },
		"auth.oidc.clientId: missing: want what the provider calls this hub":                     func(c *Config) { c.OIDC.Issuer, c.OIDC.RedirectURL = "https://sso", "https://hub/x" },
		"auth.oidc.operators: missing, and viewers too: nobody could sign in": func(c *Config) {
			c.OIDC.Issuer, c.OIDC.RedirectURL, c.OIDC.ClientID = "https://sso", "https://hub/x", "hub"
		},
	} {
		cfg := DefaultConfig()
		cfg.Required = true
		change(&cfg)
		if err := cfg.Validate(); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func TestTheAuditLogKeepsWhoDidWhat(t *testing.T) {
	d, ctx := openDB(t), t.Context()
	for _, a := range []string{"login", "logout", "token-create"} {
		if err := d.Record(ctx, Entry{Who: "ann", Action: a, What: strings.Repeat("é", 1000), Remote: "1.2.3.4"}); err != nil {
			t.Fatal(err)
		}
	}
	page, err := d.Audit(ctx, 0, 2)
	if err != nil || len(page) != 2 || page[0].Action != "token-create" || len(page[0].What) > maxAuditText {
		t.Fatalf("%+v, %v", page, err)
	}
	if page, err = d.Audit(ctx, page[1].ID, 2); err != nil || len(page) != 1 || page[0].Action != "login" {
		t.Errorf("%+v, %v", page, err)
	}
	if err := d.Tidy(ctx); err != nil {
		t.Error(err)
	}
}

func TestACopyHasTheUsersAndTokensAndIsItsOwnersAlone(t *testing.T) {
	ctx, from, to := t.Context(), t.TempDir(), t.TempDir()
	if err := Copy(ctx, from, to); err != nil {
		t.Errorf("nothing to copy: %v", err)
	}
	d, err := OpenDB(ctx, from)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	_, secret, err := d.CreateToken(ctx, "edge", RoleAgent, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := Copy(ctx, from, to); err != nil { // while it is open
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(to, FileName)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	c, err := OpenDB(ctx, to)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if who, err := c.token(ctx, secret); err != nil || who.Name != "edge" {
		t.Errorf("%+v, %v", who, err)
	}
}

func TestACopyDoesNotChangeADatabaseOfAnotherForm(t *testing.T) {
	ctx, from, to := t.Context(), t.TempDir(), t.TempDir()
	file := filepath.Join(from, FileName)
	if err := os.WriteFile(file, nil, 0o600); err != nil { // of version 0
		t.Fatal(err)
	}
	if err := Copy(ctx, from, to); err == nil || !strings.Contains(err.Error(), "it has version 0 and this memwatch-hub writes 2: use the memwatch-hub") {
		t.Errorf("%v", err)
	}
	db, err := connect(file)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, current, _, err := versions(ctx, db, goose.DialectSQLite3); err != nil || current != 0 {
		t.Errorf("version %d now, %v", current, err)
	}
}
