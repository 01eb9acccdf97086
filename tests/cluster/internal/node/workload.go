package node

import (
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"ebb/tests/cluster/internal/node/env"
)

// workload is what runs for one pod. One worker at a time uses it.
type workload struct {
	uid        types.UID
	ip         string
	startTime  metav1.Time
	containers []*container
	ending     bool

	launcher *launcher
	source   env.Source
	changed  func() // Called when a process has ended.
}

func newWorkload(pod *corev1.Pod, ip string, launcher *launcher, source env.Source, changed func()) *workload {
	w := &workload{
		uid: pod.UID, ip: ip, startTime: now(),
		launcher: launcher, source: source, changed: changed,
	}
	if pod.Status.StartTime != nil {
		w.startTime = *pod.Status.StartTime
	}
	for _, spec := range pod.Spec.Containers {
		w.containers = append(w.containers, newContainer(spec, earlierStatus(pod, spec.Name)))
	}
	return w
}

func earlierStatus(pod *corev1.Pod, container string) *corev1.ContainerStatus {
	for i := range pod.Status.ContainerStatuses {
		if status := &pod.Status.ContainerStatuses[i]; status.Name == container {
			return status
		}
	}
	return nil
}

// advance starts what is to be started now. It returns how long to wait until
// there is something to start again, or zero.
func (w *workload) advance(pod *corev1.Pod) time.Duration {
	var soonest time.Duration
	for _, c := range w.containers {
		if wait := c.advance(w, pod); wait > 0 && (soonest == 0 || wait < soonest) {
			soonest = wait
		}
	}
	return soonest
}

// collect takes note of processes that have ended for good.
func (w *workload) collect() {
	for _, c := range w.containers {
		c.collect(corev1.RestartPolicyNever)
	}
}

// terminated reports whether no process is left.
func (w *workload) terminated() bool {
	for _, c := range w.containers {
		if c.running() {
			return false
		}
	}
	return true
}

// endBy asks the processes to end, once, and kills them after the deadline. It
// returns how long that is away.
func (w *workload) endBy(deadline time.Time) time.Duration {
	wait := time.Until(deadline)
	if wait <= 0 {
		w.signal(syscall.SIGKILL)
		return 0
	}
	if !w.ending {
		w.ending = true
		w.signal(syscall.SIGTERM)
	}
	return wait
}

// kill ends the processes at once and returns when they are gone.
func (w *workload) kill() {
	w.signal(syscall.SIGKILL)
	for _, c := range w.containers {
		if c.process != nil {
			<-c.process.Done()
		}
	}
}

func (w *workload) signal(signal syscall.Signal) {
	for _, c := range w.containers {
		if c.process != nil {
			c.process.SignalGroup(signal)
		}
	}
}

// withAddress returns the pod with the addresses that its first status has not
// told the API server yet, for a fieldRef to find.
func (w *workload) withAddress(pod *corev1.Pod) *corev1.Pod {
	if pod.Status.PodIP != "" {
		return pod
	}
	pod = pod.DeepCopy()
	pod.Status.PodIP, pod.Status.HostIP = w.ip, hostIP
	return pod
}
