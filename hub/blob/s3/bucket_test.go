package s3_test

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/zupee/memwatch/hub/blob"
	"github.com/zupee/memwatch/hub/blob/blobtest"
	"github.com/zupee/memwatch/hub/blob/s3"
	"github.com/zupee/memwatch/hub/blob/s3/s3test"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T, url string) *s3.Bucket {
	t.Helper()
	b, err := s3.Open(t.Context(), s3.Config{URL: url, MaxBlobBytes: blobtest.MaxBlobBytes, MaxBytes: blobtest.MaxBytes})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

func TestBucket(t *testing.T) {
	server := s3test.Start(t)
	n := 0
	blobtest.Test(t, func(t *testing.T) (blob.Store, func() blob.Store) {
		n++
		url := server.URL(fmt.Sprintf("hub %d/blobs", n))
		return open(t, url), func() blob.Store { return open(t, url) }
	})
}

func TestAnUploadGoesOnThroughAnotherHub(t *testing.T) {
	server := s3test.Start(t)
	first, second := open(t, server.URL("x")), open(t, server.URL("x"))
	content, name := blobtest.Content(1, 50_000)
	write(t, first, name, 0, content[:20_000])
	if n, err := second.Partial(t.Context(), name); n != 20_000 || err != nil {
		t.Fatalf("the other hub has %d bytes, %v", n, err)
	}
	write(t, second, name, 20_000, content[20_000:30_000])
	// The agent's first connection was slow, not gone: its parts overlap.
	write(t, first, name, 15_000, content[15_000:40_000])
	write(t, second, name, 38_000, content[38_000:])
	for _, b := range []*s3.Bucket{second, first} {
		if err := b.Finish(t.Context(), name, 50_000); err != nil {
			t.Fatal(err)
		}
	}
	for _, b := range []*s3.Bucket{first, second, open(t, server.URL("x"))} {
		r, size, err := b.Open(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(r)
		if string(got) != string(content) || size != 50_000 || err != nil {
			t.Errorf("read %d of %d bytes, %v", len(got), size, err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
	if u := open(t, server.URL("x")).Usage(); u.Blobs != 1 || u.Bytes != 50_000 {
		t.Errorf("%+v: parts are left", u)
	}
}

func TestAPartThatIsGoneIsAskedForAgain(t *testing.T) {
	server := s3test.Start(t)
	b := open(t, server.URL("x"))
	content, name := blobtest.Content(2, 30_000)
	for at := 0; at < 30_000; at += 10_000 {
		write(t, b, name, at, content[at:at+10_000])
	}
	parts := filesIn(t, filepath.Join(server.Dir, s3test.Bucket, "x", "partial", name))
	if len(parts) != 3 {
		t.Fatalf("parts %v", parts)
	}
	if err := os.Remove(parts[1]); err != nil {
		t.Fatal(err)
	}
	var gap *blob.OffsetError
	if err := b.Finish(t.Context(), name, 30_000); !errors.As(err, &gap) || gap.Want != 10_000 {
		t.Fatalf("%v, want an OffsetError at 10000", err)
	}
	write(t, b, name, 10_000, content[10_000:20_000])
	if n, err := b.Partial(t.Context(), name); n != 30_000 || err != nil {
		t.Errorf("%d, %v: the last part is to count again", n, err)
	}
	if err := b.Finish(t.Context(), name, 30_000); err != nil {
		t.Error(err)
	}
}

func TestRangesAreRead(t *testing.T) {
	server := s3test.Start(t)
	b := open(t, server.URL(""))
	content, name := blobtest.Content(3, 60_000)
	write(t, b, name, 0, content)
	if err := b.Finish(t.Context(), name, 60_000); err != nil {
		t.Fatal(err)
	}
	r, _, err := b.Open(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for _, at := range []int64{59_000, 0, 31_415} {
		if _, err := r.Seek(at, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, 1000)
		if _, err := io.ReadFull(r, got); err != nil || string(got) != string(content[at:at+1000]) {
			t.Errorf("at %d: other bytes, %v", at, err)
		}
	}
}

func TestTheServerIsKilledMidway(t *testing.T) {
	server := s3test.Start(t)
	b := open(t, server.URL("x"))
	content, name := blobtest.Content(4, 40_000)
	write(t, b, name, 0, content[:25_000])
	server.Kill()
	for what, err := range map[string]error{
		"write": second(b.Write(t.Context(), name, 25_000, content[25_000:])), "finish": b.Finish(t.Context(), name, 40_000),
		"has": second(b.Has(t.Context(), name)), "partial": second(b.Partial(t.Context(), name)), "delete": b.Delete(t.Context(), name),
		"old": second(b.Old(t.Context(), time.Now())), "sweep": second(b.Sweep(t.Context(), time.Now())),
	} {
		if err == nil || !strings.Contains(err.Error(), "cannot be reached") {
			t.Errorf("%s without a server: %v", what, err)
		}
	}
	if u := b.Usage(); u.Bytes != 25_000 {
		t.Errorf("%+v: what failed was booked", u)
	}
	unreached := open(t, server.URL("x")) // starts all the same
	server.Run()
	for _, hub := range []*s3.Bucket{b, unreached} {
		if n, err := hub.Partial(t.Context(), name); n != 25_000 || err != nil {
			t.Errorf("%d bytes are there again, %v", n, err)
		}
	}
	write(t, unreached, name, 25_000, content[25_000:])
	if u := unreached.Usage(); u.Bytes != 40_000 {
		t.Errorf("%+v: what was there before is to be counted", u)
	}
	if err := unreached.Finish(t.Context(), name, 40_000); err != nil {
		t.Error(err)
	}
}

func TestWhatIsWrongIsSaidAtTheStart(t *testing.T) {
	server := s3test.Start(t)
	for name, c := range map[string]struct {
		url, key, secret string
		says             []string
	}{
		"no such bucket": {"s3://elsewhere/x?" + after(server.URL("x")), s3test.AccessKey, s3test.SecretKey, []string{`no bucket "elsewhere"`, "create it"}},
		"wrong secret":   {server.URL("x"), s3test.AccessKey, "wrong-secret-value", []string{"secret key is not", "AWS_SECRET_ACCESS_KEY"}},
		"unknown key":    {server.URL("x"), "nobody-we-know", s3test.SecretKey, []string{"does not know the access key", "AWS_ACCESS_KEY_ID"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("AWS_ACCESS_KEY_ID", c.key)
			t.Setenv("AWS_SECRET_ACCESS_KEY", c.secret)
			_, err := s3.Open(t.Context(), s3.Config{URL: c.url, Logger: slog.New(slog.NewTextHandler(t.Output(), nil))})
			if !errors.Is(err, s3.ErrRefused) {
				t.Fatalf("%v", err)
			}
			for _, says := range c.says {
				if !strings.Contains(err.Error(), says) {
					t.Errorf("%q does not say %q", err, says)
				}
			}
			if strings.Contains(err.Error(), c.secret) {
				t.Errorf("%q tells the secret", err)
			}
		})
	}
}

func TestCredentialsComeFromTheAWSFilesToo(t *testing.T) {
	server := s3test.Start(t)
	file := filepath.Join(t.TempDir(), "credentials")
	text := "[hub]\naws_access_key_id = " + s3test.AccessKey + "\naws_secret_access_key = " + s3test.SecretKey + "\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", file)
	t.Setenv("AWS_PROFILE", "hub")
	b := open(t, server.URL("x"))
	content, name := blobtest.Content(5, 10)
	write(t, b, name, 0, content)
}

func TestURLs(t *testing.T) {
	t.Setenv("AWS_REGION", "eu-north-1")
	t.Setenv("AWS_ENDPOINT_URL_S3", "")
	t.Setenv("AWS_ENDPOINT_URL", "")
	for text, want := range map[string]s3.Location{
		"s3://bucket": {Bucket: "bucket", Host: "s3.eu-north-1.amazonaws.com", TLS: true, Region: "eu-north-1"},
		"s3://my.bucket/a/b/?region=us-west-2&endpoint=http://[::1]:9000": {Bucket: "my.bucket", Prefix: "a/b/", Host: "[::1]:9000", Region: "us-west-2"},
	} {
		if got, err := s3.Parse(text); got != want || err != nil {
			t.Errorf("%s: %+v, %v, want %+v", text, got, err, want)
		}
	}
	for text, says := range map[string]string{
		"":                                        "want s3://bucket",
		"/a/folder":                               "want s3://bucket",
		"s3:///prefix":                            `bucket ""`,
		"s3://UPPER/x":                            "lower-case",
		"s3://key:hunter2@bucket/x":               "AWS_SECRET_ACCESS_KEY",
		"http://key:hunter2@bucket/x":             "want s3://bucket",
		"s3://bucket?secret=hunter2":              `parameter "secret" is not known`,
		"s3://bucket?endpoint=10.0.0.1":           "want http://host:port",
		"s3://bucket?endpoint=ftp://x":            "want http://host:port",
		"s3://bucket?endpoint=http://x/y":         "without a path",
		"s3://bucket?endpoint=http://a:hunter2@x": "without credentials",
	} {
		_, err := s3.Parse(text)
		if err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v, want %q and no secret", text, err, says)
		}
	}
}

func write(t *testing.T, b *s3.Bucket, name string, at int, part []byte) {
	t.Helper()
	if next, err := b.Write(t.Context(), name, int64(at), part); err != nil || next < int64(at+len(part)) {
		t.Fatalf("write at %d: next %d, %v", at, next, err)
	}
}

func second[T any](_ T, err error) error { return err }

func after(url string) string {
	_, query, _ := strings.Cut(url, "?")
	return query
}

func filesIn(t *testing.T, dir string) (paths []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		paths = append(paths, filepath.Join(dir, e.Name()))
	}
	return paths
}
