package bed

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"ebb/tests/cluster/internal/controlplane"
	"ebb/tests/cluster/internal/door"
	"ebb/tests/cluster/internal/kafka"
	"ebb/tests/cluster/internal/part"
	"ebb/tests/cluster/internal/pki"
	"ebb/tests/cluster/internal/ports"
	"ebb/tests/cluster/internal/prometheus"
	"ebb/tests/cluster/internal/rabbitmq"
	"ebb/tests/cluster/internal/tokens"
)

// bed is a set of running parts.
type bed struct {
	ctx    context.Context // Ends when the bed is to end.
	cancel context.CancelFunc
	ports  *ports.Block
	info   Info

	// chains say what is started after what; chains do not wait for each other.
	chains  [][]*part.Part
	parts   []*part.Part
	deaths  chan *part.Part
	control *http.Server
	kafka   *kafka.Cluster // nil if there is none.
	doors   []*door.Door
}

// installed checks for the programs that do not come with the bed.
func installed(o options) error {
	if o.rabbitmq {
		if err := rabbitmq.Installed(); err != nil {
			return err
		}
	}
	if o.kafkaBrokers > 0 {
		if err := kafka.Installed(); err != nil {
			return err
		}
	}
	if o.prometheus {
		return prometheus.Installed()
	}
	return nil
}

// start starts a bed in a directory that has been claimed. If it fails nothing
// is left running.
func start(ctx context.Context, o options) (*bed, error) {
	block, err := ports.Claim()
	if err != nil {
		return nil, err
	}
	b := &bed{ports: block, deaths: make(chan *part.Part, 16)}
	b.info.PID, b.info.Dir = os.Getpid(), o.dir
	b.ctx, b.cancel = context.WithCancel(ctx)
	if err = b.assemble(o); err == nil {
		err = b.startParts()
	}
	if err != nil {
		b.stop()
		return nil, err
	}
	return b, nil
}

// assemble prepares everything that is to be started.
func (b *bed) assemble(o options) error {
	c, err := controlplane.New(o.dir, b.ports, o.controlPlane)
	if err != nil {
		return err
	}
	b.describe(c)
	b.chain(c.Etcd(), c.APIServer(), c.ControllerManager())
	b.chain(c.Node())
	if err := b.assembleBrokers(o); err != nil {
		return err
	}
	if o.prometheus {
		server, err := prometheus.New(o.dir, b.ports)
		if err != nil {
			return err
		}
		b.chain(server.Spec())
		b.info.Prometheus = &server.Info
	}
	if b.info.Kubectl, err = writeKubectl(o.dir, c.Kubeconfig); err != nil {
		return err
	}
	port, err := b.ports.Next()
	if err != nil {
		return err
	}
	b.info.Control, err = b.serveControl(port)
	return err
}

func (b *bed) assembleBrokers(o options) error {
	certs, err := pki.NewBrokers(filepath.Join(o.dir, "pki"), tokens.ClientID, kafka.LimitedName)
	if err != nil {
		return err
	}
	var issuer *tokens.Server
	if o.tokens {
		if issuer, err = tokens.New(o.dir, b.ports, o.tokenLifetime); err != nil {
			return err
		}
		b.info.Tokens = &issuer.Info
	}
	if o.rabbitmq {
		broker, err := rabbitmq.New(o.dir, b.ports, certs, b.info.Tokens)
		if err != nil {
			return err
		}
		b.chain(broker.PortMapper(), broker.Server())
		b.info.RabbitMQ = &broker.Info
		if err := b.openRabbitDoors(certs); err != nil {
			return err
		}
		second, err := broker.WithoutStatistics(o.dir, b.ports)
		if err != nil {
			return err
		}
		b.onRequest(second.Server())
		b.info.RabbitMQWithoutStatistics = &second.Info
	}
	switch {
	case o.kafkaBrokers > 0:
		if b.kafka, err = kafka.New(o.dir, b.ports, certs, issuer.Info, o.kafkaBrokers); err != nil {
			return err
		}
		b.chain(append([]part.Spec{issuer.Spec()}, b.kafka.Parts()...)...)
		b.info.Kafka = &b.kafka.Info
		return b.openDoor("kafka", door.Valid, certs, b.kafka.Lanes()...)
	case o.tokens:
		b.chain(issuer.Spec())
	}
	return nil
}

func (b *bed) describe(c *controlplane.ControlPlane) {
	b.info.Kubeconfig = c.Kubeconfig
	b.info.APIServer = c.URL()
	b.info.CA = c.PKI.ServingCA.Cert
	b.info.FrontProxy = FrontProxy{
		CA:    c.PKI.FrontProxyCA.Cert,
		CAKey: c.PKI.FrontProxyCA.Key,
		Cert:  c.PKI.FrontProxyClient.Cert,
		Key:   c.PKI.FrontProxyClient.Key,
	}
	b.info.ClientCA = ClientCA{CA: c.PKI.ClientCA.Cert, Key: c.PKI.ClientCA.Key}
}

func (b *bed) chain(specs ...part.Spec) {
	var chain []*part.Part
	for _, spec := range specs {
		chain = append(chain, part.New(spec, b.deaths))
	}
	b.chains = append(b.chains, chain)
	b.parts = append(b.parts, chain...)
}

// onRequest adds a part that is started by the control API only.
func (b *bed) onRequest(spec part.Spec) {
	b.parts = append(b.parts, part.New(spec, b.deaths))
}

func (b *bed) startParts() error {
	group, ctx := errgroup.WithContext(b.ctx)
	for _, chain := range b.chains {
		group.Go(func() error {
			for _, p := range chain {
				began := time.Now()
				if err := p.Start(ctx); err != nil {
					return err
				}
				progress("%s ready after %.1fs", p.Name(), time.Since(began).Seconds())
			}
			return nil
		})
	}
	return group.Wait()
}

// stop ends every part, the dependent ones first, and then gives the ports back.
func (b *bed) stop() {
	b.cancel()
	for _, d := range b.doors {
		d.Close()
	}
	if b.control != nil {
		_ = b.control.Close()
	}
	_ = os.Remove(infoPath(b.info.Dir)) // A bed that ends is no longer there to be used.
	// The node first and in peace, while its pods still have all they talk to.
	together((*part.Part).Stop, b.part("node"))
	discard := (*part.Part).Discard
	together(discard, b.part("kube-controller-manager"), b.part("prometheus"), b.part("rabbitmq"),
		b.part("rabbitmq-without-statistics"), b.part("kafka"), b.part("kafka-2"))
	together(discard, b.part("kube-apiserver"), b.part("epmd"), b.part("tokens"))
	together(discard, b.part("etcd"))
	b.ports.Release()
}

// together does the same to several parts, as far as the bed has them.
func together(do func(*part.Part), parts ...*part.Part) {
	var group sync.WaitGroup
	for _, p := range parts {
		if p != nil {
			group.Go(func() { do(p) })
		}
	}
	group.Wait()
}

// writeKubectl writes a kubectl that talks to this bed and to no other cluster.
func writeKubectl(dir, kubeconfig string) (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "kubectl")
	script := fmt.Sprintf(`#!/bin/sh
export KUBECONFIG='%s' KUBECACHEDIR='%s'
exec '%s' kubectl "$@"
`, kubeconfig, filepath.Join(dir, "kubectl-cache"), self)
	return path, os.WriteFile(path, []byte(script), 0o755)
}
