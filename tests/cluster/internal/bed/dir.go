package bed

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

const lockName = "bed.lock"

// claimDir makes dir ready for a new bed: it creates it, or clears what the last
// bed left in it. The lock it returns is held until this process ends.
func claimDir(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(dir, lockName)); err != nil && len(entries) > 0 {
		return nil, fmt.Errorf("%s is neither empty nor the directory of a bed", dir)
	}
	lock, err := os.OpenFile(filepath.Join(dir, lockName), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = lock.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("a bed runs in %s already", dir)
		}
		return nil, err
	}
	return lock, clearDir(dir)
}

// clearDir removes what a bed has written, except for the lock.
func clearDir(dir string) error {
	for _, name := range []string{
		"bed.json", "kubeconfig", "kubectl", "pki", "etcd", "rabbitmq", "prometheus", "tokens", "kafka", "pods", "kubectl-cache", "logs",
	} {
		if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	return os.Mkdir(filepath.Join(dir, "logs"), 0o755)
}
