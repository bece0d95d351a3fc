package s3

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/minio/minio-go/v7"

	"github.com/zupee/memwatch/hub/blob"
)

// assembled reads a blob out of its parts. It holds back its last bytes until it
// has seen that the sum of all is the name: what is not the blob never leaves
// whole, so that no store can take it for the blob. It is read from the beginning
// again after a Seek, for a request that is sent again.
type assembled struct {
	raw    sequence
	name   string
	hash   hash.Hash
	buffer *bufio.Reader
	failed error // the sum is another
}

func newAssembled(ctx context.Context, b *Bucket, name string, parts []part) *assembled {
	a := &assembled{name: name, raw: sequence{ctx: ctx, bucket: b, parts: parts}}
	_, _ = a.Seek(0, io.SeekStart)
	return a
}

// Read implements io.Reader.
func (a *assembled) Read(p []byte) (int, error) {
	n := min(len(p), a.buffer.Size()-1)
	_, err := a.buffer.Peek(n + 1) // one byte stays
	if errors.Is(err, io.EOF) {
		if sum := hex.EncodeToString(a.hash.Sum(nil)); sum != a.name {
			a.failed = fmt.Errorf("%w: what was received has SHA-256 %s", blob.ErrMismatch, sum)
			return 0, a.failed
		}
	} else if err != nil {
		return 0, err
	}
	return a.buffer.Read(p[:n])
}

// Seek implements io.Seeker, to the beginning alone. A blob that is not what it
// should be is not read again.
func (a *assembled) Seek(offset int64, whence int) (int64, error) {
	if offset != 0 || whence != io.SeekStart {
		return 0, errors.New("it is read from the beginning")
	}
	if a.failed != nil {
		return 0, a.failed
	}
	a.rewind()
	return 0, nil
}

func (a *assembled) rewind() {
	a.raw.rewind()
	a.hash = sha256.New()
	a.buffer = bufio.NewReaderSize(io.TeeReader(&a.raw, a.hash), 64<<10)
}

// end gives up the part that is read.
func (a *assembled) end() { a.raw.rewind() }

// sequence is the bytes of parts one after the other, without those that a part
// shares with the ones before it.
type sequence struct {
	ctx    context.Context // of the call that reads it
	bucket *Bucket
	parts  []part

	next   int // the part after the one that is read
	reader io.ReadCloser
	reach  int64
}

func (s *sequence) rewind() {
	if s.reader != nil {
		_ = s.reader.Close()
	}
	s.next, s.reader, s.reach = 0, nil, 0
}

// Read implements io.Reader.
func (s *sequence) Read(p []byte) (int, error) {
	for {
		if s.reader == nil {
			if s.next == len(s.parts) {
				return 0, io.EOF
			}
			if err := s.open(s.parts[s.next]); err != nil {
				return 0, err
			}
			s.next++
		}
		n, err := s.reader.Read(p)
		s.reach += int64(n)
		if errors.Is(err, io.EOF) {
			_ = s.reader.Close()
			if s.reader = nil; s.reach != s.parts[s.next-1].to {
				return n, io.ErrUnexpectedEOF
			}
			err = nil
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

func (s *sequence) open(p part) error {
	var o minio.GetObjectOptions
	if s.reach > p.from {
		if err := o.SetRange(s.reach-p.from, 0); err != nil {
			return err
		}
	}
	reader, _, _, err := s.bucket.client.GetObject(s.ctx, s.bucket.at.Bucket, p.key, o)
	if err != nil {
		return s.bucket.explain(err)
	}
	s.reader = reader
	return nil
}
