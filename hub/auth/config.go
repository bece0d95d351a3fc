package auth

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"time"
)

// Config says who is asked for what.
type Config struct {
	// Required asks everybody who they are; without it everybody may do everything.
	Required bool `yaml:"required"`
	// Session is how long somebody stays signed in.
	Session time.Duration `yaml:"session"`
	OIDC    OIDC          `yaml:"oidc"`
	Proxy   Proxy         `yaml:"proxy"`
}

// OIDC is a provider that people sign in with.
type OIDC struct {
	Issuer           string   `yaml:"issuer"`   // URL; "" for none
	ClientID         string   `yaml:"clientId"` // as the provider knows this hub
	ClientSecretFile string   `yaml:"clientSecretFile"`
	RedirectURL      string   `yaml:"redirectUrl"` // https://this-hub/auth/oidc/callback
	Scopes           []string `yaml:"scopes"`      // besides openid
	Claim            string   `yaml:"claim"`       // whose values are looked up below
	TrustEmail       bool     `yaml:"trustEmail"`  // an address counts also where email_verified is not said
	Operators        []string `yaml:"operators"`   // values that make an operator
	Viewers          []string `yaml:"viewers"`     // values that make a viewer; "*" is everybody
}

// Proxy is one before the hub that signs people in and says who they are.
type Proxy struct {
	Header    string   `yaml:"header"`    // with the user's name; "" for none
	From      []string `yaml:"from"`      // addresses or networks of the proxy; from elsewhere the header is ignored
	Operators []string `yaml:"operators"` // names that are operators; the others are viewers
}

// DefaultConfig asks nobody.
func DefaultConfig() Config {
	return Config{Session: 12 * time.Hour, OIDC: OIDC{Scopes: []string{"email"}, Claim: "email"}}
}

// Validate names the field that is wrong, its value and what is allowed.
func (c Config) Validate() error {
	if c.Session < time.Minute || c.Session > 31*24*time.Hour {
		return fmt.Errorf("auth.session: %s is not allowed: want 1m to 744h", c.Session)
	}
	if !c.Required && (c.OIDC.Issuer != "" || c.Proxy.Header != "") {
		return errors.New("auth.required: false is not allowed with auth.oidc or auth.proxy: want true")
	}
	if c.OIDC.Issuer != "" {
		if err := c.OIDC.validate(); err != nil {
			return err
		}
	}
	if c.Proxy.Header != "" && len(c.Proxy.From) == 0 {
		return errors.New("auth.proxy.from: missing: want the addresses or networks of the proxy, as anybody could send the header")
	}
	_, err := c.Proxy.networks()
	return err
}

func (o OIDC) validate() error {
	for _, f := range [][2]string{{"issuer", o.Issuer}, {"redirectUrl", o.RedirectURL}} {
		u, err := url.Parse(f[1])
		if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
			return fmt.Errorf("auth.oidc.%s: %q is not allowed: want a URL such as https://sso.example", f[0], f[1])
		}
	}
	switch {
	case o.ClientID == "":
		return errors.New("auth.oidc.clientId: missing: want what the provider calls this hub")
	case o.Claim == "":
		return errors.New("auth.oidc.claim: missing: want a claim such as email or groups")
	case len(o.Operators)+len(o.Viewers) == 0:
		return errors.New("auth.oidc.operators: missing, and viewers too: nobody could sign in")
	}
	return nil
}

func (p Proxy) networks() ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, s := range p.From {
		if a, err := netip.ParseAddr(s); err == nil {
			out = append(out, netip.PrefixFrom(a, a.BitLen()))
			continue
		}
		n, err := netip.ParsePrefix(s)
		if err != nil {
			return nil, fmt.Errorf("auth.proxy.from: %q is not allowed: want an address or a network such as 10.0.0.0/8", s)
		}
		out = append(out, n)
	}
	return out, nil
}
