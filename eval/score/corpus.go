package score

import (
	"strings"

	"github.com/zupee/memwatch"
)

// Label is what is known of a recording.
type Label struct {
	Name        string
	Leak        bool
	Undecidable bool
	Kind        memwatch.Kind
	Culprit     string  // a part of the name of the function at fault
	Start       float64 // seconds from the first reading to the leak's beginning
}

// Call is what one judge made of a recording. Seconds count from the first
// reading; negative means never.
type Call struct {
	Final          bool // in alarm at the end
	Suspect, Alarm float64
	// Late is the first alarm at or after the leak's beginning.
	Late float64
	// Verdict names kind and culprits; nil when the judge names none.
	Verdict *memwatch.Verdict
}

// Corpus is one judge over all recordings, counted as the corpus's own script
// counts: Final by the state at the end, Ever by any alarm on the way.
type Corpus struct {
	Precision, Recall         Share // by the final state
	PrecisionEver, RecallEver Share // by any alarm
	Suspected                 Share // leaks ever at suspect or above
	Early                     int   // leaks called before they began
	HealthyEver               int   // healthy recordings ever in alarm
	Top1Strict, Top1, Top3    Share
	Kind                      Share
	Seconds                   []float64 // from the leak's beginning to the alarm
	// By name, for people.
	FalsePositives, FalseNegatives, HealthyEverNames, EarlyNames, WrongCulprit, WrongKind, Undecidable []string
}

// Add counts one recording.
func (c *Corpus) Add(l Label, call Call) {
	if l.Undecidable {
		if call.Final {
			c.Undecidable = append(c.Undecidable, l.Name)
		}
		return
	}
	if call.Final {
		c.Precision.Add(l.Leak)
	}
	ever := call.Alarm >= 0
	if !l.Leak {
		if ever {
			c.PrecisionEver.Add(false)
			c.HealthyEver++
			c.HealthyEverNames = append(c.HealthyEverNames, l.Name)
		}
		if call.Final {
			c.FalsePositives = append(c.FalsePositives, l.Name)
		}
		return
	}
	c.Recall.Add(call.Final)
	if !call.Final {
		c.FalseNegatives = append(c.FalseNegatives, l.Name)
	}
	c.RecallEver.Add(call.Late >= 0)
	if call.Late >= 0 {
		c.PrecisionEver.Add(true)
	}
	c.Suspected.Add(call.Suspect >= 0)
	switch {
	case ever && call.Alarm < l.Start:
		c.Early++
		c.EarlyNames = append(c.EarlyNames, l.Name)
	case ever:
		c.Seconds = append(c.Seconds, call.Alarm-l.Start)
	}
	if call.Final && call.Verdict != nil {
		c.naming(l, call.Verdict)
	}
}

func (c *Corpus) naming(l Label, v *memwatch.Verdict) {
	c.Kind.Add(v.Kind == l.Kind)
	if v.Kind != l.Kind {
		c.WrongKind = append(c.WrongKind, l.Name+":"+string(v.Kind))
	}
	if l.Culprit == "" || l.Kind != memwatch.KindHeap && l.Kind != memwatch.KindGoroutine {
		return
	}
	first := len(v.Culprits) > 0 && Names(&v.Culprits[0], l.Culprit)
	c.Top1.Add(first)
	c.Top1Strict.Add(len(v.Culprits) > 0 && strictly(&v.Culprits[0], l.Culprit))
	any := false
	for i := range min(3, len(v.Culprits)) {
		any = any || Names(&v.Culprits[i], l.Culprit)
	}
	c.Top3.Add(any)
	if !first {
		named := "nothing"
		if len(v.Culprits) > 0 {
			named = v.Culprits[0].Function
		}
		c.WrongCulprit = append(c.WrongCulprit, l.Name+":"+named)
	}
}

// F1 is the harmonic mean of two shares.
func F1(precision, recall Share) float64 {
	p, r := precision.Of(), recall.Of()
	if p+r == 0 {
		return 0
	}
	return 2 * p * r / (p + r)
}

// Names reports whether a culprit's function, leaf or stack has the wanted name in it.
func Names(c *memwatch.Culprit, want string) bool {
	for _, f := range c.Stack {
		if strings.Contains(f.Function, want) {
			return true
		}
	}
	return strictly(c, want)
}

func strictly(c *memwatch.Culprit, want string) bool {
	return strings.Contains(c.Function, want) || strings.Contains(c.Leaf, want)
}
