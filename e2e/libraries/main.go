// Command libraries leaks as services do that use a library as its
// documentation did not forbid: nothing here allocates what is kept but the
// library itself. It is a module of its own, for the versions that leak are
// old ones. Some recordings of recording/testdata are made with it.
package main

import (
	"context"
	"errors"
	_ "expvar" // /debug/vars
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	_ "net/http/pprof" // /debug/pprof/
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

// scenarios make a handler that answers one request of the load.
var scenarios = map[string]func() (http.Handler, error){
	"otelhttp":   otelhttpMethods,
	"prometheus": prometheusUsers,
	"lru":        lruFills,
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "libraries:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	names := make([]string, 0, len(scenarios))
	for name := range scenarios {
		names = append(names, name)
	}
	slices.Sort(names)
	flags := flag.NewFlagSet("libraries", flag.ContinueOnError)
	listen := flags.String("listen", "127.0.0.1:6060", "address to listen on; port 0 takes a free one")
	rate := flags.Float64("rate", 200, "requests a second")
	scenario := flags.String("scenario", "otelhttp", "one of "+strings.Join(names, ", "))
	if err := flags.Parse(args); err != nil {
		return err
	}
	begin, known := scenarios[*scenario]
	if !known {
		return fmt.Errorf("--scenario %q: want one of %s", *scenario, strings.Join(names, ", "))
	}
	if *rate <= 0 || *rate > 1e5 {
		return fmt.Errorf("--rate %v: want more than 0, at most 100000", *rate)
	}
	handler, err := begin()
	if err != nil {
		return err
	}
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", *listen)
	if err != nil {
		return err
	}
	fmt.Printf("%s listens on http://%s\n", *scenario, ln.Addr())
	server := &http.Server{ReadHeaderTimeout: 10 * time.Second}
	go func() {
		load(ctx, handler, *rate)
		_ = server.Close()
	}()
	if err := server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// load sends requests of many users until ctx ends, some at each tick.
func load(ctx context.Context, h http.Handler, rate float64) {
	const each = 20 * time.Millisecond
	tick := time.NewTicker(each)
	defer tick.Stop()
	for due := 0.0; ; due += rate * each.Seconds() {
		for ; due >= 1; due-- {
			// A method nobody has heard of is a token too, and servers take it.
			method := fmt.Sprintf("M%08X", rand.Uint32())
			r, err := http.NewRequestWithContext(ctx, method, "http://shop.example/cart", http.NoBody)
			if err != nil {
				return
			}
			r.Header.Set("X-User", fmt.Sprint(rand.Uint32()))
			h.ServeHTTP(&discard{http.Header{}}, r)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// discard takes an answer that nobody reads.
type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }
func (d *discard) WriteHeader(int)             {}
