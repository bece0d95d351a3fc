package hub

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/zupee/memwatch/hub/notify"
)

// TestNotify sends an example to the named channels of a valid configuration, or
// to all, and writes a line for each. The error says that one of them failed.
func TestNotify(ctx context.Context, cfg Config, names []string, out io.Writer) error {
	if len(cfg.Notify.Channels) == 0 {
		return errors.New("notify.channels: there are none: add one, as hub.example.yaml shows")
	}
	outcomes, err := notify.Try(ctx, cfg.Notify, cfg.link(), names)
	if err != nil {
		return err
	}
	failed := 0
	for _, o := range outcomes {
		if o.Err != nil {
			failed++
			fmt.Fprintf(out, "%s: FAILED: %v\n", o.Channel, o.Err)
			continue
		}
		fmt.Fprintf(out, "%s: sent\n", o.Channel)
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d channels failed", failed, len(outcomes))
	}
	return nil
}
