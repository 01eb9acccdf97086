package node

import (
	"context"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
)

const workers = 16

// agent keeps the pods of the cluster running. Every pod is handled by one worker
// at a time; whatever happens to a pod puts its key into the queue.
type agent struct {
	client   kubernetes.Interface
	node     string
	launcher launcher
	pods     *podStore
	queue    workqueue.TypedRateLimitingInterface[string]
	ips      addresses

	registered atomic.Bool

	mu        sync.Mutex
	workloads map[string]*workload // By the key of the pod.
}

func newAgent(client kubernetes.Interface, node string, launcher launcher) *agent {
	// A conflict is over in a moment, and so is the API server's absence: never
	// wait long.
	limiter := workqueue.NewTypedItemExponentialFailureRateLimiter[string](20*time.Millisecond, time.Second)
	queue := workqueue.NewTypedRateLimitingQueue(limiter)
	return &agent{
		client:    client,
		node:      node,
		launcher:  launcher,
		pods:      newPodStore(queue.Add),
		queue:     queue,
		workloads: map[string]*workload{},
	}
}

// ready reports whether the agent does its work.
func (a *agent) ready() bool { return a.registered.Load() && a.pods.synced() }

func (a *agent) run(ctx context.Context) {
	go a.keepRegistered(ctx)
	go a.pods.run(ctx, a.client)
	if !cache.WaitForCacheSync(ctx.Done(), a.pods.synced) {
		return
	}
	a.ips.avoid(a.pods.all())
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			for a.work(ctx) {
			}
		})
	}
	<-ctx.Done()
	a.queue.ShutDown()
	group.Wait()
	a.endAll()
}

func (a *agent) work(ctx context.Context) bool {
	key, shutdown := a.queue.Get()
	if shutdown {
		return false
	}
	defer a.queue.Done(key)
	err := a.sync(ctx, key)
	if err == nil {
		a.queue.Forget(key)
		return true
	}
	if !apierrors.IsConflict(err) && !apierrors.IsNotFound(err) { // These two are stale caches.
		fmt.Fprintf(os.Stderr, "%s: %v\n", key, err)
	}
	a.queue.AddRateLimited(key)
	return true
}

// sync brings the processes of a pod in line with the pod, and the pod's status
// in line with the processes.
func (a *agent) sync(ctx context.Context, key string) error {
	pod := a.pods.get(key)
	w := a.workload(key)
	if w != nil && (pod == nil || pod.UID != w.uid) {
		// Deleted by force, perhaps with a successor of the same name.
		w.kill()
		a.forget(key)
		w = nil
	}
	switch {
	case pod == nil:
		return nil
	case pod.Spec.NodeName == "":
		return a.bind(ctx, pod)
	case pod.Spec.NodeName != a.node:
		return nil
	case pod.DeletionTimestamp != nil:
		return a.terminate(ctx, key, pod, w)
	case isTerminal(pod.Status.Phase):
		if w != nil {
			w.kill()
			a.forget(key)
		}
		return nil
	}
	if w == nil {
		w = a.adopt(key, pod)
	}
	if wait := w.advance(pod); wait > 0 {
		a.queue.AddAfter(key, wait)
	}
	return a.writeStatus(ctx, pod, w)
}

// bind does the scheduler's work.
func (a *agent) bind(ctx context.Context, pod *corev1.Pod) error {
	if len(pod.Spec.SchedulingGates) > 0 || pod.DeletionTimestamp != nil {
		return nil
	}
	err := a.client.CoreV1().Pods(pod.Namespace).Bind(ctx, &corev1.Binding{
		ObjectMeta: metav1.ObjectMeta{Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID},
		Target:     corev1.ObjectReference{Kind: "Node", Name: a.node},
	}, metav1.CreateOptions{})
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil // Gone or bound: the watch will tell.
	}
	return err
}

func (a *agent) writeStatus(ctx context.Context, pod *corev1.Pod, w *workload) error {
	status := w.status(pod)
	if equality.Semantic.DeepEqual(pod.Status, status) {
		return nil
	}
	updated := pod.DeepCopy()
	updated.Status = status
	_, err := a.client.CoreV1().Pods(pod.Namespace).UpdateStatus(ctx, updated, metav1.UpdateOptions{})
	return err
}

// terminate ends the processes of a deleted pod within its grace period and then
// lets go of the pod.
func (a *agent) terminate(ctx context.Context, key string, pod *corev1.Pod, w *workload) error {
	if w != nil {
		if !w.terminated() {
			// The deletion timestamp is the end of the grace period, with the
			// fraction of its second cut off.
			if wait := w.endBy(pod.DeletionTimestamp.Add(time.Second)); wait > 0 {
				a.queue.AddAfter(key, wait)
			}
			return nil // An exit brings the pod back here.
		}
		if len(pod.Finalizers) > 0 && !isTerminal(pod.Status.Phase) {
			// Whoever holds the pod, such as the Job controller, wants to see how it
			// ended. Nobody else does, so that is one write less.
			w.collect()
			if err := a.writeStatus(ctx, pod, w); err != nil {
				return err
			}
		}
	}
	err := a.client.CoreV1().Pods(pod.Namespace).Delete(ctx, pod.Name, metav1.DeleteOptions{
		GracePeriodSeconds: new(int64),
		Preconditions:      &metav1.Preconditions{UID: &pod.UID},
	})
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil
	}
	return err
}

func (a *agent) workload(key string) *workload {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.workloads[key]
}

// adopt starts to take care of a pod. The pod may have run before, under an agent
// that ended.
func (a *agent) adopt(key string, pod *corev1.Pod) *workload {
	w := newWorkload(pod, a.ips.of(pod), &a.launcher, clusterSource{a.client, pod.Namespace}, func() { a.queue.Add(key) })
	a.mu.Lock()
	defer a.mu.Unlock()
	a.workloads[key] = w
	return w
}

func (a *agent) forget(key string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.workloads, key)
}

// endAll ends all processes; the agent ends.
func (a *agent) endAll() {
	a.mu.Lock()
	defer a.mu.Unlock()
	deadline := time.Now().Add(3 * time.Second)
	for _, w := range a.workloads {
		w.endBy(deadline)
	}
	for _, w := range a.workloads {
		for !w.terminated() && time.Now().Before(deadline) {
			time.Sleep(10 * time.Millisecond)
		}
		w.kill()
	}
}
