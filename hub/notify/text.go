package notify

import (
	"strings"
	"time"

	"github.com/zupee/memwatch"
)

// line says a message in one sentence: what the alert's own says, after what is
// new about it.
func (m *Message) line() string {
	switch m.Event {
	case Resolved:
		return "RESOLVED: " + m.Alert.Message
	case Worsened:
		return "WORSE, NOW " + strings.ToUpper(string(m.Severity)) + ": " + m.Alert.Message
	case Reminder:
		return "STILL " + strings.ToUpper(string(m.Severity)) + ": " + m.Alert.Message
	case Test:
		return "TEST: " + m.Alert.Message
	case Fired, refreshed:
	}
	return strings.ToUpper(string(m.Severity)) + ": " + m.Alert.Message
}

// text says several messages, each with its link on a line of its own.
func text(messages []Message) string {
	var b strings.Builder
	for i := range messages {
		if i > 0 {
			b.WriteString("\n\n")
		}
		b.WriteString(messages[i].line() + "\n" + messages[i].Link)
	}
	return b.String()
}

// example is the alert that a test tells.
func example(now time.Time) memwatch.Alert {
	left := 2 * time.Hour.Seconds()
	return memwatch.Alert{
		ID: "test", Type: memwatch.AlertLeak, State: memwatch.AlertFiring, Fingerprint: "test", Service: "memwatch-test",
		Instances: []string{"memwatch-test-1"}, Kind: memwatch.KindHeap, Severity: memwatch.SeverityWarning, Culprit: "main.(*Cache).Put",
		Message: "this is how a leak would be told: memwatch-test leaks heap memory in main.(*Cache).Put on memwatch-test-1: " +
			"+1.2 MiB/s, at its limit of 512 MiB in 2 h",
		Time: memwatch.Milli(now), UpdatedAt: memwatch.Milli(now), Profiles: []string{},
		Verdict: &memwatch.Verdict{
			State: memwatch.Leaking, Kind: memwatch.KindHeap, Severity: memwatch.SeverityWarning, LimitBytes: 512 << 20,
			GrowthBytesPerSecond: memwatch.Interval{Estimate: 1.2 * (1 << 20), Low: 1 << 20, High: 1.4 * (1 << 20)},
			TimeToLimitSeconds:   &left, Culprits: []memwatch.Culprit{}, Gates: []memwatch.Gate{},
		},
	}
}
