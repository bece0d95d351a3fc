// Package output is the flag --output of commands that answer in words or in JSON,
// and the writing of the answer. What JSON a command writes is described in
// docs/schemas.
package output

import (
	"encoding/json"
	"errors"
	"io"

	"github.com/spf13/cobra"
)

// Format is the flag's value; the zero one is text.
type Format struct{ json bool }

// Flag adds the flag to a command.
func (f *Format) Flag(cmd *cobra.Command) {
	cmd.Flags().Var(f, "output", "how to answer: text or json")
}

// String implements pflag.Value.
func (f *Format) String() string {
	if f.json {
		return "json"
	}
	return "text"
}

// Type implements pflag.Value.
func (f *Format) Type() string { return "string" }

// Set implements pflag.Value.
func (f *Format) Set(word string) error {
	if word != "text" && word != "json" {
		return errors.New("want text or json")
	}
	f.json = word == "json"
	return nil
}

// Write answers with v in JSON, or with what text writes.
func (f *Format) Write(w io.Writer, v any, text func(io.Writer) error) error {
	if !f.json {
		return text(w)
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}
