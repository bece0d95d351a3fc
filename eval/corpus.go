package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/agent"
	"github.com/zupee/memwatch/detector"
	"github.com/zupee/memwatch/eval/rules"
	"github.com/zupee/memwatch/eval/score"
	"github.com/zupee/memwatch/recording"
	"github.com/zupee/memwatch/scraper"
)

// corpus is a folder of recordings, scored.
type corpus struct {
	names  []string // of the judges: the rules, then the detector
	scores []score.Corpus
	all    int
	lines  []string // one a recording
}

const (
	// corpusWindow is as far as rules look back on recordings of 9 minutes.
	corpusWindow = 5 * time.Minute
	// excluded seconds of each process's life count for no rule: they all alarm then.
	excluded = 60
)

// ownRecordings are where the repository keeps small recordings for its tests.
var ownRecordings = []string{"*/testdata", "*/testdata/*"}

// recordingsIn lists the folders below dir, a pattern, that hold a recording with a label.
func recordingsIn(patterns ...string) ([]string, error) {
	var out []string
	for _, p := range patterns {
		found, err := filepath.Glob(filepath.Join(p, "*", "meta.json"))
		if err != nil {
			return nil, fmt.Errorf("look for recordings: %w", err)
		}
		for _, f := range found {
			out = append(out, filepath.Dir(f))
		}
	}
	return out, nil
}

// runCorpus scores recordings. Those without a label are passed over; all of
// them may be.
func runCorpus(ctx context.Context, dirs []string, cfg detector.Config) (*corpus, error) {
	c := &corpus{}
	for _, r := range rules.All(corpusWindow) {
		c.names = append(c.names, r.Name)
	}
	c.names = append(c.names, "**memwatch**")
	c.scores = make([]score.Corpus, len(c.names))
	for _, dir := range dirs {
		if err := c.add(ctx, dir, cfg); err != nil {
			return nil, fmt.Errorf("corpus: %w", err)
		}
	}
	return c, nil
}

func (c *corpus) add(ctx context.Context, dir string, cfg detector.Config) error {
	rec, err := recording.Open(dir)
	if err != nil {
		return err
	}
	m := rec.Meta()
	if m.Label == "" {
		return nil
	}
	label := score.Label{Name: m.Name, Leak: m.Label == "leak", Undecidable: m.Undecidable, Kind: memwatch.Kind(m.Kind), Culprit: m.Culprit}
	if m.LeakStartSeconds != nil {
		label.Start = *m.LeakStartSeconds
	}
	c.all++
	calls, err := ruleCalls(rec, label)
	if err != nil {
		return err
	}
	for i, call := range calls {
		c.scores[i].Add(label, call)
	}
	res, err := agent.Replay(ctx, dir, cfg)
	if err != nil {
		return err
	}
	call := detectorCall(&res, label)
	c.scores[len(calls)].Add(label, call)
	culprit := "–"
	if v := res.Verdict; v != nil && len(v.Culprits) > 0 {
		culprit = v.Culprits[0].Function
	}
	c.lines = append(c.lines, fmt.Sprintf("| %s | %s | %s | %s | %s | %s | %s |", m.Name, m.Label, m.Kind, res.FinalState, seconds(call.Alarm), res.Verdict.Kind, culprit))
	return nil
}

// detectorCall reads a replay as a judge's call.
func detectorCall(res *agent.ReplayResult, l score.Label) score.Call {
	call := score.Call{Final: res.FinalState == memwatch.Leaking, Suspect: -1, Alarm: -1, Late: -1, Verdict: res.Verdict}
	if res.FirstSuspectSeconds != nil {
		call.Suspect = *res.FirstSuspectSeconds
	}
	if at := res.FirstLeakingSeconds; at != nil {
		call.Alarm = *at
		if *at >= l.Start || call.Final {
			call.Late = max(*at, l.Start)
		}
	}
	return call
}

// ruleCalls runs all rules over one recording.
func ruleCalls(rec *recording.Reader, l score.Label) ([]score.Call, error) {
	judges := rules.All(corpusWindow)
	calls := make([]score.Call, len(judges))
	running := make([]rules.Rule, len(judges))
	for i, r := range judges {
		running[i] = r.New()
		calls[i] = score.Call{Suspect: -1, Alarm: -1, Late: -1}
	}
	var live scraper.LiveHeap
	var first, begun, start time.Time
	for e, err := range rec.Events() {
		if err != nil {
			return nil, err
		}
		if e.Sample == nil || e.Err != "" {
			continue
		}
		s := e.Sample
		if first.IsZero() {
			first, begun, start = s.Time, s.Time, s.Start
		}
		if gap := s.Start.Sub(start); gap > 2*time.Second {
			begun, start = s.Time, s.Start
		}
		if _, ok := s.Get(memwatch.LimitBytes); !ok && rec.Meta().MemoryLimitBytes != nil {
			s.Set(memwatch.LimitBytes, *rec.Meta().MemoryLimitBytes)
		}
		live.Fill(s)
		at := s.Time.Sub(first).Seconds()
		for i, r := range running {
			c := &calls[i]
			c.Final = r.Observe(s) && s.Time.Sub(begun).Seconds() >= excluded
			if !c.Final {
				continue
			}
			if c.Alarm < 0 {
				c.Alarm, c.Suspect = at, at
			}
			if c.Late < 0 && at >= l.Start {
				c.Late = at
			}
		}
	}
	return calls, nil
}

func seconds(s float64) string {
	if s < 0 {
		return "–"
	}
	return fmt.Sprintf("%.0f s", s)
}

// detail is one line a recording, on the detector.
func (c *corpus) detail() string {
	d := &c.scores[len(c.scores)-1]
	var b strings.Builder
	b.WriteString("| recording | label | kind | final state | leaking first | kind said | culprit said |\n|---|---|---|---|---|---|---|\n")
	b.WriteString(strings.Join(c.lines, "\n") + "\n\n")
	for _, l := range []struct {
		what  string
		names []string
	}{
		{"false positives", d.FalsePositives},
		{"false negatives", d.FalseNegatives},
		{"healthy, ever leaking", d.HealthyEverNames},
		{"called too early", d.EarlyNames},
		{"wrong culprit", d.WrongCulprit},
		{"wrong kind", d.WrongKind},
		{"undecidable, leaking at the end", d.Undecidable},
	} {
		fmt.Fprintf(&b, "%s: %s\n", l.what, strings.Join(l.names, " "))
	}
	return b.String()
}

// table compares all judges over all recordings.
func (c *corpus) table() string {
	var b strings.Builder
	last := &c.scores[len(c.scores)-1]
	fmt.Fprintf(&b, "%d recordings, %d of them leaks. `go run ./eval --only corpus`, %s.\n\n", c.all, last.Recall.N, time.Now().Format("2 January 2006"))
	b.WriteString("| rule | judged by | TP | FP | FN | precision (95 %) | recall (95 %) | F1 | median s | culprit first / in three | kind |\n|---|---|---|---|---|---|---|---|---|---|---|\n")
	for i, name := range c.names {
		s := &c.scores[i]
		when := median(s.Seconds, "%.0f", 1)
		b.WriteString(corpusRow(name, "any alarm", s.PrecisionEver, s.RecallEver, when, "–", "–"))
		if i == len(c.names)-1 {
			b.WriteString(corpusRow(name, "final state", s.Precision, s.Recall, when, share(s.Top1)+" / "+share(s.Top3), share(s.Kind)))
		}
	}
	return b.String()
}

func corpusRow(name, by string, precision, recall score.Share, when, culprit, kind string) string {
	pLow, pHigh := precision.Wilson()
	rLow, rHigh := recall.Wilson()
	return fmt.Sprintf("| %s | %s | %d | %d | %d | %.2f (%.2f–%.2f) | %.2f (%.2f–%.2f) | %.2f | %s | %s | %s |\n", name, by, precision.K, precision.N-precision.K,
		recall.N-recall.K, precision.Of(), pLow, pHigh, recall.Of(), rLow, rHigh, score.F1(precision, recall), when, culprit, kind)
}

// promises are those of the corpus.
func (c *corpus) promises() []promise {
	d := &c.scores[len(c.scores)-1]
	return []promise{
		{"corpus: precision, final state", d.Precision.Of(), true, 0.95},
		{"corpus: recall, final state", d.Recall.Of(), true, 0.90},
		{"corpus: leaks ever suspect or above", d.Suspected.Of(), true, 0.97},
		{"corpus: leaks called before they began", float64(d.Early), false, 0},
		{"corpus: healthy recordings ever leaking", float64(d.HealthyEver), false, 2},
		{"corpus: culprit first", d.Top1.Of(), true, 0.90},
		{"corpus: culprit in the first three", d.Top3.Of(), true, 0.97},
		{"corpus: kind", d.Kind.Of(), true, 0.95},
	}
}
