package hub

import (
	"io/fs"
	"net"
	"net/http"
	"path"
	"slices"
	"strings"

	"github.com/klauspost/compress/gzhttp"

	"github.com/zupee/memwatch/hub/api"
	"github.com/zupee/memwatch/hub/auth"
	"github.com/zupee/memwatch/internal/version"
)

// handler is all that the hub answers, on one port.
func (h *hub) handler() http.Handler {
	view := past{h.store, h.blobs}
	h.rest = api.New(api.Options{
		Fleet: h.fleet, Store: view, Blobs: view, Decisions: decisions{h}, Stats: h.stats, Ready: h.ready, Agents: h.connected,
		Metrics: h.registry, Started: h.started, Logger: h.logger.With("room", "api"),
		Library: library{h}, MaxProfileBytes: h.cfg.Ingest.MaxProfileBytes, People: people{h},
		Version: version.String(),
	})
	mux := http.NewServeMux()
	for _, p := range []string{"/api/", "/pprof/", "/health", "/healthz", "/readyz", "/metrics"} {
		mux.Handle(p, h.rest)
	}
	h.gate.Pages(mux)
	agents := h.admitted(auth.RoleAgent, scoped(h.agents))
	mux.Handle("/ws", h.admitted(auth.RoleViewer, h.feed))
	mux.Handle("/ws/agent", agents)
	page := h.signedIn(dashboard(h.cfg.UI, h.rest))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/" && r.Header.Get("Upgrade") != "" {
			agents.ServeHTTP(w, r)
			return
		}
		page.ServeHTTP(w, r)
	})
	own := http.NewCrossOriginProtection()
	own.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.gate.Deny(errForbidden)
		h.rest.WriteError(w, r, api.Forbidden("this request comes from a page of another site"))
	}))
	return h.guard(own.Handler(h.identified(mux)))
}

// policy lets the page load its own parts and nothing else.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; " +
	"connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

// guard sets the headers that keep other pages out, and refuses requests under a
// name that is not the hub's: a page elsewhere could have its own name point here.
func (h *hub) guard(next http.Handler) http.Handler {
	listen, _, _ := net.SplitHostPort(h.cfg.Listen) // checked by Validate
	open := !isLoopback(listen)
	secure := h.cfg.TLS.Cert != ""
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		head := w.Header()
		head.Set("Content-Security-Policy", policy)
		head.Set("X-Content-Type-Options", "nosniff")
		head.Set("Referrer-Policy", "no-referrer")
		head.Set("Cross-Origin-Opener-Policy", "same-origin")
		head.Set("Cross-Origin-Resource-Policy", "same-origin")
		if secure {
			head.Set("Strict-Transport-Security", "max-age=31536000")
		}
		if !open && !h.answersTo(r.Host) {
			http.Error(w, "this hub is not known under this name: add it to hosts in its configuration", http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (h *hub) answersTo(hostport string) bool {
	host := hostport
	if name, _, err := net.SplitHostPort(hostport); err == nil {
		host = name
	}
	host = strings.ToLower(strings.Trim(host, "[]"))
	return isLoopback(host) || net.ParseIP(host) != nil || slices.Contains(h.cfg.Hosts, host)
}

// dashboard serves the built page: its files by name, and the page itself for
// every other path, which its own router understands. Without a page, and for
// parts that are missing, the answer is the API's.
func dashboard(files fs.FS, missing http.Handler) http.Handler {
	if files == nil {
		return missing
	}
	return gzhttp.GzipHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			missing.ServeHTTP(w, r)
			return
		}
		name := strings.TrimPrefix(path.Clean(r.URL.Path), "/")
		info, err := fs.Stat(files, name)
		isFile := err == nil && !info.IsDir() && name != "index.html"
		switch {
		case isFile && strings.HasPrefix(name, "assets/"): // its name changes with its content
			w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
		case strings.HasPrefix(name, "assets/"):
			missing.ServeHTTP(w, r)
			return
		default:
			w.Header().Set("Cache-Control", "no-cache")
		}
		if !isFile {
			name = "index.html"
			r = r.Clone(r.Context())
			r.URL.Path = "/" // a path that ends in index.html would be redirected
		}
		http.ServeFileFS(w, r, files, name) //nolint:gosec // G703: files is the embedded page, and fs.FS refuses paths that leave it
	}))
}
