package capture

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/google/pprof/profile"
	"github.com/klauspost/compress/gzip"
)

// ErrProfile is wrapped when bytes are no whole profile.
var ErrProfile = errors.New("not a whole profile")

const (
	// maxInflated bounds what a profile may unpack to. It is read through, never held.
	maxInflated = 256 << 20
	// maxFields bounds the time that many small fields may take; a profile of a
	// million samples has about two million.
	maxFields = 8 << 20
	// maxLegacy bounds profiles in the text format, which have to be held.
	maxLegacy = 8 << 20
)

// normalize checks that raw is a whole profile and returns it as
// gzip-compressed protobuf: most often raw itself, whose memory is constant
// whatever it unpacks to.
func normalize(raw []byte, limit int64) ([]byte, error) {
	if int64(len(raw)) > limit {
		return nil, fmt.Errorf("%w: %d bytes: want at most %d", ErrProfile, len(raw), limit)
	}
	if bytes.HasPrefix(raw, []byte{0x1f, 0x8b}) {
		z, err := gzip.NewReader(bytes.NewReader(raw))
		if err == nil {
			err = walk(z)
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrProfile, err)
		}
		return raw, nil
	}
	var out bytes.Buffer
	if walk(bytes.NewReader(raw)) == nil {
		z := gzip.NewWriter(&out)
		if _, err := z.Write(raw); err != nil {
			return nil, fmt.Errorf("compress profile: %w", err)
		}
		if err := z.Close(); err != nil {
			return nil, fmt.Errorf("compress profile: %w", err)
		}
		return out.Bytes(), nil
	}
	if len(raw) > maxLegacy {
		return nil, fmt.Errorf("%w: %d bytes of neither gzip nor protobuf", ErrProfile, len(raw))
	}
	p, err := profile.ParseData(raw) // the text formats of gperftools and jemalloc
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrProfile, err)
	}
	if err := p.Write(&out); err != nil {
		return nil, fmt.Errorf("convert profile: %w", err)
	}
	return out.Bytes(), nil
}

// walk reads profile.proto's outermost fields to the end of r. With gzip around
// it, whose checksum is tested on the way, this finds whatever was cut off.
func walk(r io.Reader) error {
	limited := &io.LimitedReader{R: r, N: maxInflated + 1}
	in := bufio.NewReaderSize(limited, 32<<10)
	sampleTypes := 0
	for range maxFields {
		tag, err := binary.ReadUvarint(in)
		switch {
		case limited.N == 0:
			return fmt.Errorf("unpacks to more than %d bytes", maxInflated)
		case errors.Is(err, io.EOF) && sampleTypes == 0:
			return errors.New("no sample type")
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		const sampleType = 1
		if tag>>3 == sampleType {
			sampleTypes++
		}
		if err := skip(in, tag); err != nil && limited.N > 0 {
			return err
		}
	}
	return fmt.Errorf("more than %d fields", maxFields)
}

// skip passes over the value of one field.
func skip(in *bufio.Reader, tag uint64) error {
	var n uint64
	switch tag & 7 {
	case 0:
		_, err := binary.ReadUvarint(in)
		return whole(err)
	case 1:
		n = 8
	case 2:
		var err error
		if n, err = binary.ReadUvarint(in); err != nil {
			return whole(err)
		}
	case 5:
		n = 4
	default:
		return fmt.Errorf("field %d has wire type %d", tag>>3, tag&7)
	}
	if tag>>3 == 0 || n > maxInflated {
		return fmt.Errorf("field %d of %d bytes", tag>>3, n)
	}
	_, err := in.Discard(int(n))
	return whole(err)
}

// whole makes an end in the middle of a field an error.
func whole(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
