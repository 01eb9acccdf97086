// Package proc starts child processes that cannot outlive this process.
package proc

import (
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Process is a child that was started. It leads a process group of its own, so
// that a Ctrl-C at the terminal does not reach it behind the supervisor's back.
type Process struct {
	cmd  *exec.Cmd
	done chan struct{}
}

// Start starts cmd. The kernel kills the child when this process dies, however
// it dies. The child's stdout and stderr must be files or nil.
func Start(cmd *exec.Cmd) (*Process, error) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := startOnLivingThread(cmd); err != nil {
		return nil, err
	}
	p := &Process{cmd: cmd, done: make(chan struct{})}
	go p.reap()
	return p, nil
}

// reap waits for the end of the process and takes the rest of its group along.
func (p *Process) reap() {
	// WNOWAIT leaves a zombie behind, which keeps the pid, and so the group's
	// id, from being given to somebody else before the group is killed.
	for {
		err := unix.Waitid(unix.P_PID, p.PID(), nil, unix.WEXITED|unix.WNOWAIT, nil)
		if err != unix.EINTR {
			break
		}
	}
	_ = syscall.Kill(-p.PID(), syscall.SIGKILL)
	_ = p.cmd.Wait() // The outcome is read from ProcessState.
	close(p.done)
}

// PID returns the process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Done is closed once the process has ended and has been reaped.
func (p *Process) Done() <-chan struct{} { return p.done }

// Exited reports whether the process has ended.
func (p *Process) Exited() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// State says how the process ended; it is nil until Done is closed.
func (p *Process) State() *os.ProcessState {
	if !p.Exited() {
		return nil
	}
	return p.cmd.ProcessState
}

// Signal sends a signal to the process alone. A process that has ended is left
// in peace.
func (p *Process) Signal(signal syscall.Signal) {
	_ = p.cmd.Process.Signal(signal) // The one error is that it has ended.
}

// SignalGroup sends a signal to the process and to what it has started.
func (p *Process) SignalGroup(signal syscall.Signal) {
	if !p.Exited() {
		_ = syscall.Kill(-p.PID(), signal)
	}
}

// Stop asks the process to end, kills it after the grace period, and returns
// when it is gone.
func (p *Process) Stop(grace time.Duration) {
	p.Signal(syscall.SIGTERM)
	p.Signal(syscall.SIGCONT) // A paused process would never see the SIGTERM.
	select {
	case <-p.done:
	case <-time.After(grace):
		p.Kill()
	}
}

// Kill ends the process at once and returns when it is gone.
func (p *Process) Kill() {
	p.Signal(syscall.SIGKILL)
	<-p.done
}

type startRequest struct {
	cmd    *exec.Cmd
	result chan<- error
}

var (
	startRequests = make(chan startRequest)
	starter       sync.Once
)

// startOnLivingThread starts cmd from a thread that lives as long as this
// process. The kernel sends the parent-death signal when the *thread* that
// forked the child ends, and Go ends idle threads as it likes.
func startOnLivingThread(cmd *exec.Cmd) error {
	starter.Do(func() {
		go func() {
			runtime.LockOSThread()
			for request := range startRequests {
				request.result <- request.cmd.Start()
			}
		}()
	})
	result := make(chan error, 1)
	startRequests <- startRequest{cmd, result}
	return <-result
}
