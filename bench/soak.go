package main

import (
	"context"
	"fmt"
	"math"
	"path/filepath"
	"sync"
	"time"
)

// What a soak plays: a large fleet at the default interval, some of it leaking,
// and a few people who look at all of it.
const (
	soakInterval = 10 * time.Second
	soakTargets  = 50 // of an agent
	soakLeakEach = 100
	soakBrowsers = 4
)

// soak plays 10,000 instances to one hub on SQLite for as long as it is told,
// says what each minute was like, and holds the store against what was sent.
func soak(ctx context.Context, l *lab) (*table, error) {
	data := filepath.Join(l.dir, "soak")
	hub, err := l.start(ctx, true, "memwatch-hub", "serve", "--listen", "127.0.0.1:0", "--data", data)
	if err != nil {
		return nil, err
	}
	defer hub.stop()
	s := newSoak(l.soak, 200)
	if err := s.run(ctx, l, []*process{hub}, nil); err != nil {
		return nil, err
	}
	found, alerts, err := s.check(ctx, hub.url)
	if err != nil {
		return nil, err
	}
	return s.table(found, alerts), nil
}

// soaking is a long run of many agents on one hub or several.
type soaking struct {
	agents   *agents
	browsers browsers
	length   time.Duration
	minutes  []minute
}

// minute is what one of them was like: ms of delay, megabytes and cores of all hubs.
type minute struct {
	acked, live spread
	rss, cores  float64
}

// newSoak makes one of so many agents with soakTargets instances each.
func newSoak(length time.Duration, connections int) *soaking {
	return &soaking{length: length, agents: &agents{
		connections: connections, targets: soakTargets, interval: soakInterval, readings: int(length / soakInterval),
		patience: 5 * time.Minute, leakEach: soakLeakEach, books: &books{}, waits: &lags{},
	}}
}

// run plays to the hubs until all is sent and confirmed. Each minute, meanwhile is
// told which it is; it may kill hubs and start others in hubs' places.
func (s *soaking) run(ctx context.Context, l *lab, hubs []*process, meanwhile func(minute int) error) error {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	var urls []string
	for _, h := range hubs {
		urls = append(urls, h.url)
	}
	if err := s.browsers.watch(ctx, &wg, hubs[0].url, soakBrowsers, 0); err != nil {
		return err
	}
	ended := make(chan error, 1)
	wg.Go(func() { ended <- s.agents.run(ctx, urls...) })
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	cpu, at := total(hubs, (*process).cpu), time.Now()
	for n := 1; ; n++ {
		select {
		case err := <-ended:
			return err
		case <-tick.C:
		}
		now := total(hubs, (*process).cpu)
		m := minute{
			acked: s.agents.waits.take(), live: s.browsers.take(),
			rss: total(hubs, (*process).rss), cores: (now - cpu) / 1000 / time.Since(at).Seconds(),
		}
		s.minutes = append(s.minutes, m)
		fmt.Fprintf(l.out, "minute %d: %d confirmed, ack p50 %.0f p99 %.0f ms, browser p50 %.0f p99 %.0f ms, %.0f MB, %.2f cores, %d sent again\n", n, len(m.acked),
			m.acked.quantile(0.5), m.acked.quantile(0.99), m.live.quantile(0.5), m.live.quantile(0.99), m.rss, m.cores, s.agents.resent.Load())
		if meanwhile != nil {
			if err := meanwhile(n); err != nil {
				return err
			}
		}
		cpu, at = total(hubs, (*process).cpu), time.Now()
	}
}

// total adds up what the processes say; one that is gone says nothing.
func total(ps []*process, of func(*process) (float64, error)) float64 {
	var sum float64
	for _, p := range ps {
		if v, err := of(p); err == nil {
			sum += v
		}
	}
	return sum
}

// check counts the alerts, before agents that have ended count as gone, and holds
// the store against the books.
func (s *soaking) check(ctx context.Context, hubURL string) (found audit, alerts int, err error) {
	var answer struct{ Total int }
	if err := ask(ctx, hubURL+"/api/alerts?limit=1&type=leak", &answer); err != nil {
		return found, 0, err
	}
	found, err = s.agents.books.compare(ctx, hubURL)
	return found, answer.Total, err
}

// table says what was found, and what the first and the last third were like.
func (s *soaking) table(found audit, alerts int) *table {
	t := &table{{"what", "figures", "goal"}}
	instances := s.agents.connections * s.agents.targets
	t.add(fmt.Sprintf("%d instances at %s for %s, one in %d leaking, %d browsers: readings sent", instances, soakInterval, s.length, soakLeakEach, soakBrowsers), fmt.Sprint(found.sent), "–")
	t.add("confirmed and not in the store · there twice · there and not as sent", fmt.Sprintf("%d · %d · %d", found.lost, found.doubled, found.strange), "0 · 0 · 0")
	t.add("leaks played · alerts", fmt.Sprintf("%d · %d", (instances+soakLeakEach-1)/soakLeakEach, alerts), "the same")
	first, last := s.thirds()
	for _, r := range []struct {
		what, goal string
		of         func(minute) float64
	}{
		{"due → confirmed, p50 of a minute, ms", "no growth", func(m minute) float64 { return m.acked.quantile(0.5) }},
		{"the same, p99", "no growth", func(m minute) float64 { return m.acked.quantile(0.99) }},
		{"due → browser, p50 of a minute, ms", "≤ 100", func(m minute) float64 { return m.live.quantile(0.5) }},
		{"the same, p99", "≤ 500", func(m minute) float64 { return m.live.quantile(0.99) }},
		{"RSS, MB", "flat, ≤ 400", func(m minute) float64 { return m.rss }},
		{"cores", "≤ 0.5", func(m minute) float64 { return m.cores }},
	} {
		t.add(r.what+": first third → last third", each(first, r.of).say("%.3g")+" → "+each(last, r.of).say("%.3g"), r.goal)
	}
	return t
}

// thirds leave out the first minute, in which everybody comes.
func (s *soaking) thirds() (first, last []minute) {
	m := s.minutes[min(1, len(s.minutes)):]
	n := int(math.Ceil(float64(len(m)) / 3))
	return m[:n], m[len(m)-n:]
}

func each(ms []minute, of func(minute) float64) (out spread) {
	for _, m := range ms {
		out = append(out, of(m))
	}
	return out
}
