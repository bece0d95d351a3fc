package spool

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// FuzzLoad opens a spool whose files hold anything at all.
func FuzzLoad(f *testing.F) {
	frame := appendFrame(nil, []byte("a record"))
	f.Add(frame, frame, []byte{0, 0, 0, 0, 0, 0, 0, 1})
	f.Add(append(bytes.Clone(frame), frame[:9]...), []byte{}, []byte("junk"))
	f.Fuzz(func(t *testing.T, segment, evidence, cursor []byte) {
		cfg := config(t)
		_ = open(t, cfg).Close()
		for path, b := range map[string][]byte{
			"readings/" + fileName(1, segmentSuffix): segment, "readings/cursor": cursor,
			"evidence/" + fileName(1, evidenceSuffix): evidence,
		} {
			if err := os.WriteFile(filepath.Join(cfg.Dir, path), b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		s := open(t, cfg)
		for _, class := range []Class{Reading, Evidence} {
			q := s.Queue(class)
			put(t, s, class, "new")
			ids, bodies := take(t, q)
			if bodies[len(bodies)-1] != "new" {
				t.Errorf("the new record is not the last: %q", bodies)
			}
			q.Ack(ids...)
			if q.Len() != 0 {
				t.Errorf("%s: length %d after all is acknowledged", class, q.Len())
			}
		}
	})
}
