package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/zupee/memwatch/inject"
)

// injectFlags are inject's flags.
type injectFlags struct {
	listen, cert, key string
	options           inject.Options
}

func newInject(stderr io.Writer) *cobra.Command {
	var f injectFlags
	cmd := &cobra.Command{
		Use:   "inject",
		Short: "Run the webhook that adds the sidecar to pods",
		Long: "Run a mutating admission webhook: Kubernetes asks it about each new pod, and it adds memwatchd\n" +
			"to those whose annotation memwatch.io/inject is \"true\". It refuses no pod: one that cannot have a\n" +
			"sidecar goes without, and a warning says why. deploy/k8s/components/injector runs it.",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.cert == "" || f.key == "" {
				return usageError{errors.New("--tls-cert and --tls-key are missing: Kubernetes talks to webhooks over TLS alone")}
			}
			return serveInject(cmd.Context(), f, newLogger(stderr, slog.LevelInfo), nil)
		},
	}
	cmd.Flags().StringVar(&f.listen, "listen", ":8443", "`address` for Kubernetes")
	cmd.Flags().StringVar(&f.cert, "tls-cert", "", "certificate `file` (PEM), read again at each connection")
	cmd.Flags().StringVar(&f.key, "tls-key", "", "its key `file` (PEM)")
	cmd.Flags().StringVar(&f.options.Image, "image", "ghcr.io/zupee/memwatchd:latest", "`image` of the sidecar")
	cmd.Flags().StringVar(&f.options.DashboardURL, "dashboard-url", "wss://memwatch-hub.memwatch:4000", "`address` of the hub, where a pod's annotations name none")
	cmd.Flags().StringVar(&f.options.Secret, "secret", "memwatch-agent", "`Secret` of a pod's namespace with token and ca.crt for the hub, where its annotations name none; \"\" for a hub without sign-in")
	cmd.Flags().BoolVar(&f.options.Ordinary, "ordinary", false, "add an ordinary container, for clusters before Kubernetes 1.29")
	return cmd
}

// maxReview bounds a request: etcd takes no object of more than 1.5 MiB.
const maxReview = 8 << 20

func injectHandler(o inject.Options, log *slog.Logger) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok\n") })
	mux.HandleFunc("POST /inject", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxReview))
		if err != nil {
			http.Error(w, "read the request: "+err.Error(), http.StatusRequestEntityTooLarge)
			return
		}
		answer, result, err := inject.Review(body, o)
		if err != nil {
			log.Warn("a request is no review", "error", err, "from", r.RemoteAddr)
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		switch {
		case result.Refused != nil:
			log.Warn("a pod goes without a sidecar", "pod", result.Pod, "reason", result.Refused)
		case result.Injected:
			log.Info("a pod gets a sidecar", "pod", result.Pod)
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(answer)
	})
	return mux
}

// serveInject serves until ctx ends. ready is told the address; it may be nil.
func serveInject(ctx context.Context, f injectFlags, log *slog.Logger, ready func(addr string)) error {
	load := func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		c, err := tls.LoadX509KeyPair(f.cert, f.key)
		if err != nil {
			return nil, fmt.Errorf("load the certificate: %w", err)
		}
		return &c, nil
	}
	if _, err := load(nil); err != nil {
		return usageError{err}
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", f.listen)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	server := &http.Server{
		Handler: injectHandler(f.options, log), ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute,
		TLSConfig: &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: load},
		ErrorLog:  slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	log.Info("waiting for pods", "listen", listener.Addr().String())
	if ready != nil {
		ready(listener.Addr().String())
	}
	ended := make(chan error, 1)
	go func() { ended <- server.ServeTLS(listener, "", "") }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	err = server.Shutdown(grace)
	if served := <-ended; err == nil && !errors.Is(served, http.ErrServerClosed) {
		err = served
	}
	return err
}
