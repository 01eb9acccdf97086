package node

import (
	"net/netip"
	"sync"

	corev1 "k8s.io/api/core/v1"
)

// hostIP is the address that the processes of pods really have.
const hostIP = "127.0.0.1"

// podRange is apart from the addresses of Services.
var podRange = netip.MustParsePrefix("10.128.0.0/9")

// addresses hands out one address for every pod. They serve to tell pods apart;
// nothing listens on them.
type addresses struct {
	mu   sync.Mutex
	last netip.Addr
}

// avoid makes sure that the addresses of pods from before the agent's start are
// not handed out again.
func (a *addresses) avoid(pods []*corev1.Pod) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.last = podRange.Addr()
	for _, pod := range pods {
		if ip, err := netip.ParseAddr(pod.Status.PodIP); err == nil && a.last.Less(ip) {
			a.last = ip
		}
	}
}

// of returns the pod's address, which is the one it has or a new one.
func (a *addresses) of(pod *corev1.Pod) string {
	if pod.Status.PodIP != "" {
		return pod.Status.PodIP
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.last = a.last.Next()
	return a.last.String()
}
