package main

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/detector"
	"github.com/zupee/memwatch/eval/rules"
	"github.com/zupee/memwatch/eval/score"
	"github.com/zupee/memwatch/eval/simulate"
)

// simulation is a run of the simulator, scored.
type simulation struct {
	options   options
	names     []string // of the judges: the rules, then the detector
	instances []score.Instance
	took      time.Duration
}

// job is one instance to be run.
type job struct {
	scenario *simulate.Scenario
	replica  int
}

// shortDays is how long instances are watched in a short run.
const shortDays = 1.0

func runSimulator(ctx context.Context, o options, cfg detector.Config, say func(...string)) (*simulation, error) {
	began := time.Now()
	s := &simulation{options: o}
	for _, r := range rules.All(time.Hour) {
		s.names = append(s.names, r.Name)
	}
	s.names = append(s.names, detectorNames[:]...)
	jobs, err := jobsOf(o)
	if err != nil {
		return nil, err
	}
	s.instances = make([]score.Instance, len(jobs))
	logs := make([]strings.Builder, len(jobs))
	todo := make(chan int)
	var wg sync.WaitGroup
	for range runtime.NumCPU() {
		wg.Go(func() {
			for i := range todo {
				s.instances[i] = play(&jobs[i], &o, cfg, &logs[i])
			}
		})
	}
	for i := range jobs {
		if ctx.Err() != nil {
			break
		}
		todo <- i
	}
	close(todo)
	wg.Wait()
	for i := range logs {
		if logs[i].Len() > 0 {
			say(logs[i].String())
		}
	}
	s.took = time.Since(began)
	return s, ctx.Err()
}

// jobsOf lists the instances, the replicas of one scenario after each other.
func jobsOf(o options) ([]job, error) {
	var chosen []*simulate.Scenario
	for _, sc := range simulate.All() {
		if sc.Name == o.scenario {
			chosen = []*simulate.Scenario{sc}
			break
		}
		if strings.Contains(sc.Name, o.scenario) {
			chosen = append(chosen, sc)
		}
	}
	if len(chosen) == 0 {
		var names []string
		for _, sc := range simulate.All() {
			names = append(names, sc.Name)
		}
		return nil, fmt.Errorf("--scenario %s: there are %s", o.scenario, strings.Join(names, " "))
	}
	var jobs []job
	for _, sc := range chosen {
		if o.short {
			sc.Days = min(sc.Days, shortDays)
		}
		for i := range o.replicas {
			jobs = append(jobs, job{sc, i})
		}
	}
	return jobs, nil
}

// play runs one instance before all judges.
func play(j *job, o *options, cfg detector.Config, log *strings.Builder) score.Instance {
	in := j.scenario.Instance(o.seed, j.replica, o.interval)
	var judges []rules.Rule
	for _, r := range rules.All(time.Hour) {
		judges = append(judges, r.New())
	}
	n := len(judges) + int(detectorJudges)
	out := score.Instance{
		Scenario: j.scenario.Name, Replica: j.replica, Leak: j.scenario.Leak, LeakFrom: in.LeakFrom(),
		Watches: make([]score.Watch, n), Culprit: make([]score.Naming, n), Kind: make([]score.Naming, n),
	}
	a := newWatcher(cfg)
	tell := teller{on: o.verbose, in: in, out: log}
	last := 0.0
	for in.Next() {
		s := in.Sample()
		a.live.Fill(s)
		now := in.Seconds()
		truth, used, dt := score.Truth(in.Truth()), in.Used(), now-last
		last = now
		for i, r := range judges {
			out.Watches[i].Note(now, dt, r.Observe(s), truth, used)
		}
		alarm := a.observe(s, in)
		for i, on := range alarm {
			at := len(judges) + i
			if out.Watches[at].Note(now, dt, on, truth, used) && i == notifying {
				out.Culprit[at], out.Kind[at] = naming(a.verdict, in)
			}
		}
		tell.say(a, s)
	}
	tell.end()
	if hits := in.LimitHits(); len(hits) > 0 {
		out.LimitAt = hits[0]
	}
	out.Days = in.Seconds() / 86400
	return out
}

// naming holds a verdict against the truth.
func naming(v *memwatch.Verdict, in *simulate.Instance) (culprit, kind score.Naming) {
	kind, culprit = score.Wrong, score.Wrong
	if v.Kind == in.Scenario.Kind {
		kind = score.Right
	}
	if len(in.Culprits()) == 0 {
		return score.Nameless, kind
	}
	for _, want := range in.Culprits() {
		if len(v.Culprits) > 0 && score.Names(&v.Culprits[0], want) {
			culprit = score.Right
		}
	}
	return culprit, kind
}
