package scraper

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/zupee/memwatch"
)

// source is one endpoint that readings come from.
type source struct {
	path string
	// explicit says that the configuration names it: then it is asked each
	// time, and what it lacks is trouble.
	explicit bool
	read     func([]byte, *memwatch.Sample) error
	// rest is until when it is left alone.
	rest time.Time
	// answered says that it has given a reading, and not failed since.
	answered bool
	// spared says that it was left alone in the newest sample for its cost.
	spared bool
}

const (
	// retryAbsent is how long an endpoint that is not served is left alone.
	retryAbsent = time.Minute
	// retrySlow is how long one that did not answer in time is left alone, if
	// others do answer.
	retrySlow = time.Minute
	// metricsShare is the part of one core that /metrics may cost a target whose
	// heap is known without it.
	metricsShare = 0.001
)

// ask reads one endpoint into the sample. It returns an error only when there
// is no use in going on: the caller has given up, or nobody is there.
func (s *Scraper) ask(ctx context.Context, src *source, sample *memwatch.Sample) error {
	if src.path == Off || sample.Time.Before(src.rest) || s.timedOut() && !src.answered {
		return nil
	}
	src.spared = false
	err := s.client.fetch(ctx, src.path, func(body []byte, took time.Duration) error {
		if isHTML(body) {
			return s.client.fail(src.path, HTML, errors.New("found a web page"), "is this the service's port for debugging?")
		}
		had := hasHeap(sample)
		if err := src.read(body, sample); err != nil {
			return s.client.fail(src.path, Corrupt, fmt.Errorf("found %w", err), "")
		}
		if src == &s.metrics && had {
			s.spare(src, sample, took)
		}
		return nil
	})
	if err == nil {
		src.answered = true
		return nil
	}
	return s.failed(ctx, src, sample, err)
}

// failed decides what a failure means for the sample and for the next ones.
func (s *Scraper) failed(ctx context.Context, src *source, sample *memwatch.Sample, err error) error {
	var e *Error
	if !errors.As(err, &e) || ctx.Err() != nil {
		return err // the caller has given up
	}
	known := src.answered
	src.answered = false
	switch {
	case e.Reason == Local, e.Reason == Refused && strings.HasPrefix(src.path, "/"):
		return err
	case e.Reason == Timeout && !empty(sample):
		src.rest = sample.Time.Add(retrySlow)
	case !src.explicit && !known:
		src.rest = sample.Time.Add(retryAbsent)
		if errors.Is(err, ErrUnsupported) || e.Reason == HTML {
			return nil
		}
	}
	s.trouble = append(s.trouble, err)
	return nil
}

// spare leaves metrics that are dear to make alone for a while, unless they are
// the source of the live heap, and remembers the settings they told.
func (s *Scraper) spare(src *source, sample *memwatch.Sample, took time.Duration) {
	if _, exported := sample.Get(memwatch.LiveHeapBytes); exported {
		return
	}
	s.settings = memwatch.Sample{}
	for _, sig := range []memwatch.Signal{memwatch.GOGCPercent, memwatch.GoMemLimitBytes} {
		if v, ok := sample.Get(sig); ok {
			s.settings.Set(sig, v)
		}
	}
	src.rest = sample.Time.Add(time.Duration(float64(took) / metricsShare))
	src.spared = true
}

func hasHeap(s *memwatch.Sample) bool {
	_, ok := s.Get(memwatch.HeapAllocBytes)
	return ok
}

// timedOut reports whether an endpoint failed to answer in this sample: the
// target may be stuck, and only endpoints that are known to work are worth
// another wait.
func (s *Scraper) timedOut() bool {
	for _, err := range s.trouble {
		var e *Error
		if errors.As(err, &e) && e.Reason == Timeout {
			return true
		}
	}
	return false
}

// wake has every endpoint asked again.
func (s *Scraper) wake() {
	for _, src := range []*source{&s.vars, &s.metrics, &s.index} {
		src.rest = time.Time{}
	}
	s.lookAgain = time.Time{}
}

func (s *Scraper) readVars(body []byte, sample *memwatch.Sample) error {
	cmdline, err := readVars(body, sample)
	if s.process.pid == 0 {
		s.claim.args = argsOf(cmdline)
	}
	return err
}

func (s *Scraper) readMetrics(body []byte, sample *memwatch.Sample) error {
	told, err := readMetrics(body, sample)
	s.told = told
	return err
}

// indexPath is net/http/pprof's page that lists the profiles with their counts:
// the cheapest way to the number of goroutines.
func (s *Scraper) indexPath() string {
	if dir, ok := strings.CutSuffix(s.endpoints.Goroutine, "goroutine"); ok && s.endpoints.Goroutine != Off {
		return dir
	}
	return Off
}

var goroutineRow = regexp.MustCompile(`<td>(\d{1,12})</td>\s*<td><a href=['"]?goroutine\?debug`)

func readIndex(body []byte, s *memwatch.Sample) error {
	row := goroutineRow.FindSubmatch(body)
	if row == nil {
		return errors.New("no list of profiles as net/http/pprof serves it")
	}
	n, err := strconv.ParseFloat(string(row[1]), 64)
	if err != nil {
		return err
	}
	s.Set(memwatch.Goroutines, n)
	return nil
}
