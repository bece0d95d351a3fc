package notify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// poster sends bodies over HTTP.
type poster struct {
	client *http.Client
	token  string
}

// sendTimeout bounds one try of any channel.
const sendTimeout = 20 * time.Second

func newPoster(token string) poster {
	return poster{token: token, client: &http.Client{
		Timeout: sendTimeout,
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, MaxIdleConns: 1, IdleConnTimeout: 30 * time.Second,
			TLSHandshakeTimeout: 10 * time.Second, ResponseHeaderTimeout: sendTimeout,
		},
		// A signed body and a token are for the address that was configured.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// post sends one JSON body; retryable is by what the other side answered.
func (p poster) post(ctx context.Context, to string, body []byte, header http.Header) (retryable bool, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		return false, errors.New("the address is not one")
	}
	for k, v := range header {
		req.Header[k] = v
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "memwatch-hub")
	if p.token != "" {
		req.Header.Set("Authorization", "Bearer "+p.token)
	}
	resp, err := p.client.Do(req)
	if err != nil {
		var hidden *url.Error // it repeats the address, which may hold a token
		if errors.As(err, &hidden) {
			err = hidden.Err
		}
		return true, fmt.Errorf("%s cannot be reached: %w", req.URL.Host, err)
	}
	defer func() { _ = resp.Body.Close() }()
	said, _ := io.ReadAll(io.LimitReader(resp.Body, 300))
	if resp.StatusCode/100 == 2 {
		return false, nil
	}
	err = fmt.Errorf("%s answered %s: %s", req.URL.Host, resp.Status, strings.Join(strings.Fields(string(said)), " "))
	switch resp.StatusCode {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return true, err
	}
	return resp.StatusCode >= 500, err
}
