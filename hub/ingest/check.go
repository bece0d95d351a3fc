package ingest

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/wire"
)

// Bounds of what a message may say.
const (
	maxName     = 200
	maxID       = 200
	maxText     = 4096
	maxBatch    = 10_000
	maxCulprits = 64
	maxStack    = 512
	// maxAhead is how far an agent's clock may be ahead of the hub's.
	maxAhead = time.Hour
)

// refusal is why a message was not taken; it becomes a wire.Error.
type refusal struct {
	code    string
	message string
	// retryAfter above zero asks for the same message again.
	retryAfter time.Duration
}

func (r *refusal) Error() string { return r.code + ": " + r.message }

// The codes of refusals, as agents and /metrics see them.
const (
	codeMalformed   = "malformed"
	codeUnknownType = "unknown_type"
	codeInvalid     = "invalid"
	codeTooLarge    = "too_large"
	codeTooMany     = "too_many"
	codeCorrupt     = "corrupt"
	codeUnavailable = "unavailable"
	codeFull        = "full"
	codeRate        = "rate"
	codeForbidden   = "forbidden"
)

func invalid(format string, args ...any) error {
	return &refusal{code: codeInvalid, message: fmt.Sprintf(format, args...)}
}

// text checks a string that people will see. What it says never repeats more
// than 40 characters of the value.
func text(field, s string, limit int, required bool) error {
	if s == "" && required {
		return invalid("%s: missing: want 1 to %d characters", field, limit)
	}
	if !utf8.ValidString(s) {
		return invalid("%s: %.40q: want UTF-8", field, s)
	}
	if n := utf8.RuneCountInString(s); n > limit {
		return invalid("%s: %d characters: want at most %d", field, n, limit)
	}
	if strings.ContainsFunc(s, unicode.IsControl) {
		return invalid("%s: %.40q: want no control characters", field, s)
	}
	return nil
}

func target(service, instance string) error {
	if err := text("service", service, maxName, true); err != nil {
		return err
	}
	return text("instance", instance, maxName, true)
}

// registration checks a registration message; maxLabels bounds its labels.
func registration(m *wire.Registration, maxLabels int) error {
	if err := target(m.Service, m.Instance); err != nil {
		return err
	}
	if err := text("id", m.ID, maxID, false); err != nil {
		m.ID = "" // too long to repeat
		return err
	}
	if err := text("agent", m.Agent, maxName, false); err != nil {
		return err
	}
	if len(m.Labels) > maxLabels {
		return invalid("labels: %d of them: want at most %d (ingest.maxLabels)", len(m.Labels), maxLabels)
	}
	for k, v := range m.Labels {
		if err := text("labels: name", k, maxName, true); err != nil {
			return err
		}
		if err := text("labels."+k, v, maxName, false); err != nil {
			return err
		}
	}
	return nil
}

// reading checks a metrics message and fills what follows from the rest: the
// time where version 0 has none, and in version 1 the flat fields.
func reading(m *wire.Metrics, now time.Time) error {
	if err := target(m.Service, m.Instance); err != nil {
		return err
	}
	if m.Sample != nil && !m.Sample.Time.IsZero() {
		m.Timestamp = memwatch.Milli(m.Sample.Time)
	}
	if m.Timestamp == 0 {
		if m.V > 0 {
			return invalid("timestamp: missing: want milliseconds since 1970")
		}
		m.Timestamp = memwatch.Milli(now)
	}
	if ahead := m.Timestamp.Time().Sub(now); ahead > maxAhead {
		return invalid("timestamp: %d is %s ahead of the hub's clock: want at most %s; set the clock of the agent's machine",
			m.Timestamp, ahead.Round(time.Second), maxAhead)
	}
	if e := m.ScrapeError; e != nil {
		for _, f := range [][2]string{{"scrapeError.endpoint", e.Endpoint}, {"scrapeError.reason", e.Reason}, {"scrapeError.message", e.Message}} {
			if err := text(f[0], f[1], maxText, false); err != nil {
				return err
			}
		}
	} else if m.V > 0 && m.Sample == nil {
		return invalid("sample: missing: want a sample or a scrapeError")
	}
	if m.Verdict != nil {
		if err := verdict(m.Verdict); err != nil {
			return err
		}
	}
	if m.Sample != nil {
		m.Sample.Time = m.Timestamp.Time()
		flat := wire.NewMetrics(m.ID, memwatch.Target{Service: m.Service, Instance: m.Instance}, m.Sample, m.Verdict)
		*m = *flat
	}
	return nil
}

func verdict(v *memwatch.Verdict) error {
	switch v.State {
	case memwatch.Learning, memwatch.Healthy, memwatch.Suspect, memwatch.Leaking:
	default:
		return invalid("verdict.state: %.40q: want learning, healthy, suspect or leaking", v.State)
	}
	switch v.Kind {
	case memwatch.KindNone, memwatch.KindHeap, memwatch.KindGoroutine, memwatch.KindOffHeap, memwatch.KindFragmentation:
	default:
		return invalid("verdict.kind: %.40q: want none, heap, goroutine, offheap or fragmentation", v.Kind)
	}
	switch v.Severity {
	case memwatch.SeverityNone, memwatch.SeverityInfo, memwatch.SeverityWarning, memwatch.SeverityCritical:
	default:
		return invalid("verdict.severity: %.40q: want none, info, warning or critical", v.Severity)
	}
	if err := text("verdict.summary", v.Summary, maxText, false); err != nil {
		return err
	}
	if len(v.Culprits) > maxCulprits || len(v.Gates) > maxCulprits {
		return invalid("verdict: %d culprits and %d gates: want at most %d of each", len(v.Culprits), len(v.Gates), maxCulprits)
	}
	for i := range v.Culprits {
		c := &v.Culprits[i]
		if len(c.Stack) > maxStack {
			return invalid("verdict.culprits[%d].stack: %d frames: want at most %d", i, len(c.Stack), maxStack)
		}
		for _, s := range []string{c.Function, c.Leaf, c.OwnFrame, c.File} {
			if err := text(fmt.Sprintf("verdict.culprits[%d]", i), s, maxText, false); err != nil {
				return err
			}
		}
	}
	return nil
}

// snapshot checks a snapshot message; maxBytes bounds its profile.
func snapshot(m *wire.Snapshot, now time.Time, maxBytes int64) error {
	if err := target(m.Service, m.Instance); err != nil {
		return err
	}
	for _, f := range [][2]string{{"filename", m.Filename}, {"filepath", m.Filepath}} {
		if err := text(f[0], f[1], maxText, false); err != nil {
			return err
		}
	}
	if m.Timestamp == 0 {
		m.Timestamp = memwatch.Milli(now)
	}
	if m.Capture == nil {
		if m.V > 0 {
			return invalid("capture: missing: want the capture's id, size and sha256")
		}
		return text("filename", m.Filename, maxText, true)
	}
	if m.ID == "" {
		return invalid("id: missing: want an id for the profile's bytes to refer to")
	}
	return capture(m.Capture, memwatch.Target{Service: m.Service, Instance: m.Instance}, maxBytes)
}

func capture(c *memwatch.Capture, t memwatch.Target, maxBytes int64) error {
	c.Service, c.Instance = t.Service, t.Instance
	if err := identifier("capture.id", c.ID); err != nil {
		return err
	}
	if c.BaseID != "" {
		if err := identifier("capture.baseId", c.BaseID); err != nil {
			return err
		}
	}
	if len(c.SHA256) != 64 || strings.Trim(c.SHA256, "0123456789abcdef") != "" {
		return invalid("capture.sha256: %.40q: want 64 digits of lower-case hex", c.SHA256)
	}
	if c.Size < 1 {
		return invalid("capture.size: %d: want 1 or more", c.Size)
	}
	if c.Size > maxBytes {
		return &refusal{code: codeTooLarge, message: fmt.Sprintf("capture.size: %d: want at most %d (ingest.maxProfileBytes)", c.Size, maxBytes)}
	}
	if c.Time == 0 {
		return invalid("capture.timestamp: missing: want milliseconds since 1970")
	}
	switch c.Kind {
	case memwatch.HeapProfile, memwatch.GoroutineProfile, memwatch.GoroutineLeakProfile:
	default:
		return invalid("capture.kind: %.40q: want heap, goroutine or goroutineleak", c.Kind)
	}
	switch c.Role {
	case memwatch.RoleBaseline, memwatch.RoleSuspect, memwatch.RoleLeaking, memwatch.RoleLastGasp:
	default:
		return invalid("capture.role: %.40q: want baseline, suspect, leaking or lastgasp", c.Role)
	}
	if err := text("capture.filename", c.Filename, maxName, true); err != nil {
		return err
	}
	if strings.ContainsAny(c.Filename, `/\"`) {
		return invalid("capture.filename: %.40q: want a name without a folder or quotes", c.Filename)
	}
	return nil
}

// identifier checks what becomes a part of a URL.
func identifier(field, s string) error {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-"
	if s == "" || len(s) > 100 || strings.Trim(s, letters) != "" || strings.Trim(s, ".") == "" {
		return invalid("%s: %.40q: want 1 to 100 letters, digits, dots, dashes and underscores", field, s)
	}
	return nil
}
