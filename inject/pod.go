package inject

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The annotations of a pod that say what is wished for.
const (
	Prefix = "memwatch.io/"
	// Inject is "true" where a sidecar is wished for.
	Inject = Prefix + "inject"
	// Port is where the service serves pprof: a number, or a port's name. Without
	// it the port named pprof is taken, else 6060.
	Port = Prefix + "port"
	// Path stands before /debug/pprof/ and the like, where they are not at the root.
	Path = Prefix + "path"
	// Service is the name that people know; without it the app's label, or the workload's name.
	Service = Prefix + "service"
	// Container is the one that is watched, whose memory limit counts: the first without it.
	Container = Prefix + "container"
	// LeakThreshold, CheckInterval and DashboardURL are memwatchd's keys.
	LeakThreshold = Prefix + "leak-threshold"
	CheckInterval = Prefix + "check-interval"
	DashboardURL  = Prefix + "dashboard-url"
	// Secret holds the token and the certificate for the hub, in the pod's namespace.
	Secret = Prefix + "secret"
	// ShareProcesses is "true" where the sidecar may see the service's process, for its RSS.
	ShareProcesses = Prefix + "share-processes"
)

var annotations = []string{Inject, Port, Path, Service, Container, LeakThreshold, CheckInterval, DashboardURL, Secret, ShareProcesses}

// clientLabel lets a pod through the hub's network policy.
const clientLabel = Prefix + "hub-client"

// Options are the same for all pods.
type Options struct {
	// Image of memwatchd.
	Image string
	// DashboardURL is the hub, where a pod's annotations name none.
	DashboardURL string
	// Secret has the keys token and ca.crt for the hub, where a pod's annotations
	// name none; "" is for a hub that asks nobody. A pod starts without it, too:
	// its readings wait until there is one.
	Secret string
	// Ordinary adds an ordinary container, for clusters before 1.29, in place of
	// an init container that goes on running.
	Ordinary bool
}

// Pod is what matters here of a pod, or of a template of one.
type Pod struct {
	Metadata struct {
		GenerateName string            `json:"generateName" yaml:"generateName"`
		Name         string            `json:"name" yaml:"name"`
		Labels       map[string]string `json:"labels" yaml:"labels"`
		Annotations  map[string]string `json:"annotations" yaml:"annotations"`
	} `json:"metadata" yaml:"metadata"`
	Spec struct {
		HostNetwork    bool        `json:"hostNetwork" yaml:"hostNetwork"`
		HostPID        bool        `json:"hostPID" yaml:"hostPID"`
		ShareProcesses *bool       `json:"shareProcessNamespace" yaml:"shareProcessNamespace"`
		RestartPolicy  string      `json:"restartPolicy" yaml:"restartPolicy"`
		Containers     []workspace `json:"containers" yaml:"containers"`
		InitContainers []workspace `json:"initContainers" yaml:"initContainers"`
		Volumes        []struct {
			Name string `json:"name" yaml:"name"`
		} `json:"volumes" yaml:"volumes"`
		OS *struct {
			Name string `json:"name" yaml:"name"`
		} `json:"os" yaml:"os"`
	} `json:"spec" yaml:"spec"`
}

// workspace is a container of the pod that was there before.
type workspace struct {
	Name  string `json:"name" yaml:"name"`
	Ports []struct {
		Name          string `json:"name" yaml:"name"`
		ContainerPort int    `json:"containerPort" yaml:"containerPort"`
	} `json:"ports" yaml:"ports"`
	Resources struct {
		Limits map[string]any `json:"limits" yaml:"limits"`
	} `json:"resources" yaml:"resources"`
}

// Wished reports whether the pod asks for a sidecar and has none yet.
func (p *Pod) Wished() bool {
	return p.Metadata.Annotations[Inject] == "true" && !slices.ContainsFunc(p.all(), func(c workspace) bool { return c.Name == name })
}

func (p *Pod) all() []workspace { return slices.Concat(p.Spec.InitContainers, p.Spec.Containers) }

// wish is what a pod's annotations come to, checked.
type wish struct {
	service, url, container, threshold, interval, dashboard, secret string
	limited, share                                                  bool
}

// refuse says why a pod can have no sidecar, whatever its annotations say.
func (p *Pod) refuse(o Options) error {
	switch {
	case len(p.Spec.Containers) == 0:
		return errors.New("the pod has no containers")
	case p.Spec.HostNetwork:
		return fmt.Errorf("hostNetwork is true: port %d of the node would be taken; run memwatchd on the node instead, with a target for each service", listenPort)
	case p.Spec.OS != nil && p.Spec.OS.Name == "windows":
		return errors.New("os.name is windows: memwatchd is built for Linux nodes")
	case o.Ordinary && (p.Spec.RestartPolicy == "Never" || p.Spec.RestartPolicy == "OnFailure"):
		return fmt.Errorf("restartPolicy is %s: an ordinary sidecar container would keep the pod from ending; use the native one (Kubernetes 1.29)", p.Spec.RestartPolicy)
	}
	for _, c := range p.all() {
		for _, port := range c.Ports {
			if port.ContainerPort == listenPort || port.Name == room {
				return fmt.Errorf("container %s has a port %d (%s): memwatchd needs port %d and the name %s", c.Name, port.ContainerPort, port.Name, listenPort, room)
			}
		}
	}
	for _, v := range p.Spec.Volumes {
		if v.Name == room || v.Name == keys {
			return fmt.Errorf("the pod has a volume %s already: memwatchd needs that name", v.Name)
		}
	}
	return nil
}

// secretName is what Kubernetes takes for the name of a Secret.
var secretName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`)

// wish reads the annotations; workload is the name of what makes the pod.
func (p *Pod) wish(workload string) (wish, error) {
	a := p.Metadata.Annotations
	for key := range a {
		if strings.HasPrefix(key, Prefix) && !slices.Contains(annotations, key) {
			return wish{}, fmt.Errorf("annotation %s is not known: allowed are %s", key, strings.Join(annotations, ", "))
		}
	}
	w := wish{threshold: a[LeakThreshold], interval: a[CheckInterval], dashboard: a[DashboardURL], secret: a[Secret], service: p.service(workload)}
	if v := w.threshold; v != "" {
		if f, err := strconv.ParseFloat(v, 64); err != nil || !(f > 0 && f <= 1<<20) {
			return w, fmt.Errorf("annotation %s is %q: want MiB, more than 0, such as 50", LeakThreshold, v)
		}
	}
	if v := w.interval; v != "" {
		if d, err := time.ParseDuration(v); err != nil || d < 100*time.Millisecond || d > time.Hour {
			return w, fmt.Errorf("annotation %s is %q: want 100ms to 1h", CheckInterval, v)
		}
	}
	if v := w.dashboard; v != "" {
		if u, err := url.Parse(v); err != nil || u.Host == "" || !slices.Contains([]string{"ws", "wss", "http", "https"}, u.Scheme) {
			return w, fmt.Errorf("annotation %s is %q: want ws://host:port or wss://host:port", DashboardURL, v)
		}
	}
	if v := w.secret; v != "" && (len(v) > 253 || !secretName.MatchString(v)) {
		return w, fmt.Errorf("annotation %s is %q: want the name of a Secret, such as memwatch-agent", Secret, v)
	}
	c, err := p.watched(a[Container])
	if err != nil {
		return w, err
	}
	w.container = c.Name
	_, w.limited = c.Resources.Limits["memory"]
	port, err := c.port(a[Port])
	if err != nil {
		return w, err
	}
	path := a[Path]
	if path != "" && (!strings.HasPrefix(path, "/") || strings.ContainsAny(path, "?# \t\n")) {
		return w, fmt.Errorf("annotation %s is %q: want a path that begins with /, such as /admin", Path, path)
	}
	w.url = fmt.Sprintf("http://localhost:%d%s", port, strings.TrimSuffix(path, "/"))
	w.share = a[ShareProcesses] == "true" && p.Spec.ShareProcesses == nil && !p.Spec.HostPID
	return w, nil
}

// service is the name that people know the pod's service by.
func (p *Pod) service(workload string) string {
	if s := p.Metadata.Annotations[Service]; s != "" {
		return s
	}
	for _, key := range []string{"app.kubernetes.io/name", "app", "k8s-app"} {
		if s := p.Metadata.Labels[key]; s != "" {
			return s
		}
	}
	if workload != "" {
		return workload
	}
	// A ReplicaSet names its pods name-hash-, others name-.
	made := strings.TrimSuffix(p.Metadata.GenerateName, "-")
	if hash := p.Metadata.Labels["pod-template-hash"]; hash != "" {
		made = strings.TrimSuffix(made, "-"+hash)
	}
	if made != "" {
		return made
	}
	return p.Metadata.Name
}

func (p *Pod) watched(container string) (*workspace, error) {
	var names []string
	for i := range p.Spec.Containers {
		c := &p.Spec.Containers[i]
		if container == "" || c.Name == container {
			return c, nil
		}
		names = append(names, c.Name)
	}
	return nil, fmt.Errorf("annotation %s is %q: the pod has %s", Container, container, strings.Join(names, ", "))
}

const defaultPort = 6060

func (c *workspace) port(wanted string) (int, error) {
	if n, err := strconv.Atoi(wanted); err == nil {
		if n < 1 || n > 65535 {
			return 0, fmt.Errorf("annotation %s is %q: want 1 to 65535, or the name of a port", Port, wanted)
		}
		return n, nil
	}
	look := wanted
	if look == "" {
		look = "pprof"
	}
	for _, p := range c.Ports {
		if p.Name == look {
			return p.ContainerPort, nil
		}
	}
	if wanted != "" {
		return 0, fmt.Errorf("annotation %s is %q: container %s has no port of that name", Port, wanted, c.Name)
	}
	return defaultPort, nil
}
