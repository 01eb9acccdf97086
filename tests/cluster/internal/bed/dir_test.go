package bed

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestADirectoryHoldsOneBed(t *testing.T) {
	dir := t.TempDir()
	lock, err := claimDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(infoPath(dir), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	left := filepath.Join(dir, "any-broker", "data")
	if err := os.MkdirAll(left, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := claimDir(dir); err == nil {
		t.Error("the directory was claimed twice")
	}
	_ = lock.Close()
	if _, err := claimDir(dir); err != nil {
		t.Errorf("the directory cannot be used again: %v", err)
	}
	if _, err := os.Stat(infoPath(dir)); err == nil {
		t.Error("the last bed's bed.json is still there")
	}
	if _, err := os.Stat(left); err == nil {
		t.Error("the last bed's data are still there")
	}
}

func TestABedThatIsEndingIsWaitedFor(t *testing.T) {
	dir := t.TempDir()
	ending, err := claimDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(1500*time.Millisecond, func() { _ = ending.Close() })
	lock, err := claimDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	_ = lock.Close()
}

func TestAForeignDirectoryIsLeftAlone(t *testing.T) {
	dir := t.TempDir()
	precious := filepath.Join(dir, "kubeconfig")
	if err := os.WriteFile(precious, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := claimDir(dir); err == nil {
		t.Error("a directory with foreign files was accepted")
	}
	if _, err := os.Stat(precious); err != nil {
		t.Error(err)
	}
}
