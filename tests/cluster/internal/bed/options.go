package bed

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"ebb/tests/cluster/internal/controlplane"
	"ebb/tests/cluster/internal/tokens"
)

// options are the flags of "up".
type options struct {
	dir        string
	rabbitmq   bool
	prometheus bool
	tokens     bool
	// kafkaBrokers is how many there are; 0 means no Kafka.
	kafkaBrokers  int
	tokenLifetime time.Duration
	detach        bool
	// detached marks the supervisor that "up --detach" leaves behind.
	detached     bool
	controlPlane controlplane.Options
}

func parseOptions(args []string, output io.Writer) (options, error) {
	var (
		o     options
		flags = flag.NewFlagSet("ebb-bed up", flag.ContinueOnError)
		with  string
	)
	flags.SetOutput(output)
	flags.StringVar(&o.dir, "dir", "", "directory for data, logs and bed.json (required)")
	flags.StringVar(&with, "with", "", "servers to start as well, comma-separated: "+strings.Join(servers, ", "))
	flags.DurationVar(&o.tokenLifetime, "token-lifetime", tokens.DefaultLifetime, "how long a token of the token server is valid")
	flags.BoolVar(&o.detach, "detach", false, "return once the bed is ready and leave it running")
	flags.BoolVar(&o.detached, detachedFlag, false, "internal: be the supervisor of a detached bed")
	flags.StringVar(&o.controlPlane.BinPath, "bin-path", "", "directories before PATH for the commands of pods, colon-separated")
	flags.DurationVar(&o.controlPlane.HPASyncPeriod, "hpa-sync-period", 15*time.Second, "as the controller manager's flag")
	flags.DurationVar(&o.controlPlane.HPADownscaleStabilization, "hpa-downscale-stabilization", 5*time.Minute, "as the controller manager's flag")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if o.dir == "" {
		return o, errors.New("--dir is missing")
	}
	var err error
	if o.dir, err = filepath.Abs(o.dir); err != nil {
		return o, err
	}
	return o, o.parseWith(with)
}

// servers are what --with knows.
var servers = []string{"rabbitmq", "prometheus", "tokens", "kafka", "kafka2"}

func (o *options) parseWith(with string) error {
	for _, name := range strings.FieldsFunc(with, func(r rune) bool { return r == ',' }) {
		switch name {
		case "rabbitmq":
			o.rabbitmq = true
		case "prometheus":
			o.prometheus = true
		case "tokens":
			o.tokens = true
		case "kafka": // It accepts tokens, and wants to have read their keys to start.
			o.tokens, o.kafkaBrokers = true, max(o.kafkaBrokers, 1)
		case "kafka2":
			o.tokens, o.kafkaBrokers = true, 2
		default:
			return fmt.Errorf("--with %s: there is %s", name, strings.Join(servers, ", "))
		}
	}
	return nil
}
