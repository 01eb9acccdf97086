package pki

import (
	"crypto/tls"
	"crypto/x509"
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
