// Package rabbitmq says how the RabbitMQ of a bed is run: one node with the
// management plugin, apart from every other RabbitMQ on the machine.
package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"ebb/tests/cluster/internal/part"
	"ebb/tests/cluster/internal/pki"
	"ebb/tests/cluster/internal/ports"
	"ebb/tests/cluster/internal/tokens"
)

const (
	// The wrappers in /usr/sbin switch to the user rabbitmq; this one does not.
	serverPath = "/usr/lib/rabbitmq/bin/rabbitmq-server"
	epmdPath   = "/usr/bin/epmd"
)

// Info is what a test has to know to use the broker.
type Info struct {
	Host            string `json:"host"`
	AMQPPort        int    `json:"amqpPort"`
	HTTPPort        int    `json:"httpPort"`
	User            string `json:"user"`
	Password        string `json:"password"`
	LimitedUser     string `json:"limitedUser"`
	LimitedPassword string `json:"limitedPassword"`
	AMQP            string `json:"amqp"`
	HTTP            string `json:"http"`

	// The same over TLS. A client certificate is not wanted, but verified when one
	// is shown.
	AMQPSPort int    `json:"amqpsPort"`
	HTTPSPort int    `json:"httpsPort"`
	AMQPS     string `json:"amqps"`
	HTTPS     string `json:"https"`

	CA         string `json:"ca"`
	ClientCert string `json:"clientCert"`
	ClientKey  string `json:"clientKey"`
	// CertUser is the user whom the certificate is enough for, by SASL EXTERNAL.
	CertUser string `json:"certUser,omitempty"`
}

// Broker is one RabbitMQ node with a port mapper of its own.
type Broker struct {
	Info Info

	// name is the part's, the folder's and the log's, node the Erlang node's.
	name, node string
	// settings are the last lines of rabbitmq.conf.
	settings           string
	dir                string
	logs               string
	epmdPort, distPort int
	certs              *pki.Brokers
	tokens             *tokens.Info // nil if no tokens are accepted.
}

// Installed returns an error if a program the broker needs is missing.
func Installed() error {
	for _, path := range []string{serverPath, epmdPath} {
		if _, err := os.Stat(path); err != nil {
			return fmt.Errorf("%w: run apt-get install --no-install-recommends rabbitmq-server", err)
		}
	}
	return nil
}

// New writes the configuration of a broker whose data is in bedDir/rabbitmq. It
// accepts the tokens of an issuer if there is one.
func New(bedDir string, block *ports.Block, certs *pki.Brokers, issuer *tokens.Info) (*Broker, error) {
	b := &Broker{name: "rabbitmq", node: "ebb", tokens: issuer}
	var err error
	if b.epmdPort, err = block.Next(); err != nil {
		return nil, err
	}
	return b, b.prepare(bedDir, block, certs)
}

// WithoutStatistics writes the configuration of a second broker, which keeps no
// statistics: its management API has no rates, and counts messages in lists of
// queues only. It shares the first one's port mapper.
func (b *Broker) WithoutStatistics(bedDir string, block *ports.Block) (*Broker, error) {
	second := &Broker{
		name: "rabbitmq-without-statistics", node: "ebb-without-statistics", epmdPort: b.epmdPort,
		settings: "management.disable_stats = true\nmanagement.enable_queue_totals = true\n",
	}
	return second, second.prepare(bedDir, block, b.certs)
}

func (b *Broker) prepare(bedDir string, block *ports.Block, certs *pki.Brokers) (err error) {
	b.dir, b.logs, b.certs = filepath.Join(bedDir, b.name), filepath.Join(bedDir, "logs"), certs
	b.Info = Info{
		Host: "127.0.0.1",
		User: adminUser, Password: adminPassword,
		LimitedUser: limitedUser, LimitedPassword: limitedPassword,
		CA: certs.CA.Cert, ClientCert: certs.Client.Cert, ClientKey: certs.Client.Key, CertUser: certUser,
	}
	for _, port := range []*int{
		&b.Info.AMQPPort, &b.Info.HTTPPort, &b.Info.AMQPSPort, &b.Info.HTTPSPort, &b.distPort,
	} {
		if *port, err = block.Next(); err != nil {
			return err
		}
	}
	b.Info.AMQP = b.url("amqp", b.Info.AMQPPort)
	b.Info.HTTP = b.url("http", b.Info.HTTPPort)
	b.Info.AMQPS = b.url("amqps", b.Info.AMQPSPort)
	b.Info.HTTPS = b.url("https", b.Info.HTTPSPort)
	return b.writeConfig()
}

func (b *Broker) url(scheme string, port int) string {
	return fmt.Sprintf("%s://%s:%s@%s:%d", scheme, b.Info.User, b.Info.Password, b.Info.Host, port)
}

// PortMapper is Erlang's epmd. It is a part of its own because the one that an
// Erlang VM starts outlives the VM.
func (b *Broker) PortMapper() part.Spec {
	port := strconv.Itoa(b.epmdPort)
	return part.Spec{
		Name:  "epmd",
		Path:  epmdPath,
		Args:  []string{"-port", port, "-address", "127.0.0.1"},
		Log:   filepath.Join(b.logs, "epmd.log"),
		Ready: accepts(b.epmdPort),
		Grace: time.Second,
	}
}

// Server is the broker itself. It needs the port mapper.
func (b *Broker) Server() part.Spec {
	amqp, amqps := accepts(b.Info.AMQPPort), accepts(b.Info.AMQPSPort)
	management := part.Probe(http.DefaultClient, b.Info.HTTP+"/api/overview")
	return part.Spec{
		Name: b.name,
		Path: serverPath,
		Env:  b.environment(),
		Log:  filepath.Join(b.logs, b.name+".log"),
		Ready: func(ctx context.Context) error {
			if err := errors.Join(amqp(ctx), amqps(ctx)); err != nil {
				return err
			}
			return management(ctx)
		},
		Grace: 15 * time.Second,
	}
}

// accepts returns a readiness check that wants a port to accept connections.
func accepts(port int) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		var dialer net.Dialer
		conn, err := dialer.DialContext(ctx, "tcp", "127.0.0.1:"+strconv.Itoa(port))
		if err != nil {
			return err
		}
		return conn.Close()
	}
}
