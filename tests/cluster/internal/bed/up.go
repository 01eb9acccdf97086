// Package bed puts the parts of a test bed together, supervises them and ends
// them.
package bed

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"ebb/tests/cluster/internal/part"
)

// Up is the command that starts a bed and supervises it until it is told to end.
func Up(args []string) int {
	o, err := parseOptions(args[1:], os.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err == nil {
		if o.detach {
			err = detach(args)
		} else {
			err = supervise(o)
		}
	}
	if err != nil {
		progress("%v", err)
		return 1
	}
	return 0
}

func supervise(o options) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	defer stop()
	if !o.detached {
		ctx = untilEOF(ctx, os.Stdin)
	}
	if err := installed(o); err != nil {
		return err
	}
	lock, err := claimDir(o.dir)
	if err != nil {
		return err
	}
	defer lock.Close()

	began := time.Now()
	b, err := startWithRetries(ctx, o)
	if errors.Is(err, context.Canceled) {
		return nil // Told to end before it was ready.
	}
	if err != nil {
		return err
	}
	defer b.stop()
	content, err := writeInfo(b.info)
	if err != nil {
		return err
	}
	progress("ready after %.1fs", time.Since(began).Seconds())
	if _, err := os.Stdout.Write(content); err != nil {
		return err
	}
	if o.detached {
		if err := letGo(o.dir); err != nil {
			return err
		}
	}
	select {
	case <-ctx.Done():
		return nil
	case dead := <-b.deaths:
		return fmt.Errorf("%s died; its log ends with:\n%s", dead.Name(), dead.LogTail())
	}
}

// startWithRetries starts a bed. Foreign programs can take a port between its
// choice and its use; other ports are tried then.
func startWithRetries(ctx context.Context, o options) (*bed, error) {
	const attempts = 3
	for attempt := 1; ; attempt++ {
		b, err := start(ctx, o)
		if !errors.Is(err, part.ErrPortInUse) || attempt == attempts {
			return b, err
		}
		progress("%v", err)
		progress("starting again with other ports")
		if err := clearDir(o.dir); err != nil {
			return nil, err
		}
	}
}

// untilEOF returns a context that ends with the input: a test that dies closes
// its end of the pipe, and the bed goes with it.
func untilEOF(ctx context.Context, input io.Reader) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		_, _ = io.Copy(io.Discard, input) // An input that cannot be read has ended, too.
		cancel()
	}()
	return ctx
}

// progress tells the person who waits; stdout belongs to the JSON.
func progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "bed: "+format+"\n", args...)
}
