package notify

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"regexp"

	"github.com/nicholas-fedor/shoutrrr"
	"github.com/nicholas-fedor/shoutrrr/pkg/router"
	"github.com/nicholas-fedor/shoutrrr/pkg/types"
)

// chat speaks to the services that shoutrrr knows: Slack, Discord, Teams,
// Telegram, mail and others.
type chat struct {
	router *router.ServiceRouter
	scheme string
}

func newChat(raw string) (*chat, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return nil, errors.New("it is not an address: want one of shoutrrr's, such as slack://…")
	}
	r, err := shoutrrr.CreateSender(raw)
	if err != nil { // its words repeat the address
		return nil, fmt.Errorf("shoutrrr cannot use this %q address: want one as https://shoutrrr.nickfedor.com/services says", u.Scheme+"://")
	}
	r.Timeout = sendTimeout
	return &chat{router: r, scheme: u.Scheme}, nil
}

// address finds what may hold a token in an error's words.
var address = regexp.MustCompile(`[a-zA-Z][a-zA-Z0-9+.-]*://[^\s"']+`)

// send implements sender. What went wrong is not told apart by these services'
// errors, so that all is tried again.
func (c *chat) send(ctx context.Context, _ string, messages []Message) (retryable bool, err error) {
	params := types.Params{}
	if c.scheme == "smtp" {
		params["subject"] = "memwatch: " + messages[0].Alert.Service
		if n := len(messages); n > 1 {
			params["subject"] = fmt.Sprintf("memwatch: %d alerts", n)
		}
	}
	done := make(chan []error, 1)
	go func() { done <- c.router.Send(text(messages), &params) }() // it ends within sendTimeout
	select {
	case errs := <-done:
		if err := errors.Join(errs...); err != nil {
			return true, fmt.Errorf("%s: %s", c.scheme, address.ReplaceAllString(err.Error(), "(address hidden)"))
		}
		return false, nil
	case <-ctx.Done():
		return true, fmt.Errorf("%s: %w", c.scheme, ctx.Err())
	}
}
