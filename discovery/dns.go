package discovery

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
)

// resolver asks the name servers; tests have one of their own.
type resolver interface {
	srv(ctx context.Context, name string) ([]*net.SRV, error)
	addresses(ctx context.Context, name string) ([]string, error)
}

// system is the machine's resolver.
type system struct{}

func (system) srv(ctx context.Context, name string) ([]*net.SRV, error) {
	_, records, err := net.DefaultResolver.LookupSRV(ctx, "", "", name)
	return records, err
}

func (system) addresses(ctx context.Context, name string) ([]string, error) {
	return net.DefaultResolver.LookupHost(ctx, name)
}

// dnsTimeout bounds one question.
const dnsTimeout = 10 * time.Second

// resolve asks for SRV records, which tell the port too, where the name is made
// for them, and for addresses otherwise. A name that nobody has any more has no
// targets; a server that does not answer leaves them as they were.
func (f *finder) resolve(ctx context.Context, name string) ([]Target, error) {
	ctx, cancel := context.WithTimeout(ctx, dnsTimeout)
	defer cancel()
	var hosts []string
	var err error
	if strings.HasPrefix(name, "_") {
		var records []*net.SRV
		records, err = f.dns.srv(ctx, name)
		for _, r := range records {
			hosts = append(hosts, net.JoinHostPort(strings.TrimSuffix(r.Target, "."), strconv.Itoa(int(r.Port))))
		}
	} else {
		hosts, err = f.dns.addresses(ctx, name)
		for i := range hosts {
			hosts[i] = net.JoinHostPort(hosts[i], strconv.Itoa(f.cfg.Port))
		}
	}
	var missing *net.DNSError
	if errors.As(err, &missing) && missing.IsNotFound {
		err = nil
	}
	if err != nil {
		return nil, fmt.Errorf("resolve %s: %w", name, err)
	}
	targets := make([]Target, len(hosts))
	for i, host := range hosts {
		targets[i] = Target{URL: f.url(host), Labels: map[string]string{}}
	}
	return targets, nil
}
