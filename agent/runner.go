package agent

import (
	"context"
	"errors"
	"hash/fnv"
	"log/slog"
	"time"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/scraper"
)

// runner watches one target until it is told to stop.
type runner struct {
	// Of the agent alone: what is watched, how to end it, and what tells that it
	// ended.
	of   Target
	stop context.CancelFunc
	done chan struct{}

	changes  chan change
	target   memwatch.Target
	interval time.Duration
	ticks    int // up to the second, from which on they come each interval
	scraper  *scraper.Scraper
	watch    *watch
	status   *status
	out      *outbox
	keep     *keeper
	announce func() // tells the hub of the target anew
	states   *states
	log      *slog.Logger

	url      string    // of the target
	unsaved  bool      // there was a reading since what is known was saved
	urgent   bool      // it is to be saved as soon as may be
	saved    time.Time // when it was, last
	history  *history
	gasp     gasp
	stale    *stale // evidence that is to be completed, nil for none
	news     news
	logged   *throttle // what the log was told
	troubles *throttle // what it was told of readings that failed
	sent     *throttle // what the hub was told of them
	failures int       // in a row
	stuck    int       // of those, timeouts
	rest     time.Time // until when the target is left alone
}

// Repeated troubles are told this often.
const (
	logEvery  = 5 * time.Minute
	sendEvery = 20 * time.Second // well within a hub's patience with who is silent
)

// run reads the target each interval until ctx ends. The first reading comes
// soon; from the second on each target has its own place within the interval,
// the same one each time, so that a thousand targets are not read in one moment.
func (r *runner) run(ctx context.Context) {
	defer close(r.done)
	defer func() { r.scraper.Close() }()
	defer r.save(true)
	tick := time.NewTicker(1 + phase(r.target, min(r.interval, time.Second)))
	defer tick.Stop()
	for r.wait(ctx, tick) {
		switch r.ticks++; r.ticks {
		case 1:
			tick.Reset(r.interval/2 + phase(r.target, r.interval))
		case 2:
			tick.Reset(r.interval)
		}
		if !time.Now().Before(r.rest) {
			r.step(ctx)
		}
	}
}

// wait returns true when it is time for a reading, false when ctx ends. What is
// to change changes meanwhile.
func (r *runner) wait(ctx context.Context, tick *time.Ticker) bool {
	for {
		select {
		case <-tick.C:
			return ctx.Err() == nil
		case c := <-r.changes:
			if r.apply(c); c.interval != r.interval {
				r.interval, r.ticks = c.interval, 1 // each its own place again
				tick.Reset(1 + phase(r.target, r.interval))
			}
		case <-ctx.Done():
			return false
		}
	}
}

// phase is a target's own place within an interval.
func phase(t memwatch.Target, interval time.Duration) time.Duration {
	h := fnv.New64a()
	_, _ = h.Write([]byte(t.Service + "\x00" + t.Instance))
	x := h.Sum64()
	x = (x ^ x>>33) * 0xff51afd7ed558ccd // shop-1 and shop-2 are to lie apart
	x ^= x >> 33
	return time.Duration(float64(interval) * float64(x>>11) / (1 << 53))
}

// step takes one reading and does all that follows from it.
func (r *runner) step(ctx context.Context) {
	l, err := r.watch.step(ctx)
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		r.failed(err)
		return
	}
	r.unsaved = true
	r.back(&l.sample)
	for _, err := range l.troubles {
		r.trouble(err, false)
	}
	if l.restarted {
		r.log.Info("target restarted; what was learned of it stays")
		r.history.reset()
		r.gasp = gasp{}
	}
	l.rushes = r.gasp.near(&l.sample)
	r.history.add(&l.sample)
	r.stuck = 0
	l.slowed = r.pause(time.Duration(l.sample.Or(memwatch.ScrapeSeconds, 0)*float64(time.Second))) || l.slowed
	r.status.saw(l)
	r.learn(l.build)
	r.spare(l)

	v := r.judge(l)
	tell := v
	if v != nil && !r.news.worth(v, l.sample.Time) {
		tell = nil
	}
	if err := r.out.reading(r.target, &l.sample, tell); err != nil {
		r.drop(err)
	}
	r.keep.look(ctx, r, l, v)
	r.urgent = r.urgent || l.is != l.was
	r.save(false)
}

// learn says of which version the target is, when that is news.
func (r *runner) learn(b scraper.Build) {
	was, news := r.status.learned(b)
	if !news {
		return
	}
	version := b[scraper.BuildVersion]
	r.log.Info("target's program", "version", version, "was", was[scraper.BuildVersion],
		"revision", b[scraper.BuildRevision], "runtime", b[scraper.BuildRuntime])
	if version != was[scraper.BuildVersion] {
		r.announce()
	}
}

// save keeps what is known of the target on disk: now and then, soon after a
// change of its state, and at the end, for which last stands.
func (r *runner) save(last bool) {
	now := time.Now()
	if !r.unsaved || !last && !r.urgent && now.Sub(r.saved) < stateEvery {
		return
	}
	err := r.states.save(r.target, r.url, r.watch.det, r.history, now, last)
	if errors.Is(err, errBusy) {
		return // after the next reading
	}
	r.saved, r.urgent, r.unsaved = now, false, err != nil
	if err != nil && !errors.Is(err, errLate) {
		if times, ok := r.logged.allow("state", r.saved); ok {
			r.log.Error("what is known of the target is not on disk: a restart now would cost it", "error", err, "times", times)
		}
	}
}

// judge returns the verdict, nil when the target is well and there is nothing
// new to say, and says its edges in the log.
func (r *runner) judge(l *look) *memwatch.Verdict {
	if l.is == l.was && l.is.Rank() < memwatch.Suspect.Rank() && !r.news.due(l.sample.Time) {
		return nil
	}
	v := r.watch.det.Verdict()
	r.status.judged(v)
	if l.is == l.was {
		return v
	}
	say := r.log.Info
	if l.is.Rank() >= memwatch.Suspect.Rank() {
		say = r.log.Warn
	}
	say("verdict", "state", string(l.is), "was", string(l.was), "severity", string(v.Severity), "summary", v.Summary)
	return v
}

// A reading that took longer than slowReading counts as work for the target
// (one that is less may be the way to it), and readings may take a tenth of its
// time.
const (
	slowReading  = 250 * time.Millisecond
	readingShare = 0.1
)

// pause leaves a target alone that was slow to answer, and reports whether it
// is to be read less often than wished for.
func (r *runner) pause(took time.Duration) bool {
	rest := time.Duration(float64(took) / readingShare)
	if took <= slowReading || rest <= r.interval {
		return false
	}
	r.rest = time.Now().Add(rest - r.interval/10) // a ticker's jitter must not cost a whole tick
	return true
}

// maxRest is how long a target that does not answer is left alone at most.
const maxRest = time.Minute

// failed deals with a reading that there is not. A target that does not answer
// in time is asked half as often each time; one that is not there costs nothing.
func (r *runner) failed(err error) {
	r.failures++
	var e *scraper.Error
	if errors.As(err, &e) && e.Reason == scraper.Timeout {
		r.rest = time.Now().Add(min(r.interval<<min(r.stuck, 10), maxRest) - r.interval/10)
		r.stuck++
	}
	r.trouble(err, true)
}

// trouble counts a scrape error and says it, throttled, to the log and, when
// there is no reading at all, to the hub.
func (r *runner) trouble(err error, down bool) {
	t := troubleOf(err)
	now := time.Now()
	r.status.failed(scraper.Reason(t.Reason), down)
	key := t.Endpoint + " " + t.Reason
	if times, ok := r.troubles.allow(key, now); ok {
		what := "cannot read target"
		if !down {
			what = "cannot read an endpoint; the others answer"
		}
		r.log.Warn(what, "endpoint", t.Endpoint, "reason", t.Reason, "error", t.Message, "times", times)
	}
	if !down {
		return
	}
	if _, ok := r.sent.allow(key, now); ok {
		if err := r.out.trouble(r.target, memwatch.Milli(now), t); err != nil {
			r.drop(err)
		}
	}
}

// back says that a target that could not be read can be.
func (r *runner) back(s *memwatch.Sample) {
	if r.failures == 0 {
		return
	}
	r.log.Info("target is read again", "failed_readings", r.failures, "at", s.Time)
	r.failures = 0
	r.troubles.clear()
	r.sent.clear()
}

// spare says when the target is read less often than wished for.
func (r *runner) spare(l *look) {
	if !l.slowed {
		return
	}
	if _, ok := r.logged.allow("slow", l.sample.Time); ok {
		r.log.Warn("scraping less: target slow; it is read, or its profiles are, less often to spare it")
	}
}

func (r *runner) drop(err error) {
	if times, ok := r.logged.allow("spool", time.Now()); ok {
		r.log.Error("a message was lost", "error", err, "times", times)
	}
}
