//go:build unix

package blob_test

import (
	"os/signal"
	"syscall"
	"testing"

	"github.com/zupee/memwatch/hub/blob"
	"github.com/zupee/memwatch/hub/blob/blobtest"
)

// TestADiskThatRefusesAPartKeepsTheOnesBefore stops files from growing in the
// middle of a part, as a full disk does.
func TestADiskThatRefusesAPartKeepsTheOnesBefore(t *testing.T) {
	f, err := blob.OpenFiles(blob.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	content, name := blobtest.Content(1, 9000)
	if _, err := f.Write(t.Context(), name, 0, content[:3000]); err != nil {
		t.Fatal(err)
	}
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
		t.Fatal(err)
	}
	signal.Ignore(syscall.SIGXFSZ)
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 5000, Max: before.Max}); err != nil {
		t.Fatal(err)
	}
	_, err = f.Write(t.Context(), name, 3000, content[3000:])
	if e := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &before); e != nil {
		t.Fatal(e)
	}
	if err == nil {
		t.Fatal("the write succeeded: the test proves nothing")
	}
	if n, err := f.Partial(t.Context(), name); n != 3000 || err != nil || f.Usage().Bytes != 3000 {
		t.Errorf("%d bytes there, %v, %+v: want 3000", n, err, f.Usage())
	}
	if _, err := f.Write(t.Context(), name, 3000, content[3000:]); err != nil {
		t.Fatal(err)
	}
	if err := f.Finish(t.Context(), name, 9000); err != nil {
		t.Fatal(err)
	}
}
