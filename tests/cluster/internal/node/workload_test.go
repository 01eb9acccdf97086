package node

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"ebb/tests/cluster/internal/node/env"
)

// secrets is an env.Source of Secrets alone.
type secrets map[string]map[string]string

func (s secrets) Secret(name string) (map[string]string, error) {
	if data, ok := s[name]; ok {
		return data, nil
	}
	return nil, env.ErrNotFound
}

func (secrets) ConfigMap(string) (map[string]string, error) { return nil, env.ErrNotFound }

// fixture is a pod with one container and the workload that runs it.
type fixture struct {
	*workload
	pod     *corev1.Pod
	dir     string
	changes chan struct{}
}

func newFixture(t *testing.T, policy corev1.RestartPolicy, source secrets, container corev1.Container) *fixture {
	t.Helper()
	container.Name = "main"
	f := &fixture{
		pod: &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "p", UID: "u"},
			Spec:       corev1.PodSpec{RestartPolicy: policy, Containers: []corev1.Container{container}},
		},
		dir:     t.TempDir(),
		changes: make(chan struct{}, 10),
	}
	f.adopt(source)
	t.Cleanup(func() { f.kill() })
	return f
}

func (f *fixture) adopt(source secrets) {
	f.workload = newWorkload(f.pod, "10.128.0.1", &launcher{dir: f.dir}, source, func() { f.changes <- struct{}{} })
}

// sync does what the agent does when the pod has changed.
func (f *fixture) sync() (wait time.Duration) {
	wait = f.advance(f.pod)
	f.pod.Status = f.status(f.pod)
	return wait
}

func (f *fixture) awaitExit(t *testing.T) {
	t.Helper()
	select {
	case <-f.changes:
	case <-time.After(10 * time.Second):
		t.Fatal("no process has ended")
	}
}

func (f *fixture) containerStatus() corev1.ContainerStatus { return f.pod.Status.ContainerStatuses[0] }

func (f *fixture) isReady() bool {
	return findCondition(&f.pod.Status, corev1.PodReady).Status == corev1.ConditionTrue
}

func (f *fixture) output(t *testing.T) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(f.dir, "default_p_main.log"))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func shell(script string) []string { return []string{"sh", "-c", script} }

func TestAContainerWithoutACommandIsReady(t *testing.T) {
	f := newFixture(t, corev1.RestartPolicyAlways, nil, corev1.Container{})
	if wait := f.sync(); wait != 0 || f.pod.Status.Phase != corev1.PodRunning || !f.isReady() {
		t.Errorf("wait %v, status %+v", wait, f.pod.Status)
	}
	if !f.terminated() {
		t.Error("there is a process")
	}
}

func TestAJobSucceeds(t *testing.T) {
	source := secrets{"s": {"word": "hello"}}
	f := newFixture(t, corev1.RestartPolicyNever, source, corev1.Container{
		Command: shell(`echo "$WORD $0"`),
		Args:    []string{"$(WORD)s"},
		Env: []corev1.EnvVar{{Name: "WORD", ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{
			LocalObjectReference: corev1.LocalObjectReference{Name: "s"}, Key: "word",
		}}}},
	})
	f.sync()
	f.awaitExit(t)
	f.sync()
	if f.pod.Status.Phase != corev1.PodSucceeded || f.isReady() {
		t.Errorf("status %+v", f.pod.Status)
	}
	if got := f.output(t); got != "hello hellos\n" {
		t.Errorf("output %q", got)
	}
}

func TestAFailureIsFinalOrRestarted(t *testing.T) {
	for policy, want := range map[corev1.RestartPolicy]corev1.PodPhase{
		corev1.RestartPolicyNever:     corev1.PodFailed,
		corev1.RestartPolicyOnFailure: corev1.PodRunning,
		corev1.RestartPolicyAlways:    corev1.PodRunning,
	} {
		f := newFixture(t, policy, nil, corev1.Container{Command: shell("exit 7")})
		f.sync()
		f.awaitExit(t)
		wait := f.sync()
		if f.pod.Status.Phase != want || f.isReady() {
			t.Errorf("%s: status %+v", policy, f.pod.Status)
		}
		if want == corev1.PodFailed {
			continue
		}
		status := f.containerStatus()
		if status.State.Waiting == nil || status.State.Waiting.Reason != "CrashLoopBackOff" || wait > time.Second {
			t.Errorf("%s: waits %v, %+v", policy, wait, status)
		}
		f.containers[0].next = time.Time{} // The wait is over.
		f.sync()
		if status := f.containerStatus(); status.RestartCount != 1 || status.LastTerminationState.Terminated.ExitCode != 7 {
			t.Errorf("%s: %+v", policy, status)
		}
	}
}

func TestBackoffGrowsToItsLimit(t *testing.T) {
	c := &container{}
	var got []time.Duration
	for range 7 {
		got = append(got, c.fail())
	}
	if got[0] != time.Second || got[1] != 2*time.Second || got[6] != maxBackoff {
		t.Errorf("got %v", got)
	}
}

func TestWhatCannotStartSaysWhy(t *testing.T) {
	missing := corev1.EnvFromSource{SecretRef: &corev1.SecretEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "gone"}}}
	for want, container := range map[string]corev1.Container{
		"RunContainerError: no-such-program":               {Command: []string{"no-such-program"}},
		`CreateContainerConfigError: secret "gone": not f`: {Command: shell("true"), EnvFrom: []corev1.EnvFromSource{missing}},
	} {
		f := newFixture(t, corev1.RestartPolicyAlways, nil, container)
		wait := f.sync()
		waiting := f.containerStatus().State.Waiting
		if waiting == nil || !strings.HasPrefix(waiting.Reason+": "+waiting.Message, want) || wait <= 0 {
			t.Errorf("waits %v, %+v, want %s", wait, waiting, want)
		}
		if f.pod.Status.Phase != corev1.PodPending || f.isReady() {
			t.Errorf("status %+v", f.pod.Status)
		}
	}
}

func TestProcessesEndWithinTheGracePeriod(t *testing.T) {
	f := newFixture(t, corev1.RestartPolicyAlways, nil, corev1.Container{
		Command: shell(`trap "" TERM; echo ready; while :; do sleep 1; done`),
	})
	f.sync()
	for f.output(t) == "" {
		time.Sleep(time.Millisecond)
	}
	if wait := f.endBy(time.Now().Add(time.Hour)); wait <= 0 || f.terminated() {
		t.Errorf("gone before its time, wait %v", wait)
	}
	f.endBy(time.Now())
	f.awaitExit(t)
	if !f.terminated() {
		t.Error("a process is left")
	}
	f.collect()
	if code := f.containers[0].state.Terminated.ExitCode; code != 137 {
		t.Errorf("exit code %d", code)
	}
}

func TestANewAgentStartsTheProcessAgain(t *testing.T) {
	f := newFixture(t, corev1.RestartPolicyAlways, nil, corev1.Container{Command: []string{"sleep", "100"}})
	f.sync()
	f.kill()
	f.adopt(nil)
	f.sync()
	if status := f.containerStatus(); status.RestartCount != 1 || status.State.Running == nil {
		t.Errorf("got %+v", status)
	}
}
