package main

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/zupee/memwatch/hub/store"
	"github.com/zupee/memwatch/hub/store/sqlite"
)

// starting measures how long a hub takes to start on what earlier runs have left,
// and how large the programs are.
func starting(ctx context.Context, l *lab) (*table, error) {
	t := &table{{"what", "figures", "goal"}}
	for _, old := range []struct {
		instances int
		past      time.Duration
		words     string
	}{
		{1000, 7 * 24 * time.Hour, "start on 7 days of 1,000 instances at 10 s, %.1f GB, s"},
		{10_000, time.Hour, "start on an hour of 10,000 instances at 10 s, %.1f GB, s"},
	} {
		data := filepath.Join(l.dir, fmt.Sprintf("old-%d", old.instances))
		path := filepath.Join(data, "memwatch.db")
		if err := fill(ctx, path, old.instances, old.past); err != nil {
			return nil, err
		}
		info, err := os.Stat(path)
		if err != nil {
			return nil, err
		}
		var took spread
		for range l.pairs {
			began := time.Now()
			hub, err := l.start(ctx, true, "memwatch-hub", "serve", "--listen", "127.0.0.1:0", "--data", data)
			if err != nil {
				return nil, err
			}
			took = append(took, time.Since(began).Seconds())
			hub.stop()
		}
		t.add(fmt.Sprintf(old.words, float64(info.Size())/1e9), took.say("%.2f"), "≤ 3")
		if err := os.RemoveAll(data); err != nil {
			return nil, err
		}
	}
	for _, program := range []struct{ name, goal string }{{"memwatchd", "image ≤ 15"}, {"memwatch-hub", "–"}} {
		info, err := os.Stat(filepath.Join(l.dir, program.name))
		if err != nil {
			return nil, err
		}
		t.add("the program `"+program.name+"`, static, MB", fmt.Sprintf("%.1f", float64(info.Size())/1e6), program.goal)
	}
	return t, nil
}

// fill stores readings of the past, up to now, as they would have come.
func fill(ctx context.Context, path string, instances int, past time.Duration) (err error) {
	db, err := sqlite.Open(ctx, sqlite.Config{Path: path, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	defer func() {
		if e := db.Close(); err == nil {
			err = e
		}
	}()
	r := rand.New(rand.NewPCG(1, 1))
	for at := time.Now().Add(-past); at.Before(time.Now()); at = at.Add(10 * time.Second) {
		readings := make([]store.Reading, instances)
		for i := range readings {
			m := reading(r, serviceOf(i), at)
			readings[i] = store.Reading{Service: m.Service, Instance: m.Instance, Sample: *m.Sample}
		}
		if _, err := db.Append(ctx, readings); err != nil {
			return err
		}
	}
	return nil
}
