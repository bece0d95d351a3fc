package relay

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/zupee/memwatch/internal/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

func join(t *testing.T, url string, change func(*Config)) *Relay {
	t.Helper()
	cfg := Config{URL: url, Version: "test", Address: "127.0.0.1:1", Blobs: "a bucket", Logger: slog.New(slog.NewTextHandler(t.Output(), nil))}
	if change != nil {
		change(&cfg)
	}
	r, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

func say(t *testing.T, r *Relay, what string) {
	t.Helper()
	if err := <-r.Send(t.Context(), []byte(what), what); err != nil {
		t.Fatalf("send %q: %v", what, err)
	}
}

// reader follows as a hub does.
type reader struct {
	relay  *Relay
	places Places
	said   []string
}

// until reads until it has so many messages.
func (f *reader) until(t *testing.T, n int) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for len(f.said) < n {
		rows, err := f.relay.Next(ctx, f.places)
		if err != nil {
			t.Fatalf("%v; so far %q", err, f.said)
		}
		for _, row := range rows {
			if f.places[row.Hub] >= row.Seq {
				t.Errorf("row %d of hub %d after %d", row.Seq, row.Hub, f.places[row.Hub])
			}
			f.places[row.Hub] = row.Seq
			if row.Own != nil && row.Hub != f.relay.ID() {
				t.Error("the own form of another hub's messages")
			}
			for i := range max(len(row.Own), len(row.Messages)) {
				if row.Own != nil {
					f.said = append(f.said, row.Own[i].(string))
				} else {
					f.said = append(f.said, string(row.Messages[i]))
				}
			}
		}
	}
	return f.said
}

func led(t *testing.T, hubs ...*Relay) (leader *Relay, term *Term) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		leading := 0
		for _, r := range hubs {
			if now := r.Term(); now != nil {
				leader, term, leading = r, now, leading+1
			}
		}
		if leading == 1 {
			return leader, term
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d hubs lead, want one", leading)
		}
	}
}

func TestEveryHubGetsEveryMessageInTheOrderInWhichTheyFollowed(t *testing.T) {
	url := pgtest.Database(t)
	a, b, c := join(t, url, nil), join(t, url, nil), join(t, url, nil)
	// What one says after it heard another comes after that with everybody.
	const rounds = 50
	var want []string
	for i := range rounds {
		for _, r := range []*Relay{a, b, c} {
			want = append(want, fmt.Sprintf("%d by %d", i, r.ID()))
			say(t, r, want[len(want)-1])
		}
	}
	for _, r := range []*Relay{a, b, c} {
		f := reader{relay: r, places: Places{}}
		if got := f.until(t, len(want)); strings.Join(got, ";") != strings.Join(want, ";") {
			t.Errorf("hub %d got %q", r.ID(), got)
		}
	}
	late := join(t, url, nil)
	places, err := late.Newest(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	f := reader{relay: late, places: places}
	say(t, a, "after it joined")
	if got := f.until(t, 1); len(got) != 1 || got[0] != "after it joined" {
		t.Errorf("a hub that joined late got %q", got)
	}
}

func TestNothingIsLostBetweenManyWhoSendAndRead(t *testing.T) {
	url := pgtest.Database(t)
	hubs := []*Relay{join(t, url, nil), join(t, url, nil), join(t, url, nil)}
	const senders, messages = 20, 100
	var wg sync.WaitGroup
	for _, r := range hubs {
		for s := range senders {
			wg.Go(func() {
				for i := range messages {
					if err := <-r.Send(t.Context(), fmt.Appendf(nil, "%d/%d/%d %s", r.ID(), s, i, strings.Repeat("x", i*20)), nil); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
	for _, r := range hubs {
		wg.Go(func() {
			f := reader{relay: r, places: Places{}}
			next := map[string]int{}
			for _, m := range f.until(t, len(hubs)*senders*messages) {
				var hub, s, i int
				if _, err := fmt.Sscanf(m, "%d/%d/%d", &hub, &s, &i); err != nil {
					t.Error(err)
				}
				from := fmt.Sprintf("%d/%d", hub, s)
				if next[from] != i {
					t.Errorf("%s: message %d, want %d", from, i, next[from])
				}
				next[from] = i + 1
			}
		})
	}
	wg.Wait()
}

func TestTheNextLeaderGoesOnWhereTheLastOneHasCome(t *testing.T) {
	url := pgtest.Database(t)
	a, b := join(t, url, nil), join(t, url, nil)
	first, term := led(t, a, b)
	second := map[*Relay]*Relay{a: b, b: a}[first]
	if len(term.Decided) != 0 {
		t.Errorf("nothing was decided, not %v", term.Decided)
	}
	want := Places{a.ID(): 7, b.ID(): 3}
	if err := term.Save(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	first.Close()
	_, next := led(t, second)
	if len(next.Decided) != 2 || next.Decided[a.ID()] != 7 || next.Decided[b.ID()] != 3 {
		t.Errorf("decided %v, want %v", next.Decided, want)
	}
	if err := <-first.Send(t.Context(), []byte("x"), nil); !errors.Is(err, ErrClosed) {
		t.Errorf("a closed relay sends: %v", err)
	}
}

func TestALeaderWhoseConnectionBreaksLeadsNoLongerAndCanSaveNothing(t *testing.T) {
	url := pgtest.Database(t)
	a, b := join(t, url, nil), join(t, url, nil)
	first, term := led(t, a, b)
	admin, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close(context.Background())
	if _, err := admin.Exec(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted`); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); first.Term() == term; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it still thinks that it leads")
		}
	}
	_, next := led(t, a, b)
	if err := term.Save(t.Context(), Places{1: 1}); !errors.Is(err, ErrOvertaken) {
		t.Errorf("the first term saves: %v, want ErrOvertaken", err)
	}
	if err := next.Save(t.Context(), Places{1: 1}); err != nil {
		t.Error(err)
	}
}

func TestTidyingKeepsWhatIsNotDecided(t *testing.T) {
	url := pgtest.Database(t)
	r := join(t, url, nil)
	_, term := led(t, r)
	for _, m := range []string{"one", "two", "three"} {
		say(t, r, m)
	}
	if err := term.Save(t.Context(), Places{r.ID(): 2}); err != nil {
		t.Fatal(err)
	}
	if err := r.Tidy(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	f := reader{relay: r, places: Places{}}
	if got := f.until(t, 1); len(got) != 1 || got[0] != "three" {
		t.Errorf("left are %q, want three", got)
	}
}

func TestHubsKnowWhoIsThereAndRefuseOneWithOtherProfiles(t *testing.T) {
	url := pgtest.Database(t)
	a, b := join(t, url, nil), join(t, url, func(c *Config) { c.Version = "older" })
	leader, _ := led(t, a, b)
	hubs, err := a.Hubs(t.Context())
	if err != nil || len(hubs) != 2 || hubs[0].ID != a.ID() || hubs[1].Version != "older" || !hubs[0].Alive || !hubs[1].Alive ||
		hubs[0].Leads != (leader == a) || hubs[1].Leads != (leader == b) {
		t.Fatalf("%+v, %v", hubs, err)
	}
	_, err = Open(t.Context(), Config{URL: url, Blobs: "another folder", Logger: slog.New(slog.DiscardHandler)})
	if !errors.Is(err, ErrElsewhere) || !strings.Contains(err.Error(), "those of this hub lie in another folder, those of the hub on 127.0.0.1:1 in a bucket") {
		t.Errorf("with profiles elsewhere: %v", err)
	}
	b.Close()
	hubs, err = a.Hubs(t.Context())
	if err != nil || len(hubs) != 2 || !hubs[0].Alive || hubs[1].Alive {
		t.Errorf("after the second left: %+v, %v", hubs, err)
	}
}

func TestWhoIsAloneUnderTheGuardWaitsForAllOthers(t *testing.T) {
	url := pgtest.Database(t)
	a, b := join(t, url, nil), join(t, url, nil)
	entered, leave, order := make(chan struct{}), make(chan struct{}), make(chan string, 2)
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := a.Guard(t.Context(), false, func() error {
			close(entered)
			<-leave
			order <- "shared"
			return nil
		}); err != nil {
			t.Error(err)
		}
	})
	<-entered
	if err := b.Guard(t.Context(), false, func() error { return nil }); err != nil {
		t.Errorf("another that shares: %v", err)
	}
	wg.Go(func() {
		if err := b.Guard(t.Context(), true, func() error { order <- "alone"; return nil }); err != nil {
			t.Error(err)
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := b.Guard(ctx, true, func() error { t.Error("alone, while another shares"); return nil }); err == nil {
		t.Error("alone, while another shares")
	}
	close(leave)
	wg.Wait()
	if first := <-order; first != "shared" {
		t.Errorf("%s was first", first)
	}
}

func TestADatabaseThatIsNotThereIsSaid(t *testing.T) {
	_, err := Open(t.Context(), Config{URL: "postgres://127.0.0.1:1/none", Logger: slog.New(slog.DiscardHandler)})
	if err == nil || !strings.Contains(err.Error(), "join the hubs of the database") {
		t.Errorf("%v", err)
	}
}
