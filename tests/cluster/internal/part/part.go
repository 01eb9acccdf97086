// Package part runs the servers a bed is made of: one process each, that can be
// stopped, started again and tormented while the rest of the bed goes on.
package part

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"ebb/tests/cluster/internal/proc"
)

const (
	readyTimeout  = 3 * time.Minute // The build of the project may run beside it.
	probeInterval = 50 * time.Millisecond
	probeTimeout  = 5 * time.Second
	discardGrace  = 2 * time.Second
)

// ErrPortInUse says that somebody took a port between its choice and its use.
var ErrPortInUse = errors.New("a port is in use")

// Spec says what a part is. It is the same for every start, so that a part
// comes back with the same ports and the same data.
type Spec struct {
	Name string
	Path string
	Args []string
	// Env is the whole environment; nil stands for that of the supervisor.
	Env []string
	// Log is the file that takes stdout and stderr.
	Log string
	// Ready returns nil once the part does its work.
	Ready func(ctx context.Context) error
	// Grace is how long the part may take to end before it is killed.
	Grace time.Duration
}

// Part is one server of the bed. Its methods may be called concurrently.
type Part struct {
	spec   Spec
	deaths chan<- *Part

	operation sync.Mutex // Held while the part is started or ended.

	mu      sync.Mutex // Guards the fields below.
	process *proc.Process
	wanted  bool // Whether its end would be news to the supervisor.
}

// New returns a part that is not started yet. When its process ends without
// having been asked to, the part is sent to deaths.
func New(spec Spec, deaths chan<- *Part) *Part {
	return &Part{spec: spec, deaths: deaths}
}

// Name returns the name of the part.
func (p *Part) Name() string { return p.spec.Name }

// Start starts the part and returns when it is ready. It does nothing to a part
// that runs.
func (p *Part) Start(ctx context.Context) error {
	p.operation.Lock()
	defer p.operation.Unlock()
	if _, running := p.PID(); running {
		return nil
	}
	process, err := p.launch()
	if err != nil {
		return fmt.Errorf("%s: %w", p.spec.Name, err)
	}
	if err := p.awaitReady(ctx, process); err != nil {
		process.Stop(p.spec.Grace)
		if ctx.Err() != nil {
			return ctx.Err() // Somebody else failed, or the bed ends: not this part's log.
		}
		return p.failure(err)
	}
	p.mu.Lock()
	p.wanted = true
	p.mu.Unlock()
	go p.watch(process)
	return nil
}

func (p *Part) launch() (*proc.Process, error) {
	log, err := os.OpenFile(p.spec.Log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	defer log.Close() // The child has its own copy.
	cmd := exec.Command(p.spec.Path, p.spec.Args...)
	cmd.Env = p.spec.Env
	cmd.Stdout, cmd.Stderr = log, log
	process, err := proc.Start(cmd)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.process = process
	return process, nil
}

func (p *Part) awaitReady(ctx context.Context, process *proc.Process) error {
	timeout := time.After(readyTimeout)
	var last error
	for {
		probe, cancel := context.WithTimeout(ctx, probeTimeout)
		last = p.spec.Ready(probe)
		cancel()
		if last == nil && !process.Exited() {
			return nil
		}
		select {
		case <-process.Done():
			return fmt.Errorf("ended before it was ready: %v", process.State())
		case <-timeout:
			return fmt.Errorf("not ready after %v: %w", readyTimeout, last)
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(probeInterval):
		}
	}
}

// failure adds what the part itself has to say to an error.
func (p *Part) failure(err error) error {
	tail := p.LogTail()
	if mentionsPortInUse(tail) {
		err = fmt.Errorf("%w: %w", ErrPortInUse, err)
	}
	return fmt.Errorf("%s: %w\n%s", p.spec.Name, err, tail)
}

func (p *Part) watch(process *proc.Process) {
	<-process.Done()
	p.mu.Lock()
	unexpected := p.wanted && p.process == process
	p.mu.Unlock()
	if unexpected {
		p.deaths <- p
	}
}

// Stop asks the part to end and returns when it is gone.
func (p *Part) Stop() {
	p.end(func(process *proc.Process) { process.Stop(p.spec.Grace) })
}

// Discard ends the part for good. It is not waited for long: what it would still
// like to write is not needed any more.
func (p *Part) Discard() {
	p.end(func(process *proc.Process) { process.Stop(min(p.spec.Grace, discardGrace)) })
}

// Kill ends the part without giving it a chance, and returns when it is gone.
func (p *Part) Kill() {
	p.end((*proc.Process).Kill)
}

func (p *Part) end(how func(*proc.Process)) {
	p.operation.Lock()
	defer p.operation.Unlock()
	p.mu.Lock()
	process := p.process
	p.wanted = false
	p.mu.Unlock()
	if process != nil {
		how(process)
	}
}

// Pause freezes the part: its connections stay open and nothing answers.
func (p *Part) Pause() { p.signal(syscall.SIGSTOP) }

// Resume ends a pause.
func (p *Part) Resume() { p.signal(syscall.SIGCONT) }

func (p *Part) signal(signal syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.process != nil {
		p.process.Signal(signal)
	}
}

// PID returns the process id and whether the process runs.
func (p *Part) PID() (pid int, running bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.process == nil || p.process.Exited() {
		return 0, false
	}
	return p.process.PID(), true
}
