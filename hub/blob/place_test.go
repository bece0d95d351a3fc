package blob

import (
	"path/filepath"
	"sync"
	"testing"
	"time"
)

func TestAFolderHasOneNameForAllWhoAsk(t *testing.T) {
	open := func(dir string) *Files {
		f, err := OpenFiles(Config{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	dir := filepath.Join(t.TempDir(), "blobs")
	names := make([]string, 8)
	var wg sync.WaitGroup
	for i := range names {
		f := open(dir)
		wg.Go(func() {
			var err error
			if names[i], err = f.Place(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, n := range names {
		if n == "" || n != names[0] {
			t.Errorf("names %q, want one", names)
		}
	}
	if other, err := open(t.TempDir()).Place(); err != nil || other == names[0] {
		t.Errorf("another folder is called %q, %v", other, err)
	}
	if old, err := open(dir).Old(t.Context(), time.Now().Add(time.Hour)); err != nil || len(old) != 0 {
		t.Errorf("the name counts as a profile: %v, %v", old, err)
	}
}
