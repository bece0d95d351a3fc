// Command leaky is the service that memwatch is tried on: a small shop that
// serves its own requests, with honest garbage and bounded caches, and that
// leaks in one of several ways when told to, by flag or over HTTP:
//
//	POST /leak/trigger?kind=map|goroutine|subscribers|slice
//	POST /leak/clear
//
// It serves /debug/vars and /debug/pprof/ as any Go service can.
package main

import (
	"bufio"
	"context"
	"errors"
	_ "expvar" // /debug/vars
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	_ "net/http/pprof" // /debug/pprof/
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run is main with its surroundings given; it returns the exit status.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("leaky", flag.ContinueOnError)
	flags.SetOutput(stderr)
	name := flags.String("name", "shop", "the service's name, for its log")
	listen := flags.String("listen", "127.0.0.1:6060", "address to listen on; port 0 takes a free one")
	intensity := flags.Float64("intensity", 1, "how much load and leak: 1 leaks about 1 MiB (or 100 goroutines) a second")
	leak := flags.String("simulate-leak", "none", "what to leak from the start: none, "+strings.Join(leakKinds(), ", "))
	after := flags.Duration("leak-after", 0, "how long to be healthy before that leak begins")
	restartAt := flags.Uint64("restart-at", 2048, "MiB held at which to start afresh, as a service killed at its limit does; 0 never does")
	withParent := flags.Bool("exit-with-parent", false, "end when standard input ends")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return 2
	}
	if flags.NArg() > 0 {
		fmt.Fprintf(stderr, "leaky: %q: want flags alone\n", flags.Args())
		return 2
	}
	if *intensity <= 0 || *intensity > 1000 {
		fmt.Fprintf(stderr, "leaky: --intensity %v: want more than 0, at most 1000\n", *intensity)
		return 2
	}
	if *leak != "none" && !knownLeak(*leak) {
		fmt.Fprintf(stderr, "leaky: --simulate-leak %q: want none, %s\n", *leak, strings.Join(leakKinds(), ", "))
		return 2
	}

	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", *listen)
	if err != nil {
		fmt.Fprintf(stderr, "leaky: %v\n", err)
		return 1
	}
	fmt.Fprintf(stdout, "%s listens on http://%s (leak: %s)\n", *name, ln.Addr(), *leak)

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if *withParent {
		go func() { // ends with the process: nothing can interrupt a read of stdin
			_, _ = io.Copy(io.Discard, bufio.NewReader(stdin))
			cancel()
		}()
	}
	full := make(chan bool, 1)
	go func() {
		full <- *restartAt > 0 && waitUntilFull(ctx, *restartAt<<20)
		cancel()
	}()
	if err := serve(ctx, ln, newShop(*intensity), *leak, *after); err != nil {
		fmt.Fprintf(stderr, "leaky: %v\n", err)
		return 1
	}
	if <-full {
		fmt.Fprintf(stdout, "%s holds %d MiB: out of memory, starting again\n", *name, *restartAt)
		return startAgain(ln.Addr().String(), args, stderr)
	}
	return 0
}

// serve runs the shop's load and its HTTP server until ctx ends.
func serve(ctx context.Context, ln net.Listener, s *shop, leak string, after time.Duration) error {
	mux := http.NewServeMux()
	mux.Handle("/debug/", http.DefaultServeMux)
	mux.HandleFunc("POST /leak/trigger", s.leaks.serveTrigger)
	mux.HandleFunc("POST /leak/clear", s.leaks.serveClear)
	mux.HandleFunc("GET /checkout", s.serveCheckout)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}

	loaded := make(chan struct{})
	go func() {
		defer close(loaded)
		s.run(ctx, leak, after)
	}()
	stopped := make(chan error, 1)
	go func() {
		<-ctx.Done()
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		stopped <- server.Shutdown(grace)
	}()
	if err := server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	<-loaded
	if err := <-stopped; errors.Is(err, context.DeadlineExceeded) {
		return server.Close() // a profile was still being read
	}
	return nil
}
