package rabbitmq

import (
	"fmt"
	"os"
	"path/filepath"
)

// writeConfig writes the files that the broker reads when it starts.
func (b *Broker) writeConfig() error {
	if err := os.MkdirAll(b.dir, 0o755); err != nil {
		return err
	}
	definitions, err := definitions()
	if err != nil {
		return err
	}
	for name, content := range map[string]string{
		"rabbitmq.conf":    b.config(),
		"enabled_plugins":  "[rabbitmq_management].\n",
		"definitions.json": string(definitions),
	} {
		if err := os.WriteFile(b.path(name), []byte(content), 0o600); err != nil {
			return err
		}
	}
	return nil
}

func (b *Broker) config() string {
	return fmt.Sprintf(`listeners.tcp.bed = 127.0.0.1:%d
management.tcp.ip = 127.0.0.1
management.tcp.port = %d
load_definitions = %s

# Figures shall soon be in the HTTP API: a test waits for them.
collect_statistics_interval = 1000

# A full disk of a build machine shall not block publishers.
disk_free_limit.absolute = 50MB
`, b.Info.AMQPPort, b.Info.HTTPPort, b.path("definitions.json"))
}

// environment is all that the start script gets to see: settings of the machine
// or of a developer's own RabbitMQ do not reach it.
func (b *Broker) environment() []string {
	return []string{
		"PATH=/usr/sbin:/usr/bin:/sbin:/bin",
		"LANG=C.UTF-8",
		"HOME=" + b.dir, // Holds the Erlang cookie.

		"RABBITMQ_NODENAME=ebb@localhost",
		fmt.Sprintf("RABBITMQ_DIST_PORT=%d", b.distPort),
		fmt.Sprintf("ERL_EPMD_PORT=%d", b.epmdPort),
		"ERL_EPMD_ADDRESS=127.0.0.1",

		"RABBITMQ_CONF_ENV_FILE=" + b.path("no-rabbitmq-env.conf"),
		"RABBITMQ_CONFIG_FILE=" + b.path("rabbitmq.conf"),
		"RABBITMQ_ADVANCED_CONFIG_FILE=" + b.path("no-advanced.config"),
		"RABBITMQ_ENABLED_PLUGINS_FILE=" + b.path("enabled_plugins"),
		"RABBITMQ_MNESIA_BASE=" + b.path("mnesia"),
		"RABBITMQ_LOG_BASE=" + b.path("log"),
		"RABBITMQ_LOGS=-",

		"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=" +
			// One scheduler, and no spinning while there is nothing to do.
			"+S 1:1 +SDcpu 1:1 +SDio 2 +sbwt none +sbwtdcpu none +sbwtdio none " +
			// The port mapper is a part of the bed; the VM must not start one.
			"-start_epmd false -kernel inet_dist_use_interface {127,0,0,1}",

		// Makes the script exec the VM, so that the process the bed knows is the
		// broker itself, without an Erlang shell that would want a stdin.
		"RUNNING_UNDER_SYSTEMD=true",
	}
}

func (b *Broker) path(name string) string { return filepath.Join(b.dir, name) }
