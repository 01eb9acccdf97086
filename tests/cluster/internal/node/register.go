package node

import (
	"context"
	"fmt"
	"os"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/component-base/version"
)

// keepRegistered makes sure that the Node object exists. Nobody minds a missing
// heartbeat: the node lifecycle controller does not run.
func (a *agent) keepRegistered(ctx context.Context) {
	told := ""
	for {
		pause := 10 * time.Second
		if err := a.register(ctx); err == nil {
			a.registered.Store(true)
			told = ""
		} else {
			pause = 200 * time.Millisecond
			if err.Error() != told {
				told = err.Error()
				fmt.Fprintf(os.Stderr, "register node: %s\n", told)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

func (a *agent) register(ctx context.Context) error {
	nodes := a.client.CoreV1().Nodes()
	node, err := nodes.Get(ctx, a.node, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		node, err = nodes.Create(ctx, newNode(a.node), metav1.CreateOptions{})
	}
	if err != nil || len(node.Spec.Taints) == 0 {
		return err
	}
	// Admission taints every new node as not ready, for the lifecycle controller
	// to take the taint away again.
	node.Spec.Taints = nil
	_, err = nodes.Update(ctx, node, metav1.UpdateOptions{})
	return err
}

func newNode(name string) *corev1.Node {
	capacity := corev1.ResourceList{
		corev1.ResourceCPU:              resource.MustParse("1000"),
		corev1.ResourceMemory:           resource.MustParse("2000Gi"),
		corev1.ResourceEphemeralStorage: resource.MustParse("2000Gi"),
		corev1.ResourcePods:             resource.MustParse("5000"),
	}
	now := metav1.Now()
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{
			Name:   name,
			Labels: map[string]string{corev1.LabelHostname: name, corev1.LabelOSStable: "linux"},
		},
		Status: corev1.NodeStatus{
			Capacity:    capacity,
			Allocatable: capacity,
			Addresses: []corev1.NodeAddress{
				{Type: corev1.NodeInternalIP, Address: hostIP},
				{Type: corev1.NodeHostName, Address: name},
			},
			Conditions: []corev1.NodeCondition{{
				Type:               corev1.NodeReady,
				Status:             corev1.ConditionTrue,
				Reason:             "AgentReady",
				Message:            "the test bed's node agent runs",
				LastHeartbeatTime:  now,
				LastTransitionTime: now,
			}},
			NodeInfo: corev1.NodeSystemInfo{OperatingSystem: "linux", KubeletVersion: version.Get().GitVersion},
		},
	}
}
