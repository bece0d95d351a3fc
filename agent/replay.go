package agent

import (
	"context"
	"fmt"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/detector"
	"github.com/zupee/memwatch/recording"
	"github.com/zupee/memwatch/scraper"
	"github.com/zupee/memwatch/scraper/pprof"
)

// ReplayResult is what the detector makes of one recording. Seconds count from
// the first reading; nil where it never happened.
type ReplayResult struct {
	Recording    string `json:"recording"`
	Samples      int    `json:"samples"`
	ScrapeErrors int    `json:"scrapeErrors"`
	Restarts     int    `json:"restarts"`
	// ProfileErrors counts profiles that could not be read.
	ProfileErrors       int            `json:"profileErrors"`
	FinalState          memwatch.State `json:"finalState"`
	WorstState          memwatch.State `json:"worstState"`
	FirstSuspectSeconds *float64       `json:"firstSuspectSeconds"`
	FirstLeakingSeconds *float64       `json:"firstLeakingSeconds"`
	// LeakingEpisodes counts the times it became leaking.
	LeakingEpisodes int `json:"leakingEpisodes"`
	// Notifications counts the times people would have been told.
	Notifications int `json:"notifications"`
	// Verdict is the one at the last leaking reading, else the final one.
	Verdict *memwatch.Verdict `json:"verdict"`
}

// Replay runs the detector over the recording in dir, as the agent would have
// run it while the target lived.
func Replay(ctx context.Context, dir string, cfg detector.Config) (ReplayResult, error) {
	rec, err := recording.Open(dir)
	if err != nil {
		return ReplayResult{}, err
	}
	meta := rec.Meta()
	p := player{
		result: ReplayResult{Recording: meta.Name, WorstState: memwatch.Learning},
		det:    detector.New(cfg),
		limit:  meta.MemoryLimitBytes,
	}
	for e, err := range rec.Events() {
		if err != nil {
			return ReplayResult{}, fmt.Errorf("replay: %w", err)
		}
		if err := ctx.Err(); err != nil {
			return ReplayResult{}, err
		}
		p.play(e)
	}
	return p.finish(), nil
}

// player is one replay under way.
type player struct {
	result   ReplayResult
	det      *detector.Detector
	decoder  pprof.Decoder
	live     scraper.LiveHeap
	limit    *float64
	first    *recording.Event
	state    memwatch.State
	notified bool
	leaking  *memwatch.Verdict
}

func (p *player) play(e recording.Event) {
	switch {
	case e.Profile != nil:
		sites, err := p.decoder.Decode(e.Profile, e.Kind, e.Time)
		if err != nil {
			p.result.ProfileErrors++
			return
		}
		p.det.ObserveSites(sites)
		return
	case e.Err != "":
		p.result.ScrapeErrors++
		return
	}
	if p.first == nil {
		p.first = &e
	}
	if _, ok := e.Sample.Get(memwatch.LimitBytes); !ok && p.limit != nil {
		e.Sample.Set(memwatch.LimitBytes, *p.limit)
	}
	p.live.Fill(e.Sample)
	p.result.Samples++
	p.det.Observe(e.Sample)
	p.note(e.Time.Sub(p.first.Time).Seconds())
}

// note keeps the milestones of the verdict's way.
func (p *player) note(at float64) {
	r, was := &p.result, p.state
	p.state = p.det.State()
	if p.state.Rank() > r.WorstState.Rank() {
		r.WorstState = p.state
	}
	if p.state.Rank() >= memwatch.Suspect.Rank() && r.FirstSuspectSeconds == nil {
		r.FirstSuspectSeconds = &at
	}
	if p.state != memwatch.Leaking {
		p.notified = false
		return
	}
	if r.FirstLeakingSeconds == nil {
		r.FirstLeakingSeconds = &at
	}
	if was != memwatch.Leaking {
		r.LeakingEpisodes++
	}
	p.leaking = p.det.Verdict()
	if !p.notified && p.leaking.Notifies() {
		p.notified = true
		r.Notifications++
	}
}

func (p *player) finish() ReplayResult {
	r := p.result
	r.Restarts = p.det.Restarts()
	r.FinalState = p.det.State()
	r.Verdict = p.leaking
	if r.Verdict == nil {
		r.Verdict = p.det.Verdict()
	}
	return r
}
