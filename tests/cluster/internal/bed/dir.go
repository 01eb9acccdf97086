package bed

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
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
	if err := awaitLock(lock, dir); err != nil {
		_ = lock.Close()
		return nil, err
	}
	return lock, clearDir(dir)
}

// awaitLock takes the lock. A bed that is ending, which is one without a bed.json,
// is waited for: tests that follow each other use the same directory.
func awaitLock(lock *os.File, dir string) error {
	const patience, courtesy = 30 * time.Second, time.Second
	for began := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return err
		}
		_, missing := os.Stat(infoPath(dir))
		waited := time.Since(began)
		if waited > patience || (missing == nil && waited > courtesy) {
			return fmt.Errorf("a bed runs in %s already", dir)
		}
	}
}

// clearDir removes what the last bed and its tests left, except for the lock.
func clearDir(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if entry.Name() == lockName {
			continue
		}
		if err := os.RemoveAll(filepath.Join(dir, entry.Name())); err != nil {
			return err
		}
	}
	return os.Mkdir(filepath.Join(dir, "logs"), 0o755)
}
