package auth

import (
	"crypto/subtle"
	"embed"
	"encoding/base64"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
)

//go:embed pages
var pageFiles embed.FS

var pages = template.Must(template.ParseFS(pageFiles, "pages/*.html"))

// Pages serves signing in and the first set-up.
func (g *Gate) Pages(mux *http.ServeMux) {
	mux.HandleFunc("GET /login", g.login)
	mux.HandleFunc("POST /login", g.login)
	mux.HandleFunc("GET /login/style.css", func(w http.ResponseWriter, r *http.Request) { http.ServeFileFS(w, r, pageFiles, "pages/style.css") })
	mux.HandleFunc("GET /setup", g.first)
	mux.HandleFunc("POST /setup", g.first)
	if g.oidc != nil {
		mux.HandleFunc("GET /auth/oidc/start", g.start)
		mux.HandleFunc("GET /auth/oidc/callback", g.callback)
	}
}

// maxForm bounds what a form may send.
const maxForm = 16 << 10

type loginPage struct {
	Next, Name, Failed string
	OIDC               bool
}

func (g *Gate) page(w http.ResponseWriter, r *http.Request, status int, data loginPage) {
	data.OIDC = g.oidc != nil
	data.Next = safeNext(r.FormValue("next"))
	g.write(w, status, "login.html", data)
}

func (g *Gate) write(w http.ResponseWriter, status int, name string, data any) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	if err := pages.ExecuteTemplate(w, name, data); err != nil {
		g.logger.Debug("a page was not read", "page", name, "error", err)
	}
}

func (g *Gate) fail(w http.ResponseWriter, r *http.Request, err error) {
	g.logger.Error("signing in failed", "path", r.URL.Path, "error", err)
	http.Error(w, "internal error: the hub's log says more", http.StatusInternalServerError)
}

func (g *Gate) login(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if r.Method != http.MethodPost {
		g.page(w, r, http.StatusOK, loginPage{})
		return
	}
	name, password := r.PostFormValue("name"), r.PostFormValue("password")
	_, cookie, err := g.SignIn(r, name, password)
	var many *TooManyError
	switch {
	case errors.As(err, &many):
		w.Header().Set("Retry-After", strconv.Itoa(int(many.RetryAfter.Seconds())+1))
		g.page(w, r, http.StatusTooManyRequests, loginPage{Name: name, Failed: "Too many attempts. Wait a little and try again."})
	case errors.Is(err, ErrPassword):
		g.page(w, r, http.StatusUnauthorized, loginPage{Name: name, Failed: "The name or the password is wrong."})
	case err != nil:
		g.fail(w, r, err)
	default:
		http.SetCookie(w, cookie)
		http.Redirect(w, r, safeNext(r.PostFormValue("next")), http.StatusSeeOther) //nolint:gosec // G710: safeNext
	}
}

// safeNext is where to go after signing in: a page of this hub and nothing else.
func safeNext(next string) string {
	u, err := url.Parse(next)
	if err != nil || u.Scheme != "" || u.Host != "" || !strings.HasPrefix(next, "/") || strings.HasPrefix(next, "//") || strings.Contains(next, `\`) {
		return "/"
	}
	return u.String()
}

// setup lets whoever reads the hub's log make the first user, once.
type setup struct {
	mu   sync.Mutex
	code string // "" when it is done, or not needed
}

// SetupPath returns the page's path with a code that works once, until the hub
// stops; "" when there is a user already or other ways to sign in.
func (g *Gate) SetupPath(users int) string {
	if !g.cfg.Required || users > 0 || g.oidc != nil || g.cfg.Proxy.Header != "" {
		return ""
	}
	g.setup.mu.Lock()
	defer g.setup.mu.Unlock()
	g.setup.code = base64.RawURLEncoding.EncodeToString(random(24))
	return "/setup?code=" + g.setup.code
}

type setupPage struct{ Code, Name, Failed string }

// first is the page that makes the first user.
func (g *Gate) first(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	code, name := r.FormValue("code"), r.PostFormValue("name")
	g.setup.mu.Lock()
	defer g.setup.mu.Unlock()
	if g.setup.code == "" || subtle.ConstantTimeCompare([]byte(code), []byte(g.setup.code)) != 1 {
		g.denied.WithLabelValues("setup").Inc()
		http.Error(w, "this link is not valid: the hub's log has the right one, while there is no user; else sign in at /login", http.StatusForbidden)
		return
	}
	if r.Method != http.MethodPost {
		g.write(w, http.StatusOK, "setup.html", setupPage{Code: code})
		return
	}
	password := r.PostFormValue("password")
	if password != r.PostFormValue("again") {
		g.write(w, http.StatusBadRequest, "setup.html", setupPage{code, name, "The two passwords are not the same."})
		return
	}
	err := g.db.AddFirstUser(r.Context(), name, password)
	switch {
	case errors.Is(err, ErrExists):
		g.setup.code = ""
		http.Error(w, "there is a user already: sign in at /login", http.StatusForbidden)
	case err != nil:
		g.write(w, http.StatusBadRequest, "setup.html", setupPage{code, name, fmt.Sprint(err)})
	default:
		g.setup.code = ""
		g.record(r, name, "setup", "first operator")
		_, cookie, err := g.begin(r, Identity{Name: name, Role: RoleOperator, Method: "password"})
		if err != nil {
			g.fail(w, r, err)
			return
		}
		http.SetCookie(w, cookie)
		http.Redirect(w, r, "/", http.StatusSeeOther)
	}
}
