package assistant

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/hub/api"
)

type alertsIn struct {
	Service  string `json:"service,omitempty" jsonschema:"only this service's"`
	State    string `json:"state,omitempty" jsonschema:"firing (the default), resolved or all"`
	Type     string `json:"type,omitempty" jsonschema:"leak, snapshot or disconnect"`
	Severity string `json:"severity,omitempty" jsonschema:"info, warning or critical"`
	Limit    int    `json:"limit,omitempty" jsonschema:"at most so many; 20 by default"`
}

type alertsOut struct {
	Alerts []alertRow `json:"alerts" jsonschema:"newest first"`
	Total  int        `json:"total"`
}

// alertRow is an alert in one line.
type alertRow struct {
	ID        string   `json:"id"`
	Type      string   `json:"type"`
	State     string   `json:"state"`
	Severity  string   `json:"severity"`
	Service   string   `json:"service"`
	Instances []string `json:"instances"`
	Culprit   string   `json:"culprit,omitempty"`
	Message   string   `json:"message"`
	FiredAt   string   `json:"firedAt"`
}

func alertOf(a *memwatch.Alert) alertRow {
	return alertRow{
		ID: a.ID, Type: string(a.Type), State: string(a.State), Severity: string(a.Severity), Service: a.Service,
		Instances: append([]string{}, a.Instances...), Culprit: a.Culprit, Message: a.Message, FiredAt: stamp(a.Time),
	}
}

// alertsOf asks for alerts; without a state, for those that fire now.
func (t *tools) alertsOf(ctx context.Context, in alertsIn, n int) (out alertsOut, err error) {
	q := url.Values{"limit": {strconv.Itoa(n)}}
	state := in.State
	if state == "" {
		state = string(memwatch.AlertFiring)
	}
	if state != "all" {
		q.Set("state", state)
	}
	for key, value := range map[string]string{"service": in.Service, "type": in.Type, "severity": in.Severity} {
		if value != "" {
			q.Set(key, value)
		}
	}
	got, err := get[api.Alerts](ctx, t.hub, q, "alerts")
	if err != nil {
		return out, err
	}
	out = alertsOut{Alerts: []alertRow{}, Total: got.Total}
	for i := range got.Alerts {
		out.Alerts = append(out.Alerts, alertOf(&got.Alerts[i]))
	}
	return out, nil
}

func (t *tools) alerts(ctx context.Context, in alertsIn) (out alertsOut, words string, err error) {
	n, err := limit(in.Limit, 20)
	if err != nil {
		return out, "", err
	}
	if out, err = t.alertsOf(ctx, in, n); err != nil {
		return out, "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d alerts match", out.Total)
	if in.State == "" {
		b.WriteString(" among those that fire now (state \"all\" has the past too)")
	}
	b.WriteString(".")
	for _, a := range out.Alerts {
		fmt.Fprintf(&b, "\n- %s: %s %s since %s: %s", a.ID, a.State, a.Severity, a.FiredAt, a.Message)
	}
	if len(out.Alerts) > 0 {
		b.WriteString("\nNext: get_alert with an id.")
	}
	return out, b.String(), nil
}

type alertIn struct {
	Alert string `json:"alert" jsonschema:"its id, as list_alerts says it"`
}

type alertStory struct {
	alertRow
	Verdict      verdict      `json:"verdict" jsonschema:"the newest one behind it"`
	ResolvedAt   string       `json:"resolvedAt,omitempty"`
	SinceVersion string       `json:"sinceVersion,omitempty" jsonschema:"the version that brought the leak"`
	HeldBack     string       `json:"heldBack,omitempty" jsonschema:"why it does not count as a warning yet"`
	Culprits     []culprit    `json:"culprits"`
	Log          []event      `json:"log" jsonschema:"what happened to it, oldest first"`
	Profiles     []profileRow `json:"profiles"`
}

type event struct {
	At     string `json:"at"`
	Action string `json:"action"`
	Who    string `json:"who"`
	Why    string `json:"why"`
}

func (t *tools) alert(ctx context.Context, in alertIn) (out alertStory, words string, err error) {
	if in.Alert == "" {
		return out, "", fmt.Errorf("alert is empty: want an id, as list_alerts says it")
	}
	a, err := get[memwatch.Alert](ctx, t.hub, nil, "alerts", in.Alert)
	if err != nil {
		return out, "", fmt.Errorf("%w; list_alerts with state \"all\" has the ids", err)
	}
	log, err := get[api.AlertLog](ctx, t.hub, nil, "alerts", a.ID, "log")
	if err != nil {
		return out, "", err
	}
	saved, err := t.profilesOf(ctx, profilesIn{Alert: a.ID}, 20)
	if err != nil {
		return out, "", err
	}
	out = alertStory{
		alertRow: alertOf(&a), Verdict: verdictOf(a.Verdict), ResolvedAt: stamp(a.ResolvedAt), SinceVersion: a.SinceVersion,
		HeldBack: a.HeldBack, Culprits: []culprit{}, Log: []event{}, Profiles: saved.Profiles,
	}
	if a.Verdict != nil {
		for i := range a.Verdict.Culprits {
			out.Culprits = append(out.Culprits, culpritOf(&a.Verdict.Culprits[i]))
		}
	}
	for _, l := range log.Log {
		out.Log = append(out.Log, event{stamp(l.Time), string(l.Action), l.Who, l.Why})
	}
	return out, out.words(), nil
}

func (s *alertStory) words() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s since %s: %s", s.State, s.Severity, s.FiredAt, s.Message)
	if s.ResolvedAt != "" {
		fmt.Fprintf(&b, "\nResolved at %s.", s.ResolvedAt)
	}
	if v := s.Verdict; v.Summary != "" {
		b.WriteString("\n" + v.Summary)
		if v.GrowthBytesPerSecond > 0 {
			fmt.Fprintf(&b, " Growth: %s/h.", size(3600*v.GrowthBytesPerSecond))
		}
		if v.SecondsToLimit != nil {
			fmt.Fprintf(&b, " The limit of %s is %s away.", size(float64(v.LimitBytes)), left(*v.SecondsToLimit))
		}
	}
	if len(s.Culprits) > 0 {
		c := s.Culprits[0]
		fmt.Fprintf(&b, "\nHeld by %s (%s), %s:%d, %.0f %% of the growth.", c.Function, c.Certainty, c.File, c.Line, 100*c.Share)
	}
	for _, e := range s.Log {
		fmt.Fprintf(&b, "\n- %s %s by %s: %s", e.At, e.Action, e.Who, e.Why)
	}
	for _, p := range s.Profiles {
		fmt.Fprintf(&b, "\nProfile %s: %s, %s, %s", p.ID, p.Kind, p.Role, p.Time)
		if p.Base != "" {
			fmt.Fprintf(&b, ", to compare with %s", p.Base)
		}
	}
	for _, p := range s.Profiles {
		if p.Base != "" {
			fmt.Fprintf(&b, "\nNext: profile_diff with profile %q.", p.ID)
			break
		}
	}
	return b.String()
}
