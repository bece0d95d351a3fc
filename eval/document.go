package main

import (
	"fmt"
	"os"
	"strings"
)

// writeSections puts each section between its two markers in the file,
//
//	<!-- eval:NAME -->
//	<!-- /eval:NAME -->
//
// and leaves all else as it is. A section without markers is an error: the
// documentation and the program must agree on what is shown.
func writeSections(path string, sections map[string]string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("write tables: %w", err)
	}
	text := string(b)
	for name, body := range sections {
		if text, err = replaceSection(text, name, body); err != nil {
			return fmt.Errorf("write tables into %s: %w", path, err)
		}
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil { //nolint:gosec // the file that was asked for
		return fmt.Errorf("write tables: %w", err)
	}
	return nil
}

func replaceSection(text, name, body string) (string, error) {
	open, end := "<!-- eval:"+name+" -->\n", "<!-- /eval:"+name+" -->"
	before, rest, ok := strings.Cut(text, open)
	_, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		return "", fmt.Errorf("no markers for %s: add %q and %q where the table belongs", name, strings.TrimSpace(open), end)
	}
	return before + open + "\n" + body + "\n" + end + after, nil
}
