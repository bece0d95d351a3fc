package api

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"

	"github.com/klauspost/compress/gzhttp"
)

// packed is a mux whose answers are compressed for clients that ask for it, and
// are not sent again to those that have them.
type packed struct{ *http.ServeMux }

// HandleFunc implements humago.Mux.
func (p packed) HandleFunc(pattern string, handle func(http.ResponseWriter, *http.Request)) {
	p.Handle(pattern, gzhttp.GzipHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t := &tagged{ResponseWriter: w, match: r.Header.Get("If-None-Match")}
		handle(t, r)
		t.finish()
	})))
}

// tagged holds back an answer in JSON to give it an ETag. It is weak: the same
// answer may be compressed or not.
type tagged struct {
	http.ResponseWriter
	match   string
	body    bytes.Buffer
	holding bool
	begun   bool
}

// Unwrap lets http.ResponseController find the connection.
func (t *tagged) Unwrap() http.ResponseWriter { return t.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (t *tagged) WriteHeader(status int) {
	if t.begun {
		return
	}
	t.begun = true
	h := t.Header()
	if h.Get("Cache-Control") == "" {
		h.Set("Cache-Control", "no-store")
		if status == http.StatusOK {
			h.Set("Cache-Control", "private, no-cache")
		}
	}
	t.holding = status == http.StatusOK && strings.HasPrefix(h.Get("Content-Type"), "application/json")
	if !t.holding {
		t.ResponseWriter.WriteHeader(status)
	}
}

func (t *tagged) Write(b []byte) (int, error) {
	if !t.begun {
		t.WriteHeader(http.StatusOK)
	}
	if t.holding {
		return t.body.Write(b)
	}
	return t.ResponseWriter.Write(b)
}

func (t *tagged) finish() {
	if !t.holding {
		return
	}
	sum := sha256.Sum256(t.body.Bytes())
	tag := `W/"` + hex.EncodeToString(sum[:12]) + `"`
	t.Header().Set("ETag", tag)
	if t.match == "*" || strings.Contains(t.match, strings.TrimPrefix(tag, "W/")) {
		t.Header().Del("Content-Type")
		t.ResponseWriter.WriteHeader(http.StatusNotModified)
		return
	}
	t.ResponseWriter.WriteHeader(http.StatusOK)
	_, _ = t.ResponseWriter.Write(t.body.Bytes()) // the reader may be gone; there is nobody to tell
}
