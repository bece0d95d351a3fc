// Command plain is the straightforward sidecar that memwatchd is measured
// against: net/http and profile.Parse, the last profile of each target kept,
// on the same schedule, and nothing else.
package main

import (
	"encoding/json"
	"flag"
	"io"
	"log"
	"net/http"
	"sync"
	"time"

	"github.com/google/pprof/profile"
)

func main() {
	interval := flag.Duration("interval", time.Second, "between readings")
	each := flag.Int("profile-each", 6, "readings from one heap profile to the next")
	flag.Parse()
	var wg sync.WaitGroup
	for i, url := range flag.Args() {
		wg.Go(func() {
			time.Sleep(*interval * time.Duration(i) / time.Duration(flag.NArg()))
			watch(url, *interval, *each)
		})
	}
	wg.Wait()
}

func watch(url string, interval time.Duration, each int) {
	var last *profile.Profile
	tick := time.NewTicker(interval)
	for n := 0; ; n++ {
		var vars struct {
			MemStats struct{ HeapAlloc, NextGC, NumGC, TotalAlloc uint64 } `json:"memstats"`
		}
		get(url+"/debug/vars", func(r io.Reader) error { return json.NewDecoder(r).Decode(&vars) })
		if n%each == 0 {
			get(url+"/debug/pprof/heap", func(r io.Reader) (err error) {
				last, err = profile.Parse(r)
				return err
			})
		}
		<-tick.C
		_ = last
	}
}

func get(url string, use func(io.Reader) error) {
	resp, err := http.Get(url) //nolint:gosec,noctx // its own benchmark on loopback
	if err != nil {
		log.Print(err)
		return
	}
	defer func() { _ = resp.Body.Close() }()
	if err := use(resp.Body); err != nil {
		log.Print(err)
	}
}
