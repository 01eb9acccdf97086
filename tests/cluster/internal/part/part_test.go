package part

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// scripted returns a part that runs a shell script and is ready once the script
// has written the word "listening" into its log.
func scripted(t *testing.T, script string) (*Part, chan *Part) {
	t.Helper()
	log := filepath.Join(t.TempDir(), "log")
	deaths := make(chan *Part, 1)
	p := New(Spec{
		Name: "scripted",
		Path: "sh",
		Args: []string{"-c", script},
		Log:  log,
		Ready: func(context.Context) error {
			if content, _ := os.ReadFile(log); !strings.Contains(string(content), "listening") {
				return errors.New("not yet")
			}
			return nil
		},
		Grace: 5 * time.Second,
	}, deaths)
	t.Cleanup(p.Kill)
	return p, deaths
}

func TestStopIsNoNewsAndStartWorksAgain(t *testing.T) {
	p, deaths := scripted(t, "echo listening; exec sleep 100")
	for range 2 {
		if err := p.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		p.Stop()
		if _, running := p.PID(); running {
			t.Error("the part runs after Stop")
		}
	}
	select {
	case <-deaths:
		t.Error("a stop was reported as a death")
	case <-time.After(50 * time.Millisecond):
	}
}

func TestDeathIsReported(t *testing.T) {
	p, deaths := scripted(t, "echo listening; sleep 0.3; echo last words")
	if err := p.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	select {
	case <-deaths:
	case <-time.After(10 * time.Second):
		t.Fatal("the death was not reported")
	}
	if tail := p.LogTail(); !strings.Contains(tail, "last words") {
		t.Errorf("log tail is %q", tail)
	}
}

func TestAStartThatFailsTellsWhy(t *testing.T) {
	p, _ := scripted(t, "echo bind: address already in use; exit 1")
	err := p.Start(t.Context())
	if !errors.Is(err, ErrPortInUse) || !strings.Contains(err.Error(), "exit status 1") {
		t.Errorf("got %v", err)
	}
}

func TestTailKeepsTheLastLines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(path, []byte("one\ntwo\nthree\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := Tail(path, 2); got != "two\nthree" {
		t.Errorf("got %q", got)
	}
}
