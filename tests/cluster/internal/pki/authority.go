package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// Pair is a certificate and its private key, as paths of PEM files.
type Pair struct {
	Cert string
	Key  string
}

// Bundle returns key and certificate as the one PEM text that Java's servers want.
func (p Pair) Bundle() ([]byte, error) {
	key, err := os.ReadFile(p.Key)
	if err != nil {
		return nil, err
	}
	cert, err := os.ReadFile(p.Cert)
	return append(key, cert...), err
}

// Authority is a certificate authority.
type Authority struct {
	Pair
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// NewAuthority creates a self-signed authority in dir/NAME.crt and dir/NAME.key.
func NewAuthority(dir, name string) (*Authority, error) {
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: name},
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign | x509.KeyUsageDigitalSignature,
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
	a := &Authority{dir: dir}
	var err error
	if a.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return nil, err
	}
	a.cert = template // Signs itself.
	a.Pair, a.cert, err = a.sign(template, name, a.key)
	return a, err
}

// Server issues a serving certificate for 127.0.0.1 and the given names.
func (a *Authority) Server(name string, dnsNames ...string) (Pair, error) {
	return a.issue(name, serving(name, dnsNames...))
}

// ExpiredServer issues a serving certificate that was valid until an hour ago.
func (a *Authority) ExpiredServer(name string) (Pair, error) {
	template := serving(name)
	template.NotBefore = time.Now().Add(-2 * time.Hour)
	template.NotAfter = time.Now().Add(-time.Hour)
	return a.issue(name, template)
}

func serving(name string, dnsNames ...string) *x509.Certificate {
	return &x509.Certificate{
		Subject:     pkix.Name{CommonName: name},
		DNSNames:    append([]string{"localhost"}, dnsNames...),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
}

// Client issues a client certificate for a user in some groups.
func (a *Authority) Client(name, user string, groups ...string) (Pair, error) {
	return a.issue(name, &x509.Certificate{
		Subject:     pkix.Name{CommonName: user, Organization: groups},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
}

func (a *Authority) issue(name string, template *x509.Certificate) (Pair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Pair{}, err
	}
	template.KeyUsage = x509.KeyUsageDigitalSignature
	pair, _, err := a.sign(template, name, key)
	return pair, err
}

// sign completes the template, signs it and writes certificate and key.
func (a *Authority) sign(template *x509.Certificate, name string, key *ecdsa.PrivateKey) (Pair, *x509.Certificate, error) {
	pair := Pair{Cert: filepath.Join(a.dir, name+".crt"), Key: filepath.Join(a.dir, name+".key")}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return pair, nil, err
	}
	template.SerialNumber = serial
	if template.NotAfter.IsZero() {
		template.NotBefore = time.Now().Add(-time.Hour) // Clocks of test machines differ.
		template.NotAfter = time.Now().AddDate(1, 0, 0)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		return pair, nil, fmt.Errorf("sign %s: %w", name, err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return pair, nil, err
	}
	if err := writePEM(pair.Cert, "CERTIFICATE", der); err != nil {
		return pair, nil, err
	}
	return pair, cert, writeKey(pair.Key, key)
}

func writeKey(path string, key *ecdsa.PrivateKey) error {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return writePEM(path, "PRIVATE KEY", der)
}

func writePEM(path, kind string, der []byte) error {
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
}
