package hub

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/zupee/memwatch"
)

// A crash between the moment when a profile is whole and the one when a capture
// names it, or between the deletions of the two, leaves bytes that nobody names.
func TestBytesThatNoCaptureNamesAreRemovedInTheEnd(t *testing.T) {
	h, shut := opened(t, t.TempDir())
	defer shut()
	ctx := t.Context()
	kept := map[string]bool{}
	for content, named := range map[string]bool{"named": true, "lost": false, "new": false} {
		sum := sha256.Sum256([]byte(content))
		name := hex.EncodeToString(sum[:])
		if _, err := h.blobs.Write(ctx, name, 0, []byte(content)); err != nil {
			t.Fatal(err)
		}
		if err := h.blobs.Finish(ctx, name, int64(len(content))); err != nil {
			t.Fatal(err)
		}
		if named {
			if _, err := (sink{h}).saveCapture(ctx, *captureOf("c1", memwatch.RoleUpload, []byte(content), "")); err != nil {
				t.Fatal(err)
			}
		}
		if content != "new" {
			then := time.Now().Add(-25 * time.Hour)
			if err := os.Chtimes(filepath.Join(h.cfg.Data, blobsDir, name[:2], name[2:]), then, then); err != nil {
				t.Fatal(err)
			}
		}
		kept[name] = content != "lost"
	}
	if err := h.prune(ctx); err != nil {
		t.Fatal(err)
	}
	for name, want := range kept {
		if has, err := h.blobs.Has(ctx, name); has != want || err != nil {
			t.Errorf("%s: there %v, want %v; %v", name, has, want, err)
		}
	}
}
