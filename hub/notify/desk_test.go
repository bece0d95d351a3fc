package notify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/zupee/memwatch"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// book is a ledger that keeps all in memory.
type book struct {
	mu    sync.Mutex
	last  map[string]memwatch.Delivery
	lines []string
	err   error
}

func (b *book) SaveDelivery(_ context.Context, alert string, d memwatch.Delivery, log ...memwatch.Transition) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err != nil {
		return b.err
	}
	b.last[alert] = d
	for _, l := range log {
		b.lines = append(b.lines, alert+": "+l.Why)
	}
	return nil
}

func (b *book) of(alert string) memwatch.Delivery {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.last[alert]
}

// mouth is a sender that keeps what it was given: one word for each message sent,
// such as "a fired, b resolved".
type mouth struct {
	mu     sync.Mutex
	said   []string
	ids    []string
	answer func(messages []Message) (bool, error)
}

func (m *mouth) send(_ context.Context, id string, messages []Message) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ids = append(m.ids, id)
	if m.answer != nil {
		if retryable, err := m.answer(messages); err != nil {
			return retryable, err
		}
	}
	var words []string
	for _, x := range messages {
		words = append(words, fmt.Sprintf("%s %s", x.Alert.ID, x.Event))
	}
	m.said = append(m.said, strings.Join(words, ", "))
	return false, nil
}

// stage is one channel in a bubble of its own time.
type stage struct {
	t      *testing.T
	desk   *Desk
	mouth  *mouth
	book   *book
	cancel func()
}

// play runs a story with a channel in a bubble: time passes when the story sleeps.
func play(t *testing.T, c Channel, story func(s *stage)) {
	synctest.Test(t, func(t *testing.T) {
		s := &stage{t: t, mouth: &mouth{}, book: &book{last: map[string]memwatch.Delivery{}}}
		s.run(c)
		story(s)
		s.cancel()
		synctest.Wait()
	})
}

// run makes a new channel with the same mouth and book; alerts are what it finds
// of the last run.
func (s *stage) run(c Channel, alerts ...memwatch.Alert) {
	c.Name = "pager"
	r, err := newRules(c)
	if err != nil {
		s.t.Fatal(err)
	}
	reg := prometheus.NewRegistry()
	logger := slog.New(slog.NewTextHandler(s.t.Output(), nil))
	s.desk = &Desk{channels: []*channel{newChannel(r, s.mouth, "https://hub", s.book, logger, newMetrics(reg))}}
	s.desk.Restore(alerts)
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	go s.desk.Run(ctx)
	synctest.Wait()
}

func (s *stage) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (s *stage) says(want ...string) {
	s.t.Helper()
	s.mouth.mu.Lock()
	defer s.mouth.mu.Unlock()
	if !slices.Equal(s.mouth.said, want) {
		s.t.Errorf("said %q, want %q", s.mouth.said, want)
	}
}

func leak(id string, severity memwatch.Severity) memwatch.Alert {
	return memwatch.Alert{
		ID: id, Type: memwatch.AlertLeak, State: memwatch.AlertFiring, Service: "shop", Instances: []string{"shop-1"},
		Kind: memwatch.KindHeap, Severity: severity, Message: "shop leaks", Time: memwatch.Milli(time.Now()),
	}
}

func over(a memwatch.Alert) memwatch.Alert {
	a.State, a.ResolvedAt = memwatch.AlertResolved, memwatch.Milli(time.Now())
	return a
}

const (
	info     = memwatch.SeverityInfo
	warning  = memwatch.SeverityWarning
	critical = memwatch.SeverityCritical
)

func TestOneLeakIsToldOnceThenWhenItWorsensThenWhenItIsOver(t *testing.T) {
	play(t, Channel{}, func(s *stage) {
		a := leak("a", info)
		s.desk.Tell(a)
		s.pass(time.Hour)
		s.says()
		a.Severity = warning
		for range 50 { // instances join
			s.desk.Tell(a)
			s.pass(100 * time.Millisecond)
		}
		s.pass(time.Hour)
		s.says("a fired")
		a.Severity = critical
		s.desk.Tell(a)
		s.pass(time.Minute)
		a.Severity = warning
		s.desk.Tell(a)
		s.pass(time.Hour)
		s.says("a fired", "a worsened")
		s.desk.Tell(over(a))
		s.desk.Tell(over(a))
		s.pass(time.Hour)
		s.says("a fired", "a worsened", "a resolved")
		if d := s.book.of("a"); d.State != memwatch.DeliveryDone || d.Told != memwatch.AlertResolved || d.Severity != critical || d.Channel != "pager" {
			t.Errorf("%+v", d)
		}
		if want := []string{"a: told pager that it fires", "a: told pager that it got worse", "a: told pager that it is resolved"}; !slices.Equal(s.book.lines, want) {
			t.Errorf("log %q", s.book.lines)
		}
	})
}

func TestWhatComesTogetherIsToldTogetherWorstFirst(t *testing.T) {
	play(t, Channel{}, func(s *stage) {
		s.desk.Tell(leak("a", warning))
		s.pass(20 * time.Second)
		s.desk.Tell(leak("b", critical))
		s.pass(9 * time.Second)
		s.says()
		s.pass(time.Second)
		s.says("b fired, a fired")
	})
}

func TestWhatIsOverBeforeAnybodyWasToldIsNotTold(t *testing.T) {
	play(t, Channel{}, func(s *stage) {
		s.desk.Tell(leak("a", warning))
		s.pass(10 * time.Second)
		s.desk.Tell(over(leak("a", warning)))
		s.pass(time.Hour)
		s.says()
	})
}

func TestOnlyWhatTheChannelIsForIsTold(t *testing.T) {
	play(t, Channel{Services: []string{"shop-*", "cart"}, Alerts: []memwatch.AlertType{memwatch.AlertDisconnect}}, func(s *stage) {
		for i, a := range []memwatch.Alert{
			{Service: "shop-eu", Type: memwatch.AlertDisconnect, Severity: warning},
			{Service: "cart", Type: memwatch.AlertDisconnect, Severity: info},
			{Service: "cart", Type: memwatch.AlertLeak, Severity: critical},
			{Service: "other", Type: memwatch.AlertDisconnect, Severity: critical},
		} {
			a.ID, a.State = fmt.Sprint(i), memwatch.AlertFiring
			s.desk.Tell(a)
		}
		s.pass(time.Hour)
		s.says("0 fired")
	})
}

func TestASilencedOrExpectedAlertIsToldWhenThatIsOver(t *testing.T) {
	for name, mark := range map[string]func(*memwatch.Alert, *memwatch.Mark){
		"silenced by ann": func(a *memwatch.Alert, m *memwatch.Mark) { a.Silenced = m },
		"expected by ann": func(a *memwatch.Alert, m *memwatch.Mark) { a.Expected = m },
	} {
		play(t, Channel{}, func(s *stage) {
			a := leak("a", critical)
			mark(&a, &memwatch.Mark{Who: "ann", Until: memwatch.Milli(time.Now().Add(2 * time.Hour))})
			s.desk.Tell(a)
			s.pass(time.Hour)
			s.says()
			if d := s.book.of("a"); d.State != memwatch.DeliveryWaiting || d.Reason != name {
				t.Errorf("%+v, want it to wait: %s", d, name)
			}
			s.pass(time.Hour + time.Minute)
			s.says("a fired")
		})
	}
}

func TestAnAcknowledgedAlertIsToldAgainOnlyWhenItWorsens(t *testing.T) {
	play(t, Channel{Repeat: time.Hour}, func(s *stage) {
		a := leak("a", warning)
		s.desk.Tell(a)
		s.pass(2 * time.Hour)
		s.says("a fired", "a reminder")
		a.Acknowledged = &memwatch.Mark{Who: "ann"}
		s.desk.Tell(a)
		s.pass(5 * time.Hour)
		s.says("a fired", "a reminder")
		a.Severity = critical
		s.desk.Tell(a)
		s.pass(time.Minute)
		s.says("a fired", "a reminder", "a worsened")
	})
}

func TestQuietHoursHoldBackUpToASeverity(t *testing.T) {
	// A bubble begins at midnight UTC, on a Saturday.
	play(t, Channel{QuietHours: []Quiet{{From: "22:00", To: "07:00"}}}, func(s *stage) {
		s.desk.Tell(leak("a", warning))
		s.desk.Tell(leak("b", critical))
		s.pass(6*time.Hour + 59*time.Minute)
		s.says("b fired")
		if d := s.book.of("a"); d.State != memwatch.DeliveryWaiting || d.Reason != "quiet hours" {
			t.Errorf("%+v", d)
		}
		s.pass(2 * time.Minute)
		s.says("b fired", "a fired")
	})
}

func TestAFailingChannelIsTriedAgainLaterAndLater(t *testing.T) {
	play(t, Channel{}, func(s *stage) {
		var at []time.Duration
		began := time.Now()
		s.mouth.answer = func([]Message) (bool, error) {
			at = append(at, time.Since(began))
			if len(at) < 6 {
				return true, errors.New("connection refused")
			}
			return false, nil
		}
		s.desk.Tell(leak("a", warning))
		s.pass(33 * time.Second)
		if d := s.book.of("a"); d.State != memwatch.DeliveryRetrying || d.Attempts != 2 || d.Reason != "connection refused" || d.NextAt == 0 {
			t.Errorf("%+v", d)
		}
		s.pass(time.Hour)
		s.says("a fired")
		want := []time.Duration{30 * time.Second, 32 * time.Second, 36 * time.Second, 44 * time.Second, 60 * time.Second, 92 * time.Second}
		if !slices.Equal(at, want) {
			t.Errorf("tried at %v, want %v", at, want)
		}
		if n := len(slices.Compact(slices.Clone(s.mouth.ids))); n != 1 {
			t.Errorf("%d delivery ids for one message: %q", n, s.mouth.ids)
		}
		if d := s.book.of("a"); d.State != memwatch.DeliveryDone || d.Attempts != 6 || d.Reason != "" {
			t.Errorf("%+v", d)
		}
	})
}

func TestAnAlertThatIsRefusedForGoodCostsOnlyItself(t *testing.T) {
	play(t, Channel{}, func(s *stage) {
		s.mouth.answer = func(messages []Message) (bool, error) {
			if slices.ContainsFunc(messages, func(m Message) bool { return m.Alert.ID == "bad" }) {
				return false, errors.New("422")
			}
			return false, nil
		}
		for _, id := range []string{"a", "bad", "c"} {
			s.desk.Tell(leak(id, warning))
		}
		s.pass(time.Hour)
		s.says("a fired", "c fired")
		if d := s.book.of("bad"); d.State != memwatch.DeliveryFailed || d.Reason != "422" {
			t.Errorf("%+v", d)
		}
	})
}

func TestNoMoreThanMaxPerHour(t *testing.T) {
	play(t, Channel{MaxPerHour: 2, Group: time.Second}, func(s *stage) {
		for i := range 6 {
			s.desk.Tell(leak(fmt.Sprint(i), warning))
			s.pass(time.Minute)
		}
		s.says("0 fired", "1 fired")
		if d := s.book.of("5"); d.State != memwatch.DeliveryWaiting || d.Reason != "more than maxPerHour messages" {
			t.Errorf("%+v", d)
		}
		s.pass(time.Hour)
		s.says("0 fired", "1 fired", "2 fired, 3 fired, 4 fired, 5 fired")
	})
}

func TestARestartDoublesNothingAndMakesUpForWhatWasMissed(t *testing.T) {
	play(t, Channel{}, func(s *stage) {
		a, b := leak("a", warning), leak("b", warning)
		s.desk.Tell(a)
		s.desk.Tell(b)
		s.pass(time.Minute)
		s.says("a fired, b fired")
		s.cancel()
		synctest.Wait()
		a.Deliveries, b.Deliveries = []memwatch.Delivery{s.book.of("a")}, []memwatch.Delivery{s.book.of("b")}
		s.run(Channel{}, a, over(b), leak("c", critical)) // b ended and c began while it was down
		s.desk.Tell(a)
		s.pass(time.Hour)
		s.says("a fired, b fired", "c fired, b resolved")
	})
}

func TestADeliveryThatCannotBeRecordedIsRecordedLaterAndNotSentAgain(t *testing.T) {
	play(t, Channel{}, func(s *stage) {
		s.book.err = errors.New("disk full")
		s.desk.Tell(leak("a", warning))
		s.pass(time.Minute)
		s.says("a fired")
		s.book.mu.Lock()
		s.book.err = nil
		s.book.mu.Unlock()
		s.pass(time.Minute)
		s.says("a fired")
		if d := s.book.of("a"); d.State != memwatch.DeliveryDone {
			t.Errorf("%+v", d)
		}
	})
}

func TestQuietHoursByDayAndZone(t *testing.T) {
	at := func(s string) time.Time {
		v, err := time.Parse("2006-01-02 15:04", s)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	night := Quiet{From: "22:00", To: "06:30", Days: []string{"fri"}, Zone: "Europe/Prague"} // UTC+1 in winter
	lunch := Quiet{From: "12:00", To: "13:00", UpTo: info}
	for _, tc := range []struct {
		q        Quiet
		severity memwatch.Severity
		now      string
		until    string
	}{
		{night, warning, "2026-11-27 20:59", ""}, // a Friday
		{night, warning, "2026-11-27 21:00", "2026-11-28 05:30"},
		{night, warning, "2026-11-28 05:29", "2026-11-28 05:30"},
		{night, warning, "2026-11-28 05:30", ""},
		{night, warning, "2026-11-28 22:00", ""}, // a Saturday
		{night, critical, "2026-11-27 23:00", ""},
		{lunch, info, "2026-11-27 12:30", "2026-11-27 13:00"},
		{lunch, warning, "2026-11-27 12:30", ""},
	} {
		h, err := tc.q.parse()
		if err != nil {
			t.Fatal(err)
		}
		until, ok := h.quiet(tc.severity, at(tc.now))
		if ok != (tc.until != "") || ok && !until.Equal(at(tc.until)) {
			t.Errorf("%+v at %s for %s: until %v, %v", tc.q, tc.now, tc.severity, until.UTC(), ok)
		}
	}
}
