package node

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"ebb/tests/cluster/internal/node/env"
	"ebb/tests/cluster/internal/proc"
)

// launcher starts the commands of containers as processes of this machine.
type launcher struct {
	dir     string // Takes the output, and is the working directory.
	binPath string // Comes before PATH.
}

// launch starts the command of a container with the given variables.
func (l launcher) launch(pod *corev1.Pod, container *corev1.Container, vars map[string]string) (*proc.Process, error) {
	path := l.searchPath(vars)
	args := env.ExpandAll(slices.Concat(container.Command, container.Args), vars)
	program, err := lookPath(args[0], path)
	if err != nil {
		return nil, err
	}
	name := fmt.Sprintf("%s_%s_%s.log", pod.Namespace, pod.Name, container.Name)
	output, err := os.OpenFile(filepath.Join(l.dir, name), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	defer output.Close() // The process has its own copy.
	cmd := &exec.Cmd{
		Path:   program,
		Args:   args,
		Env:    l.environment(pod, vars, path),
		Dir:    l.dir,
		Stdout: output,
		Stderr: output,
	}
	if container.WorkingDir != "" {
		cmd.Dir = container.WorkingDir
	}
	return proc.Start(cmd)
}

func (l launcher) searchPath(vars map[string]string) string {
	path, ok := vars["PATH"]
	if !ok {
		path = os.Getenv("PATH")
	}
	if l.binPath == "" {
		return path
	}
	return l.binPath + string(os.PathListSeparator) + path
}

// environment is the container's variables, and of the agent's own nothing: a
// container does not inherit from its node.
func (l launcher) environment(pod *corev1.Pod, vars map[string]string, path string) []string {
	environment := []string{"HOME=" + l.dir, "HOSTNAME=" + pod.Name}
	for name, value := range vars {
		if name != "PATH" {
			environment = append(environment, name+"="+value)
		}
	}
	return append(environment, "PATH="+path)
}

// lookPath is exec.LookPath for a PATH other than this process's own.
func lookPath(program, path string) (string, error) {
	if strings.Contains(program, "/") {
		return program, nil
	}
	for _, dir := range filepath.SplitList(path) {
		candidate := filepath.Join(dir, program)
		if info, err := os.Stat(candidate); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return candidate, nil
		}
	}
	return "", fmt.Errorf("%s: %w", program, exec.ErrNotFound)
}
