package pprof

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// The outermost fields of profile.proto that matter here.
const (
	sampleTypeField = 1
	sampleField     = 2
	mappingField    = 3
	locationField   = 4
	functionField   = 5
	stringField     = 6
	periodField     = 12
)

// gather reads the whole profile into the scratch's tables.
func (s *scratch) gather() error {
	var f field
	for {
		switch err := s.next(&f); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		if err := s.keep(&f); err != nil {
			if !errors.Is(err, ErrTooLarge) {
				err = fmt.Errorf("%w: %w", ErrNotProfile, err)
			}
			return err
		}
	}
}

func (s *scratch) keep(f *field) error {
	if f.number == periodField {
		s.period = int64(f.value)
		return nil
	}
	if f.bytes == nil {
		return nil
	}
	switch f.number {
	case sampleTypeField:
		return s.keepType(f.bytes)
	case sampleField:
		return s.keepSample(f.bytes)
	case mappingField:
		return s.keepMapping(f.bytes)
	case locationField:
		return s.keepLocation(f.bytes)
	case functionField:
		return s.keepFunction(f.bytes)
	case stringField:
		return s.keepString(f.bytes)
	}
	return nil
}

// numbers reads a message's numbers by their field, of two of one field the
// last; those of messages that matter here have fields below 6.
func numbers(b []byte) (n [6]uint64, err error) {
	var f field
	for len(b) > 0 {
		if b, err = take(b, &f); err != nil {
			return n, err
		}
		if f.number < len(n) {
			n[f.number] = f.value
		}
	}
	return n, nil
}

func (s *scratch) keepType(b []byte) error {
	if err := full(len(s.types), maxTypes, "sample types"); err != nil {
		return err
	}
	n, err := numbers(b)
	s.types = append(s.types, n[1])
	return err
}

func (s *scratch) keepSample(b []byte) error {
	if err := full(len(s.samples)+len(b), maxSampleBytes, "bytes of samples"); err != nil {
		return err
	}
	s.samples = binary.AppendUvarint(s.samples, uint64(len(b)))
	s.samples = append(s.samples, b...)
	return nil
}

func (s *scratch) keepString(b []byte) error {
	if err := full(len(s.ends), maxStrings, "strings"); err != nil {
		return err
	}
	if err := full(len(s.strings)+len(b), maxStringBytes, "bytes of strings"); err != nil {
		return err
	}
	s.strings = append(s.strings, b...)
	s.ends = append(s.ends, uint32(len(s.strings)))
	return nil
}

func (s *scratch) keepMapping(b []byte) error {
	if err := full(len(s.mappings), maxMappings, "mappings"); err != nil {
		return err
	}
	n, err := numbers(b)
	s.mappingIDs.put(n[1], len(s.mappings))
	s.mappings = append(s.mappings, mapping{start: n[2], offset: n[4], file: n[5]})
	return err
}

func (s *scratch) keepFunction(b []byte) error {
	if err := full(len(s.functions), maxFunctions, "functions"); err != nil {
		return err
	}
	n, err := numbers(b)
	s.functionIDs.put(n[1], len(s.functions))
	s.functions = append(s.functions, function{name: n[2], file: n[4]})
	return err
}

func (s *scratch) keepLocation(b []byte) error {
	if err := full(len(s.locations), maxLocations, "locations"); err != nil {
		return err
	}
	loc := location{from: uint32(len(s.lines))}
	var id uint64
	var f field
	for len(b) > 0 {
		var err error
		if b, err = take(b, &f); err != nil {
			return err
		}
		switch f.number {
		case 1:
			id = f.value
		case 2:
			loc.mapping = f.value
		case 3:
			loc.address = f.value
		case 4:
			if err := s.keepLine(f.bytes); err != nil {
				return err
			}
		}
	}
	loc.to = uint32(len(s.lines))
	s.locationIDs.put(id, len(s.locations))
	s.locations, s.parts = append(s.locations, loc), append(s.parts, part{})
	return nil
}

func (s *scratch) keepLine(b []byte) error {
	if err := full(len(s.lines), maxLines, "lines"); err != nil {
		return err
	}
	n, err := numbers(b)
	s.lines = append(s.lines, line{function: n[1], number: int64(n[2])})
	return err
}
