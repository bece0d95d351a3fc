package inject

import (
	"cmp"
	"strings"
)

// What the sidecar is called, where it listens, reads and writes.
const (
	name       = "memwatchd"
	room       = "memwatch"     // its volume, and its port
	keys       = "memwatch-hub" // the volume of the Secret
	listenPort = 4001
	folder     = "/var/lib/memwatch"
	keysFolder = "/var/run/secrets/memwatch"
	user       = 65532
)

// Addition is one step of a JSON patch (RFC 6902); all of them add.
type Addition struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value"`
}

// Additions says what to add to a pod, or to a template of pods, so that
// memwatchd runs in it. Without a wish for one, or with one there already, it
// is nothing. An error is the reason why the pod must stay as it is. workload is
// the name of what makes the pod, "" when it is not known.
func Additions(p *Pod, workload string, o Options) ([]Addition, error) {
	if !p.Wished() {
		return nil, nil
	}
	if err := p.refuse(o); err != nil {
		return nil, err
	}
	w, err := p.wish(workload)
	if err != nil {
		return nil, err
	}
	w.dashboard, w.secret = cmp.Or(w.dashboard, o.DashboardURL), cmp.Or(w.secret, o.Secret)
	var out []Addition
	add := func(path string, value any) { out = append(out, Addition{"add", path, value}) }
	if p.Metadata.Labels == nil {
		add("/metadata/labels", map[string]string{clientLabel: "true"})
	} else if p.Metadata.Labels[clientLabel] == "" {
		add("/metadata/labels/"+strings.ReplaceAll(clientLabel, "/", "~1"), "true")
	}
	if w.share {
		add("/spec/shareProcessNamespace", true)
	}
	// At the end of the init containers: those before may be what it needs.
	at, have := "/spec/initContainers", len(p.Spec.InitContainers) > 0
	if o.Ordinary {
		at, have = "/spec/containers", true
	}
	if c := w.sidecar(o); have {
		add(at+"/-", c)
	} else {
		add(at, []container{c})
	}
	volumes := w.volumes()
	if len(p.Spec.Volumes) == 0 {
		add("/spec/volumes", volumes)
		return out, nil
	}
	for _, v := range volumes {
		add("/spec/volumes/-", v)
	}
	return out, nil
}

// The container as Kubernetes writes it, keys in the order that people read.
type (
	container struct {
		Name            string          `json:"name" yaml:"name"`
		Image           string          `json:"image" yaml:"image"`
		Args            []string        `json:"args" yaml:"args,flow"`
		RestartPolicy   string          `json:"restartPolicy,omitempty" yaml:"restartPolicy,omitempty"`
		WorkingDir      string          `json:"workingDir" yaml:"workingDir"`
		Env             []variable      `json:"env" yaml:"env"`
		Ports           []port          `json:"ports" yaml:"ports"`
		LivenessProbe   probe           `json:"livenessProbe" yaml:"livenessProbe"`
		Resources       resources       `json:"resources" yaml:"resources"`
		SecurityContext securityContext `json:"securityContext" yaml:"securityContext"`
		VolumeMounts    []mount         `json:"volumeMounts" yaml:"volumeMounts"`
	}
	variable struct {
		Name      string `json:"name" yaml:"name"`
		Value     string `json:"value,omitempty" yaml:"value,omitempty"`
		ValueFrom *from  `json:"valueFrom,omitempty" yaml:"valueFrom,omitempty"`
	}
	from struct {
		ResourceFieldRef resourceRef `json:"resourceFieldRef" yaml:"resourceFieldRef"`
	}
	resourceRef struct {
		ContainerName string `json:"containerName" yaml:"containerName"`
		Resource      string `json:"resource" yaml:"resource"`
	}
	port struct {
		Name          string `json:"name" yaml:"name"`
		ContainerPort int    `json:"containerPort" yaml:"containerPort"`
	}
	probe struct {
		HTTPGet        httpGet `json:"httpGet" yaml:"httpGet"`
		PeriodSeconds  int     `json:"periodSeconds" yaml:"periodSeconds"`
		TimeoutSeconds int     `json:"timeoutSeconds" yaml:"timeoutSeconds"`
	}
	httpGet struct {
		Path string `json:"path" yaml:"path"`
		Port string `json:"port" yaml:"port"`
	}
	resources struct {
		Requests amounts `json:"requests" yaml:"requests"`
		Limits   amounts `json:"limits" yaml:"limits"`
	}
	amounts struct {
		CPU    string `json:"cpu" yaml:"cpu"`
		Memory string `json:"memory" yaml:"memory"`
	}
	securityContext struct {
		RunAsNonRoot             bool           `json:"runAsNonRoot" yaml:"runAsNonRoot"`
		RunAsUser                int            `json:"runAsUser" yaml:"runAsUser"`
		RunAsGroup               int            `json:"runAsGroup" yaml:"runAsGroup"`
		AllowPrivilegeEscalation bool           `json:"allowPrivilegeEscalation" yaml:"allowPrivilegeEscalation"`
		ReadOnlyRootFilesystem   bool           `json:"readOnlyRootFilesystem" yaml:"readOnlyRootFilesystem"`
		Capabilities             capabilities   `json:"capabilities" yaml:"capabilities"`
		SeccompProfile           seccompProfile `json:"seccompProfile" yaml:"seccompProfile"`
	}
	capabilities struct {
		Drop []string `json:"drop" yaml:"drop,flow"`
	}
	seccompProfile struct {
		Type string `json:"type" yaml:"type"`
	}
	mount struct {
		Name      string `json:"name" yaml:"name"`
		MountPath string `json:"mountPath" yaml:"mountPath"`
		ReadOnly  bool   `json:"readOnly,omitempty" yaml:"readOnly,omitempty"`
	}
	volume struct {
		Name     string        `json:"name" yaml:"name"`
		EmptyDir *emptyDir     `json:"emptyDir,omitempty" yaml:"emptyDir,omitempty"`
		Secret   *secretVolume `json:"secret,omitempty" yaml:"secret,omitempty"`
	}
	secretVolume struct {
		SecretName string `json:"secretName" yaml:"secretName"`
		Optional   bool   `json:"optional" yaml:"optional"`
	}
	emptyDir struct {
		SizeLimit string `json:"sizeLimit" yaml:"sizeLimit"`
	}
)

// sidecar is the container; deploy/k8s/components/sidecar has the same.
func (w *wish) sidecar(o Options) container {
	c := container{
		Name: name, Image: o.Image, Args: []string{"run"}, RestartPolicy: "Always", WorkingDir: folder,
		Env:           w.env(),
		Ports:         []port{{room, listenPort}},
		LivenessProbe: probe{httpGet{"/healthz", room}, 30, 5},
		Resources:     resources{amounts{"10m", "32Mi"}, amounts{"500m", "64Mi"}},
		SecurityContext: securityContext{
			RunAsNonRoot: true, RunAsUser: user, RunAsGroup: user, ReadOnlyRootFilesystem: true,
			Capabilities: capabilities{[]string{"ALL"}}, SeccompProfile: seccompProfile{"RuntimeDefault"},
		},
		VolumeMounts: []mount{{Name: room, MountPath: folder}},
	}
	if w.secret != "" {
		c.VolumeMounts = append(c.VolumeMounts, mount{keys, keysFolder, true})
	}
	if o.Ordinary {
		c.RestartPolicy = ""
	}
	return c
}

// volumes are the sidecar's. A Secret that is not there keeps no pod from starting.
func (w *wish) volumes() []volume {
	out := []volume{{Name: room, EmptyDir: &emptyDir{"1Gi"}}}
	if w.secret != "" {
		out = append(out, volume{Name: keys, Secret: &secretVolume{w.secret, true}})
	}
	return out
}

func (w *wish) env() []variable {
	env := []variable{
		{Name: "MEMWATCH_SERVICE_NAME", Value: w.service},
		{Name: "MEMWATCH_DASHBOARD_URL", Value: w.dashboard},
		{Name: "MEMWATCH_TARGET_URL", Value: w.url},
		{Name: "MEMWATCH_LISTEN", Value: ":4001"},
	}
	if w.secret != "" {
		env = append(env, variable{Name: "MEMWATCH_UPLINK_TOKEN_FILE", Value: keysFolder + "/token"}, variable{Name: "MEMWATCH_UPLINK_CA_FILE", Value: keysFolder + "/ca.crt"})
	}
	if w.interval != "" {
		env = append(env, variable{Name: "MEMWATCH_CHECK_INTERVAL", Value: w.interval})
	}
	if w.threshold != "" {
		env = append(env, variable{Name: "MEMWATCH_LEAK_THRESHOLD", Value: w.threshold})
	}
	if w.limited { // without a limit of its own this would be all of the node's memory
		env = append(env, variable{Name: "MEMWATCH_TARGET_LIMIT", ValueFrom: &from{resourceRef{w.container, "limits.memory"}}})
	}
	return env
}
