package main

import (
	"io"
	"testing"

	"github.com/zupee/memwatch/internal/mantest"
)

func TestTheManPagesAreFresh(t *testing.T) {
	mantest.Fresh(t, *update, newRoot(io.Discard, io.Discard))
}
