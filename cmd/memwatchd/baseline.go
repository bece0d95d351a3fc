package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"

	"github.com/zupee/memwatch"
)

// baselineVersion is the only version of the file so far.
const baselineVersion = 1

// baseline is growth that a team knows of: a check against it fails only for
// what is new, or faster. Functions are told apart by name and kind alone, for
// hosts and ports change from run to run.
type baseline struct {
	Version int           `json:"version"`
	Growth  []knownGrowth `json:"growth"`
}

type knownGrowth struct {
	// Service is where it was seen, for people who read the file.
	Service              string            `json:"service"`
	Kind                 memwatch.Kind     `json:"kind"`
	Function             string            `json:"function"`
	GrowthBytesPerSecond memwatch.Interval `json:"growthBytesPerSecond"`
}

// readBaseline reads a file that --write-baseline wrote; "" is none.
func readBaseline(path string) (*baseline, error) {
	if path == "" {
		return nil, nil
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("--baseline: %w (--write-baseline FILE writes one)", err)
	}
	var b baseline
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&b); err != nil {
		return nil, fmt.Errorf("--baseline %s: no baseline: %w (--write-baseline FILE writes one)", path, err)
	}
	if b.Version != baselineVersion {
		return nil, fmt.Errorf("--baseline %s: version is %d: want %d (--write-baseline FILE writes one)", path, b.Version, baselineVersion)
	}
	return &b, nil
}

// writeBaseline writes what grows now as what is known.
func writeBaseline(path string, targets []onceTarget) error {
	b := baseline{Version: baselineVersion, Growth: []knownGrowth{}}
	for i := range targets {
		t := &targets[i]
		for j := range t.Findings {
			f := &t.Findings[j]
			if f.Mark != markExpected {
				b.Growth = append(b.Growth, knownGrowth{t.Service, t.Verdict.Kind, f.Function, f.GrowthBytesPerSecond})
			}
		}
	}
	raw, err := json.MarshalIndent(b, "", "  ")
	if err == nil {
		err = os.WriteFile(path, append(raw, '\n'), 0o644) //nolint:gosec // it is to be committed, for all to read
	}
	if err != nil {
		return fmt.Errorf("--write-baseline: %w", err)
	}
	return nil
}

// growth is the fastest that is known of the function.
func (b *baseline) growth(kind memwatch.Kind, function string) (memwatch.Interval, bool) {
	var best memwatch.Interval
	ok := false
	if b == nil {
		return best, false
	}
	for _, k := range b.Growth {
		if k.Kind == kind && k.Function == function && (!ok || k.GrowthBytesPerSecond.Estimate > best.Estimate) {
			best, ok = k.GrowthBytesPerSecond, true
		}
	}
	return best, ok
}

// fasterRatio is how much faster than known growth must be to count, besides
// being so beyond the error of both: machines differ.
const fasterRatio = 1.25

func faster(now, before memwatch.Interval) bool {
	return now.Low > before.High && now.Estimate > fasterRatio*before.Estimate
}
