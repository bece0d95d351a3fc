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
	found := Endpoints{Off, Off, Off, Off, Off}
	switch {
	case strings.HasSuffix(path, "/vars"):
		found.Vars = path
	case strings.HasSuffix(path, "/metrics"):
		found.Metrics = path
	case strings.HasSuffix(path, "/heap"), strings.HasSuffix(path, "/allocs"):
		found.Heap = path
	case strings.HasSuffix(path, "/goroutine"):
		found.Goroutine = path
	default:
		found = usual(strings.TrimSuffix(strings.TrimSuffix(path, "/debug/pprof"), "/debug"))
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
