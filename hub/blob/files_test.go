package blob_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zupee/memwatch/hub/blob"
	"github.com/zupee/memwatch/hub/blob/blobtest"
)

func TestFiles(t *testing.T) {
	blobtest.Test(t, func(t *testing.T) (blob.Store, func() blob.Store) {
		cfg := blob.Config{Dir: filepath.Join(t.TempDir(), "blobs"), MaxBlobBytes: blobtest.MaxBlobBytes, MaxBytes: blobtest.MaxBytes}
		open := func() blob.Store {
			f, err := blob.OpenFiles(cfg)
			if err != nil {
				t.Fatal(err)
			}
			return f
		}
		return open(), open
	})
}

func TestConfigIsChecked(t *testing.T) {
	for want, cfg := range map[string]blob.Config{
		"Dir is empty":        {},
		"MaxBlobBytes is -1":  {Dir: "x", MaxBlobBytes: -1},
		"MaxBytes is -2":      {Dir: "x", MaxBytes: -2},
		"open blobs: mkdir /": {Dir: "/dev/null/x"},
	} {
		if _, err := blob.OpenFiles(cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// killedDir names the folder for the process that is killed.
const killedDir = "MEMWATCH_TEST_BLOBS"

// TestKilled kills a process that receives blobs and looks at what it left:
// every blob that was acknowledged, and nothing that is not what its name says.
func TestKilled(t *testing.T) {
	if dir := os.Getenv(killedDir); dir != "" {
		receiveForEver(dir)
	}
	dir := t.TempDir()
	acked := map[string]uint64{}
	for round := range 5 {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKilled$")
		cmd.Env = append(os.Environ(), killedDir+"="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for n := 0; lines.Scan(); n++ {
			var seed uint64
			var name string
			if _, err := fmt.Sscan(lines.Text(), &seed, &name); err != nil {
				t.Fatalf("%q: %v", lines.Text(), err)
			}
			acked[name] = seed
			if n == 20+7*round {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		_ = cmd.Wait()
	}
	f, err := blob.OpenFiles(blob.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	for name, seed := range acked {
		r, _, err := f.Open(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(r)
		want, _ := blobtest.Content(seed, 5000)
		if err != nil || string(got) != string(want) {
			t.Errorf("blob of seed %d: %d bytes, %v", seed, len(got), err)
		}
		_ = r.Close()
	}
	if len(acked) < 100 {
		t.Errorf("only %d blobs acknowledged: the test proves little", len(acked))
	}
}

// receiveForEver receives blobs, those of earlier rounds again and then new
// ones, and prints each when it is durable.
func receiveForEver(dir string) {
	f, err := blob.OpenFiles(blob.Config{Dir: dir})
	if err != nil {
		panic(err)
	}
	ctx := context.Background()
	for seed := uint64(f.Usage().Blobs); ; seed++ {
		content, name := blobtest.Content(seed, 5000)
		at, err := f.Partial(ctx, name)
		for err == nil && at < 5000 {
			at, err = f.Write(ctx, name, at, content[at:min(at+700, 5000)])
		}
		if err = errors.Join(err, f.Finish(ctx, name, 5000)); err != nil {
			panic(err)
		}
		fmt.Println(seed, name)
	}
}
