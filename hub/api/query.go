package api

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/zupee/memwatch"
)

// MetricsQuery asks for the readings of a service.
type MetricsQuery struct {
	Service, Instance string // Instance "" means all
	// From and To are the range, both included; zero means open. When both are
	// open, the newest Limit readings of each instance are asked for; else as many
	// of the range, thinned if need be so that no peak is lost.
	From, To time.Time
	Limit    int
}

// AlertQuery asks for alerts, newest first. Empty fields match all.
type AlertQuery struct {
	Service  string
	Severity memwatch.Severity
	State    memwatch.AlertState
	Kind     memwatch.Kind
	Limit    int
}

// ProfileQuery asks for captures, newest first. Empty fields match all.
type ProfileQuery struct {
	Service, Instance string
	Limit             int
}

// params reads a query string and keeps the first mistake.
type params struct {
	values url.Values
	err    error
}

func parse(r *http.Request) *params {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return &params{err: badParameter("query", r.URL.RawQuery, "a query string such as ?limit=100&service=name")}
	}
	return &params{values: values}
}

func (p *params) fail(field, value, allowed string) {
	if p.err == nil {
		p.err = badParameter(field, value, allowed)
	}
}

func (p *params) text(field string) string { return p.values.Get(field) }

func (p *params) limit(fallback, most int) int {
	v := p.values.Get("limit")
	if v == "" {
		return fallback
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 1 || n > most {
		p.fail("limit", v, "a number from 1 to "+strconv.Itoa(most))
	}
	return n
}

// instant reads milliseconds since 1970 or RFC 3339.
func (p *params) instant(field string) time.Time {
	v := p.values.Get(field)
	if v == "" {
		return time.Time{}
	}
	var m memwatch.UnixMilli
	if m.UnmarshalJSON([]byte(v)) == nil && m > 0 {
		return m.Time()
	}
	t, err := time.Parse(time.RFC3339Nano, strings.ReplaceAll(v, " ", "+")) // a + in a query is a space
	if err != nil {
		p.fail(field, v, "milliseconds since 1970, or RFC 3339 such as 2026-01-31T12:00:00Z")
	}
	return t
}

// length reads milliseconds or a duration.
func (p *params) length(field string) time.Duration {
	v := p.values.Get(field)
	if v == "" {
		return 0
	}
	d, err := time.ParseDuration(v)
	if ms, bare := strconv.ParseInt(v, 10, 64); bare == nil && ms < int64(24*365*time.Hour/time.Millisecond) {
		d, err = time.Duration(ms)*time.Millisecond, nil
	}
	if err != nil || d < time.Millisecond {
		p.fail(field, v, "milliseconds, or a duration such as 10s")
	}
	return d
}

// choice reads one of a few words.
func choice[T ~string](p *params, field string, allowed ...T) T {
	v := T(p.values.Get(field))
	if v == "" || slices.Contains(allowed, v) {
		return v
	}
	words := make([]string, len(allowed))
	for i, a := range allowed {
		words[i] = string(a)
	}
	p.fail(field, string(v), "one of "+strings.Join(words, ", "))
	return ""
}
