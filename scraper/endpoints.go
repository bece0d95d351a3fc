package scraper

import "strings"

// usual are the paths below a base URL where Go services and Prometheus
// exporters answer. index is net/http/pprof's list of profiles.
func usual(prefix string) Endpoints {
	pprof := prefix + "/debug/pprof/"
	return Endpoints{
		Vars:          prefix + "/debug/vars",
		Metrics:       prefix + "/metrics",
		Heap:          pprof + "heap",
		Goroutine:     pprof + "goroutine",
		GoroutineLeak: pprof + "goroutineleak",
	}
}

// resolve fills what the configuration leaves open from the URL's path: a whole
// path to one endpoint is that one alone, any other path is where the usual ones
// begin.
func (e Endpoints) resolve(path string) Endpoints {
	path = strings.TrimRight(path, "/")
	only := Endpoints{Off, Off, Off, Off, Off}
	found := usual(strings.TrimSuffix(strings.TrimSuffix(path, "/debug/pprof"), "/debug"))
	switch {
	case strings.HasSuffix(path, "/vars"):
		only.Vars, found = path, only
	case strings.HasSuffix(path, "/metrics"):
		only.Metrics, found = path, only
	case strings.HasSuffix(path, "/heap"), strings.HasSuffix(path, "/allocs"):
		only.Heap, found = path, only
	case strings.HasSuffix(path, "/goroutine"):
		only.Goroutine, found = path, only
	}
	for _, f := range []struct{ to, from *string }{
		{&found.Vars, &e.Vars},
		{&found.Metrics, &e.Metrics},
		{&found.Heap, &e.Heap},
		{&found.Goroutine, &e.Goroutine},
		{&found.GoroutineLeak, &e.GoroutineLeak},
	} {
		if *f.from != "" {
			*f.to = *f.from
		}
	}
	return found
}
