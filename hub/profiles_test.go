package hub

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zupee/memwatch/hub/blob/blobtest"
	"github.com/zupee/memwatch/hub/blob/s3/s3test"
	"github.com/zupee/memwatch/wire"
)

// onS3 is a hub of its own whose profiles are in the server's bucket.
func onS3(t *testing.T, server *s3test.Server) *running {
	t.Helper()
	cfg := quick(t.TempDir())
	cfg.Blobs = server.URL("profiles")
	return start(t, cfg)
}

func TestProfilesAreKeptInAnObjectStore(t *testing.T) {
	server := s3test.Start(t)
	r := onS3(t, server)
	data := heapProfile(t, 5000)
	c := captureOf("01jg-a", "leaking", data, "")
	agent := r.agent()
	agent.send(snapshotOf("s1", c))
	if a := agent.answer(); a.Type != wire.TypeWant || a.Offset != 0 {
		t.Fatalf("answer = %+v, want a want from 0", a)
	}
	agent.sendChunk("s1", 0, data)
	if a := agent.answer(); a.Type != wire.TypeAck {
		t.Fatalf("answer = %+v, want an ack", a)
	}
	var got []byte
	r.get("/api/profiles/"+c.ID, &got)
	if !slices.Equal(got, data) {
		t.Errorf("%d bytes came back of %d", len(got), len(data))
	}
	if _, err := os.Stat(filepath.Join(r.dir, blobsDir)); err == nil {
		t.Error("there is a folder for blobs too")
	}

	// A backup has the bytes too: a hub on it needs no object store.
	to, out := filepath.Join(t.TempDir(), "copy"), &bytes.Buffer{}
	if err := Backup(t.Context(), r.dir, server.URL("profiles"), to, out); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out.String(), "left out") {
		t.Errorf("%s", out)
	}
	got = nil
	start(t, quick(to)).get("/api/profiles/"+c.ID, &got)
	if !slices.Equal(got, data) {
		t.Errorf("the copy has %d bytes of %d", len(got), len(data))
	}
}

func TestProfilesAreCopiedBetweenFoldersAndObjectStores(t *testing.T) {
	server := s3test.Start(t)
	folder, back := t.TempDir(), filepath.Join(t.TempDir(), "back")
	var want []string
	sizes := []int{1000, 5 << 20, 3000} // the second is moved in two parts
	for i, size := range sizes {
		content, name := blobtest.Content(uint64(i), size)
		want = append(want, name)
		file := filepath.Join(folder, name[:2], name[2:])
		if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
			t.Fatal(err)
		}
		if i == 2 { // damaged
			content[500] ^= 1
		}
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 { // the second time nothing is left to do
		var out bytes.Buffer
		if err := CopyProfiles(t.Context(), folder, server.URL("x"), &out); err != nil {
			t.Fatal(err)
		}
		if got := out.String(); !strings.Contains(got, "left out: copy blob "+want[2]) || !strings.Contains(got, "the bytes of 2 profiles (5243880 bytes)") {
			t.Errorf("%s", got)
		}
	}
	if err := CopyProfiles(t.Context(), server.URL("x"), back, &bytes.Buffer{}); err != nil {
		t.Fatal(err)
	}
	for i, name := range want[:2] {
		content, _ := blobtest.Content(uint64(i), sizes[i])
		if got, err := os.ReadFile(filepath.Join(back, name[:2], name[2:])); string(got) != string(content) || err != nil {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
	if err := CopyProfiles(t.Context(), folder, "s3://x:y@z", &bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), "AWS_ACCESS_KEY_ID") {
		t.Errorf("%v", err)
	}
}

func TestAProfileGoesOnThroughAnotherReplica(t *testing.T) {
	server := s3test.Start(t)
	data := heapProfile(t, 6000)
	c := captureOf("01jg-b", "leaking", data, "")
	first := onS3(t, server)
	agent := first.agent()
	agent.send(snapshotOf("s1", c))
	agent.answer()
	half := len(data) / 2
	agent.sendChunk("s1", 0, data[:half])
	agent.ack(batch("b1", wire.NewMetrics("", shop, sampleAt(time.Now(), 1e6), nil)), "b1") // the part before it is taken too
	first.stop()

	agent = onS3(t, server).agent()
	agent.send(snapshotOf("s2", c))
	if a := agent.answer(); a.Type != wire.TypeWant || a.Offset != int64(half) {
		t.Fatalf("answer = %+v, want the rest from %d", a, half)
	}
	agent.sendChunk("s2", int64(half), data[half:])
	if a := agent.answer(); a.Type != wire.TypeAck {
		t.Fatalf("answer = %+v, want an ack", a)
	}
}

func TestAnObjectStoreThatIsDownCostsProfilesOnly(t *testing.T) {
	server := s3test.Start(t)
	r := onS3(t, server)
	server.Kill()
	data := heapProfile(t, 7000)
	snapshot := snapshotOf("s1", captureOf("01jg-c", "leaking", data, ""))
	agent := r.agent()
	agent.send(snapshot)
	if a := agent.answer(); a.Code != "unavailable" || a.RetryAfterMs <= 0 {
		t.Fatalf("answer = %+v, want to be asked again later", a)
	}
	agent.ack(batch("b1", wire.NewMetrics("", shop, sampleAt(time.Now(), 1e6), leaking())), "b1")
	problems := func() []string {
		var st struct{ Problems []string }
		r.get("/api/stats", &st)
		return st.Problems
	}
	if p := problems(); !slices.Equal(p, []string{noStorage}) {
		t.Errorf("problems %q", p)
	}

	server.Run()
	eventually(t, "the profile is taken", func() error {
		agent.send(snapshot)
		a := agent.answer()
		if a.Type != wire.TypeWant {
			return fmt.Errorf("answer = %+v", a)
		}
		return nil
	})
	agent.sendChunk("s1", 0, data)
	if a := agent.answer(); a.Type != wire.TypeAck {
		t.Fatalf("answer = %+v, want an ack", a)
	}
	if p := problems(); len(p) > 0 {
		t.Errorf("problems %q", p)
	}
}
