//go:build linux

package capture

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/zupee/memwatch"
)

func TestOnAFullDiskOldEvidenceGivesWay(t *testing.T) {
	disk := t.TempDir()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=3m"); err != nil {
		t.Skipf("cannot mount a small disk here: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(disk, 0); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	cfg := testConfig(t)
	cfg.Dir = filepath.Join(disk, "snapshots") // its budget is far above the disk's size
	s := openStore(t, cfg, nil)
	for i := range 8 {
		save(t, s, evidence(t, memwatch.RoleSuspect, time.Duration(i)*time.Hour, 500_000+i))
	}
	leak := save(t, s, evidence(t, memwatch.RoleLeaking, 9*time.Hour, 500_000))
	if st := s.Stats(); st.Removed == 0 || st.Failed != 0 {
		t.Errorf("stats %+v", st)
	}

	// What fits in no way is refused, and leaves nothing behind.
	huge := evidence(t, memwatch.RoleBaseline, 10*time.Hour, 4_000_000)
	if _, err := s.Save(huge); err == nil || !strings.Contains(err.Error(), "free space") {
		t.Errorf("error %v, want a hint", err)
	}
	if _, err := os.Stat(leak.Captures[len(leak.Captures)-1].Path); err != nil {
		t.Errorf("evidence of the open leak is gone: %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(escape(filepath.Dir(leak.Dir)), ".memwatch-*")); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}
