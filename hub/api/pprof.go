package api

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os/exec"
	"slices"
	"sync"
	"time"

	"github.com/google/pprof/driver"
	"github.com/google/pprof/profile"

	"github.com/zupee/memwatch"
)

// pprofPolicy is the pprof pages' own. They are made of inline scripts and of
// names that a profile brings, so they run in an origin of their own, where they
// reach nothing of the hub's.
const pprofPolicy = "sandbox allow-scripts allow-popups allow-downloads allow-modals; default-src 'none'; script-src 'unsafe-inline'; " +
	"style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// pprofViews are the pages that show the profile and nothing else. The others
// read local files that a profile names (source, disasm) or write settings on a
// GET (saveconfig, deleteconfig).
var pprofViews = []string{"flamegraph", "top", "peek", "graph", "download"}

// So many profiles stay open in pprof's web UI, so many bytes of them (the newest
// aside), and none of them when nobody looked at any for so long.
const (
	shown      = 4
	shownBytes = 256 << 20
	shownFor   = 5 * time.Minute
)

// pprofUI mounts pprof's own web UI on stored profiles. The driver keeps its
// configuration in variables of the package: one page is made at a time.
type pprofUI struct {
	server *Server
	mu     sync.Mutex
	open   []openProfile // the one used last is the last
	idle   *time.Timer   // closes them
}

type openProfile struct {
	id, base string
	bytes    int64
	handlers map[string]http.Handler
}

func (s *Server) pprofPages() {
	ui := &pprofUI{server: s}
	ui.idle = time.AfterFunc(shownFor, ui.close)
	for _, p := range []string{"/pprof/{id}", "/pprof/{id}/{$}", "/pprof/{id}/{view}", "/pprof/{id}/base/{base}/{$}", "/pprof/{id}/base/{base}/{view}"} {
		s.mux.Handle("GET "+p, s.guarded(AccessViewer, ui))
	}
}

func (ui *pprofUI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id, base, view := r.PathValue("id"), r.PathValue("base"), r.PathValue("view")
	query := r.URL.Query()
	if b := query.Get("base"); b != "" || view == "" {
		if b == "" {
			b = base
		}
		query.Del("base")
		http.Redirect(w, r, pprofAddress(id, b, view, query), http.StatusSeeOther) //nolint:gosec // G710: it begins with /pprof/ and every part is escaped
		return
	}
	if !slices.Contains(pprofViews, view) {
		ui.server.writeError(w, notFound("page of pprof", view))
		return
	}
	if _, err := exec.LookPath("dot"); err != nil && view == "graph" {
		ui.server.writeError(w, newProblem(http.StatusNotImplemented, "No graphviz", "graphs are drawn by dot: install graphviz where the hub runs, or look at the flame graph"))
		return
	}
	page, err := ui.page(r, id, base, view)
	if err != nil {
		ui.server.WriteError(w, r, err)
		return
	}
	for k, v := range page.header {
		w.Header()[k] = v
	}
	w.Header().Set("Content-Security-Policy", pprofPolicy)
	w.Header().Del("Cross-Origin-Opener-Policy") // a page of its own origin has no use for it
	w.WriteHeader(page.status)
	_, _ = w.Write(page.body.Bytes())
}

// pprofAddress is where a view of a profile, or of a difference, is: its base is
// a part of the path, as pprof's own links keep nothing of the query.
func pprofAddress(id, base, view string, query url.Values) string {
	at := "/pprof/" + url.PathEscape(id) + "/"
	if base != "" {
		at += "base/" + url.PathEscape(base) + "/"
	}
	if view == "" {
		view = "flamegraph"
	}
	at += url.PathEscape(view)
	if len(query) > 0 {
		at += "?" + query.Encode()
	}
	return at
}

// page makes one page, away from whoever reads it however slowly.
func (ui *pprofUI) page(r *http.Request, id, base, view string) (*held, error) {
	ctx := r.Context()
	c, err := ui.server.find(ctx, id)
	if err != nil {
		return nil, err
	}
	var b *memwatch.Capture
	if base != "" {
		found, err := ui.server.find(ctx, base)
		if err != nil {
			return nil, err
		}
		b = &found
	}
	ui.mu.Lock()
	defer ui.mu.Unlock()
	handlers, err := ui.handlers(ctx, c, b)
	if err != nil {
		return nil, err
	}
	page := &held{header: http.Header{}, status: http.StatusOK}
	handlers["/"+view].ServeHTTP(page, r)
	ui.idle.Reset(shownFor)
	return page, nil
}

// close forgets all profiles.
func (ui *pprofUI) close() {
	ui.mu.Lock()
	defer ui.mu.Unlock()
	ui.open = nil
}

// held is an answer that waits to be sent.
type held struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (h *held) Header() http.Header         { return h.header }
func (h *held) Write(b []byte) (int, error) { return h.body.Write(b) }
func (h *held) WriteHeader(status int)      { h.status = status }

// handlers finds or opens a profile.
func (ui *pprofUI) handlers(ctx context.Context, c memwatch.Capture, base *memwatch.Capture) (map[string]http.Handler, error) {
	key := openProfile{id: c.SHA256}
	if base != nil {
		key.base = base.SHA256
	}
	for i, o := range ui.open {
		if o.id == key.id && o.base == key.base {
			ui.open = append(slices.Delete(ui.open, i, i+1), o)
			return o.handlers, nil
		}
	}
	release, err := ui.server.acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	profiles := stored{}
	if profiles["profile"], err = ui.server.profile(ctx, c); err != nil {
		return nil, err
	}
	args := []string{"-http=localhost:0", "-no_browser", "-symbolize=none"} //nolint:misspell // the flag's name
	if base != nil {
		if profiles["base"], err = ui.server.profile(ctx, *base); err != nil {
			return nil, err
		}
		args = append(args, "-diff_base=base")
	}
	err = driver.PProf(&driver.Options{
		Flagset: &arguments{FlagSet: flag.NewFlagSet("pprof", flag.ContinueOnError), args: append(args, "profile")},
		Fetch:   profiles, Obj: noFiles{}, UI: silent{},
		HTTPServer: func(a *driver.HTTPServerArgs) error { key.handlers = a.Handlers; return nil },
	})
	if err != nil || key.handlers == nil {
		return nil, unreadable("pprof cannot open profile %s: %v", c.ID, err)
	}
	for _, p := range profiles {
		key.bytes += heldBytes(p)
	}
	ui.keep(key)
	return key.handlers, nil
}

// keep takes one more profile in, and closes those that are too many for it.
func (ui *pprofUI) keep(o openProfile) {
	ui.open = append(ui.open, o)
	first, bytes := len(ui.open)-1, o.bytes
	for first > 0 && len(ui.open)-first < shown && bytes+ui.open[first-1].bytes <= shownBytes {
		first--
		bytes += ui.open[first].bytes
	}
	ui.open = slices.Delete(ui.open, 0, first)
}

// stored gives the driver profiles that were read before. An empty source keeps
// it from saving a copy under the home folder.
type stored map[string]*profile.Profile

// Fetch implements driver.Fetcher.
func (f stored) Fetch(src string, _, _ time.Duration) (*profile.Profile, string, error) {
	p := f[src]
	if p == nil {
		return nil, "", fmt.Errorf("no profile %q", src)
	}
	return p, "", nil
}

// arguments are the driver's command line.
type arguments struct {
	*flag.FlagSet
	args []string
}

// StringList implements driver.FlagSet.
func (a *arguments) StringList(name, value, usage string) *[]*string {
	return &[]*string{a.String(name, value, usage)}
}

// ExtraUsage implements driver.FlagSet.
func (a *arguments) ExtraUsage() string { return "" }

// AddExtraUsage implements driver.FlagSet.
func (a *arguments) AddExtraUsage(string) {}

// Parse implements driver.FlagSet.
func (a *arguments) Parse(func()) []string {
	a.SetOutput(io.Discard)
	if a.FlagSet.Parse(a.args) != nil {
		return nil
	}
	return a.Args()
}

// noFiles opens none of the programs and libraries that a profile names.
type noFiles struct{}

// Open implements driver.ObjTool.
func (noFiles) Open(string, uint64, uint64, uint64, string) (driver.ObjFile, error) {
	return nil, errors.New("programs are not read")
}

// Disasm implements driver.ObjTool.
func (noFiles) Disasm(string, uint64, uint64, bool) ([]driver.Inst, error) {
	return nil, errors.New("programs are not read")
}

// silent is the driver's terminal.
type silent struct{}

func (silent) ReadLine(string) (string, error)     { return "", io.EOF }
func (silent) Print(...any)                        {}
func (silent) PrintErr(...any)                     {}
func (silent) IsTerminal() bool                    { return false }
func (silent) WantBrowser() bool                   { return false }
func (silent) SetAutoComplete(func(string) string) {}
