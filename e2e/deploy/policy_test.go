package deploy

import (
	"fmt"
	"slices"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

// podOf is the pod that a workload makes; nil for anything else.
func podOf(o object) *corev1.PodTemplateSpec {
	switch w := o.typed.(type) {
	case *appsv1.Deployment:
		return &w.Spec.Template
	case *appsv1.StatefulSet:
		return &w.Spec.Template
	case *appsv1.DaemonSet:
		return &w.Spec.Template
	}
	return nil
}

func isTrue(b *bool) bool  { return b != nil && *b }
func isFalse(b *bool) bool { return b != nil && !*b }

// violations lists where a pod falls short: root, a writable root, privileges,
// no limits, no probe, a token that nobody needs.
func violations(pod *corev1.PodSpec) []string {
	var out []string
	say := func(ok bool, format string, args ...any) {
		if !ok {
			out = append(out, fmt.Sprintf(format, args...))
		}
	}
	say(!pod.HostNetwork && !pod.HostPID && !pod.HostIPC, "shares a namespace of the host")
	say(isFalse(pod.AutomountServiceAccountToken), "has a token of the Kubernetes API")
	shared := pod.SecurityContext
	if shared == nil {
		shared = &corev1.PodSecurityContext{}
	}
	seen := map[string]bool{}
	for _, v := range pod.Volumes {
		say(v.HostPath == nil, "volume %s is a folder of the host", v.Name)
		say(v.EmptyDir == nil || v.EmptyDir.SizeLimit != nil, "volume %s has no limit", v.Name)
	}
	for _, c := range slices.Concat(pod.InitContainers, pod.Containers) {
		say(!seen[c.Name], "container %s is there twice", c.Name)
		seen[c.Name] = true
		s := c.SecurityContext
		if s == nil {
			s = &corev1.SecurityContext{}
		}
		say(isTrue(s.RunAsNonRoot) || s.RunAsNonRoot == nil && isTrue(shared.RunAsNonRoot), "%s may run as root", c.Name)
		say(s.RunAsUser != nil && *s.RunAsUser > 0 || s.RunAsUser == nil && shared.RunAsUser != nil && *shared.RunAsUser > 0, "%s names no user", c.Name)
		say(isFalse(s.AllowPrivilegeEscalation) && !isTrue(s.Privileged), "%s may gain privileges", c.Name)
		say(isTrue(s.ReadOnlyRootFilesystem), "%s may write to its root", c.Name)
		say(s.Capabilities != nil && slices.Contains(s.Capabilities.Drop, "ALL") && len(s.Capabilities.Add) == 0, "%s keeps capabilities", c.Name)
		profile := s.SeccompProfile
		if profile == nil {
			profile = shared.SeccompProfile
		}
		say(profile != nil && profile.Type == corev1.SeccompProfileTypeRuntimeDefault, "%s has no seccomp profile", c.Name)
		for _, r := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
			limit, request := c.Resources.Limits[r], c.Resources.Requests[r]
			say(!limit.IsZero() && !request.IsZero(), "%s has no request or limit of %s", c.Name, r)
		}
		say(c.LivenessProbe != nil, "%s has no liveness probe", c.Name)
		for _, m := range c.VolumeMounts {
			say(slices.ContainsFunc(pod.Volumes, func(v corev1.Volume) bool { return v.Name == m.Name }) || m.Name == "data", "%s mounts %s, which the pod does not have", c.Name, m.Name)
		}
	}
	return out
}

// rendered is all that deploy/ makes: each kustomization, and the chart with the
// values of each example.
func rendered(t *testing.T) map[string][]object {
	t.Helper()
	out := map[string][]object{}
	for _, dir := range kustomizations(t) {
		out[dir] = kustomized(t, dir)
	}
	for name, values := range examples(t) {
		out["chart as "+name] = helmed(t, values)
	}
	return out
}

func TestAllPodsKeepToThePolicy(t *testing.T) {
	for from, objects := range rendered(t) {
		pods := 0
		for _, o := range objects {
			pod := podOf(o)
			if pod == nil {
				continue
			}
			pods++
			for _, v := range violations(&pod.Spec) {
				t.Errorf("%s: %s: %s", from, o, v)
			}
		}
		if pods == 0 {
			t.Errorf("%s: no workload in it", from)
		}
	}
}

// TestThePolicySeesWhatIsWrong turns each protection off in turn.
func TestThePolicySeesWhatIsWrong(t *testing.T) {
	good := func() *corev1.PodSpec {
		for _, o := range kustomized(t, k8s+"/examples/shop/after") {
			if pod := podOf(o); pod != nil {
				return &pod.Spec
			}
		}
		t.Fatal("no pod")
		return nil
	}
	for name, spoil := range map[string]func(*corev1.PodSpec){
		"host network": func(p *corev1.PodSpec) { p.HostNetwork = true },
		"token":        func(p *corev1.PodSpec) { p.AutomountServiceAccountToken = nil },
		"root":         func(p *corev1.PodSpec) { p.InitContainers[0].SecurityContext.RunAsUser = new(int64) },
		"writable":     func(p *corev1.PodSpec) { p.InitContainers[0].SecurityContext.ReadOnlyRootFilesystem = nil },
		"capabilities": func(p *corev1.PodSpec) { p.InitContainers[0].SecurityContext.Capabilities = nil },
		"seccomp": func(p *corev1.PodSpec) {
			p.SecurityContext.SeccompProfile, p.InitContainers[0].SecurityContext.SeccompProfile = nil, nil
		},
		"limits":  func(p *corev1.PodSpec) { p.InitContainers[0].Resources.Limits = nil },
		"probe":   func(p *corev1.PodSpec) { p.InitContainers[0].LivenessProbe = nil },
		"volumes": func(p *corev1.PodSpec) { p.Volumes = nil },
		"twice":   func(p *corev1.PodSpec) { p.Containers[0].Name = "memwatchd" },
	} {
		pod := good()
		if before := violations(pod); len(before) > 0 {
			t.Fatalf("the example itself: %v", before)
		}
		if spoil(pod); len(violations(pod)) == 0 {
			t.Errorf("%s: nothing was said", name)
		}
	}
}
