package main

import (
	"testing"

	"github.com/zupee/memwatch/internal/mantest"
)

func TestTheManPagesAreFresh(t *testing.T) {
	mantest.Fresh(t, *update, newRoot(system{env: func(string) (string, bool) { return "", false }}))
}
