package node

import (
	"context"
	"sync/atomic"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
)

// podStore mirrors the pods of the cluster and announces the key of every pod
// that changes. It is what an informer does, but for one thing: an informer waits
// up to a minute before it asks an API server again that was away for half of
// one.
type podStore struct {
	cache.Store
	changed func(key string)
	filled  atomic.Bool
}

func newPodStore(changed func(key string)) *podStore {
	return &podStore{Store: cache.NewStore(cache.MetaNamespaceKeyFunc), changed: changed}
}

func (s *podStore) run(ctx context.Context, client kubernetes.Interface) {
	pods := client.CoreV1().Pods(metav1.NamespaceAll)
	source := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			return pods.List(ctx, options)
		},
		WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
			return pods.Watch(ctx, options)
		},
	}
	cache.NewReflectorWithOptions(source, &corev1.Pod{}, s, reflectorOptions("pods")).RunWithContext(ctx)
}

func (s *podStore) synced() bool { return s.filled.Load() }

// get returns a pod or nil. The pod is shared: it must not be changed.
func (s *podStore) get(key string) *corev1.Pod {
	if object, exists, _ := s.GetByKey(key); exists {
		return object.(*corev1.Pod)
	}
	return nil
}

// all returns every pod there is.
func (s *podStore) all() []*corev1.Pod {
	var pods []*corev1.Pod
	for _, object := range s.List() {
		pods = append(pods, object.(*corev1.Pod))
	}
	return pods
}

// The methods below are called by the reflector.

func (s *podStore) Add(object any) error { return s.announce(object, s.Store.Add) }

func (s *podStore) Update(object any) error { return s.announce(object, s.Store.Update) }

func (s *podStore) Delete(object any) error { return s.announce(object, s.Store.Delete) }

func (s *podStore) announce(object any, apply func(any) error) error {
	if err := apply(object); err != nil {
		return err
	}
	key, err := cache.MetaNamespaceKeyFunc(object)
	if err == nil {
		s.changed(key)
	}
	return err
}

// Replace takes a new list of all pods. The ones that are no longer in it have
// changed as well.
func (s *podStore) Replace(objects []any, resourceVersion string) error {
	before := s.ListKeys()
	if err := s.Store.Replace(objects, resourceVersion); err != nil {
		return err
	}
	for _, key := range append(before, s.ListKeys()...) {
		s.changed(key)
	}
	s.filled.Store(true)
	return nil
}
