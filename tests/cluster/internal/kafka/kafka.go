// Package kafka says how the Kafka of a bed is run: a broker that is also the
// KRaft controller, on request a second broker, and who may do what in them.
package kafka

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"ebb/tests/cluster/internal/door"
	"ebb/tests/cluster/internal/part"
	"ebb/tests/cluster/internal/pki"
	"ebb/tests/cluster/internal/ports"
	"ebb/tests/cluster/internal/tokens"
)

// Info is what a test has to know to use the cluster. An address that clients
// begin with names every broker, separated by commas.
type Info struct {
	Plaintext     string `json:"plaintext"`
	SASLSSL       string `json:"saslSsl"`
	SASLPlaintext string `json:"saslPlaintext"`
	// MTLS wants a client certificate.
	MTLS string `json:"mtls"`
	// Door is SASL over TLS as well, through a door of the bed.
	Door    string       `json:"door"`
	Brokers []BrokerInfo `json:"brokers"`

	CA string `json:"ca"`
	// ClientCert is of a user with every right.
	ClientCert         string `json:"clientCert"`
	ClientKey          string `json:"clientKey"`
	EncryptedClientKey string `json:"encryptedClientKey"`
	ClientKeyPassword  string `json:"clientKeyPassword"`
	// LimitedCert is the limited user's.
	LimitedCert string `json:"limitedCert"`
	LimitedKey  string `json:"limitedKey"`

	// Admin has every right, Viewer may describe everything, Limited may describe
	// and read what begins with LimitedPrefix, Stranger may do nothing.
	Admin         User   `json:"admin"`
	Viewer        User   `json:"viewer"`
	Limited       User   `json:"limited"`
	Stranger      User   `json:"stranger"`
	LimitedPrefix string `json:"limitedPrefix"`
}

// BrokerInfo is one broker. Part is its name in the control API.
type BrokerInfo struct {
	ID            int    `json:"id"`
	Part          string `json:"part"`
	Plaintext     string `json:"plaintext"`
	SASLSSL       string `json:"saslSsl"`
	SASLPlaintext string `json:"saslPlaintext"`
	MTLS          string `json:"mtls"`
	Door          string `json:"door"`
}

// User is a user of SCRAM and PLAIN.
type User struct {
	Name     string `json:"name"`
	Password string `json:"password"`
}

// Cluster is one Kafka cluster.
type Cluster struct {
	Info Info

	dir     string
	logs    string
	jars    string
	java    string
	certs   *pki.Brokers
	tokens  tokens.Info
	brokers []*broker
}

// broker is one process of the cluster. The first one is the controller as well.
type broker struct {
	BrokerInfo
	dir string
	// controller is the address of the one controller.
	controller string

	plaintextPort, saslSSLPort, saslTextPort, mtlsPort, internalPort int
	// What comes through the door arrives at behindDoorPort.
	doorPort, behindDoorPort int
	// controllerPort is 0 for a broker that is not the controller.
	controllerPort int
}

// jarsDir is where fetch.sh puts Kafka, seen from this program in target/testbed/bin.
var jarsDir = func() (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	return filepath.Join(filepath.Dir(filepath.Dir(self)), "kafka"), nil
}

// Installed returns an error if Kafka or Java is missing.
func Installed() error {
	if _, err := exec.LookPath("java"); err != nil {
		return fmt.Errorf("%w: run tests/cluster/install.sh", err)
	}
	jars, err := jarsDir()
	if err != nil {
		return err
	}
	if found, _ := filepath.Glob(filepath.Join(jars, "kafka_2.13-*.jar")); len(found) == 0 {
		return fmt.Errorf("no Kafka in %s: run tests/cluster/kafka/fetch.sh", jars)
	}
	return nil
}

// New writes the configuration of a cluster of one or two brokers whose data is
// in bedDir/kafka.
func New(bedDir string, block *ports.Block, certs *pki.Brokers, issuer tokens.Info, brokers int) (*Cluster, error) {
	c := &Cluster{
		dir: filepath.Join(bedDir, "kafka"), logs: filepath.Join(bedDir, "logs"),
		certs: certs, tokens: issuer,
	}
	var err error
	if c.jars, err = jarsDir(); err != nil {
		return nil, err
	}
	if c.java, err = exec.LookPath("java"); err != nil {
		return nil, err
	}
	for id := 1; id <= brokers; id++ {
		b, err := c.newBroker(id, block)
		if err != nil {
			return nil, err
		}
		c.brokers = append(c.brokers, b)
	}
	c.describe()
	return c, c.writeConfig()
}

func (c *Cluster) newBroker(id int, block *ports.Block) (*broker, error) {
	b := &broker{dir: filepath.Join(c.dir, fmt.Sprint(id))}
	wanted := []*int{&b.plaintextPort, &b.saslSSLPort, &b.saslTextPort, &b.mtlsPort, &b.internalPort, &b.doorPort, &b.behindDoorPort}
	if id == 1 {
		wanted = append(wanted, &b.controllerPort)
	}
	for _, port := range wanted {
		var err error
		if *port, err = block.Next(); err != nil {
			return nil, err
		}
	}
	b.BrokerInfo = BrokerInfo{
		ID: id, Part: "kafka",
		Plaintext: address(b.plaintextPort), SASLSSL: address(b.saslSSLPort),
		SASLPlaintext: address(b.saslTextPort), MTLS: address(b.mtlsPort), Door: address(b.doorPort),
	}
	if id > 1 {
		b.Part = fmt.Sprintf("kafka-%d", id)
		b.controller = c.brokers[0].controller
	} else {
		b.controller = address(b.controllerPort)
	}
	return b, nil
}

func address(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }

func (c *Cluster) describe() {
	all := func(of func(b *broker) string) string {
		var addresses []string
		for _, b := range c.brokers {
			addresses = append(addresses, of(b))
		}
		return strings.Join(addresses, ",")
	}
	c.Info = Info{
		Plaintext:     all(func(b *broker) string { return b.Plaintext }),
		SASLSSL:       all(func(b *broker) string { return b.SASLSSL }),
		SASLPlaintext: all(func(b *broker) string { return b.SASLPlaintext }),
		MTLS:          all(func(b *broker) string { return b.MTLS }),
		Door:          all(func(b *broker) string { return b.Door }),

		CA:         c.certs.CA.Cert,
		ClientCert: c.certs.Client.Cert, ClientKey: c.certs.Client.Key,
		EncryptedClientKey: c.certs.EncryptedKey, ClientKeyPassword: pki.KeyPassword,
		LimitedCert: c.certs.Limited.Cert, LimitedKey: c.certs.Limited.Key,

		Admin: admin, Viewer: viewer, Limited: limited, Stranger: stranger,
		LimitedPrefix: limitedPrefix,
	}
	for _, b := range c.brokers {
		c.Info.Brokers = append(c.Info.Brokers, b.BrokerInfo)
	}
}

// Lanes are what the door in front of the brokers is made of.
func (c *Cluster) Lanes() []door.Lane {
	var lanes []door.Lane
	for _, b := range c.brokers {
		lanes = append(lanes, door.Lane{Port: b.doorPort, Target: address(b.behindDoorPort)})
	}
	return lanes
}

// Parts are the brokers. Each needs the one before it.
func (c *Cluster) Parts() []part.Spec {
	var specs []part.Spec
	for _, b := range c.brokers {
		specs = append(specs, part.Spec{
			Name:  b.Part,
			Path:  "/bin/sh",
			Args:  []string{filepath.Join(b.dir, "run.sh")},
			Env:   []string{"PATH=/usr/bin:/bin", "LANG=C.UTF-8"},
			Log:   filepath.Join(c.logs, b.Part+".log"),
			Ready: c.ready(b),
			Grace: 20 * time.Second,
		})
	}
	return specs
}
