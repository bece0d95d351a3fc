package score

// Instance is one simulated process after its run: what was the case, and what
// each judge made of it.
type Instance struct {
	Scenario string
	Replica  int
	Leak     bool
	LeakFrom float64 // seconds
	// LimitAt is when it first met its limit; 0 when it never did.
	LimitAt float64
	Days    float64
	Watches []Watch // by judge
	// Named and Right say how the culprit and the kind were named at the first
	// notification, per judge that names any.
	Culprit, Kind []Naming
}

// Naming says whether a judge named something, and whether rightly.
type Naming int

// The namings. Nameless is where there is nothing to name.
const (
	Nameless Naming = iota
	Wrong
	Right
)

// Summary is one judge over many instances.
type Summary struct {
	HealthyDays  float64
	False        int     // episodes on healthy instances
	FalseHours   float64 // in alarm on healthy instances
	Hit          Share   // healthy instances with any false episode
	Unknowable   int     // episodes while a cache filled that could have been a leak
	Early        int     // episodes on leaking instances before or after their leak
	Recall       Share   // leaks with an alarm before the limit
	Used         []float64
	HoursToAlarm []float64
	Culprit      Share
	Kind         Share
}

// Sum counts for the judge of the given number. keep chooses instances.
func Sum(all []Instance, judge int, keep func(*Instance) bool) Summary {
	var s Summary
	for i := range all {
		in := &all[i]
		if !keep(in) {
			continue
		}
		w := &in.Watches[judge]
		s.Unknowable += w.Episodes[Unknowable]
		if !in.Leak {
			s.HealthyDays += in.Days
			s.False += w.Episodes[Sound]
			s.FalseHours += w.Seconds[Sound] / 3600
			s.Hit.Add(w.Episodes[Sound] > 0)
			continue
		}
		s.Early += w.Episodes[Sound]
		inTime := w.Found && (in.LimitAt == 0 || w.FirstAt < in.LimitAt)
		s.Recall.Add(inTime)
		if inTime {
			s.Used = append(s.Used, w.FirstUsed)
			s.HoursToAlarm = append(s.HoursToAlarm, (w.FirstAt-in.LeakFrom)/3600)
		}
		count(&s.Culprit, in.Culprit[judge])
		count(&s.Kind, in.Kind[judge])
	}
	return s
}

func count(s *Share, n Naming) {
	if n != Nameless {
		s.Add(n == Right)
	}
}
