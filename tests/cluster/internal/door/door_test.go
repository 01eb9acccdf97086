package door

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"ebb/tests/cluster/internal/pki"
	"ebb/tests/cluster/internal/ports"
)

// echo returns the address of a plain server that gives back what it gets.
func echo(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(connection, connection) }()
		}
	}()
	return listener.Addr().String()
}

// say sends a line through a connection and wants it back.
func say(connection net.Conn) error {
	_ = connection.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := io.WriteString(connection, "hello\n"); err != nil {
		return err
	}
	_, err := bufio.NewReader(connection).ReadString('\n')
	return err
}

func TestADoorLetsInByItsMode(t *testing.T) {
	certs, err := pki.NewBrokers(t.TempDir(), "client", "limited")
	if err != nil {
		t.Fatal(err)
	}
	block, err := ports.Claim()
	if err != nil {
		t.Fatal(err)
	}
	defer block.Release()
	port, err := block.Next()
	if err != nil {
		t.Fatal(err)
	}
	door, err := Open("echo", Valid, certs, Lane{Port: port, Target: echo(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer door.Close()

	ca, err := os.ReadFile(certs.CA.Cert)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	identity, err := tls.LoadX509KeyPair(certs.Client.Cert, certs.Client.Key)
	if err != nil {
		t.Fatal(err)
	}
	address := door.listeners[0].Addr().String()
	enter := func(config *tls.Config) error {
		connection, err := tls.Dial("tcp", address, config)
		if err != nil {
			return err
		}
		defer connection.Close()
		return say(connection)
	}
	trusting := &tls.Config{RootCAs: roots}
	named := &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{identity}}

	for _, test := range []struct {
		mode           Mode
		anyone, client bool
	}{{Valid, true, true}, {Expired, false, false}, {Mutual, false, true}, {Valid, true, true}} {
		if err := door.Set(test.mode); err != nil {
			t.Fatal(err)
		}
		if err := enter(trusting); (err == nil) != test.anyone {
			t.Errorf("%s: without a certificate: %v", test.mode, err)
		}
		if err := enter(named); (err == nil) != test.client {
			t.Errorf("%s: with a certificate: %v", test.mode, err)
		}
	}

	open, err := tls.Dial("tcp", address, trusting)
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	if err := say(open); err != nil {
		t.Fatal(err)
	}
	if err := door.Set(Expired); err != nil {
		t.Fatal(err)
	}
	if say(open) == nil {
		t.Error("a connection outlives the mode it was let in under")
	}
	if door.Set("ajar") == nil || door.Mode() != Expired {
		t.Error("an unknown mode was set")
	}
}
