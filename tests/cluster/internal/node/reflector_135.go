//go:build kubernetes135

package node

import "k8s.io/client-go/tools/cache"

// reflectorOptions have the library's own backoff: version 1.35 has no other.
func reflectorOptions(name string) cache.ReflectorOptions {
	return cache.ReflectorOptions{Name: name}
}
