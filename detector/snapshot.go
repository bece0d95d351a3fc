package detector

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"hash/fnv"
	"io"
	"reflect"
	"time"
)

// A snapshot is all that a detector knows, as bytes: a process that judges can
// end and another go on. It is written and read field by field by reflection
// (codec.go), so a field that is new is in it without a word here; and it
// begins with a fingerprint of all types that it is made of, so one of other
// types is told apart. Snapshots are no archive: one that does not fit is
// worth nothing, and its detector begins afresh.

// snapshotVersion is to be raised when a field changes its meaning and keeps
// its type.
const snapshotVersion = 1

// MaxSnapshotBytes bounds a snapshot. One with 20,000 stacks takes about 5 MB.
const MaxSnapshotBytes = 16 << 20

// Errors of Restore.
var (
	// ErrOtherVersion says that a snapshot is of another version of the detector.
	ErrOtherVersion = errors.New("of another version of the detector")
	// ErrCorrupt says that bytes are no whole snapshot.
	ErrCorrupt = errors.New("corrupt")
)

// snapshotHead is a magic word, snapshotVersion and the fingerprint.
var snapshotHead = func() []byte {
	h := fnv.New64a()
	describe(h, reflect.TypeFor[Detector](), map[reflect.Type]bool{})
	return binary.BigEndian.AppendUint64([]byte{'m', 'w', 'd', snapshotVersion}, h.Sum64())
}()

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// describe writes down what a type is made of, as far as its bytes depend on it.
func describe(w io.Writer, t reflect.Type, seen map[reflect.Type]bool) {
	_, _ = fmt.Fprintf(w, "%s %s;", t, t.Kind())
	if seen[t] {
		return
	}
	seen[t] = true
	switch t.Kind() {
	case reflect.Struct:
		for i := range t.NumField() {
			_, _ = fmt.Fprintf(w, "%s ", t.Field(i).Name)
			describe(w, t.Field(i).Type, seen)
		}
	case reflect.Array, reflect.Slice, reflect.Pointer:
		describe(w, t.Elem(), seen)
	case reflect.Map:
		describe(w, t.Key(), seen)
		describe(w, t.Elem(), seen)
	default:
	}
}

// Snapshot returns what the detector knows. Restored, it judges what comes
// later as this one does.
func (d *Detector) Snapshot() ([]byte, error) {
	scratch := d.scratch
	d.scratch = nil // holds nothing between two calls
	defer func() { d.scratch = scratch }()
	e := encoder{out: append([]byte(nil), snapshotHead...), strings: map[string]int{}}
	e.value(reflect.ValueOf(d).Elem())
	if len(e.out)+crc32.Size > MaxSnapshotBytes {
		return nil, fmt.Errorf("snapshot of %d bytes: want at most %d", len(e.out), MaxSnapshotBytes)
	}
	return binary.BigEndian.AppendUint32(e.out, crc32.Checksum(e.out, castagnoli)), nil
}

// Restore makes a detector of a snapshot; cfg, which must be valid, takes the
// place of the one that it was saved with. Times in it are told by the clock of
// now, so that a clock that is set later changes nothing about them.
// ErrOtherVersion and ErrCorrupt are wrapped.
func Restore(cfg Config, snapshot []byte, now time.Time) (d *Detector, err error) {
	body := len(snapshot) - crc32.Size
	if body < len(snapshotHead) || len(snapshot) > MaxSnapshotBytes {
		return nil, fmt.Errorf("snapshot of %d bytes: %w", len(snapshot), ErrCorrupt)
	}
	if crc32.Checksum(snapshot[:body], castagnoli) != binary.BigEndian.Uint32(snapshot[body:]) {
		return nil, fmt.Errorf("snapshot: %w", ErrCorrupt)
	}
	if string(snapshot[:len(snapshotHead)]) != string(snapshotHead) {
		return nil, fmt.Errorf("snapshot: %w", ErrOtherVersion)
	}
	d = &Detector{}
	in := decoder{in: snapshot[len(snapshotHead):body], now: now}
	defer func() {
		if r := recover(); r != nil {
			d, err = nil, fmt.Errorf("snapshot: %w: %v", ErrCorrupt, r)
		}
	}()
	in.value(reflect.ValueOf(d).Elem())
	if len(in.in) > 0 {
		return nil, fmt.Errorf("snapshot: %w: %d bytes too many", ErrCorrupt, len(in.in))
	}
	d.Configure(cfg)
	return d, nil
}
