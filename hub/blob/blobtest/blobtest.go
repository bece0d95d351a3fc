// Package blobtest is the conformance suite of blob.Store: every place for blobs
// must pass it.
package blobtest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zupee/memwatch/hub/blob"
)

// The limits that the store under test must have.
const (
	MaxBlobBytes = 64 << 10
	MaxBytes     = 256 << 10
)

// Test runs the suite. open makes an empty store with the limits above; reopen
// opens the same one again, as after a crash.
func Test(t *testing.T, open func(t *testing.T) (s blob.Store, reopen func() blob.Store)) {
	for _, c := range []struct {
		name string
		run  func(t *testing.T, s blob.Store, reopen func() blob.Store)
	}{
		{"a blob comes back as it went in", roundTrip},
		{"a part sent again changes nothing", resend},
		{"a gap is refused and the offset named", gap},
		{"receiving goes on after a reopening", resume},
		{"a wrong sum is thrown away", wrongSum},
		{"a wrong size is refused", wrongSize},
		{"a blob too large is refused", tooLarge},
		{"a full store refuses and takes again after a deletion", full},
		{"a deletion is final and may be repeated", remove},
		{"names that are no SHA-256 are refused", names},
		{"two senders of one blob do no harm", concurrent},
		{"unfinished blobs are swept", sweep},
		{"old blobs are listed", old},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, reopen := open(t)
			c.run(t, s, reopen)
		})
	}
}

// Content makes n bytes that no other seed gives, and their name.
func Content(seed uint64, n int) (content []byte, name string) {
	content = make([]byte, n)
	rng := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	_, _ = rng.Read(content)
	sum := sha256.Sum256(content)
	return content, hex.EncodeToString(sum[:])
}

func send(t *testing.T, s blob.Store, name string, offset int, part []byte) {
	t.Helper()
	next, err := s.Write(t.Context(), name, int64(offset), part)
	if err != nil || next != int64(offset+len(part)) {
		t.Fatalf("Write at %d: next %d, %v", offset, next, err)
	}
}

func put(t *testing.T, s blob.Store, content []byte, name string) {
	t.Helper()
	send(t, s, name, 0, content)
	if err := s.Finish(t.Context(), name, int64(len(content))); err != nil {
		t.Fatal(err)
	}
}

func want(t *testing.T, s blob.Store, name string, content []byte) {
	t.Helper()
	r, size, err := s.Open(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(r)
	if err != nil || size != int64(len(content)) || !bytes.Equal(got, content) {
		t.Errorf("read %d bytes of %d, size %d, %v", len(got), len(content), size, err)
	}
	if at, err := r.Seek(1, io.SeekStart); at != 1 || err != nil {
		t.Errorf("Seek: %d, %v", at, err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

func wantNone(t *testing.T, s blob.Store, name string) {
	t.Helper()
	if ok, err := s.Has(t.Context(), name); ok || err != nil {
		t.Errorf("Has: %v, %v", ok, err)
	}
	if _, _, err := s.Open(t.Context(), name); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("Open: %v", err)
	}
}

func wantUsage(t *testing.T, s blob.Store, blobs int, size int64) {
	t.Helper()
	if u := s.Usage(); u != (blob.Usage{Blobs: blobs, Bytes: size, MaxBytes: MaxBytes}) {
		t.Errorf("usage %+v, want %d blobs of %d bytes", u, blobs, size)
	}
}

func wantPartial(t *testing.T, s blob.Store, name string, offset int64) {
	t.Helper()
	if n, err := s.Partial(t.Context(), name); n != offset || err != nil {
		t.Errorf("Partial: %d, %v, want %d", n, err, offset)
	}
}

func roundTrip(t *testing.T, s blob.Store, reopen func() blob.Store) {
	content, name := Content(1, 10_000)
	wantNone(t, s, name)
	send(t, s, name, 0, content[:4000])
	wantNone(t, s, name)
	send(t, s, name, 4000, content[4000:])
	if err := s.Finish(t.Context(), name, 10_000); err != nil {
		t.Fatal(err)
	}
	if err := s.Finish(t.Context(), name, 10_000); err != nil {
		t.Errorf("Finish again: %v", err)
	}
	for range 2 {
		want(t, s, name, content)
		wantPartial(t, s, name, 10_000)
		if ok, err := s.Has(t.Context(), name); !ok || err != nil {
			t.Errorf("Has: %v, %v", ok, err)
		}
		wantUsage(t, s, 1, 10_000)
		s = reopen()
	}
}

func resend(t *testing.T, s blob.Store, _ func() blob.Store) {
	content, name := Content(2, 9000)
	send(t, s, name, 0, content[:6000])
	if next, err := s.Write(t.Context(), name, 1000, content[1000:3000]); next != 6000 || err != nil {
		t.Errorf("inside: %d, %v", next, err)
	}
	if next, err := s.Write(t.Context(), name, 4000, content[4000:]); next != 9000 || err != nil {
		t.Errorf("overlapping: %d, %v", next, err)
	}
	if err := s.Finish(t.Context(), name, 9000); err != nil {
		t.Fatal(err)
	}
	if next, err := s.Write(t.Context(), name, 0, content[:100]); next != 9000 || err != nil {
		t.Errorf("after the end: %d, %v", next, err)
	}
	want(t, s, name, content)
	wantUsage(t, s, 1, 9000)
}

func gap(t *testing.T, s blob.Store, _ func() blob.Store) {
	content, name := Content(3, 100)
	send(t, s, name, 0, content[:10])
	for _, offset := range []int64{11, 1 << 60, -1} {
		_, err := s.Write(t.Context(), name, offset, content[11:])
		var oe *blob.OffsetError
		if !errors.As(err, &oe) || !errors.Is(err, blob.ErrOffset) || oe.Want != 10 {
			t.Errorf("at %d: %v", offset, err)
		}
	}
	wantPartial(t, s, name, 10)
}

func resume(t *testing.T, s blob.Store, reopen func() blob.Store) {
	content, name := Content(4, 5000)
	send(t, s, name, 0, content[:1234])
	s = reopen()
	wantPartial(t, s, name, 1234)
	wantUsage(t, s, 0, 1234)
	send(t, s, name, 1234, content[1234:])
	if err := s.Finish(t.Context(), name, 5000); err != nil {
		t.Fatal(err)
	}
	want(t, s, name, content)
}

func wrongSum(t *testing.T, s blob.Store, _ func() blob.Store) {
	content, name := Content(5, 3000)
	bad := bytes.Clone(content)
	bad[1500] ^= 1
	send(t, s, name, 0, bad)
	if err := s.Finish(t.Context(), name, 3000); !errors.Is(err, blob.ErrMismatch) {
		t.Errorf("Finish: %v", err)
	}
	wantNone(t, s, name)
	wantPartial(t, s, name, 0)
	wantUsage(t, s, 0, 0)
	put(t, s, content, name)
	want(t, s, name, content)
}

func wrongSize(t *testing.T, s blob.Store, _ func() blob.Store) {
	content, name := Content(6, 3000)
	if err := s.Finish(t.Context(), name, 3000); !errors.Is(err, blob.ErrOffset) {
		t.Errorf("nothing received: %v", err)
	}
	send(t, s, name, 0, content)
	var oe *blob.OffsetError
	if err := s.Finish(t.Context(), name, 3001); !errors.As(err, &oe) || oe.Want != 3000 {
		t.Errorf("one byte short: %v", err)
	}
	if err := s.Finish(t.Context(), name, 2999); !errors.Is(err, blob.ErrMismatch) {
		t.Errorf("one byte too many: %v", err)
	}
	wantNone(t, s, name)
	put(t, s, content, name)
	if err := s.Finish(t.Context(), name, 1); !errors.Is(err, blob.ErrMismatch) {
		t.Errorf("complete, another size: %v", err)
	}
	want(t, s, name, content)
}

func tooLarge(t *testing.T, s blob.Store, _ func() blob.Store) {
	content, name := Content(7, MaxBlobBytes+1)
	send(t, s, name, 0, content[:MaxBlobBytes])
	if _, err := s.Write(t.Context(), name, MaxBlobBytes, content[MaxBlobBytes:]); !errors.Is(err, blob.ErrTooLarge) {
		t.Errorf("%v", err)
	}
	wantPartial(t, s, name, MaxBlobBytes)
}

func full(t *testing.T, s blob.Store, _ func() blob.Store) {
	n := MaxBytes / MaxBlobBytes
	var first string
	for i := range n {
		content, name := Content(uint64(100+i), MaxBlobBytes)
		put(t, s, content, name)
		if i == 0 {
			first = name
		}
	}
	content, name := Content(8, 10)
	if _, err := s.Write(t.Context(), name, 0, content); !errors.Is(err, blob.ErrFull) {
		t.Errorf("%v", err)
	}
	wantUsage(t, s, n, MaxBytes)
	if err := s.Delete(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	put(t, s, content, name)
	want(t, s, name, content)
}

func remove(t *testing.T, s blob.Store, reopen func() blob.Store) {
	content, name := Content(9, 500)
	_, other := Content(10, 1)
	put(t, s, content, name)
	send(t, s, other, 0, content)
	for range 2 {
		for _, n := range []string{name, other} {
			if err := s.Delete(t.Context(), n); err != nil {
				t.Fatal(err)
			}
			wantNone(t, s, n)
			wantPartial(t, s, n, 0)
		}
	}
	wantUsage(t, s, 0, 0)
	wantUsage(t, reopen(), 0, 0)
}

func names(t *testing.T, s blob.Store, _ func() blob.Store) {
	_, good := Content(11, 1)
	for _, name := range []string{
		"", "ab", "../../../../etc/passwd", strings.ToUpper(good), good + "0", good[:63], good[:63] + "g",
		"../" + good[3:], good[:10] + "/" + good[11:], good[:10] + "\x00" + good[11:], strings.Repeat("..", 32), "partial/" + good[8:],
	} {
		_, partialErr := s.Partial(t.Context(), name)
		_, writeErr := s.Write(t.Context(), name, 0, []byte("x"))
		_, _, openErr := s.Open(t.Context(), name)
		_, hasErr := s.Has(t.Context(), name)
		for _, err := range []error{partialErr, writeErr, openErr, hasErr, s.Finish(t.Context(), name, 1), s.Delete(t.Context(), name)} {
			if !errors.Is(err, blob.ErrName) {
				t.Errorf("%q: %v", name, err)
			}
		}
	}
	wantUsage(t, s, 0, 0)
}

func concurrent(t *testing.T, s blob.Store, _ func() blob.Store) {
	content, name := Content(12, 60_000)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if err := upload(t.Context(), s, name, content); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	want(t, s, name, content)
	wantUsage(t, s, 1, 60_000)
}

// upload does what an agent does: it asks for the offset, sends on from there,
// and finishes.
func upload(ctx context.Context, s blob.Store, name string, content []byte) error {
	at, err := s.Partial(ctx, name)
	for err == nil && at < int64(len(content)) {
		at, err = s.Write(ctx, name, at, content[at:min(at+1000, int64(len(content)))])
	}
	if err != nil {
		return err
	}
	return s.Finish(ctx, name, int64(len(content)))
}

func sweep(t *testing.T, s blob.Store, _ func() blob.Store) {
	content, name := Content(13, 500)
	_, other := Content(14, 1)
	put(t, s, content, name)
	send(t, s, other, 0, content)
	if n, err := s.Sweep(t.Context(), time.Now().Add(-time.Hour)); n != 0 || err != nil {
		t.Errorf("nothing is old: %d, %v", n, err)
	}
	if n, err := s.Sweep(t.Context(), time.Now().Add(time.Hour)); n != 1 || err != nil {
		t.Errorf("all is old: %d, %v", n, err)
	}
	wantPartial(t, s, other, 0)
	want(t, s, name, content)
	wantUsage(t, s, 1, 500)
}

func old(t *testing.T, s blob.Store, _ func() blob.Store) {
	content, name := Content(15, 500)
	_, other := Content(16, 1)
	put(t, s, content, name)
	send(t, s, other, 0, content)
	for before, want := range map[time.Duration][]string{-time.Hour: nil, time.Hour: {name}} {
		if got, err := s.Old(t.Context(), time.Now().Add(before)); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %v, %v, want %v", before, got, err, want)
		}
	}
}
