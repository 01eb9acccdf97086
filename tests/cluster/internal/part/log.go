package part

import (
	"bytes"
	"io"
	"os"
	"strings"
)

// LogTail returns the last lines of the part's log.
func (p *Part) LogTail() string { return Tail(p.spec.Log, 20) }

// Tail returns the last lines of a file, as far as a few kilobytes hold them.
func Tail(path string, lines int) string {
	file, err := os.Open(path)
	if err != nil {
		return err.Error()
	}
	defer file.Close()
	const window = 16 << 10
	if size, err := file.Seek(0, io.SeekEnd); err == nil {
		_, _ = file.Seek(max(0, size-window), io.SeekStart) // At worst the whole file is read.
	}
	content, err := io.ReadAll(file)
	if err != nil {
		return err.Error()
	}
	all := bytes.Split(bytes.TrimRight(content, "\n"), []byte("\n"))
	return string(bytes.Join(all[max(0, len(all)-lines):], []byte("\n")))
}

func mentionsPortInUse(log string) bool {
	log = strings.ToLower(log) // Java begins it with a capital.
	return strings.Contains(log, "address already in use") || strings.Contains(log, "eaddrinuse")
}
