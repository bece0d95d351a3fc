package config

import (
	"fmt"
	"strings"
)

// Error is one thing wrong with the configuration.
type Error struct {
	// Source is the file, variable or flag that says it; Line is 0 where there is none.
	Source string
	Line   int
	// Key is the path of the key, such as targets[0].url.
	Key string
	// Message says what was found, what is allowed, and what to do.
	Message string
}

func (e *Error) Error() string {
	at := e.Source
	if e.Line > 0 {
		at = fmt.Sprintf("%s:%d", e.Source, e.Line)
	}
	if e.Key == "" {
		return at + ": " + e.Message
	}
	return at + ": " + e.Key + ": " + e.Message
}

// Hint names the known key that a mistyped one comes closest to, or all of
// them when none is close.
func Hint(word string, known []string) string {
	best, distance := "", len(word)/3+2
	for _, k := range known {
		if d := edits(strings.ToLower(word), strings.ToLower(k)); d < distance {
			best, distance = k, d
		}
	}
	if best != "" {
		return fmt.Sprintf(": did you mean %q?", best)
	}
	return ": allowed here are " + strings.Join(known, ", ")
}

// edits is the Levenshtein distance.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
