//go:build !kubernetes135

package node

import (
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/tools/cache"
)

// reflectorOptions are those of a reflector that is soon back after the API
// server was away.
func reflectorOptions(name string) cache.ReflectorOptions {
	return cache.ReflectorOptions{
		Name:    name,
		Backoff: &wait.Backoff{Duration: 100 * time.Millisecond, Factor: 2, Steps: 5, Cap: time.Second},
	}
}
