package node

import (
	"fmt"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"ebb/tests/cluster/internal/node/env"
	"ebb/tests/cluster/internal/proc"
)

const (
	configRetry  = time.Second      // A missing Secret may appear.
	maxBackoff   = 30 * time.Second // The kubelet's five minutes try the patience of tests.
	backoffReset = time.Minute      // A process that ran for so long starts anew.
)

// container is one container of a workload and, if it has a command, its process.
type container struct {
	spec     corev1.Container
	process  *proc.Process         // Nil while nothing runs.
	state    corev1.ContainerState // Terminated only when it is final.
	last     corev1.ContainerState
	restarts int32
	failures int       // In a row.
	next     time.Time // No start before.
}

// newContainer returns a container as it was left in an earlier status, if there
// is one. A process of an earlier agent has ended with it.
func newContainer(spec corev1.Container, earlier *corev1.ContainerStatus) *container {
	c := &container{spec: spec}
	if earlier == nil {
		return c
	}
	c.restarts = earlier.RestartCount
	c.last = earlier.LastTerminationState
	switch {
	case earlier.State.Running != nil && c.hasCommand():
		c.last = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
			ExitCode:   exitCodeOf(syscall.SIGKILL),
			Reason:     "NodeAgentRestarted",
			StartedAt:  earlier.State.Running.StartedAt,
			FinishedAt: now(),
		}}
	case earlier.State.Waiting == nil:
		c.state = earlier.State
	}
	return c
}

func (c *container) hasCommand() bool { return len(c.spec.Command) > 0 }

func (c *container) running() bool { return c.process != nil && !c.process.Exited() }

// collect takes note of the end of the process. Whether the container has ended
// with it, or is to be started again, depends on the restart policy.
func (c *container) collect(policy corev1.RestartPolicy) {
	if c.process == nil || !c.process.Exited() {
		return
	}
	ended := c.ended()
	c.process = nil
	again := policy == corev1.RestartPolicyAlways || policy == corev1.RestartPolicyOnFailure && ended.ExitCode != 0
	if !again {
		c.state = corev1.ContainerState{Terminated: ended}
		return
	}
	if ended.FinishedAt.Sub(ended.StartedAt.Time) >= backoffReset {
		c.failures = 0
	}
	c.last = corev1.ContainerState{Terminated: ended}
	delay := c.fail()
	c.wait("CrashLoopBackOff", fmt.Sprintf("exited with code %d; starts again after %v", ended.ExitCode, delay))
}

// ended describes the end of the process.
func (c *container) ended() *corev1.ContainerStateTerminated {
	ended := &corev1.ContainerStateTerminated{
		ExitCode:   int32(c.process.State().ExitCode()),
		Reason:     "Completed",
		StartedAt:  c.state.Running.StartedAt,
		FinishedAt: now(),
	}
	if status, ok := c.process.State().Sys().(syscall.WaitStatus); ok && status.Signaled() {
		ended.ExitCode = exitCodeOf(status.Signal())
	}
	if ended.ExitCode != 0 {
		ended.Reason = "Error"
	}
	return ended
}

// advance starts the container if it is time to. It returns how long to wait
// until it is, or zero if nothing is to be waited for.
func (c *container) advance(w *workload, pod *corev1.Pod) time.Duration {
	c.collect(pod.Spec.RestartPolicy)
	if c.process != nil || c.state.Terminated != nil {
		return 0
	}
	if !c.hasCommand() {
		if c.state.Running == nil {
			c.state = corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: now()}}
		}
		return 0
	}
	if wait := time.Until(c.next); wait > 0 {
		return wait
	}
	c.start(w, pod)
	return max(0, time.Until(c.next))
}

func (c *container) start(w *workload, pod *corev1.Pod) {
	pod = w.withAddress(pod)
	vars, err := env.Resolve(pod, &c.spec, w.source)
	if err != nil {
		c.next = time.Now().Add(configRetry)
		c.wait("CreateContainerConfigError", err.Error())
		return
	}
	process, err := w.launcher.launch(pod, &c.spec, vars)
	if err != nil {
		c.fail()
		c.wait("RunContainerError", err.Error())
		return
	}
	if c.last.Terminated != nil {
		c.restarts++
	}
	c.process = process
	c.next = time.Time{}
	c.state = corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: now()}}
	go func() {
		<-process.Done()
		w.changed()
	}()
}

// fail puts the next start off, each time twice as long.
func (c *container) fail() time.Duration {
	delay := min(time.Second<<min(c.failures, 10), maxBackoff)
	c.failures++
	c.next = time.Now().Add(delay)
	return delay
}

func (c *container) wait(reason, message string) {
	c.state = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}}
}

// exitCodeOf is the exit code that container runtimes give to a signal.
func exitCodeOf(signal syscall.Signal) int32 { return 128 + int32(signal) }

// now is the time in the API's precision: what is finer would never compare equal
// to what the API server has stored.
func now() metav1.Time { return metav1.Now().Rfc3339Copy() }
