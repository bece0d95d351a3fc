package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// row is one section of docs/benchmarks.md.
type row struct {
	name string
	run  func(ctx context.Context, lab *lab) (*table, error)
	// once says what the figures are of a row that runs once; "" is medians of pairs.
	once string
	// page is another page than docs/benchmarks.md: one that is reckoned, not measured.
	page string
}

var rows = []row{
	{name: "sidecar", run: sidecar},
	{name: "peers", run: peers},
	{name: "target", run: target},
	{name: "hub", run: central},
	{name: "fanout", run: fanout},
	{name: "start", run: starting},
	{name: "soak", run: soak, once: "one run; medians of its minutes (least–most)"},
	{name: "replicas", run: replicas, once: "one run; medians of its minutes (least–most)"},
	{name: "scale", run: scale},
	{name: "profile", run: profiles, once: "one run", page: "docs/profiles.md"},
	{name: "micro", run: micro},
	{name: "costs", run: costs, page: capacityPage},
	{name: "capacity", run: capacity, page: capacityPage},
}

func run(ctx context.Context, args []string, out io.Writer) error {
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	doc := fs.String("doc", "docs/benchmarks.md", "`file` whose tables are to be written; empty writes none")
	pairs := fs.Int("pairs", 5, "how many times each comparison runs")
	length := fs.Duration("for", 20*time.Second, "how long one run lasts")
	soak := fs.Duration("soak", 30*time.Minute, "how long a soak lasts")
	if err := fs.Parse(args); err != nil {
		return err
	}
	wanted := fs.Args()
	for _, name := range wanted {
		if !slices.ContainsFunc(rows, func(r row) bool { return r.name == name }) {
			return fmt.Errorf("row %q is not known: want %s", name, strings.Join(names(), ", "))
		}
	}
	lab, err := newLab(ctx, *pairs, *length, *soak, out)
	if err != nil {
		return err
	}
	defer lab.close()
	if *doc != "" {
		lab.plots = filepath.Dir(*doc)
	}
	for _, r := range rows {
		if len(wanted) > 0 && !slices.Contains(wanted, r.name) {
			continue
		}
		t, err := r.run(ctx, lab)
		if err != nil {
			return fmt.Errorf("%s: %w", r.name, err)
		}
		text, page := t.markdown(), cmp.Or(r.page, *doc)
		if page != capacityPage { // which is the same whoever reckons it
			text = lab.stamp(r) + "\n\n" + text
		}
		fmt.Fprintln(out, "\n"+text)
		if *doc == "" {
			continue
		}
		if err := writeSection(page, r.name, text); err != nil {
			return err
		}
	}
	return nil
}

func names() []string {
	var out []string
	for _, r := range rows {
		out = append(out, r.name)
	}
	return out
}
