package assistant

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/zupee/memwatch"
)

// size writes bytes as people read them.
func size(bytes float64) string {
	if bytes < 0 {
		return "-" + size(-bytes)
	}
	return humanize.IBytes(uint64(min(bytes, math.MaxInt64)))
}

// amount is a value in a profile's own unit.
func amount(v float64, unit string) string {
	if unit == "bytes" {
		return size(v)
	}
	return strconv.FormatFloat(v, 'f', 0, 64)
}

// stamp is a time in RFC 3339; "" when unknown.
func stamp(m memwatch.UnixMilli) string {
	if m == 0 {
		return ""
	}
	return m.Time().Format(time.RFC3339)
}

// maxLeft is the longest time to a limit that is worth its number.
const maxLeft = 10 * 365 * 24 * time.Hour

// left writes seconds to a limit.
func left(seconds float64) string {
	if seconds > maxLeft.Seconds() {
		return "over ten years"
	}
	d := time.Duration(seconds * float64(time.Second))
	switch {
	case d < 2*time.Minute:
		return d.Round(time.Second).String()
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%.0f days", d.Hours()/24)
}
