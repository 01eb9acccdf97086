package rabbitmq

import (
	"fmt"
	"os"
	"path/filepath"

	"ebb/tests/cluster/internal/tokens"
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
		"enabled_plugins":  b.plugins(),
		"definitions.json": string(definitions),
	} {
		if err := os.WriteFile(b.path(name), []byte(content), 0o600); err != nil {
			return err
		}
	}
	return nil
}

func (b *Broker) plugins() string {
	plugins := "rabbitmq_management,rabbitmq_auth_mechanism_ssl"
	if b.tokens != nil {
		plugins += ",rabbitmq_auth_backend_oauth2"
	}
	return "[" + plugins + "].\n"
}

func (b *Broker) config() string {
	config := fmt.Sprintf(`listeners.tcp.bed = 127.0.0.1:%d
management.tcp.ip = 127.0.0.1
management.tcp.port = %d
load_definitions = %s

listeners.ssl.bed = 127.0.0.1:%d
management.ssl.ip = 127.0.0.1
management.ssl.port = %d

# A client certificate is enough for the user who is its common name.
auth_mechanisms.1 = PLAIN
auth_mechanisms.2 = AMQPLAIN
auth_mechanisms.3 = EXTERNAL
ssl_cert_login_from = common_name

# Figures shall soon be in the HTTP API: a test waits for them.
collect_statistics_interval = 1000

# A full disk of a build machine shall not block publishers.
disk_free_limit.absolute = 50MB
`, b.Info.AMQPPort, b.Info.HTTPPort, b.path("definitions.json"), b.Info.AMQPSPort, b.Info.HTTPSPort)
	for _, prefix := range []string{"ssl_options", "management.ssl"} {
		config += fmt.Sprintf(`
%[1]s.cacertfile = %[2]s
%[1]s.certfile = %[3]s
%[1]s.keyfile = %[4]s
%[1]s.verify = verify_peer
%[1]s.fail_if_no_peer_cert = false
`, prefix, b.certs.CA.Cert, b.certs.Server.Cert, b.certs.Server.Key)
	}
	if b.tokens != nil {
		config += fmt.Sprintf(`
auth_backends.1 = internal
auth_backends.2 = rabbit_auth_backend_oauth2
auth_oauth2.resource_server_id = %s
auth_oauth2.default_key = %[2]s
auth_oauth2.signing_keys.%[2]s = %[3]s
`, tokens.RabbitMQAudience, tokens.KeyID, b.tokens.PublicKey)
	}
	return config + b.settings
}

// environment is all that the start script gets to see: settings of the machine
// or of a developer's own RabbitMQ do not reach it.
func (b *Broker) environment() []string {
	return []string{
		"PATH=/usr/sbin:/usr/bin:/sbin:/bin",
		"LANG=C.UTF-8",
		"HOME=" + b.dir, // Holds the Erlang cookie.

		"RABBITMQ_NODENAME=" + b.node + "@localhost",
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
