package proc

import (
	"os/exec"
	"syscall"
	"testing"
	"time"
)

func start(t *testing.T, script string) *Process {
	t.Helper()
	p, err := Start(exec.Command("sh", "-c", script))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	return p
}

func await(t *testing.T, p *Process) {
	t.Helper()
	select {
	case <-p.Done():
	case <-time.After(10 * time.Second):
		t.Fatal("the process did not end")
	}
}

func TestExitCode(t *testing.T) {
	p := start(t, "exit 3")
	await(t, p)
	if code := p.State().ExitCode(); code != 3 {
		t.Errorf("exit code %d, want 3", code)
	}
}

func TestStopEndsAPausedProcess(t *testing.T) {
	p := start(t, "sleep 100")
	p.Signal(syscall.SIGSTOP)
	p.Stop(10 * time.Second)
	if status := p.State().Sys().(syscall.WaitStatus); status.Signal() != syscall.SIGTERM {
		t.Errorf("ended by %v, want SIGTERM", status.Signal())
	}
}

func TestStopKillsAfterTheGracePeriod(t *testing.T) {
	p := start(t, `trap "" TERM; while :; do sleep 1; done`)
	time.Sleep(100 * time.Millisecond) // Until the trap is set.
	p.Stop(100 * time.Millisecond)
	if status := p.State().Sys().(syscall.WaitStatus); status.Signal() != syscall.SIGKILL {
		t.Errorf("ended by %v, want SIGKILL", status.Signal())
	}
}

func TestTheGroupEndsWithItsLeader(t *testing.T) {
	p := start(t, "sleep 100 & sleep 100 & exit 0")
	await(t, p)
	deadline := time.Now().Add(5 * time.Second)
	for syscall.Kill(-p.PID(), 0) == nil { // Killed orphans stay until init reaps them.
		if time.Now().After(deadline) {
			t.Fatal("processes of the group are left")
		}
		time.Sleep(10 * time.Millisecond)
	}
}
