package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/spf13/cobra"

	"github.com/zupee/memwatch/assistant"
	"github.com/zupee/memwatch/internal/version"
)

func newMCP(stdin io.Reader, stdout io.Writer) *cobra.Command {
	var cfg assistant.Config
	cmd := &cobra.Command{
		Use:   "mcp",
		Short: "Let an assistant look at a hub, over the Model Context Protocol",
		Long: "Speak the Model Context Protocol on standard input and output, for an assistant that starts this\n" +
			"command. Its tools read what a hub knows (services, alerts, stacks, profiles) and change nothing.\n" +
			"A hub that asks who comes wants a token: memwatch-hub token create assistant --role viewer.",
		Example: "  memwatch-hub mcp\n" +
			"  memwatch-hub mcp --hub https://hub.example.com --token-file ~/.config/memwatch/token",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			server, err := assistant.New(cfg, version.String())
			if err != nil {
				return usageError{err}
			}
			err = server.Run(cmd.Context(), &mcp.IOTransport{Reader: io.NopCloser(stdin), Writer: unclosed{stdout}})
			if err != nil && !errors.Is(err, context.Canceled) {
				return fmt.Errorf("speak with the assistant: %w", err)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&cfg.Hub, "hub", "http://127.0.0.1:4000", "`address` of the hub")
	cmd.Flags().StringVar(&cfg.TokenFile, "token-file", "", "`file` that holds a viewer's token; read again at each request")
	cmd.Flags().StringVar(&cfg.CAFile, "ca-file", "", "`file` of certificates (PEM) to trust besides the system's")
	return cmd
}

// unclosed is standard output, which is not the transport's to close.
type unclosed struct{ io.Writer }

func (unclosed) Close() error { return nil }
