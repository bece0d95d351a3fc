package notify

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/zupee/memwatch"
)

// request is what a test's server was sent.
type request struct {
	header http.Header
	body   []byte
}

// listen is a server that answers with a status and keeps what it was sent.
func listen(t *testing.T, status int) (url string, got func() []request) {
	t.Helper()
	requests := make(chan request, 10)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		requests <- request{r.Header, b}
		if status/100 == 3 {
			w.Header().Set("Location", "http://127.0.0.1:1/elsewhere")
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, "said so\n")
	}))
	t.Cleanup(server.Close)
	return server.URL, func() (out []request) {
		for {
			select {
			case r := <-requests:
				out = append(out, r)
			default:
				return out
			}
		}
	}
}

func file(t *testing.T, content string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// sendOne opens a channel and sends one message over it.
func sendOne(t *testing.T, c Channel) (bool, error) {
	t.Helper()
	if err := (Config{Channels: []Channel{c}}).Validate(); err != nil {
		t.Fatal(err)
	}
	s, err := c.open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if w, ok := s.(*webhook); ok {
			w.post.client.CloseIdleConnections()
		}
	})
	a := example(time.Now())
	a.Message = "shop leaks heap memory in main.put on shop-1: +1.2 MiB/s, at its limit of 512 MiB in 2 h"
	return s.send(context.Background(), "id-1", []Message{{Event: Fired, Alert: a, Severity: warning, Link: "https://hub/alerts/test"}})
}

func TestAWebhookIsSignedAndTellsWhatMatters(t *testing.T) {
	to, got := listen(t, http.StatusNoContent)
	if _, err := sendOne(t, Channel{Name: "hook", Type: "webhook", URL: to, SecretFile: file(t, "s3cret\n"), TokenFile: file(t, "t0ken")}); err != nil {
		t.Fatal(err)
	}
	r := got()[0]
	signature := r.header.Get(SignatureHeader)
	at, hash, ok := strings.Cut(strings.TrimPrefix(signature, "t="), ",v1=")
	mac := hmac.New(sha256.New, []byte("s3cret"))
	mac.Write([]byte(at + "."))
	mac.Write(r.body)
	if !ok || hash != hex.EncodeToString(mac.Sum(nil)) {
		t.Errorf("signature %q does not fit", signature)
	}
	if r.header.Get("Authorization") != "Bearer t0ken" || r.header.Get(DeliveryHeader) != "id-1" || r.header.Get("Content-Type") != "application/json" {
		t.Errorf("header %v", r.header)
	}
	var body struct {
		Version int
		Alerts  []struct {
			Event, Summary, Service, Culprit, Link string
			Severity                               memwatch.Severity
			GrowthBytesPerSecond                   float64
			TimeToLimitSeconds                     float64
			Alert                                  memwatch.Alert
		}
	}
	if err := json.Unmarshal(r.body, &body); err != nil {
		t.Fatal(err)
	}
	if a := body.Alerts[0]; body.Version != 1 || a.Event != "fired" || a.Culprit != "main.(*Cache).Put" || a.GrowthBytesPerSecond < 1e6 || a.TimeToLimitSeconds != 7200 ||
		a.Link != "https://hub/alerts/test" || a.Alert.ID != "test" ||
		a.Summary != "WARNING: shop leaks heap memory in main.put on shop-1: +1.2 MiB/s, at its limit of 512 MiB in 2 h" {
		t.Errorf("%s", r.body)
	}
}

func TestAnswersDecideWhetherToTryAgain(t *testing.T) {
	for status, want := range map[int]bool{301: false, 400: false, 401: false, 404: false, 408: true, 429: true, 500: true, 503: true} {
		to, got := listen(t, status)
		retryable, err := sendOne(t, Channel{Name: "hook", Type: "webhook", URL: to + "/t0ken"})
		if err == nil || retryable != want || !strings.Contains(err.Error(), "said so") || strings.Contains(err.Error(), "t0ken") {
			t.Errorf("%d: retryable %v, %v", status, retryable, err)
		}
		if n := len(got()); n != 1 {
			t.Errorf("%d: %d requests", status, n)
		}
	}
	retryable, err := sendOne(t, Channel{Name: "hook", Type: "webhook", URL: "http://127.0.0.1:1/t0ken"})
	if err == nil || !retryable || strings.Contains(err.Error(), "t0ken") || !strings.Contains(err.Error(), "127.0.0.1:1 cannot be reached") {
		t.Errorf("retryable %v, %v", retryable, err)
	}
}

func TestChatGetsTheSentenceAndTheLink(t *testing.T) {
	to, got := listen(t, http.StatusOK)
	c := Channel{Name: "chat", Type: "chat", URLFile: file(t, "generic://"+strings.TrimPrefix(to, "http://")+"/t0ken?disabletls=yes\n")}
	if _, err := sendOne(t, c); err != nil {
		t.Fatal(err)
	}
	want := "WARNING: shop leaks heap memory in main.put on shop-1: +1.2 MiB/s, at its limit of 512 MiB in 2 h\nhttps://hub/alerts/test"
	if requests := got(); len(requests) != 1 || string(requests[0].body) != want {
		t.Errorf("%q", requests)
	}
	c.URLFile, c.URL = "", "generic://127.0.0.1:1/t0ken?disabletls=yes"
	retryable, err := sendOne(t, c)
	if err == nil || !retryable || strings.Contains(err.Error(), "t0ken") || !strings.HasPrefix(err.Error(), "generic: ") {
		t.Errorf("retryable %v, %v", retryable, err)
	}
}

func TestSeveralAlertsAreSeveralSentences(t *testing.T) {
	a := example(time.Now())
	a.Message = "it leaks"
	var messages []Message
	for _, e := range []Event{Fired, Worsened, Reminder, Resolved} {
		messages = append(messages, Message{Event: e, Alert: a, Severity: critical, Link: "L"})
	}
	want := "CRITICAL: it leaks\nL\n\nWORSE, NOW CRITICAL: it leaks\nL\n\nSTILL CRITICAL: it leaks\nL\n\nRESOLVED: it leaks\nL"
	if got := text(messages); got != want {
		t.Errorf("%q", got)
	}
}

func TestTryTellsEachChannelsOutcome(t *testing.T) {
	good, got := listen(t, http.StatusOK)
	bad, _ := listen(t, http.StatusForbidden)
	cfg := Config{Channels: []Channel{
		{Name: "good", Type: "webhook", URL: good, MinSeverity: critical},
		{Name: "bad", Type: "webhook", URL: bad},
		{Name: "lost", Type: "webhook", URLFile: "/no/such/file"},
	}}
	out, err := Try(context.Background(), cfg, "http://hub/", nil)
	if err != nil || len(out) != 3 || out[0].Err != nil || out[1].Err == nil || out[2].Err == nil {
		t.Fatalf("%+v, %v", out, err)
	}
	if !strings.Contains(out[1].Err.Error(), "403 Forbidden: said so") || !strings.Contains(out[2].Err.Error(), "channel lost: urlFile: open /no/such/file") {
		t.Errorf("%v; %v", out[1].Err, out[2].Err)
	}
	if requests := got(); len(requests) != 1 || !strings.Contains(string(requests[0].body), `"summary":"TEST: this is how a leak would be told`) {
		t.Errorf("%q", requests)
	}
	if _, err := Try(context.Background(), cfg, "", []string{"godo"}); err == nil || err.Error() != `channel "godo" is not in the configuration: want good, bad, lost` {
		t.Errorf("%v", err)
	}
}

func TestConfigIsChecked(t *testing.T) {
	good := Channel{Name: "a", Type: "webhook", URL: "https://example.com/hook"}
	change := func(f func(*Channel)) Config {
		c := good
		f(&c)
		return Config{Channels: []Channel{c}}
	}
	for want, cfg := range map[string]Config{
		`notify.link: "hub" is not allowed: want an address such as https://memwatch.example.com`:  {Link: "hub"},
		`notify.channels[0].name: "" is not allowed`:                                               change(func(c *Channel) { c.Name = "" }),
		`notify.channels[1].name: "a" is there twice`:                                              {Channels: []Channel{good, good}},
		`notify.channels[0] (a).type: "pigeon" is not allowed: want alertmanager, webhook or chat`: change(func(c *Channel) { c.Type = "pigeon" }),
		`notify.channels[0] (a).url: want either url or urlFile`:                                   change(func(c *Channel) { c.URL = "" }),
		`url: the scheme "ftp" is not allowed for webhook: want http:// or https:// with a host`:   change(func(c *Channel) { c.URL = "ftp://x" }),
		`url: shoutrrr cannot use this "pigeon://" address`:                                        change(func(c *Channel) { c.Type, c.URL = "chat", "pigeon://t0ken@x" }),
		`secretFile: only a webhook signs: leave it out for alertmanager`:                          change(func(c *Channel) { c.Type, c.SecretFile = "alertmanager", "x" }),
		`tokenFile: for chat the URL holds the token`:                                              change(func(c *Channel) { c.Type, c.URL, c.TokenFile = "chat", "generic://x", "x" }),
		`minSeverity: "loud" is not allowed: want info, warning or critical`:                       change(func(c *Channel) { c.MinSeverity = "loud" }),
		`alerts: "snapshot" is not allowed: want leak or disconnect`:                               change(func(c *Channel) { c.Alerts = []memwatch.AlertType{"snapshot"} }),
		`services: "[" is not a pattern`:                                                           change(func(c *Channel) { c.Services = []string{"["} }),
		`group: 2h0m0s is not allowed: want 0s to 1h0m0s`:                                          change(func(c *Channel) { c.Group = 2 * time.Hour }),
		`repeat: -1s is not allowed`:                                                               change(func(c *Channel) { c.Repeat = -time.Second }),
		`maxPerHour: 5000 is not allowed: want 1 to 3600`:                                          change(func(c *Channel) { c.MaxPerHour = 5000 }),
		`quietHours[0].from: "25:00" is not allowed: want a time such as 22:00`:                    change(func(c *Channel) { c.QuietHours = []Quiet{{From: "25:00", To: "07:00"}} }),
		`quietHours[0].to: "07:00" is the same as from`:                                            change(func(c *Channel) { c.QuietHours = []Quiet{{From: "07:00", To: "07:00"}} }),
		`quietHours[0].days: "Monday" is not allowed`:                                              change(func(c *Channel) { c.QuietHours = []Quiet{{From: "06:00", To: "07:00", Days: []string{"Monday"}}} }),
		`quietHours[0].zone: "Nowhere/X" is not known here`:                                        change(func(c *Channel) { c.QuietHours = []Quiet{{From: "06:00", To: "07:00", Zone: "Nowhere/X"}} }),
		`quietHours[0].upTo: "loud" is not allowed`:                                                change(func(c *Channel) { c.QuietHours = []Quiet{{From: "06:00", To: "07:00", UpTo: "loud"}} }),
	} {
		err := cfg.Validate()
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "t0ken") {
			t.Errorf("%v\nwant %s", err, want)
		}
	}
	if _, err := (&Channel{Name: "a", Type: "webhook", URLFile: file(t, "\n")}).open(); err == nil || !strings.Contains(err.Error(), "is empty: want one line") {
		t.Errorf("%v", err)
	}
}
