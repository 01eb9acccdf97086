package node

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
)

func isTerminal(phase corev1.PodPhase) bool {
	return phase == corev1.PodSucceeded || phase == corev1.PodFailed
}

// status is the pod's status as the kubelet would write it. What others have
// written into the status stays.
func (w *workload) status(pod *corev1.Pod) corev1.PodStatus {
	status := *pod.Status.DeepCopy()
	status.ObservedGeneration = pod.Generation
	status.Phase = w.phase()
	status.StartTime = &w.startTime
	status.HostIP, status.HostIPs = hostIP, []corev1.HostIP{{IP: hostIP}}
	status.PodIP, status.PodIPs = w.ip, []corev1.PodIP{{IP: w.ip}}
	status.InitContainerStatuses = w.initStatuses(pod)
	status.ContainerStatuses = nil
	for i, c := range w.containers {
		status.ContainerStatuses = append(status.ContainerStatuses, c.status(&pod.Spec.Containers[i], w))
	}

	setCondition(&status, corev1.PodReadyToStartContainers, true, "")
	setCondition(&status, corev1.PodInitialized, true, "")
	ready, reason := w.ready(), "ContainersNotReady"
	if isTerminal(status.Phase) {
		reason = "PodCompleted"
	}
	setCondition(&status, corev1.ContainersReady, ready, reason)
	if ready && !gatesOpen(pod) {
		ready, reason = false, "ReadinessGatesNotReady"
	}
	setCondition(&status, corev1.PodReady, ready, reason)
	return status
}

// phase is Pending until something has run, and terminal when nothing will run
// any more.
func (w *workload) phase() corev1.PodPhase {
	started, ended, failed := false, true, false
	for _, c := range w.containers {
		if c.state.Running != nil || c.last.Terminated != nil {
			started = true
		}
		if terminated := c.state.Terminated; terminated == nil {
			ended = false
		} else {
			started = true
			failed = failed || terminated.ExitCode != 0
		}
	}
	switch {
	case ended && failed:
		return corev1.PodFailed
	case ended:
		return corev1.PodSucceeded
	case started:
		return corev1.PodRunning
	default:
		return corev1.PodPending
	}
}

func (w *workload) ready() bool {
	for _, c := range w.containers {
		if c.state.Running == nil {
			return false
		}
	}
	return true
}

func (c *container) status(spec *corev1.Container, w *workload) corev1.ContainerStatus {
	running := c.state.Running != nil
	return corev1.ContainerStatus{
		Name:                 spec.Name,
		Image:                spec.Image,
		ContainerID:          fmt.Sprintf("bed://%s/%s/%d", w.uid, spec.Name, c.restarts),
		State:                c.state,
		LastTerminationState: c.last,
		RestartCount:         c.restarts,
		Ready:                running,
		Started:              &running,
	}
}

// initStatuses says that all init containers are done, and that sidecars run.
func (w *workload) initStatuses(pod *corev1.Pod) []corev1.ContainerStatus {
	var statuses []corev1.ContainerStatus
	for _, spec := range pod.Spec.InitContainers {
		state := corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
			Reason: "Completed", StartedAt: w.startTime, FinishedAt: w.startTime,
		}}
		sidecar := spec.RestartPolicy != nil && *spec.RestartPolicy == corev1.ContainerRestartPolicyAlways
		if sidecar {
			state = corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: w.startTime}}
		}
		statuses = append(statuses, corev1.ContainerStatus{
			Name:        spec.Name,
			Image:       spec.Image,
			ContainerID: fmt.Sprintf("bed://%s/%s/0", w.uid, spec.Name),
			State:       state,
			Ready:       true,
			Started:     &sidecar,
		})
	}
	return statuses
}

// gatesOpen reports whether all conditions that others are to set are true.
func gatesOpen(pod *corev1.Pod) bool {
	for _, gate := range pod.Spec.ReadinessGates {
		if condition := findCondition(&pod.Status, gate.ConditionType); condition == nil || condition.Status != corev1.ConditionTrue {
			return false
		}
	}
	return true
}

func findCondition(status *corev1.PodStatus, kind corev1.PodConditionType) *corev1.PodCondition {
	for i := range status.Conditions {
		if status.Conditions[i].Type == kind {
			return &status.Conditions[i]
		}
	}
	return nil
}

// setCondition sets a condition; its time changes only when its status does. The
// reason is that for not being true.
func setCondition(status *corev1.PodStatus, kind corev1.PodConditionType, isTrue bool, reason string) {
	value := corev1.ConditionTrue
	if isTrue {
		reason = ""
	} else {
		value = corev1.ConditionFalse
	}
	condition := findCondition(status, kind)
	if condition == nil {
		status.Conditions = append(status.Conditions, corev1.PodCondition{Type: kind})
		condition = &status.Conditions[len(status.Conditions)-1]
	}
	if condition.Status != value {
		condition.Status, condition.LastTransitionTime = value, now()
	}
	condition.Reason = reason
}
