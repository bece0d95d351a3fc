// Command abandoned starts goroutines that send to a channel which nobody can
// reach any more: what a goroutineleak profile proves. Built with
// GOEXPERIMENT=goroutineleakprofile it serves one.
package main

import (
	_ "expvar" // /debug/vars
	"fmt"
	"net"
	"net/http"
	_ "net/http/pprof" // /debug/pprof/
	"os"
	"time"
)

var garbage []byte

func main() {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Printf("abandoned listens on http://%s\n", ln.Addr())
	go func() {
		for range time.Tick(10 * time.Millisecond) {
			ask()
			garbage = make([]byte, 256<<10) // so that the GC runs
		}
	}()
	fmt.Fprintln(os.Stderr, http.Serve(ln, nil), len(garbage))
	os.Exit(1)
}

// ask does not wait for its answer.
//
//go:noinline
func ask() {
	answer := make(chan int)
	go reply(answer)
}

//go:noinline
func reply(answer chan<- int) { answer <- 42 }
