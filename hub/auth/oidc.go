package auth

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// provider signs people in elsewhere: the code flow with PKCE, state and nonce.
type provider struct {
	cfg OIDC
	mu  sync.Mutex
	// found is what the issuer says of itself; it is asked for at the first
	// sign-in, so that the hub starts while the issuer is away.
	found *oidc.Provider
}

func newProvider(cfg OIDC) *provider { return &provider{cfg: cfg} }

// oidcTimeout bounds each conversation with the issuer.
const oidcTimeout = 10 * time.Second

// flowCookie keeps state, nonce and verifier while somebody is at the provider.
const flowCookie = "memwatch_oidc"

func (p *provider) connect(ctx context.Context) (*oidc.Provider, *oauth2.Config, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.found == nil {
		// The keys are fetched with this context for as long as the hub runs.
		found, err := oidc.NewProvider(oidc.ClientContext(context.WithoutCancel(ctx), &http.Client{Timeout: oidcTimeout}), p.cfg.Issuer)
		if err != nil {
			return nil, nil, fmt.Errorf("ask %s: %w", p.cfg.Issuer, err)
		}
		p.found = found
	}
	c := &oauth2.Config{
		ClientID: p.cfg.ClientID, RedirectURL: p.cfg.RedirectURL, Endpoint: p.found.Endpoint(),
		Scopes: append([]string{oidc.ScopeOpenID}, p.cfg.Scopes...),
	}
	if p.cfg.ClientSecretFile != "" {
		b, err := os.ReadFile(p.cfg.ClientSecretFile)
		if err != nil {
			return nil, nil, fmt.Errorf("read auth.oidc.clientSecretFile: %w", err)
		}
		c.ClientSecret = strings.TrimSpace(string(b))
	}
	return p.found, c, nil
}

// start sends somebody to the provider.
func (g *Gate) start(w http.ResponseWriter, r *http.Request) {
	_, c, err := g.oidc.connect(r.Context())
	if err != nil {
		g.logger.Error("the OIDC provider cannot be asked", "error", err)
		g.page(w, r, http.StatusBadGateway, loginPage{Failed: "The sign-in service cannot be reached. Try again later."})
		return
	}
	word := func() string { return base64.RawURLEncoding.EncodeToString(random(24)) }
	state, nonce, verifier, next := word(), word(), oauth2.GenerateVerifier(), safeNext(r.FormValue("next"))
	flow := strings.Join([]string{state, nonce, verifier, base64.RawURLEncoding.EncodeToString([]byte(next))}, ".")
	http.SetCookie(w, flowOf(r, flow, 600))
	http.Redirect(w, r, c.AuthCodeURL(state, oidc.Nonce(nonce), oauth2.S256ChallengeOption(verifier)), http.StatusSeeOther)
}

// flowOf is the cookie of a sign-in under way.
func flowOf(r *http.Request, value string, seconds int) *http.Cookie {
	return &http.Cookie{ //nolint:gosec // G124: Secure follows the connection
		Name: flowCookie, Value: value, Path: "/auth/oidc/", MaxAge: seconds, HttpOnly: true, Secure: r.TLS != nil, SameSite: http.SameSiteLaxMode,
	}
}

// callback takes somebody back from the provider.
func (g *Gate) callback(w http.ResponseWriter, r *http.Request) {
	who, next, err := g.finish(r)
	http.SetCookie(w, flowOf(r, "", -1))
	if err != nil {
		g.denied.WithLabelValues("oidc").Inc()
		g.logger.Warn("sign-in by OIDC refused", "remote", remote(r), "error", err)
		if who.Name != "" { // else anybody, without the provider, could fill the audit log
			g.record(r, who.Name, "login-failed", "oidc")
		}
		g.page(w, r, http.StatusForbidden, loginPage{Failed: "The sign-in was refused. Begin again; the hub's log says more."})
		return
	}
	_, cookie, err := g.begin(r, who)
	if err != nil {
		g.fail(w, r, err)
		return
	}
	http.SetCookie(w, cookie)
	http.Redirect(w, r, next, http.StatusSeeOther) //nolint:gosec // G710: safeNext
}

func (g *Gate) finish(r *http.Request) (who Identity, next string, err error) {
	ctx, cancel := context.WithTimeout(r.Context(), oidcTimeout)
	defer cancel()
	cookie, err := r.Cookie(flowCookie)
	if err != nil {
		return who, "", errors.New("no sign-in was begun in this browser")
	}
	flow := strings.Split(cookie.Value, ".")
	if len(flow) != 4 || subtle.ConstantTimeCompare([]byte(flow[0]), []byte(r.FormValue("state"))) != 1 {
		return who, "", errors.New("state is not that of the sign-in which was begun")
	}
	if said := r.FormValue("error"); said != "" {
		return who, "", fmt.Errorf("the provider says %.100q", said)
	}
	found, c, err := g.oidc.connect(ctx)
	if err != nil {
		return who, "", err
	}
	token, err := c.Exchange(ctx, r.FormValue("code"), oauth2.VerifierOption(flow[2]))
	if err != nil {
		var answer *oauth2.RetrieveError
		if errors.As(err, &answer) { // its text may carry secrets
			return who, "", fmt.Errorf("exchange the code: the provider answered %d %.100q", answer.Response.StatusCode, answer.ErrorCode)
		}
		return who, "", errors.New("exchange the code: the provider does not answer")
	}
	raw, _ := token.Extra("id_token").(string)
	id, err := found.VerifierContext(ctx, &oidc.Config{ClientID: c.ClientID}).Verify(ctx, raw)
	if err != nil {
		return who, "", fmt.Errorf("id token: %w", err)
	}
	if subtle.ConstantTimeCompare([]byte(id.Nonce), []byte(flow[1])) != 1 {
		return who, "", errors.New("id token: its nonce is not that of the sign-in which was begun")
	}
	who, err = g.cfg.OIDC.identity(id)
	path, _ := base64.RawURLEncoding.DecodeString(flow[3])
	return who, safeNext(string(path)), err
}

// identity is who an ID token names, by the claim.
func (o OIDC) identity(id *oidc.IDToken) (Identity, error) {
	var claims map[string]any
	if err := id.Claims(&claims); err != nil {
		return Identity{}, fmt.Errorf("id token: %w", err)
	}
	who := Identity{Name: id.Subject, Method: "oidc"}
	if said := claims["email_verified"]; said != true && (said != nil || !o.TrustEmail) { // anybody may have entered it
		delete(claims, "email")
	}
	for _, c := range []string{"email", "preferred_username", "name"} {
		if name, ok := claims[c].(string); ok && name != "" && checkName("user", name) == nil {
			who.Name = name
			break
		}
	}
	var values []string
	switch v := claims[o.Claim].(type) {
	case string:
		values = []string{v}
	case []any:
		for _, one := range v {
			if s, ok := one.(string); ok {
				values = append(values, s)
			}
		}
	}
	has := func(list []string) bool {
		return slices.ContainsFunc(values, func(v string) bool { return slices.Contains(list, v) })
	}
	switch {
	case has(o.Operators):
		who.Role = RoleOperator
	case has(o.Viewers) || slices.Contains(o.Viewers, "*"):
		who.Role = RoleViewer
	case o.Claim == "email" && len(values) == 0:
		return who, errors.New("the provider names no address that it calls verified (email_verified): " +
			"where it is sure of all addresses and says nothing, say auth.oidc.trustEmail: true")
	default:
		return who, fmt.Errorf("the claim %s names neither an operator nor a viewer", o.Claim)
	}
	return who, nil
}
