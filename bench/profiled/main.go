// Command profiled is memwatch-hub that writes a CPU profile of the whole of its
// life, and a heap profile of its end. It prints where it listens,
// as the hub does.
package main

import (
	"context"
	"flag"
	"log"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"runtime/pprof"
	"syscall"

	"github.com/zupee/memwatch/hub"
)

func main() {
	cfg := hub.DefaultConfig()
	flag.StringVar(&cfg.Listen, "listen", "127.0.0.1:0", "address")
	flag.StringVar(&cfg.Data, "data", "", "the hub's folder")
	into := flag.String("into", "hub", "where the profiles go: this with -cpu.pb.gz and -heap.pb.gz behind it")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	if err := run(ctx, cfg, *into); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, cfg hub.Config, into string) error {
	cpu, err := os.Create(into + "-cpu.pb.gz")
	if err != nil {
		return err
	}
	defer func() { _ = cpu.Close() }()
	heap, err := os.Create(into + "-heap.pb.gz")
	if err != nil {
		return err
	}
	defer func() { _ = heap.Close() }()
	if err := pprof.StartCPUProfile(cpu); err != nil {
		return err
	}
	// While it still holds everything.
	wrote := make(chan error, 1)
	context.AfterFunc(ctx, func() {
		pprof.StopCPUProfile()
		runtime.GC()
		wrote <- pprof.WriteHeapProfile(heap)
	})
	if err := hub.Run(ctx, cfg, slog.New(slog.NewTextHandler(os.Stderr, nil))); err != nil {
		return err
	}
	return <-wrote
}
