package hub

import (
	"context"
	"errors"

	"github.com/zupee/memwatch/hub/notify"
)

// ChannelTest is what came of a trial message to one channel.
type ChannelTest struct {
	Channel string `json:"channel"`
	// Error says why the other side did not take it; absent when it did.
	Error string `json:"error,omitempty"`
}

// TestNotify sends an example to the named channels of a valid configuration, or
// to all.
func TestNotify(ctx context.Context, cfg Config, names []string) ([]ChannelTest, error) {
	if len(cfg.Notify.Channels) == 0 {
		return nil, errors.New("notify.channels: there are none: add one, as hub.example.yaml shows")
	}
	outcomes, err := notify.Try(ctx, cfg.Notify, cfg.link(), names)
	if err != nil {
		return nil, err
	}
	out := make([]ChannelTest, len(outcomes))
	for i, o := range outcomes {
		out[i].Channel = o.Channel
		if o.Err != nil {
			out[i].Error = o.Err.Error()
		}
	}
	return out, nil
}
