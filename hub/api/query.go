package api

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

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
	Type     memwatch.AlertType
	Kind     memwatch.Kind
	Limit    int
	Before   string // go on after the alert with this id
}

// ProfileQuery asks for captures, newest first. Empty fields match all.
type ProfileQuery struct {
	Service, Instance string
	Kind              memwatch.ProfileKind
	Role              memwatch.Role
	IDs               []string // these alone; nil means all
	Limit             int
	Before            string // go on after the capture with this id
}

// Formats of parameters that are more than their JSON type.
const (
	formatInstant = "instant"
	formatLength  = "length"
	wantInstant   = "milliseconds since 1970, or RFC 3339 such as 2026-01-31T12:00:00Z"
	wantLength    = "milliseconds, or a duration such as 10s"
)

// instant is a parameter in milliseconds since 1970 or RFC 3339.
type instant struct {
	time.Time
	text string // as it was given
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (t *instant) UnmarshalText(b []byte) (err error) {
	t.text = string(b)
	var m memwatch.UnixMilli
	if m.UnmarshalJSON(b) == nil && m > 0 {
		t.Time = m.Time()
		return nil
	}
	t.Time, err = time.Parse(time.RFC3339Nano, strings.ReplaceAll(t.text, " ", "+")) // a + in a query is a space
	return err
}

// Schema implements huma.SchemaProvider.
func (instant) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Format: formatInstant, Description: wantInstant, Examples: []any{"2026-01-31T12:00:00Z", "1769860800000"}}
}

// length is a parameter in milliseconds or as a duration.
type length struct{ time.Duration }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *length) UnmarshalText(b []byte) (err error) {
	d.Duration, err = time.ParseDuration(string(b))
	if ms, bare := strconv.ParseInt(string(b), 10, 64); bare == nil && ms < int64(24*365*time.Hour/time.Millisecond) {
		d.Duration, err = time.Duration(ms)*time.Millisecond, nil
	}
	if err == nil && d.Duration < time.Millisecond {
		err = errors.New("too short")
	}
	return err
}

// Schema implements huma.SchemaProvider.
func (length) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Format: formatLength, Description: wantLength, Examples: []any{"10s", "60000"}}
}
