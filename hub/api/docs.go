package api

import (
	"embed"
	"net/http"

	"github.com/swaggest/swgui/v5/static"
	"github.com/vearutop/statigz"
)

//go:embed docs
var docsPage embed.FS

// docsPolicy is the docs page's own: Swagger UI sets styles on its elements.
const docsPolicy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; " +
	"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// docs serves the OpenAPI document and a page to read it, from the program itself.
func (s *Server) docs() {
	document, err := s.OpenAPI()
	if err != nil {
		panic("the OpenAPI document cannot be written: " + err.Error()) // it is made of types alone: a test finds it
	}
	packed{s.mux}.HandleFunc("GET /api/openapi.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(document)
	})
	page := func(name string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Security-Policy", docsPolicy)
			w.Header().Set("Cache-Control", "no-cache")
			http.ServeFileFS(w, r, docsPage, name)
		}
	}
	s.mux.HandleFunc("GET /api/docs", page("docs/index.html"))
	s.mux.HandleFunc("GET /api/docs/start.js", page("docs/start.js"))
	assets := http.StripPrefix("/api/docs/", statigz.FileServer(static.FS))
	for _, name := range []string{"swagger-ui.css", "swagger-ui-bundle.js"} {
		s.mux.Handle("GET /api/docs/"+name, assets)
	}
}
