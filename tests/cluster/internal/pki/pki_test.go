package pki

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"os"
	"os/exec"
	"testing"
)

func leaf(t *testing.T, pair Pair) *x509.Certificate {
	t.Helper()
	cert, err := tls.LoadX509KeyPair(pair.Cert, pair.Key) // Checks that they belong together.
	if err != nil {
		t.Fatal(err)
	}
	return cert.Leaf
}

func verify(cert *x509.Certificate, ca *Authority, dnsName string, usage x509.ExtKeyUsage) error {
	roots := x509.NewCertPool()
	roots.AddCert(ca.cert)
	_, err := cert.Verify(x509.VerifyOptions{Roots: roots, DNSName: dnsName, KeyUsages: []x509.ExtKeyUsage{usage}})
	return err
}

func TestCertificatesVerifyAgainstTheirAuthorityOnly(t *testing.T) {
	p, err := New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"localhost", "127.0.0.1", "kubernetes.default.svc"} {
		if err := verify(leaf(t, p.APIServer), p.ServingCA, name, x509.ExtKeyUsageServerAuth); err != nil {
			t.Errorf("API server as %s: %v", name, err)
		}
	}
	proxy := leaf(t, p.FrontProxyClient)
	if err := verify(proxy, p.FrontProxyCA, "", x509.ExtKeyUsageClientAuth); err != nil {
		t.Errorf("front proxy: %v", err)
	}
	if err := verify(proxy, p.ClientCA, "", x509.ExtKeyUsageClientAuth); err == nil {
		t.Error("the client authority vouches for the front proxy")
	}
	if proxy.Subject.CommonName != "front-proxy-client" {
		t.Errorf("front proxy is %q", proxy.Subject.CommonName)
	}
}

func TestABrokersClientAndAnExpiredServer(t *testing.T) {
	b, err := NewBrokers(t.TempDir(), "client", "limited")
	if err != nil {
		t.Fatal(err)
	}
	for name, pair := range map[string]Pair{"client": b.Client, "limited": b.Limited} {
		cert := leaf(t, pair)
		if err := verify(cert, b.CA, "", x509.ExtKeyUsageClientAuth); err != nil || cert.Subject.CommonName != name {
			t.Errorf("%s: %v %q", name, err, cert.Subject.CommonName)
		}
	}
	if err := verify(leaf(t, b.Server), b.CA, "127.0.0.1", x509.ExtKeyUsageServerAuth); err != nil {
		t.Error(err)
	}
	if err := verify(leaf(t, b.Expired), b.CA, "127.0.0.1", x509.ExtKeyUsageServerAuth); err == nil {
		t.Error("the expired certificate is valid")
	}
}

func TestTheEncryptedKeyIsTheSameKey(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip(err) // Go's own library cannot read what it is to be checked with.
	}
	b, err := NewBrokers(t.TempDir(), "client", "limited")
	if err != nil {
		t.Fatal(err)
	}
	decrypt := func(password string) ([]byte, error) {
		return exec.Command("openssl", "pkey", "-in", b.EncryptedKey, "-passin", "pass:"+password).Output()
	}
	plain, err := os.ReadFile(b.Client.Key)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := decrypt(KeyPassword); err != nil || !bytes.Equal(got, plain) {
		t.Errorf("got %s: %v", got, err)
	}
	if _, err := decrypt("wrong"); err == nil {
		t.Error("a wrong password opens the key")
	}
}
