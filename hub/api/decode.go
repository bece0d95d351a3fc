package api

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/google/pprof/profile"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/zupee/memwatch"
)

const (
	// maxProfileBytes bounds a profile after decompression.
	maxProfileBytes = 128 << 20
	// maxDecodedBytes bounds what a profile may take once it is read: a few bytes
	// on the wire can become a hundred in memory.
	maxDecodedBytes = 512 << 20
)

func unreadable(format string, args ...any) *Problem {
	return newProblem(http.StatusUnprocessableEntity, "Unreadable profile", format, args...)
}

// profile reads a stored profile, however it was compressed.
func (s *Server) profile(ctx context.Context, c memwatch.Capture) (*profile.Profile, error) {
	f, err := s.Blobs.Open(ctx, c.SHA256)
	if errors.Is(err, ErrNotFound) {
		return nil, notFound("stored data of profile", c.ID)
	}
	if err != nil {
		return nil, fmt.Errorf("open profile %s: %w", c.ID, err)
	}
	defer func() { _ = f.Close() }()
	p, err := decode(f)
	if err != nil {
		return nil, unreadable("profile %s: %v", c.ID, err)
	}
	return p, nil
}

// decode reads a profile in any form that pprof has had, within bounds.
func decode(f io.Reader) (*profile.Profile, error) {
	b, err := inflate(f, maxProfileBytes)
	if err != nil {
		return nil, err
	}
	if n := decodedBytes(b); n > maxDecodedBytes {
		return nil, fmt.Errorf("it would take %d MiB to read: at most %d are allowed", n>>20, maxDecodedBytes>>20)
	}
	p, err := profile.ParseData(b)
	if err != nil {
		return nil, err
	}
	return p, nil
}

// inflate reads a profile, compressed or not, of at most limit bytes.
func inflate(f io.Reader, limit int64) ([]byte, error) {
	head := make([]byte, 2)
	n, err := io.ReadFull(f, head)
	if err != nil {
		return nil, errors.New("no data")
	}
	r := io.MultiReader(bytes.NewReader(head[:n]), f)
	if head[0] == 0x1f && head[1] == 0x8b {
		z, err := gzip.NewReader(r)
		if err != nil {
			return nil, fmt.Errorf("gzip: %w", err)
		}
		r = z
	}
	b, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, fmt.Errorf("decompress: %w", err)
	}
	if int64(len(b)) > limit {
		return nil, fmt.Errorf("more than %d bytes after decompression", limit)
	}
	return b, nil
}

// What the parts of a profile take in memory once they are read, roughly.
const (
	messageBytes = 160 // a sample, location, line, function, label or string
	numberBytes  = 16  // a location of a sample, or a value
)

// decodedBytes estimates what a profile takes once it is read, without reading
// it. For what is no protobuf it answers the size.
func decodedBytes(b []byte) int64 {
	total := int64(len(b))
	for len(b) > 0 {
		_, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return total
		}
		b = b[n:]
		if kind != protowire.BytesType {
			if n = protowire.ConsumeFieldValue(1, kind, b); n < 0 {
				return total
			}
			b = b[n:]
			continue
		}
		part, n := protowire.ConsumeBytes(b)
		if n < 0 {
			return total
		}
		b = b[n:]
		total += messageBytes + partBytes(part)
	}
	return total
}

// heldBytes estimates what a profile that was read takes.
func heldBytes(p *profile.Profile) int64 {
	total := messageBytes * int64(len(p.Sample)+len(p.Location)+len(p.Function)+len(p.Mapping))
	for _, s := range p.Sample {
		total += numberBytes * int64(len(s.Location)+len(s.Value))
	}
	return total
}

// partBytes is decodedBytes for what is inside of one message: its own messages, and
// its numbers, each of which ends in a byte without the high bit. Text is counted
// as numbers too, which is too much by little.
func partBytes(part []byte) int64 {
	var total int64
	for rest := part; len(rest) > 0; {
		_, kind, n := protowire.ConsumeTag(rest)
		if n < 0 {
			break
		}
		rest = rest[n:]
		if n = protowire.ConsumeFieldValue(1, kind, rest); n < 0 {
			break
		}
		if kind == protowire.BytesType {
			total += messageBytes
		}
		total += numberBytes
		rest = rest[n:]
	}
	numbers := 0
	for _, c := range part {
		if c < 0x80 {
			numbers++
		}
	}
	return total + numberBytes*int64(numbers)
}
