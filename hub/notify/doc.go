// Package notify tells people about alerts over channels: Alertmanager, a signed
// webhook, chat and mail. Alerts in their newest form go in; messages leave, and
// how far each channel has been told goes to the Ledger.
//
// A channel does not get a stream of events. What it was told last is compared
// with what is true now (plan), and the difference is sent: that an alert fires,
// that it worsened, that it is resolved. So nothing doubles after a restart,
// a lost try is made up for by the next, and what is over before anybody could be
// told is not told.
//
// Each channel has a goroutine of its own and waits for nobody. What is due on it
// within Group goes out as one message; MaxPerHour, quiet hours, silences and
// failures make it wait, which is recorded as the delivery's reason. What waits is
// bounded by the number of alerts. A message may come twice when the hub is killed
// between the sending and the recording; its delivery id is then the same.
package notify

import (
	"context"

	"github.com/zupee/memwatch"
)

// Ledger keeps how far each channel has been told of each alert.
type Ledger interface {
	SaveDelivery(ctx context.Context, alert string, d memwatch.Delivery, log ...memwatch.Transition) error
}

// Event is what a message tells of an alert.
type Event string

// The events.
const (
	Fired    Event = "fired"
	Worsened Event = "worsened"
	Resolved Event = "resolved"
	// Reminder says that it still fires.
	Reminder Event = "reminder"
	// Test is sent by a person to see whether a channel works.
	Test Event = "test"
	// refreshed keeps alive what the other side would forget; people see nothing of it.
	refreshed Event = "refreshed"
)

// Message tells one thing of one alert.
type Message struct {
	Event Event
	Alert memwatch.Alert
	// Link leads to the alert on the dashboard.
	Link string
	// Severity is the one that the channel is to know after this message, Before
	// the one that it knew; "" when it knew nothing.
	Severity, Before memwatch.Severity
}

// sender is one way to tell people. It may be called by one goroutine at a time.
// The error's words must not give away what the channel's configuration keeps
// secret; retryable says that the same may go through later.
type sender interface {
	send(ctx context.Context, id string, messages []Message) (retryable bool, err error)
}
