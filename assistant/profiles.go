package assistant

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/zupee/memwatch/hub/api"
)

type profilesIn struct {
	Service string `json:"service,omitempty" jsonschema:"only this service's"`
	Alert   string `json:"alert,omitempty" jsonschema:"only those that belong to this alert"`
	Kind    string `json:"kind,omitempty" jsonschema:"heap, goroutine, goroutineleak or other"`
	Limit   int    `json:"limit,omitempty" jsonschema:"at most so many; 20 by default"`
}

type profilesOut struct {
	Profiles []profileRow `json:"profiles" jsonschema:"newest first"`
	Total    int          `json:"total"`
}

type profileRow struct {
	ID       string `json:"id"`
	Service  string `json:"service"`
	Instance string `json:"instance"`
	Kind     string `json:"kind"`
	Role     string `json:"role" jsonschema:"baseline (taken while healthy), suspect, leaking, lastgasp (the limit was near) or upload"`
	Time     string `json:"time"`
	Base     string `json:"base,omitempty" jsonschema:"the profile to compare with"`
}

func (t *tools) profilesOf(ctx context.Context, in profilesIn, n int) (out profilesOut, err error) {
	q := url.Values{"limit": {strconv.Itoa(n)}}
	for key, value := range map[string]string{"service": in.Service, "alert": in.Alert, "kind": in.Kind} {
		if value != "" {
			q.Set(key, value)
		}
	}
	got, err := get[api.Profiles](ctx, t.hub, q, "profiles")
	if err != nil {
		return out, err
	}
	out = profilesOut{Profiles: []profileRow{}, Total: got.Total}
	for i := range got.Profiles {
		c := &got.Profiles[i]
		out.Profiles = append(out.Profiles, profileRow{c.ID, c.Service, c.Instance, string(c.Kind), string(c.Role), stamp(c.Time), c.BaseID})
	}
	return out, nil
}

func (t *tools) profiles(ctx context.Context, in profilesIn) (out profilesOut, words string, err error) {
	n, err := limit(in.Limit, 20)
	if err != nil {
		return out, "", err
	}
	if out, err = t.profilesOf(ctx, in, n); err != nil {
		return out, "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d profiles match.", out.Total)
	for _, p := range out.Profiles {
		fmt.Fprintf(&b, "\n- %s: %s of %s/%s, %s, %s", p.ID, p.Kind, p.Service, p.Instance, p.Role, p.Time)
	}
	if len(out.Profiles) > 0 {
		b.WriteString("\nNext: profile_top with one, or profile_diff with one and a base.")
	}
	return out, b.String(), nil
}

type topIn struct {
	Profile string `json:"profile" jsonschema:"its id, as list_profiles says it"`
	Type    string `json:"type,omitempty" jsonschema:"the sample type, such as inuse_space or inuse_objects; what is live by default"`
	Limit   int    `json:"limit,omitempty" jsonschema:"at most so many functions; 20 by default"`
}

type topOut struct {
	Profile   string        `json:"profile"`
	Type      string        `json:"type"`
	Unit      string        `json:"unit" jsonschema:"bytes or count"`
	Total     int64         `json:"total"`
	Functions []functionRow `json:"functions"`
}

// functionRow is one function of a profile. Parts below a two-thousandth of the
// whole count as their caller's own.
type functionRow struct {
	Function string `json:"function"`
	File     string `json:"file,omitempty"`
	Flat     int64  `json:"flat" jsonschema:"what it allocated itself"`
	Cum      int64  `json:"cum" jsonschema:"with everything that it calls"`
}

func (t *tools) top(ctx context.Context, in topIn) (out topOut, words string, err error) {
	n, err := limit(in.Limit, 20)
	if err != nil {
		return out, "", err
	}
	f, err := t.flames(ctx, in.Profile, "", in.Type)
	if err != nil {
		return out, "", err
	}
	rows := tally(f.Root, func(n *api.Node) int64 { return n.Value })
	slices.SortFunc(rows, func(a, b functionRow) int { return cmp.Or(cmp.Compare(b.Flat, a.Flat), cmp.Compare(b.Cum, a.Cum)) })
	out = topOut{in.Profile, f.SampleType, f.Unit, f.Total, rows[:min(n, len(rows))]}
	head := fmt.Sprintf("%s of %s/%s, %s, taken %s: %s in all.", f.SampleType, f.Profile.Service, f.Profile.Instance,
		f.Profile.Role, stamp(f.Profile.Time), amount(float64(f.Total), f.Unit))
	return out, head + table(out.Functions, f.Unit), nil
}

type diffIn struct {
	Profile string `json:"profile" jsonschema:"the later one's id"`
	Base    string `json:"base,omitempty" jsonschema:"the earlier one's id; by default the baseline that was saved for it"`
	Type    string `json:"type,omitempty" jsonschema:"the sample type, such as inuse_space or inuse_objects; what is live by default"`
	Limit   int    `json:"limit,omitempty" jsonschema:"at most so many functions; 20 by default"`
}

type diffOut struct {
	Profile   string        `json:"profile"`
	Base      string        `json:"base"`
	Type      string        `json:"type"`
	Unit      string        `json:"unit" jsonschema:"bytes or count"`
	Total     int64         `json:"total" jsonschema:"of the later profile"`
	BaseTotal int64         `json:"baseTotal"`
	Functions []functionRow `json:"functions" jsonschema:"flat and cum are what was added since the base; negative ones shrank"`
}

func (t *tools) diff(ctx context.Context, in diffIn) (out diffOut, words string, err error) {
	n, err := limit(in.Limit, 20)
	if err != nil {
		return out, "", err
	}
	if in.Base == "" {
		if in.Base, err = t.baseOf(ctx, in.Profile); err != nil {
			return out, "", err
		}
	}
	f, err := t.flames(ctx, in.Profile, in.Base, in.Type)
	if err != nil {
		return out, "", err
	}
	rows := tally(f.Root, func(n *api.Node) int64 { return n.Value - n.Base })
	slices.SortFunc(rows, func(a, b functionRow) int { return cmp.Or(cmp.Compare(b.Flat, a.Flat), cmp.Compare(b.Cum, a.Cum)) })
	out = diffOut{in.Profile, in.Base, f.SampleType, f.Unit, f.Total, f.BaseTotal, rows[:min(n, len(rows))]}
	head := fmt.Sprintf("%s of %s/%s: %s now, %s before.", f.SampleType, f.Profile.Service, f.Profile.Instance,
		amount(float64(f.Total), f.Unit), amount(float64(f.BaseTotal), f.Unit))
	if f.Base != nil {
		head += fmt.Sprintf(" %s apart.", left(f.Profile.Time.Time().Sub(f.Base.Time.Time()).Abs().Seconds()))
	}
	return out, head + table(out.Functions, f.Unit), nil
}

// baseOf is the profile that was saved to compare with.
func (t *tools) baseOf(ctx context.Context, id string) (string, error) {
	f, err := t.flames(ctx, id, "", "")
	switch {
	case err != nil:
		return "", err
	case f.Profile.BaseID == "":
		return "", fmt.Errorf("profile %q has none saved to compare with: say one as base; list_profiles with service %q has the ids", id, f.Profile.Service)
	}
	return f.Profile.BaseID, nil
}

func (t *tools) flames(ctx context.Context, id, base, sample string) (api.Flamegraph, error) {
	if id == "" {
		return api.Flamegraph{}, fmt.Errorf("profile is empty: want an id, as list_profiles says it")
	}
	q := url.Values{}
	for key, value := range map[string]string{"base": base, "type": sample} {
		if value != "" {
			q.Set(key, value)
		}
	}
	f, err := get[api.Flamegraph](ctx, t.hub, q, "profiles", id, "flamegraph")
	if err != nil {
		return f, fmt.Errorf("%w; list_profiles has the ids", err)
	}
	return f, nil
}

// tally sums a tree of calls by function. A function that calls itself counts
// once in its own cum.
func tally(root *api.Node, value func(*api.Node) int64) []functionRow {
	type key struct{ function, file string }
	index := map[key]int{}
	rows := []functionRow{}
	path := map[key]int{}
	var walk func(n *api.Node)
	walk = func(n *api.Node) {
		k := key{n.Function, n.File}
		at, known := index[k]
		if !known {
			at = len(rows)
			index[k] = at
			rows = append(rows, functionRow{Function: n.Function, File: n.File})
		}
		own := value(n)
		if path[k] == 0 {
			rows[at].Cum += own
		}
		path[k]++
		for _, c := range n.Children {
			own -= value(c)
			walk(c)
		}
		path[k]--
		rows[at].Flat += own
	}
	if root != nil {
		for _, c := range root.Children {
			walk(c)
		}
	}
	return rows
}

func table(rows []functionRow, unit string) string {
	var b strings.Builder
	for _, r := range rows {
		fmt.Fprintf(&b, "\n%12s flat %12s cum  %s", amount(float64(r.Flat), unit), amount(float64(r.Cum), unit), r.Function)
	}
	return b.String()
}
