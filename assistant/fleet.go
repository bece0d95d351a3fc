package assistant

import (
	"context"
	"fmt"
	"strings"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/hub/api"
)

type servicesIn struct {
	State string `json:"state,omitempty" jsonschema:"only services in this state: learning, healthy, suspect or leaking"`
	Limit int    `json:"limit,omitempty" jsonschema:"at most so many, the worst ones; 50 by default, 200 at most"`
}

type servicesOut struct {
	Services []serviceRow   `json:"services" jsonschema:"worst first"`
	Total    int            `json:"total" jsonschema:"how many match, of which the list may show a part"`
	States   map[string]int `json:"states" jsonschema:"how many services are in each state"`
}

// serviceRow is a service in one line.
type serviceRow struct {
	Name       string `json:"name"`
	Status     string `json:"status" jsonschema:"connected, unreachable or disconnected"`
	Instances  int    `json:"instances"`
	OpenAlerts int    `json:"openAlerts"`
	LastSeen   string `json:"lastSeen"`
	verdict
}

// verdict is the detector's in short.
type verdict struct {
	State                string   `json:"state" jsonschema:"learning, healthy, suspect or leaking; empty when nothing was judged"`
	Severity             string   `json:"severity,omitempty" jsonschema:"how soon it hurts: none, info, warning or critical"`
	Kind                 string   `json:"kind,omitempty" jsonschema:"what grows: heap, goroutine, offheap or fragmentation"`
	GrowthBytesPerSecond float64  `json:"growthBytesPerSecond,omitempty"`
	SecondsToLimit       *float64 `json:"secondsToLimit,omitempty"`
	LimitBytes           int64    `json:"limitBytes,omitempty"`
	Culprit              string   `json:"culprit,omitempty" jsonschema:"the function that holds most of the growth"`
	Summary              string   `json:"summary,omitempty" jsonschema:"all of it in one sentence"`
}

func verdictOf(v *memwatch.Verdict) verdict {
	if v == nil {
		return verdict{}
	}
	out := verdict{State: string(v.State), Summary: v.Summary}
	if v.State.Rank() < memwatch.Suspect.Rank() {
		return out
	}
	out.Severity, out.Kind, out.GrowthBytesPerSecond = string(v.Severity), string(v.Kind), v.GrowthBytesPerSecond.Estimate
	out.SecondsToLimit, out.LimitBytes = v.TimeToLimitSeconds, v.LimitBytes
	if len(v.Culprits) > 0 {
		out.Culprit = v.Culprits[0].Function
	}
	return out
}

func rowOf(s *api.Service) serviceRow {
	return serviceRow{
		Name: s.Name, Status: string(s.Status), Instances: len(s.Instances), OpenAlerts: s.OpenAlerts,
		LastSeen: stamp(s.LastSeen), verdict: verdictOf(s.Verdict),
	}
}

func (r *serviceRow) words() string {
	said := r.Summary
	if r.State == "" {
		said = "nothing judged yet"
	}
	if r.Status != "connected" {
		said = r.Status + "; " + said
	}
	return fmt.Sprintf("%s (%d instances): %s", r.Name, r.Instances, said)
}

func (t *tools) services(ctx context.Context, in servicesIn) (out servicesOut, words string, err error) {
	n, err := limit(in.Limit, 50)
	if err != nil {
		return out, "", err
	}
	if in.State != "" && memwatch.State(in.State).Rank() == 0 && in.State != string(memwatch.Learning) {
		return out, "", fmt.Errorf("state is %q: want learning, healthy, suspect or leaking", in.State)
	}
	all, err := get[[]api.Service](ctx, t.hub, nil, "services")
	if err != nil {
		return out, "", err
	}
	out.Services, out.States = []serviceRow{}, map[string]int{}
	var b strings.Builder
	for i := range all {
		r := rowOf(&all[i])
		state := r.State
		if state == "" {
			state = string(memwatch.Learning)
		}
		out.States[state]++
		if in.State != "" && in.State != state {
			continue
		}
		if out.Total++; len(out.Services) < n {
			out.Services = append(out.Services, r)
			b.WriteString("\n- " + r.words())
		}
	}
	head := fmt.Sprintf("%d services: %d leaking, %d suspect, %d healthy, %d learning.", len(all),
		out.States["leaking"], out.States["suspect"], out.States["healthy"], out.States["learning"])
	switch {
	case len(all) == 0:
		head += " No agent has sent anything: is memwatchd's dashboardUrl this hub?"
	case out.Total > len(out.Services):
		fmt.Fprintf(&b, "\n… and %d more: ask with a state or a larger limit.", out.Total-len(out.Services))
	}
	return out, head + b.String(), nil
}

type serviceIn struct {
	Service string `json:"service" jsonschema:"its name, as list_services says it"`
}

type serviceOut struct {
	serviceRow
	Gates   []gate        `json:"gates" jsonschema:"each test behind the verdict of the worst instance"`
	Members []instanceRow `json:"members" jsonschema:"the instances"`
	Alerts  []alertRow    `json:"alerts" jsonschema:"those that fire now"`
}

type gate struct {
	Name   string   `json:"name"`
	Passed bool     `json:"passed" jsonschema:"true speaks for a leak"`
	Value  *float64 `json:"value,omitempty"`
	Need   string   `json:"need"`
	Detail string   `json:"detail,omitempty"`
}

type instanceRow struct {
	Name          string   `json:"name"`
	Status        string   `json:"status"`
	Reason        string   `json:"reason,omitempty" jsonschema:"why it is unreachable"`
	State         string   `json:"state"`
	Version       string   `json:"version,omitempty"`
	LiveHeapBytes *float64 `json:"liveHeapBytes,omitempty"`
	RSSBytes      *float64 `json:"rssBytes,omitempty"`
	Goroutines    *float64 `json:"goroutines,omitempty"`
}

func instanceOf(i *api.Instance) instanceRow {
	r := instanceRow{Name: i.Name, Status: string(i.Status), Reason: i.Reason, State: verdictOf(i.Verdict).State, Version: i.Labels["version"]}
	if i.Sample == nil {
		return r
	}
	for sig, into := range map[memwatch.Signal]**float64{
		memwatch.LiveHeapBytes: &r.LiveHeapBytes, memwatch.RSSBytes: &r.RSSBytes, memwatch.Goroutines: &r.Goroutines,
	} {
		if v, ok := i.Sample.Get(sig); ok {
			*into = &v
		}
	}
	return r
}

func (t *tools) service(ctx context.Context, in serviceIn) (out serviceOut, words string, err error) {
	s, err := t.find(ctx, in.Service)
	if err != nil {
		return out, "", err
	}
	fires, err := t.alertsOf(ctx, alertsIn{Service: s.Name}, 20)
	if err != nil {
		return out, "", err
	}
	out = serviceOut{serviceRow: rowOf(&s), Gates: []gate{}, Members: []instanceRow{}, Alerts: fires.Alerts}
	var b strings.Builder
	b.WriteString(out.words())
	if s.Verdict != nil && len(s.Verdict.Gates) > 0 {
		fmt.Fprintf(&b, "\nBehind the verdict on %s (each gate passed speaks for a leak):", s.Worst)
		for _, g := range s.Verdict.Gates {
			out.Gates = append(out.Gates, gate{g.Name, g.Passed, g.Value, g.Need, g.Detail})
			mark := "not passed"
			if g.Passed {
				mark = "passed"
			}
			fmt.Fprintf(&b, "\n- %s: %s: %s", g.Name, mark, g.Detail)
		}
	}
	for i := range s.Instances {
		r := instanceOf(&s.Instances[i])
		out.Members = append(out.Members, r)
		if i < 20 {
			fmt.Fprintf(&b, "\nInstance %s: %s %s", r.Name, r.Status, r.State)
			if r.LiveHeapBytes != nil {
				fmt.Fprintf(&b, ", live heap %s", size(*r.LiveHeapBytes))
			}
			if r.Reason != "" {
				b.WriteString(", " + r.Reason)
			}
		}
	}
	for _, a := range out.Alerts {
		fmt.Fprintf(&b, "\nAlert %s (%s): %s", a.ID, a.Severity, a.Message)
	}
	if out.Culprit != "" {
		fmt.Fprintf(&b, "\nNext: culprit_stacks with service %q.", s.Name)
	}
	return out, b.String(), nil
}

// find reads one service; who asks for one that is not there is told of list_services.
func (t *tools) find(ctx context.Context, name string) (api.Service, error) {
	if name == "" {
		return api.Service{}, fmt.Errorf("service is empty: want a name, as list_services says it")
	}
	s, err := get[api.Service](ctx, t.hub, nil, "services", name)
	if err != nil {
		return s, fmt.Errorf("%w; list_services has the names", err)
	}
	return s, nil
}

type culpritsIn struct {
	Service string `json:"service" jsonschema:"its name, as list_services says it"`
	Limit   int    `json:"limit,omitempty" jsonschema:"at most so many stacks; 5 by default"`
}

type culpritsOut struct {
	Service  string    `json:"service"`
	Instance string    `json:"instance" jsonschema:"the worst one, whose verdict this is"`
	Culprits []culprit `json:"culprits" jsonschema:"those with the most growth first"`
}

type culprit struct {
	Function             string  `json:"function" jsonschema:"the owner: the deepest frame that holds most of the growth and is no runtime or library helper"`
	File                 string  `json:"file"`
	Line                 int     `json:"line"`
	Leaf                 string  `json:"leaf" jsonschema:"the frame that allocates"`
	OwnFrame             string  `json:"ownFrame,omitempty" jsonschema:"the first frame of the program's main module"`
	Certainty            string  `json:"certainty" jsonschema:"certain or likely"`
	Share                float64 `json:"share" jsonschema:"its part of all growth, 0 to 1"`
	GrowthBytesPerSecond float64 `json:"growthBytesPerSecond"`
	LiveBytes            int64   `json:"liveBytes"`
	Stack                []frame `json:"stack" jsonschema:"leaf first"`
}

type frame struct {
	Function string `json:"function"`
	File     string `json:"file,omitempty"`
	Line     int    `json:"line,omitempty"`
}

func (t *tools) culprits(ctx context.Context, in culpritsIn) (out culpritsOut, words string, err error) {
	n, err := limit(in.Limit, 5)
	if err != nil {
		return out, "", err
	}
	s, err := t.find(ctx, in.Service)
	if err != nil {
		return out, "", err
	}
	out = culpritsOut{Service: s.Name, Instance: s.Worst, Culprits: []culprit{}}
	if s.Verdict == nil || len(s.Verdict.Culprits) == 0 {
		return out, fmt.Sprintf("No call site of %s stands out. get_service says why; list_profiles has what was saved.", s.Name), nil
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s on %s: %s", s.Name, s.Worst, s.Verdict.Summary)
	for i := range s.Verdict.Culprits[:min(n, len(s.Verdict.Culprits))] {
		c := &s.Verdict.Culprits[i]
		out.Culprits = append(out.Culprits, culpritOf(c))
		fmt.Fprintf(&b, "\n\n%.0f %% of the growth (%s): %s, %s:%d, grows by %s/min, holds %s", 100*c.Share, c.Certainty,
			c.Function, c.File, c.Line, size(60*c.GrowthBytesPerSecond), size(float64(c.LiveBytes)))
		for _, f := range c.Stack {
			fmt.Fprintf(&b, "\n    %s %s:%d", f.Function, f.File, f.Line)
		}
	}
	fmt.Fprintf(&b, "\n\nNext: list_alerts with service %q for the story and the profiles.", s.Name)
	return out, b.String(), nil
}

func culpritOf(c *memwatch.Culprit) culprit {
	out := culprit{
		Function: c.Function, File: c.File, Line: c.Line, Leaf: c.Leaf, OwnFrame: c.OwnFrame, Certainty: string(c.Certainty),
		Share: c.Share, GrowthBytesPerSecond: c.GrowthBytesPerSecond, LiveBytes: c.LiveBytes, Stack: []frame{},
	}
	for _, f := range c.Stack {
		out.Stack = append(out.Stack, frame{f.Function, f.File, f.Line})
	}
	return out
}
