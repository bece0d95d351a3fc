//go:build unix

package store_test

import (
	"context"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/zupee/memwatch/hub/store"
	"github.com/zupee/memwatch/hub/store/postgres"
	"github.com/zupee/memwatch/hub/store/sqlite"
	"github.com/zupee/memwatch/hub/store/storetest"
	"github.com/zupee/memwatch/internal/pgtest"
)

// place is where a benchmark stores: through several hubs, where a store is shared.
type place struct {
	hubs   []store.Store
	server func() time.Duration // the CPU that the database's server has used
}

// places are the stores that are compared. Both wait for the disk at each commit.
var places = []struct {
	name string
	open func(b *testing.B) place
}{
	{"sqlite", func(b *testing.B) place {
		s, err := sqlite.Open(b.Context(), sqlite.Config{Path: filepath.Join(b.TempDir(), "hub.db")})
		if err != nil {
			b.Fatal(err)
		}
		return place{[]store.Store{s}, func() time.Duration { return 0 }}
	}},
	{"postgres", func(b *testing.B) place { return openPostgres(b, 1) }},
	{"postgres/hubs=3", func(b *testing.B) place { return openPostgres(b, 3) }},
}

func openPostgres(b *testing.B, hubs int) place {
	b.Helper()
	server := pgtest.Start(b, "fsync=on", "shared_buffers=512MB", "max_wal_size=4GB")
	p := place{server: server.CPU}
	url := server.Database(b)
	for range hubs {
		s, err := postgres.Open(b.Context(), postgres.Config{URL: url})
		if err != nil {
			b.Fatal(err)
		}
		p.hubs = append(p.hubs, s)
	}
	return p
}

func (p place) close(b *testing.B) {
	b.Helper()
	for _, s := range p.hubs {
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// stats adds up what the hubs did; the database is the same for all.
func (p place) stats(b *testing.B) (sum store.Stats) {
	b.Helper()
	for _, s := range p.hubs {
		st, err := s.Stats(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		st.Stored += sum.Stored
		st.Commits += sum.Commits
		sum = st
	}
	return sum
}

// own is the CPU that this process has used.
func own() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkAppend stores ticks of 4,000 instances, which come as a hub gets them: from
// many callers at the same time, a few readings each.
//
//	go test -run - -bench Append -benchtime 60x ./hub/store
func BenchmarkAppend(b *testing.B) {
	const instances, each = 4000, 10
	for _, at := range places {
		b.Run(at.name, func(b *testing.B) {
			p := at.open(b)
			f := storetest.NewFleet(instances)
			p.append(b, f.Tick(nil), each) // makes the instances known
			ticks := make([][]store.Reading, b.N)
			for i := range ticks {
				ticks[i] = f.Tick(nil)
			}
			before := p.stats(b)
			b.ReportAllocs()
			b.ResetTimer()
			ownBefore, serverBefore := own(), p.server()
			for _, tick := range ticks {
				p.append(b, tick, each)
			}
			b.StopTimer()
			readings := float64(b.N) * instances
			b.ReportMetric(float64((own()-ownBefore).Nanoseconds())/readings, "ns-CPU-hub/reading")
			b.ReportMetric(float64((p.server()-serverBefore).Nanoseconds())/readings, "ns-CPU-server/reading")
			b.ReportMetric(readings/b.Elapsed().Seconds(), "readings/s")
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/readings, "ns/reading")
			after := p.stats(b)
			if after.Stored-before.Stored != int64(readings) {
				b.Fatalf("%d stored of %.0f", after.Stored-before.Stored, readings)
			}
			b.ReportMetric(float64(after.DatabaseBytes-before.DatabaseBytes)/readings, "B-disk/reading")
			b.ReportMetric(readings/float64(after.Commits-before.Commits), "readings/commit")
			p.close(b)
		})
	}
}

// append has 64 callers store a tick, some readings at a time, through all hubs.
func (p place) append(b *testing.B, tick []store.Reading, each int) {
	b.Helper()
	var wg sync.WaitGroup
	parts := make(chan []store.Reading)
	for i := range 64 {
		s := p.hubs[i%len(p.hubs)]
		wg.Go(func() {
			for part := range parts {
				if _, err := s.Append(context.Background(), part); err != nil {
					b.Error(err)
				}
			}
		})
	}
	for len(tick) > 0 {
		n := min(each, len(tick))
		parts <- tick[:n]
		tick = tick[n:]
	}
	close(parts)
	wg.Wait()
}

// BenchmarkReadings reads a day of one instance (8,640 readings) of 20: as it came in
// to the last four hours, and when it has been put in order.
//
//	go test -run - -bench Readings ./hub/store
func BenchmarkReadings(b *testing.B) {
	const day = 8640
	for _, at := range places[:2] {
		b.Run(at.name, func(b *testing.B) {
			p := at.open(b)
			s := p.hubs[0]
			f := storetest.NewFleet(20)
			var all []store.Reading
			for range day {
				all = f.Tick(all)
			}
			p.append(b, all, 5000)
			read := func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					_, total, err := s.Readings(b.Context(), store.Query{Service: "bench", Instance: "instance-7", MaxPoints: 500})
					if err != nil || total != day {
						b.Fatal(total, err)
					}
				}
			}
			b.Run("fresh", read)
			if _, err := s.Prune(b.Context(), storetest.T0.Add(30*time.Hour)); err != nil {
				b.Fatal(err)
			}
			b.Run("sealed", read)
			p.close(b)
		})
	}
}
