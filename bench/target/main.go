// Command target is a service to be measured: it holds memory on as many
// distinct allocation stacks as it is told, serves pprof, expvar and
// Prometheus metrics as any Go service does, answers /work with a little work
// that allocates, and counts at /counts what it was asked for.
package main

import (
	_ "expvar" // part of what is measured
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	_ "net/http/pprof" // what is measured
	"os"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

func main() {
	stacks := flag.Int("stacks", 3000, "distinct allocation stacks")
	churn := flag.Int("churn", 8, "MiB of garbage a second, so that the collector runs")
	flag.Parse()

	// Every block is sampled, so that each stack is in the profile.
	runtime.MemProfileRate = 1
	hold(*stacks)
	runtime.MemProfileRate = 512 << 10
	runtime.GC()
	runtime.GC()

	go litter(*churn)

	http.Handle("/metrics", promhttp.Handler())
	http.HandleFunc("/work", func(w http.ResponseWriter, _ *http.Request) {
		b := make([]byte, 0, 8<<10)
		for i := range 400 {
			b = fmt.Appendf(b, "%d,", i)
		}
		_, _ = w.Write(b)
	})
	var heaps, vars atomic.Int64
	http.HandleFunc("/counts", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"heap":%d,"vars":%d}`, heaps.Load(), vars.Load())
	})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Fprintf(os.Stdout, "http://%s\n", ln.Addr())
	log.Fatal(http.Serve(ln, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/debug/pprof/heap":
			heaps.Add(1)
		case "/debug/vars":
			vars.Add(1)
		}
		http.DefaultServeMux.ServeHTTP(w, r)
	})))
}

// garbage holds the newest of it: what never leaves a stack is not collected.
var garbage atomic.Pointer[[]byte]

// litter allocates and forgets.
func litter(mebibytes int) {
	for range time.Tick(100 * time.Millisecond) {
		for range mebibytes * 10 {
			b := make([]byte, 10<<10)
			garbage.Store(&b)
		}
	}
}

var held [][]byte

// hold allocates a block on each of n distinct stacks: the bits of a number
// choose the way down through two functions.
func hold(n int) {
	for i := range n {
		left(uint(i), 16) //nolint:gosec // i is not negative
	}
}

//go:noinline
func left(way uint, depth int) {
	if depth == 0 {
		held = append(held, make([]byte, 2048))
		return
	}
	if way&1 == 0 {
		left(way>>1, depth-1)
	} else {
		right(way>>1, depth-1)
	}
}

//go:noinline
func right(way uint, depth int) {
	if depth == 0 {
		held = append(held, make([]byte, 2048))
		return
	}
	if way&1 == 0 {
		left(way>>1, depth-1)
	} else {
		right(way>>1, depth-1)
	}
}
