package notify

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/zupee/memwatch"
)

// Config says whom to tell, and how.
type Config struct {
	// Link is this hub's address as people reach it; the links in messages begin
	// with it. Empty means the address that it listens on, which must then be one.
	Link     string    `yaml:"link"`
	Channels []Channel `yaml:"channels"`
}

// Channel is one way to tell people. Zero values mean the defaults.
type Channel struct {
	// Name is how the channel is called in logs, metrics and on alerts.
	Name string `yaml:"name"`
	// Type is alertmanager, webhook or chat.
	Type string `yaml:"type"`
	// URL is where to, URLFile a file that holds it: one of the two. For chat and
	// mail it is shoutrrr's: slack://…, smtp://….
	URL     string `yaml:"url"`
	URLFile string `yaml:"urlFile"`
	// SecretFile holds the key that a webhook's bodies are signed with.
	SecretFile string `yaml:"secretFile"`
	// TokenFile holds a bearer token for a webhook or an Alertmanager.
	TokenFile string `yaml:"tokenFile"`

	// MinSeverity is the least that is told; warning.
	MinSeverity memwatch.Severity `yaml:"minSeverity"`
	// Alerts are the types that are told: leak, disconnect; leak alone.
	Alerts []memwatch.AlertType `yaml:"alerts"`
	// Services are patterns (shop-*) of which one must fit; empty fits all.
	Services []string `yaml:"services"`
	// SkipResolved leaves out that an alert is over.
	SkipResolved bool `yaml:"skipResolved"`
	// Group is how long to wait for more, to say it in one message; 30 s, and 1 s
	// for an Alertmanager, which groups by itself.
	Group time.Duration `yaml:"group"`
	// Repeat tells again after so long what nobody has acknowledged; 0 is never.
	Repeat time.Duration `yaml:"repeat"`
	// MaxPerHour bounds the messages; 30, and 3600 for an Alertmanager. What is
	// beyond waits and goes together.
	MaxPerHour int `yaml:"maxPerHour"`
	// QuietHours are when less severe alerts wait.
	QuietHours []Quiet `yaml:"quietHours"`
}

// Quiet is a time of the day at which alerts up to a severity wait.
type Quiet struct {
	// From and To are like 22:00; a To before From is on the next day.
	From string `yaml:"from"`
	To   string `yaml:"to"`
	// Days on which it begins (mon, tue, …); empty is every day.
	Days []string `yaml:"days"`
	// Zone is like Europe/Prague; empty is UTC.
	Zone string `yaml:"zone"`
	// UpTo is the severity that waits at most; warning.
	UpTo memwatch.Severity `yaml:"upTo"`
}

// The types of channel.
const (
	typeAlertmanager = "alertmanager"
	typeWebhook      = "webhook"
	typeChat         = "chat"
)

func (c Channel) withDefaults() Channel {
	if c.MinSeverity == "" {
		c.MinSeverity = memwatch.SeverityWarning
	}
	if len(c.Alerts) == 0 {
		c.Alerts = []memwatch.AlertType{memwatch.AlertLeak}
	}
	group, most := 30*time.Second, 30
	if c.Type == typeAlertmanager {
		group, most = time.Second, 3600
	}
	if c.Group == 0 {
		c.Group = group
	}
	if c.MaxPerHour == 0 {
		c.MaxPerHour = most
	}
	return c
}

var channelName = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,60}$`)

// Validate names the field that is wrong, its value and what is allowed. It opens
// no file.
func (c Config) Validate() error {
	if c.Link != "" {
		if u, err := url.Parse(c.Link); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return fmt.Errorf("notify.link: %q is not allowed: want an address such as https://memwatch.example.com", c.Link)
		}
	}
	names := map[string]bool{}
	for i := range c.Channels {
		ch := &c.Channels[i]
		at := fmt.Sprintf("notify.channels[%d]", i)
		if !channelName.MatchString(ch.Name) {
			return fmt.Errorf("%s.name: %.80q is not allowed: want 1 to 60 letters, digits, dots, dashes and underscores", at, ch.Name)
		}
		if names[ch.Name] {
			return fmt.Errorf("%s.name: %q is there twice: want a name for each channel", at, ch.Name)
		}
		names[ch.Name] = true
		if err := ch.validate(at + " (" + ch.Name + ")"); err != nil {
			return err
		}
	}
	return nil
}

func (c *Channel) validate(at string) error {
	if !slices.Contains([]string{typeAlertmanager, typeWebhook, typeChat}, c.Type) {
		return fmt.Errorf("%s.type: %q is not allowed: want alertmanager, webhook or chat", at, c.Type)
	}
	if (c.URL == "") == (c.URLFile == "") {
		return fmt.Errorf("%s.url: want either url or urlFile", at)
	}
	if c.URL != "" {
		if err := c.validateURL(c.URL); err != nil {
			return fmt.Errorf("%s.url: %w", at, err)
		}
	}
	if c.SecretFile != "" && c.Type != typeWebhook {
		return fmt.Errorf("%s.secretFile: only a webhook signs: leave it out for %s", at, c.Type)
	}
	if c.TokenFile != "" && c.Type == typeChat {
		return fmt.Errorf("%s.tokenFile: for chat the URL holds the token: leave it out", at)
	}
	if err := severity(at+".minSeverity", c.MinSeverity); err != nil {
		return err
	}
	for _, t := range c.Alerts {
		if t != memwatch.AlertLeak && t != memwatch.AlertDisconnect {
			return fmt.Errorf("%s.alerts: %q is not allowed: want leak or disconnect", at, t)
		}
	}
	for _, p := range c.Services {
		if _, err := path.Match(p, ""); err != nil {
			return fmt.Errorf("%s.services: %q is not a pattern: want a name, with * for any letters", at, p)
		}
	}
	for _, d := range []struct {
		name  string
		value time.Duration
		most  time.Duration
	}{{"group", c.Group, time.Hour}, {"repeat", c.Repeat, 30 * 24 * time.Hour}} {
		if d.value < 0 || d.value > d.most {
			return fmt.Errorf("%s.%s: %s is not allowed: want 0s to %s", at, d.name, d.value, d.most)
		}
	}
	if c.MaxPerHour < 0 || c.MaxPerHour > 3600 {
		return fmt.Errorf("%s.maxPerHour: %d is not allowed: want 1 to 3600", at, c.MaxPerHour)
	}
	for i := range c.QuietHours {
		if _, err := c.QuietHours[i].parse(); err != nil {
			return fmt.Errorf("%s.quietHours[%d].%w", at, i, err)
		}
	}
	return nil
}

func severity(field string, s memwatch.Severity) error {
	if s != "" && s.Rank() == 0 {
		return fmt.Errorf("%s: %q is not allowed: want info, warning or critical", field, s)
	}
	return nil
}

// validateURL checks an address without repeating it: it may hold a token.
func (c *Channel) validateURL(raw string) error {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme == "" {
		return errors.New("it is not an address: want one that begins with a scheme, such as https://")
	}
	if c.Type == typeChat {
		_, err := newChat(raw)
		return err
	}
	if u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return fmt.Errorf("the scheme %q is not allowed for %s: want http:// or https:// with a host", u.Scheme, c.Type)
	}
	return nil
}

// open makes the channel's sender, reading the files that it names.
func (c *Channel) open() (sender, error) {
	raw := c.URL
	if c.URLFile != "" {
		var err error
		if raw, err = secret(c.URLFile); err != nil {
			return nil, fmt.Errorf("channel %s: urlFile: %w", c.Name, err)
		}
		if err := c.validateURL(raw); err != nil {
			return nil, fmt.Errorf("channel %s: urlFile %s: %w", c.Name, c.URLFile, err)
		}
	}
	var key, token string
	for _, f := range []struct {
		name, file string
		into       *string
	}{{"secretFile", c.SecretFile, &key}, {"tokenFile", c.TokenFile, &token}} {
		if f.file == "" {
			continue
		}
		var err error
		if *f.into, err = secret(f.file); err != nil {
			return nil, fmt.Errorf("channel %s: %s: %w", c.Name, f.name, err)
		}
	}
	switch c.Type {
	case typeAlertmanager:
		return &alertmanager{post: newPoster(token), url: strings.TrimSuffix(raw, "/") + "/api/v2/alerts"}, nil
	case typeWebhook:
		return &webhook{post: newPoster(token), url: raw, key: []byte(key)}, nil
	}
	return newChat(raw)
}

// secret reads a file that holds one secret, without the line's end.
func secret(file string) (string, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	s := strings.TrimSpace(string(b))
	if s == "" {
		return "", fmt.Errorf("%s is empty: want one line", file)
	}
	return s, nil
}
