package bed

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

const detachedFlag = "detached"

// detach starts this command again as a supervisor in a session of its own,
// waits until its bed is ready, and passes on what it says until then.
func detach(args []string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	// A flag that comes later wins.
	supervisor := exec.Command(self, append(args, "--detach=false", "--"+detachedFlag)...)
	supervisor.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	supervisor.Stderr = os.Stderr
	output, err := supervisor.StdoutPipe()
	if err != nil {
		return err
	}
	if err := supervisor.Start(); err != nil {
		return err
	}

	interrupts := make(chan os.Signal, 1)
	signal.Notify(interrupts, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	go func() {
		<-interrupts
		_ = supervisor.Process.Signal(syscall.SIGTERM) // The pipe ends when it is gone.
	}()

	line, err := bufio.NewReader(output).ReadBytes('\n')
	if err != nil {
		_ = supervisor.Wait()
		return errors.New("the supervisor ended before the bed was ready")
	}
	_, err = os.Stdout.Write(line)
	return err
}

// letGo turns the outputs of a detached supervisor to its log, so that nobody
// who waits for the end of the old ones waits for the end of the bed.
func letGo(dir string) error {
	log, err := os.Create(filepath.Join(dir, "logs", "bed.log"))
	if err != nil {
		return err
	}
	defer log.Close()
	for _, stream := range []*os.File{os.Stdout, os.Stderr} {
		if err := unix.Dup3(int(log.Fd()), int(stream.Fd()), 0); err != nil {
			return err
		}
	}
	return nil
}
