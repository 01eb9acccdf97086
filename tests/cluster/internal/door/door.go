// Package door puts TLS in front of a server that has none, as a load balancer
// does, in order that a test can have it go wrong: the certificate expires, or a
// client must suddenly show one of its own.
package door

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"ebb/tests/cluster/internal/pki"
)

// Mode says how a door behaves.
type Mode string

const (
	// Valid shows a good certificate and asks for none.
	Valid Mode = "valid"
	// Expired shows a certificate that was good until an hour ago.
	Expired Mode = "expired"
	// Mutual lets in who shows a certificate of the brokers' authority.
	Mutual Mode = "mutual"
)

// Lane is one port of a door and the address behind it.
type Lane struct {
	Port   int
	Target string
}

// Door is a TLS server in front of plain ones.
type Door struct {
	Name string

	configs   map[Mode]*tls.Config
	listeners []net.Listener

	mu          sync.Mutex
	mode        Mode
	connections map[net.Conn]struct{}
}

// Open opens a door with one or more lanes.
func Open(name string, mode Mode, certs *pki.Brokers, lanes ...Lane) (*Door, error) {
	configs, err := configurations(certs)
	if err != nil {
		return nil, err
	}
	d := &Door{Name: name, configs: configs, mode: mode, connections: map[net.Conn]struct{}{}}
	for _, lane := range lanes {
		listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", lane.Port))
		if err != nil {
			d.Close()
			return nil, err
		}
		d.listeners = append(d.listeners, listener)
		go d.serve(listener, lane.Target)
	}
	return d, nil
}

func configurations(certs *pki.Brokers) (map[Mode]*tls.Config, error) {
	good, err := tls.LoadX509KeyPair(certs.Server.Cert, certs.Server.Key)
	if err != nil {
		return nil, err
	}
	expired, err := tls.LoadX509KeyPair(certs.Expired.Cert, certs.Expired.Key)
	if err != nil {
		return nil, err
	}
	ca, err := os.ReadFile(certs.CA.Cert)
	if err != nil {
		return nil, err
	}
	clients := x509.NewCertPool()
	if !clients.AppendCertsFromPEM(ca) {
		return nil, errors.New(certs.CA.Cert + " holds no certificate")
	}
	return map[Mode]*tls.Config{
		Valid:   {Certificates: []tls.Certificate{good}},
		Expired: {Certificates: []tls.Certificate{expired}},
		Mutual: {
			Certificates: []tls.Certificate{good}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: clients,
		},
	}, nil
}

// Set changes the mode and cuts the connections that are open, as they were let in
// under the old one.
func (d *Door) Set(mode Mode) error {
	if d.configs[mode] == nil {
		return fmt.Errorf("a door is %s, %s or %s", Valid, Expired, Mutual)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.mode = mode
	d.cut()
	return nil
}

// Mode returns the mode.
func (d *Door) Mode() Mode {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.mode
}

// Close ends the door and what goes through it.
func (d *Door) Close() {
	for _, listener := range d.listeners {
		_ = listener.Close()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.cut()
}

func (d *Door) cut() {
	for connection := range d.connections {
		_ = connection.Close()
	}
}

func (d *Door) serve(listener net.Listener, target string) {
	for {
		connection, err := listener.Accept()
		if err != nil {
			return // The door was closed.
		}
		go d.pass(connection, target)
	}
}

// pass carries one connection until either side or the door ends it.
func (d *Door) pass(connection net.Conn, target string) {
	d.mu.Lock()
	config := d.configs[d.mode]
	d.connections[connection] = struct{}{}
	d.mu.Unlock()
	defer func() {
		_ = connection.Close()
		d.mu.Lock()
		delete(d.connections, connection)
		d.mu.Unlock()
	}()

	client := tls.Server(connection, config)
	_ = connection.SetDeadline(time.Now().Add(10 * time.Second))
	if err := client.Handshake(); err != nil {
		return // The client has been told by an alert, or it has told why it goes.
	}
	_ = connection.SetDeadline(time.Time{})
	server, err := net.Dial("tcp", target)
	if err != nil {
		return // A server that is away looks like one behind a load balancer.
	}
	defer server.Close()
	ended := make(chan struct{}, 2)
	carry := func(to, from net.Conn) {
		_, _ = io.Copy(to, from)
		ended <- struct{}{}
	}
	go carry(server, client)
	go carry(client, server)
	<-ended
}
