//go:build !linux

package pgtest

import (
	"errors"
	"os/exec"
)

type process struct{ ended chan struct{} }

func run(string, []string, string) (*process, error) {
	return nil, errors.New("tests that need a PostgreSQL run on Linux alone")
}

func (*process) log() string      { return "" }
func (*process) cpu() int64       { return 0 }
func (*process) interrupt() error { return nil }
func (*process) kill() error      { return nil }
func unprivileged(*exec.Cmd)      {}
func own(string) error            { return nil }
