package bed

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Down is the command that ends the bed in a directory. A bed that has ended
// already is fine.
func Down(args []string) int {
	flags := flag.NewFlagSet("ebb-bed down", flag.ExitOnError)
	dir := flags.String("dir", "", "directory of the bed (required)")
	_ = flags.Parse(args[1:]) // Exits on an error.
	if *dir == "" {
		progress("--dir is missing")
		return 2
	}
	if err := down(*dir); err != nil {
		progress("%v", err)
		return 1
	}
	return 0
}

func down(dir string) error {
	info, err := readInfo(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if !isSupervisor(info.PID) {
		return nil // A stale file: the pid belongs to nobody or to somebody else.
	}
	if err := syscall.Kill(info.PID, syscall.SIGTERM); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("end supervisor %d: %w", info.PID, err)
	}
	const patience = time.Minute
	for deadline := time.Now().Add(patience); isSupervisor(info.PID); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			return fmt.Errorf("supervisor %d still runs after %v", info.PID, patience)
		}
	}
	return nil
}

// isSupervisor tells an "ebb-bed up" from a process that was given its pid later.
func isSupervisor(pid int) bool {
	cmdline, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		return false
	}
	args := bytes.Split(cmdline, []byte{0}) // A zombie has none.
	return len(args) > 1 && strings.HasPrefix(filepath.Base(string(args[0])), "ebb-bed") && string(args[1]) == "up"
}
