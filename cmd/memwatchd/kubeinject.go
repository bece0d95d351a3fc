package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/zupee/memwatch/inject"
)

func newKubeInject(sys system) *cobra.Command {
	var file string
	var options inject.Options
	cmd := &cobra.Command{
		Use:   "kube-inject -f FILE",
		Short: "Add the sidecar to Kubernetes manifests",
		Long: "Reads manifests and writes them with memwatchd beside the containers of each pod whose\n" +
			"annotation memwatch.io/inject is \"true\": what the webhook of memwatch-hub inject does, before\n" +
			"they are applied. Pods that cannot have a sidecar stay as they are, and the reason is told;\n" +
			"the exit status is 1 then.",
		Example: "  memwatchd kube-inject -f deploy.yaml | kubectl apply -f -\n" +
			"  kustomize build . | memwatchd kube-inject -f -",
		Args: args(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			in, err := manifests(file)
			if err != nil {
				return usage(err)
			}
			var out bytes.Buffer
			outcomes, err := inject.Files(bytes.NewReader(in), &out, options)
			if err != nil {
				return usage(fmt.Errorf("%s: %w", file, err))
			}
			if _, err := sys.out.Write(out.Bytes()); err != nil {
				return err
			}
			var refused []string
			for _, o := range outcomes {
				if o.Refused != nil {
					refused = append(refused, fmt.Sprintf("%s: %v", o.Pod, o.Refused))
				}
			}
			if len(refused) > 0 {
				return fmt.Errorf("no sidecar for\n  %s", strings.Join(refused, "\n  "))
			}
			return nil
		},
	}
	cmd.Flags().StringVarP(&file, "filename", "f", "", "manifests (YAML or JSON); - is standard input")
	cmd.Flags().StringVar(&options.Image, "image", "ghcr.io/zupee/memwatchd:latest", "image of the sidecar")
	cmd.Flags().StringVar(&options.DashboardURL, "dashboard-url", "wss://memwatch-hub.memwatch:4000", "the hub, where a pod's annotations name none")
	cmd.Flags().StringVar(&options.Secret, "secret", "memwatch-agent", "Secret of a pod's namespace with token and ca.crt for the hub, where its annotations name none; empty for a hub without sign-in")
	cmd.Flags().BoolVar(&options.Ordinary, "ordinary", false, "add an ordinary container, for clusters before Kubernetes 1.29")
	return cmd
}

func manifests(file string) ([]byte, error) {
	switch file {
	case "":
		return nil, errors.New("-f is missing: want a file of manifests, or - for standard input")
	case "-":
		return io.ReadAll(os.Stdin)
	}
	return os.ReadFile(file)
}
