package notify

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/zupee/memwatch"
)

const (
	// refreshEvery is how often an Alertmanager hears again what fires: it takes
	// for resolved what it has not heard of for a while.
	refreshEvery = time.Minute
	// aliveFor is how long it may hear nothing: a restart of the hub is no end of
	// a leak.
	aliveFor = 15 * time.Minute
)

// alertmanager speaks the Alertmanager's API, version 2. There an alert is known
// by its labels, so that they stay what they are over the alert's life; when the
// severity changes, by which routes are chosen, the alert under the old one ends.
type alertmanager struct {
	post poster
	url  string
}

// postable is an alert as that API takes it.
type postable struct {
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations"`
	StartsAt     time.Time         `json:"startsAt"`
	EndsAt       time.Time         `json:"endsAt"`
	GeneratorURL string            `json:"generatorURL,omitempty"`
}

func (am *alertmanager) send(ctx context.Context, _ string, messages []Message) (bool, error) {
	var alerts []postable
	now := time.Now()
	for i := range messages {
		m := &messages[i]
		p := am.postable(m, m.Severity)
		switch m.Event {
		case Resolved:
			p.EndsAt = now
			if ended := m.Alert.ResolvedAt.Time(); ended.Before(now) && ended.After(p.StartsAt) {
				p.EndsAt = ended
			}
		case Test:
			p.EndsAt = now.Add(time.Minute)
		case Fired, Worsened, Reminder, refreshed:
			p.EndsAt = now.Add(aliveFor)
		}
		alerts = append(alerts, p)
		if m.Before != "" && m.Before != m.Severity {
			old := am.postable(m, m.Before)
			old.EndsAt = now
			alerts = append(alerts, old)
		}
	}
	b, err := json.Marshal(alerts)
	if err != nil {
		return false, fmt.Errorf("write the body: %w", err)
	}
	return am.post.post(ctx, am.url, b, nil)
}

func (am *alertmanager) postable(m *Message, severity memwatch.Severity) postable {
	a := &m.Alert
	name := "MemoryLeak"
	if a.Type == memwatch.AlertDisconnect {
		name = "ServiceDisconnected"
	}
	labels := map[string]string{"alertname": name, "service": a.Service, "severity": string(severity), "memwatch_alert": a.ID}
	notes := map[string]string{"summary": a.Message, "instances": strings.Join(a.Instances, ", ")}
	if a.Kind != "" {
		labels["kind"] = string(a.Kind)
	}
	if a.Culprit != "" {
		notes["culprit"] = a.Culprit
	}
	if v := a.Verdict; v != nil {
		notes["growth_bytes_per_second"] = strconv.FormatFloat(v.GrowthBytesPerSecond.Estimate, 'f', 0, 64)
		if v.TimeToLimitSeconds != nil {
			notes["time_to_limit_seconds"] = strconv.FormatFloat(*v.TimeToLimitSeconds, 'f', 0, 64)
		}
	}
	if m.Link != "" {
		notes["link"] = m.Link
	}
	return postable{Labels: labels, Annotations: notes, StartsAt: a.Time.Time(), GeneratorURL: m.Link}
}
