package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/zupee/memwatch/eval/score"
)

func all(*score.Instance) bool { return true }

// section names the place of the table in the documentation: one for each interval.
func (s *simulation) section() string {
	return fmt.Sprintf("simulator-%gs", s.options.interval.Seconds())
}

// table compares all judges over all instances.
func (s *simulation) table() string {
	var b strings.Builder
	first := score.Sum(s.instances, 0, all)
	fmt.Fprintf(&b, "%d healthy instances over %.0f instance-days, %d leaking ones; readings each %v. `go run ./eval --only simulator --interval %v --seed %d`, %s, in %.0f s.\n\n",
		first.Hit.N, first.HealthyDays, first.Recall.N, s.options.interval, s.options.interval, s.options.seed, time.Now().Format("2 January 2006"), s.took.Seconds())
	b.WriteString("| rule | false alarms / instance-day (95 %) | alarm-h / day | healthy instances hit | leaks found before the limit (95 %) | hours to the alarm, median | headroom used, median | culprit first | kind |\n|---|---|---|---|---|---|---|---|---|\n")
	for i, name := range s.names {
		b.WriteString(row(name, score.Sum(s.instances, i, all)))
	}
	return b.String()
}

func row(name string, x score.Summary) string {
	low, high := score.Rate(x.False, x.HealthyDays)
	rLow, rHigh := x.Recall.Wilson()
	days := max(x.HealthyDays, 1e-9)
	return fmt.Sprintf("| %s | %.3f (%.3f–%.3f) | %.2f | %d/%d | %d/%d (%.2f–%.2f) | %s | %s | %s | %s |\n",
		name, float64(x.False)/days, low, high, x.FalseHours/days, x.Hit.K, x.Hit.N, x.Recall.K, x.Recall.N, rLow, rHigh,
		median(x.HoursToAlarm, "%.1f", 1), median(x.Used, "%.0f %%", 100), share(x.Culprit), share(x.Kind))
}

func median(v []float64, format string, unit float64) string {
	m, ok := score.Median(v)
	if !ok {
		return "–"
	}
	return fmt.Sprintf(format, m*unit)
}

func share(s score.Share) string {
	if s.N == 0 {
		return "–"
	}
	return fmt.Sprintf("%d/%d", s.K, s.N)
}

// scenarios are the names that ran, in order.
func (s *simulation) scenarios() []string {
	var out []string
	for i := range s.instances {
		if name := s.instances[i].Scenario; len(out) == 0 || out[len(out)-1] != name {
			out = append(out, name)
		}
	}
	return out
}

// detail is one line a scenario, on the detector's judges.
func (s *simulation) detail() string {
	var b strings.Builder
	b.WriteString("| scenario | days | false notifications | in fill | false leaking | false suspect | found | hours | used | culprit | kind |\n|---|---|---|---|---|---|---|---|---|---|---|\n")
	n := len(s.names) - int(detectorJudges)
	for _, name := range s.scenarios() {
		keep := func(in *score.Instance) bool { return in.Scenario == name }
		x := score.Sum(s.instances, n+notifying, keep)
		l := score.Sum(s.instances, n+leaking, keep)
		u := score.Sum(s.instances, n+suspecting, keep)
		fmt.Fprintf(&b, "| %s | %.1f | %d | %d | %d | %d | %s | %s | %s | %s | %s |\n", name, x.HealthyDays, x.False+x.Early, x.Unknowable,
			l.False+l.Early, u.False+u.Early, share(x.Recall), median(x.HoursToAlarm, "%.1f", 1), median(x.Used, "%.0f %%", 100), share(x.Culprit), share(x.Kind))
	}
	return b.String()
}

// csv is every judge on every instance.
func (s *simulation) csv() string {
	var b strings.Builder
	b.WriteString("scenario,replica,leak,days,limit_at_s,judge,false_episodes,unknowable_episodes,false_alarm_s,found,first_alarm_s,headroom_used\n")
	for i := range s.instances {
		in := &s.instances[i]
		for j, name := range s.names {
			w := &in.Watches[j]
			fmt.Fprintf(&b, "%s,%d,%t,%.2f,%.0f,%q,%d,%d,%.0f,%t,%.0f,%.3f\n", in.Scenario, in.Replica, in.Leak, in.Days, in.LimitAt, strings.Trim(name, "*"),
				w.Episodes[score.Sound], w.Episodes[score.Unknowable], w.Seconds[score.Sound], w.Found, w.FirstAt, w.FirstUsed)
		}
	}
	return b.String()
}

// promises are those of the simulator.
func (s *simulation) promises() []promise {
	x := score.Sum(s.instances, len(s.names)-1, all)
	out := []promise{}
	if x.HealthyDays > 0 {
		out = append(out, promise{"simulator: false notifications / instance-day", float64(x.False) / x.HealthyDays, false, 0.01})
	}
	if x.Recall.N > 0 {
		used, _ := score.Median(x.Used)
		out = append(out, promise{"simulator: leaks notified before the limit", x.Recall.Of(), true, 0.98},
			promise{"simulator: headroom used at the notification, median", used, false, 0.25})
	}
	return out
}
