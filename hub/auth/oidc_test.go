package auth

import (
	"cmp"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// issuer is an OpenID Connect provider that lets ann in.
type issuer struct {
	*httptest.Server
	t      *testing.T
	signer jose.Signer
	key    *ecdsa.PrivateKey
	claims func(map[string]any) // changes what it says of ann
	codes  map[string]url.Values
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: "1"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	i := &issuer{t: t, signer: signer, key: key, codes: map[string]url.Values{}, claims: func(map[string]any) {}}
	mux := http.NewServeMux()
	answer := func(w http.ResponseWriter, v any) {
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(v); err != nil {
			t.Error(err)
		}
	}
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, map[string]any{
			"issuer": i.URL, "authorization_endpoint": i.URL + "/authorize", "token_endpoint": i.URL + "/token", "jwks_uri": i.URL + "/keys",
			"id_token_signing_alg_values_supported": []string{"ES256"},
		})
	})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "1", Algorithm: "ES256", Use: "sig"}}})
	})
	mux.HandleFunc("GET /authorize", func(w http.ResponseWriter, r *http.Request) {
		i.codes["code-1"] = r.URL.Query()
		back, _ := url.Parse(r.URL.Query().Get("redirect_uri"))
		back.RawQuery = url.Values{"code": {"code-1"}, "state": {r.URL.Query().Get("state")}}.Encode()
		http.Redirect(w, r, back.String(), http.StatusSeeOther)
	})
	mux.HandleFunc("POST /token", func(w http.ResponseWriter, r *http.Request) {
		asked, ok := i.codes[r.FormValue("code")]
		delete(i.codes, r.FormValue("code"))
		sum := sha256.Sum256([]byte(r.FormValue("code_verifier")))
		_, secret, _ := r.BasicAuth()
		if !ok || base64.RawURLEncoding.EncodeToString(sum[:]) != asked.Get("code_challenge") || secret != "hub-secret" {
			w.WriteHeader(http.StatusBadRequest)
			answer(w, map[string]any{"error": "invalid_grant"})
			return
		}
		now := time.Now().Unix()
		claims := map[string]any{
			"iss": i.URL, "sub": "1234", "aud": "hub", "exp": now + 60, "iat": now, "nonce": asked.Get("nonce"),
			"email": "ann@example.com", "email_verified": true, "groups": []string{"dev", "sre"},
		}
		i.claims(claims)
		payload, _ := json.Marshal(claims)
		signed, err := i.signer.Sign(payload)
		if err != nil {
			t.Error(err)
		}
		raw, _ := signed.CompactSerialize()
		answer(w, map[string]any{"access_token": "x", "token_type": "Bearer", "id_token": raw})
	})
	i.Server = httptest.NewServer(mux)
	t.Cleanup(func() {
		i.Close()
		http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	})
	return i
}

// signIn goes the whole way round and returns the hub's last answer.
func (i *issuer) signIn(g *Gate, change func(callback *http.Request)) *http.Response {
	i.t.Helper()
	mux := http.NewServeMux()
	g.Pages(mux)
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/auth/oidc/start?next=/services/shop", nil))
	started := w.Result()
	if started.StatusCode != http.StatusSeeOther {
		i.t.Fatalf("start: %s: %s", started.Status, w.Body)
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	resp, err := client.Get(started.Header.Get("Location"))
	if err != nil {
		i.t.Fatal(err)
	}
	resp.Body.Close()
	back, err := url.Parse(resp.Header.Get("Location"))
	if err != nil {
		i.t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodGet, back.RequestURI(), nil)
	for _, c := range started.Cookies() {
		r.AddCookie(c)
	}
	if change != nil {
		change(r)
	}
	w = httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	return w.Result()
}

func newest(t *testing.T, d *DB) Entry {
	t.Helper()
	lines, err := d.Audit(t.Context(), 0, 1)
	if err != nil || len(lines) != 1 {
		t.Fatalf("%d lines, %v", len(lines), err)
	}
	return lines[0]
}

func TestSigningInByOIDC(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("hub-secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	i := newIssuer(t)
	d := openDB(t)
	gate := func(claim string, operators, viewers []string, trust bool) *Gate {
		return newGate(t, d, func(c *Config) {
			c.OIDC = OIDC{
				Issuer: i.URL, ClientID: "hub", ClientSecretFile: secret, RedirectURL: "https://hub.example/auth/oidc/callback",
				Scopes: []string{"email"}, Claim: claim, Operators: operators, Viewers: viewers, TrustEmail: trust,
			}
		})
	}
	for name, c := range map[string]struct {
		claim              string
		operators, viewers []string
		claims             func(map[string]any)
		change             func(*http.Request)
		role               Role
		trust              bool
		name               string // ann@example.com if empty
		audited            bool   // that it failed
	}{
		"an operator by address":              {claim: "email", operators: []string{"ann@example.com"}, role: RoleOperator},
		"a viewer by group":                   {claim: "groups", operators: []string{"boss"}, viewers: []string{"sre"}, role: RoleViewer},
		"everybody":                           {claim: "email", viewers: []string{"*"}, role: RoleViewer},
		"nobody named":                        {claim: "email", operators: []string{"bob@example.com"}, audited: true},
		"an address not verified":             {claim: "email", operators: []string{"ann@example.com"}, claims: func(m map[string]any) { m["email_verified"] = false }, audited: true},
		"an address of which nothing is said": {claim: "email", operators: []string{"ann@example.com"}, claims: func(m map[string]any) { delete(m, "email_verified") }, audited: true},
		"the same, trusted": {
			claim: "email", operators: []string{"ann@example.com"}, trust: true, role: RoleOperator,
			claims: func(m map[string]any) { delete(m, "email_verified") },
		},
		"an address not verified is not trusted": {
			claim: "email", operators: []string{"ann@example.com"}, trust: true, audited: true,
			claims: func(m map[string]any) { m["email_verified"] = false },
		},
		"an address not verified is no name": {
			claim: "groups", viewers: []string{"sre"}, role: RoleViewer, name: "1234",
			claims: func(m map[string]any) { m["email_verified"] = false },
		},
		"another audience":     {claim: "email", viewers: []string{"*"}, claims: func(m map[string]any) { m["aud"] = "other" }},
		"another issuer":       {claim: "email", viewers: []string{"*"}, claims: func(m map[string]any) { m["iss"] = "https://evil.example" }},
		"a token of yesterday": {claim: "email", viewers: []string{"*"}, claims: func(m map[string]any) { m["exp"] = time.Now().Add(-time.Hour).Unix() }},
		"another nonce":        {claim: "email", viewers: []string{"*"}, claims: func(m map[string]any) { m["nonce"] = "x" }},
		"another state":        {claim: "email", viewers: []string{"*"}, change: func(r *http.Request) { r.URL.RawQuery = "code=code-1&state=x" }},
		"no cookie":            {claim: "email", viewers: []string{"*"}, change: func(r *http.Request) { r.Header.Del("Cookie") }},
		"another verifier": {claim: "email", viewers: []string{"*"}, change: func(r *http.Request) {
			c, _ := r.Cookie(flowCookie)
			part := strings.Split(c.Value, ".")
			part[2] = "x"
			r.Header.Set("Cookie", flowCookie+"="+strings.Join(part, "."))
		}},
		"the provider refused": {claim: "email", viewers: []string{"*"}, change: func(r *http.Request) { r.URL.RawQuery += "&error=access_denied" }},
	} {
		t.Run(name, func(t *testing.T) {
			i.claims = c.claims
			if i.claims == nil {
				i.claims = func(map[string]any) {}
			}
			if err := d.Record(t.Context(), Entry{Action: "begin"}); err != nil {
				t.Fatal(err)
			}
			g := gate(c.claim, c.operators, c.viewers, c.trust)
			resp := i.signIn(g, c.change)
			r := request("GET", "/")
			for _, cookie := range resp.Cookies() {
				r.AddCookie(cookie)
			}
			who, err := g.Identify(r)
			if c.role == "" {
				if failed := newest(t, d).Action == "login-failed"; failed != c.audited {
					t.Errorf("in the audit log: %v, want %v", failed, c.audited)
				}
				if resp.StatusCode != http.StatusForbidden || err == nil {
					t.Errorf("%s, %+v", resp.Status, who)
				}
				return
			}
			if resp.StatusCode != http.StatusSeeOther || resp.Header.Get("Location") != "/services/shop" || err != nil || who.Role != c.role || who.Name != cmp.Or(c.name, "ann@example.com") {
				t.Errorf("%s to %s, %+v, %v", resp.Status, resp.Header.Get("Location"), who, err)
			}
		})
	}
}

func TestAProviderThatIsAwayStopsNothing(t *testing.T) {
	g := newGate(t, openDB(t), func(c *Config) {
		c.OIDC = OIDC{Issuer: "http://127.0.0.1:1", ClientID: "hub", RedirectURL: "https://hub.example/auth/oidc/callback", Claim: "email", Viewers: []string{"*"}}
	})
	mux := http.NewServeMux()
	g.Pages(mux)
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/auth/oidc/start", nil))
	if w.Code != http.StatusBadGateway || !strings.Contains(w.Body.String(), "cannot be reached") {
		t.Errorf("%d: %s", w.Code, w.Body)
	}
}
