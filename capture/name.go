package capture

import (
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/zupee/memwatch"
)

// newID returns a UUID of version 7: unique, and sorting by time.
func newID() (string, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return "", fmt.Errorf("new id: %w", err)
	}
	return id.String(), nil
}

// maxNamePart bounds a service or instance in a file name.
const maxNamePart = 60

// safe is a name as part of a path: letters, digits, dot and hyphen, and never
// hidden, empty, or leading elsewhere. Two names may become one; manifests tell
// them apart.
func safe(name string) string {
	s := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '.', r == '-':
			return r
		}
		return '-'
	}, name)
	if len(s) > maxNamePart {
		s = s[:maxNamePart]
	}
	if s = strings.TrimLeft(s, ".-"); s == "" {
		return "unnamed"
	}
	return s
}

// stamp is a time as part of a path, to the millisecond in UTC.
func stamp(t time.Time) string { return t.UTC().Format("20060102T150405.000Z") }

func fileName(t memwatch.Target, kind memwatch.ProfileKind, role memwatch.Role, at time.Time) string {
	return fmt.Sprintf("%s_%s_%s_%s_%s.pb.gz", safe(t.Service), safe(t.Instance), safe(string(kind)), role, stamp(at))
}
