package notify

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/zupee/memwatch"
)

// Headers of a webhook's requests. The signature is "t=<Unix seconds>,v1=<hex>",
// the HMAC-SHA256 of "<Unix seconds>.<body>": whoever checks it also checks that
// the time is not long ago.
const (
	SignatureHeader = "X-Memwatch-Signature"
	DeliveryHeader  = "X-Memwatch-Delivery"
)

// webhook posts messages as JSON.
type webhook struct {
	post poster
	url  string
	key  []byte // nil: not signed
}

// hookBody is what a webhook's requests hold.
type hookBody struct {
	Version int         `json:"version"`
	Alerts  []hookAlert `json:"alerts"`
}

type hookAlert struct {
	Event Event `json:"event"`
	// Summary is the one sentence to read.
	Summary              string            `json:"summary"`
	Service              string            `json:"service"`
	Kind                 memwatch.Kind     `json:"kind,omitempty"`
	Severity             memwatch.Severity `json:"severity"`
	Culprit              string            `json:"culprit,omitempty"`
	GrowthBytesPerSecond float64           `json:"growthBytesPerSecond"`
	TimeToLimitSeconds   *float64          `json:"timeToLimitSeconds"`
	Link                 string            `json:"link"`
	Alert                memwatch.Alert    `json:"alert"`
}

func (w *webhook) send(ctx context.Context, id string, messages []Message) (bool, error) {
	body := hookBody{Version: 1, Alerts: make([]hookAlert, len(messages))}
	for i, m := range messages {
		a := hookAlert{
			Event: m.Event, Summary: m.line(), Service: m.Alert.Service, Kind: m.Alert.Kind, Severity: m.Severity,
			Culprit: m.Alert.Culprit, Link: m.Link, Alert: m.Alert,
		}
		if v := m.Alert.Verdict; v != nil {
			a.GrowthBytesPerSecond, a.TimeToLimitSeconds = v.GrowthBytesPerSecond.Estimate, v.TimeToLimitSeconds
		}
		body.Alerts[i] = a
	}
	b, err := json.Marshal(body)
	if err != nil {
		return false, fmt.Errorf("write the body: %w", err)
	}
	header := http.Header{}
	header.Set(DeliveryHeader, id)
	if len(w.key) > 0 {
		header.Set(SignatureHeader, sign(w.key, time.Now(), b))
	}
	return w.post.post(ctx, w.url, b, header)
}

func sign(key []byte, at time.Time, body []byte) string {
	seconds := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(seconds + "."))
	mac.Write(body)
	return "t=" + seconds + ",v1=" + hex.EncodeToString(mac.Sum(nil))
}
