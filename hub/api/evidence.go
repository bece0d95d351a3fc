package api

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/zupee/memwatch"
)

func (s *Server) evidenceOperations() {
	register(s, operation{
		method: http.MethodGet, path: "/api/alerts/{id}/evidence.tar.gz", id: "get-evidence", tag: "alerts", access: AccessViewer,
		summary: "All that is known of an alert: itself, its readings, its profiles", errors: []int{http.StatusNotFound},
		more: bytesOf("application/gzip"),
	}, s.evidence)
	register(s, operation{
		method: http.MethodGet, path: "/api/alerts/{id}/report.html", id: "get-report", tag: "alerts", access: AccessViewer,
		summary: "An incident report, one page that needs nothing else: for a ticket", errors: []int{http.StatusNotFound},
		more: bytesOf("text/html"),
	}, s.report)
}

// story is an alert with what belongs to it.
type story struct {
	alert    memwatch.Alert
	profiles []memwatch.Capture // oldest first; those that retention removed are missing
	series   []Series
}

const (
	// beforeAlert is how much of the time before an alert is told.
	beforeAlert = time.Hour
	// storyPoints bounds the readings of one instance.
	storyPoints = 500
)

func (s *Server) story(ctx context.Context, id string) (story, error) {
	var out story
	var err error
	if out.alert, err = s.Store.Alert(ctx, id); err != nil {
		return out, unknownOr(err, "alert", id)
	}
	for _, p := range out.alert.Profiles {
		c, err := s.Store.Capture(ctx, p)
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return out, fmt.Errorf("profile %s: %w", p, err)
		}
		out.profiles = append(out.profiles, c)
	}
	q := MetricsQuery{Service: out.alert.Service, From: out.alert.Time.Time().Add(-beforeAlert), Limit: storyPoints}
	if v := out.alert.Verdict; v != nil && v.Since > 0 && v.Since < out.alert.Time {
		q.From = v.Since.Time().Add(-beforeAlert)
	}
	if out.alert.ResolvedAt > 0 {
		q.To = out.alert.ResolvedAt.Time().Add(beforeAlert)
	}
	out.series, _, err = s.Store.Readings(ctx, q)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return out, fmt.Errorf("readings of %s: %w", q.Service, err)
	}
	return out, nil
}

// evidence streams an archive. An error midway cuts it off, which tar notices.
func (s *Server) evidence(ctx context.Context, in *ByID) (*huma.StreamResponse, error) {
	st, err := s.story(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	name := "memwatch-" + fileWord(st.alert.Service) + "-" + fileWord(st.alert.ID)
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		_, w := humago.Unwrap(hc)
		w.Header().Set("Content-Type", "application/gzip")
		w.Header().Set("Content-Disposition", `attachment; filename="`+name+`.tar.gz"`)
		w.Header().Set("Cache-Control", "no-store")
		if err := s.pack(ctx, w, name, st); err != nil && ctx.Err() == nil {
			s.logger.Error("an evidence archive was cut off", "alert", st.alert.ID, "error", err)
			panic(http.ErrAbortHandler)
		}
	}}, nil
}

func (s *Server) pack(ctx context.Context, w io.Writer, folder string, st story) error {
	z := gzip.NewWriter(w)
	t := tar.NewWriter(z)
	add := func(name string, at time.Time, size int64, from io.Reader) error {
		if err := t.WriteHeader(&tar.Header{Name: folder + "/" + name, Mode: 0o644, Size: size, ModTime: at}); err != nil {
			return err
		}
		_, err := io.Copy(t, from)
		return err
	}
	at := st.alert.Time.Time()
	alert, err := json.MarshalIndent(st.alert, "", "  ")
	if err != nil {
		return err
	}
	for _, f := range []struct {
		name string
		body []byte
	}{{"README.md", []byte(readme(st))}, {"alert.json", alert}, {"readings.jsonl", readingLines(st)}} {
		if err := add(f.name, at, int64(len(f.body)), bytes.NewReader(f.body)); err != nil {
			return err
		}
	}
	for _, c := range st.profiles {
		f, err := s.Blobs.Open(ctx, c.SHA256)
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return fmt.Errorf("profile %s: %w", c.ID, err)
		}
		err = add("profiles/"+profileFile(c), c.Time.Time(), c.Size, f)
		if err = errors.Join(err, f.Close()); err != nil {
			return fmt.Errorf("profile %s: %w", c.ID, err)
		}
	}
	return errors.Join(t.Close(), z.Close())
}

func readingLines(st story) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	for _, m := range merge(st.alert.Service, st.series) {
		_ = enc.Encode(m) // a buffer and numbers: nothing can fail
	}
	return b.Bytes()
}

func profileFile(c memwatch.Capture) string {
	return string(c.Role) + "-" + string(c.Kind) + "-" + fileWord(c.ID) + ".pb.gz"
}

// fileWord keeps of a name what can be a part of a file's.
func fileWord(s string) string {
	s = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' {
			return r
		}
		return '_'
	}, s)
	return s[:min(len(s), 60)]
}

// compared are the newest profile of an alert and what to compare it with.
func (st story) compared() (newest, base *memwatch.Capture) {
	for i := range st.profiles {
		c := &st.profiles[i]
		if c.Role != memwatch.RoleBaseline && (newest == nil || c.Kind == newest.Kind || newest.Kind != memwatch.HeapProfile) {
			newest = c
		}
	}
	if newest == nil && len(st.profiles) > 0 {
		newest = &st.profiles[len(st.profiles)-1]
	}
	if newest == nil {
		return nil, nil
	}
	for i := range st.profiles {
		c := &st.profiles[i]
		if c.ID == newest.BaseID || base == nil && c.Role == memwatch.RoleBaseline && c.Kind == newest.Kind && c.ID != newest.ID {
			base = c
		}
	}
	return newest, base
}

func readme(st story) string {
	var b strings.Builder
	a := st.alert
	fmt.Fprintf(&b, "# %s\n\n%s\n\nService %s, %d instances; %s since %s.\n", a.ID, a.Message, a.Service, len(a.Instances), a.State, a.Time.Time().Format(time.RFC3339))
	b.WriteString("\n- alert.json: the alert as the hub has it, with its verdict\n- readings.jsonl: readings from before it until now or its end\n- profiles/: what was saved\n")
	newest, base := st.compared()
	switch {
	case base != nil:
		fmt.Fprintf(&b, "\n    go tool pprof -diff_base=profiles/%s profiles/%s\n", profileFile(*base), profileFile(*newest))
	case newest != nil:
		fmt.Fprintf(&b, "\n    go tool pprof profiles/%s\n", profileFile(*newest))
	}
	return b.String()
}
