package bed

import (
	"io"
	"path/filepath"
	"testing"
	"time"
)

func TestParseOptions(t *testing.T) {
	o, err := parseOptions([]string{"--dir", "x", "--with", "rabbitmq,prometheus", "--hpa-sync-period", "1s"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if !filepath.IsAbs(o.dir) || !o.rabbitmq || !o.prometheus || o.detach {
		t.Errorf("got %+v", o)
	}
	if got := o.controlPlane.HPASyncPeriod; got != time.Second {
		t.Errorf("sync period %v", got)
	}
	if got := o.controlPlane.HPADownscaleStabilization; got != 5*time.Minute {
		t.Errorf("downscale stabilization %v", got)
	}
}

func TestWhatKafkaNeedsComesWithIt(t *testing.T) {
	for with, brokers := range map[string]int{"kafka": 1, "kafka2": 2, "kafka2,kafka": 2, "tokens": 0} {
		o, err := parseOptions([]string{"--dir", "x", "--with", with}, io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		if o.kafkaBrokers != brokers || !o.tokens {
			t.Errorf("%s: got %+v", with, o)
		}
	}
}

func TestParseOptionsRefuses(t *testing.T) {
	for name, args := range map[string][]string{
		"no directory":        {},
		"an unknown broker":   {"--dir", "x", "--with", "nats"},
		"a positional":        {"--dir", "x", "rabbitmq"},
		"an unknown flag":     {"--dir", "x", "--fast"},
		"an invalid duration": {"--dir", "x", "--hpa-sync-period", "15"},
	} {
		if _, err := parseOptions(args, io.Discard); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}
