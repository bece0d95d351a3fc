package s3

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"regexp"
	"strings"
)

// Config says where the objects lie and how large they may become. Zero sizes
// mean the defaults, which are those of blob.Files.
type Config struct {
	// URL is s3://bucket/prefix?endpoint=…&region=…; see Parse.
	URL string
	// MaxBlobBytes bounds one blob; 256 MiB.
	MaxBlobBytes int64
	// MaxBytes bounds all blobs together; 20 GiB.
	MaxBytes int64
	// Logger gets what no caller can be told; nil is silence.
	Logger *slog.Logger
}

// Location is a place in an object store.
type Location struct {
	Bucket, Prefix string // the prefix is empty or ends in a slash
	Host           string // of the endpoint, with its port
	TLS            bool
	Region         string
}

var bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)

const wantURL = "want s3://bucket/prefix?endpoint=https://host&region=name; both parameters may be left out"

// Parse reads a URL such as s3://bucket/memwatch?endpoint=http://10.0.0.5:9000&region=eu-west-1.
// The endpoint is AWS's when there is none, there or in AWS_ENDPOINT_URL_S3 or
// AWS_ENDPOINT_URL; the region us-east-1 when there is none, there or in
// AWS_REGION or AWS_DEFAULT_REGION.
func Parse(text string) (l Location, err error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "s3" {
		return l, fmt.Errorf("%.60q is not allowed: %s", withoutUser(text), wantURL)
	}
	if u.User != nil {
		return l, errors.New("a URL with credentials in it is not allowed: give them in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or in ~/.aws/credentials")
	}
	if !bucketName.MatchString(u.Host) {
		return l, fmt.Errorf("bucket %.70q is not allowed: want 3 to 63 lower-case letters, digits, dots and dashes: %s", u.Host, wantURL)
	}
	query := u.Query()
	for key := range query {
		if key != "endpoint" && key != "region" {
			return l, fmt.Errorf("parameter %.40q is not known: %s", key, wantURL)
		}
	}
	l.Bucket = u.Host
	if l.Prefix = strings.Trim(u.Path, "/"); l.Prefix != "" {
		l.Prefix += "/"
	}
	l.Region = cmp.Or(query.Get("region"), os.Getenv("AWS_REGION"), os.Getenv("AWS_DEFAULT_REGION"), "us-east-1")
	endpoint := cmp.Or(query.Get("endpoint"), os.Getenv("AWS_ENDPOINT_URL_S3"), os.Getenv("AWS_ENDPOINT_URL"), "https://s3."+l.Region+".amazonaws.com")
	l.Host, l.TLS, err = parseEndpoint(endpoint)
	return l, err
}

func parseEndpoint(endpoint string) (host string, tls bool, err error) {
	u, err := url.Parse(endpoint)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
		return "", false, fmt.Errorf("endpoint %.80q is not allowed: want http://host:port or https://host, without a path and without credentials", withoutUser(endpoint))
	}
	return u.Host, u.Scheme == "https", nil
}

// withoutUser leaves out what may be a password.
func withoutUser(text string) string {
	scheme, rest, found := strings.Cut(text, "://")
	if i := strings.LastIndexByte(rest, '@'); found && i >= 0 {
		return scheme + "://…" + rest[i:]
	}
	return text
}

func (l Location) String() string {
	return "s3://" + l.Bucket + "/" + strings.TrimSuffix(l.Prefix, "/")
}
