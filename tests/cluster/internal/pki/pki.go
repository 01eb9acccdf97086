// Package pki makes the certificates and keys of one bed.
package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"os"
	"path/filepath"
)

// PKI is everything a control plane needs to trust itself. The three
// authorities are apart as they should be in a real cluster: who may serve, who
// is a user, and who may speak for a user.
type PKI struct {
	ServingCA         *Authority
	APIServer         Pair
	ControllerManager Pair

	ClientCA                *Authority
	Admin                   Pair
	ControllerManagerClient Pair
	NodeClient              Pair

	FrontProxyCA     *Authority
	FrontProxyClient Pair

	// ServiceAccounts signs and verifies the tokens of service accounts; its
	// Cert is a bare public key.
	ServiceAccounts Pair
}

// New makes a new PKI in the files of dir.
func New(dir string) (*PKI, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	p := &PKI{}
	for _, step := range []func(dir string) error{
		p.makeServing, p.makeClients, p.makeFrontProxy, p.makeServiceAccounts,
	} {
		if err := step(dir); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func (p *PKI) makeServing(dir string) (err error) {
	if p.ServingCA, err = NewAuthority(dir, "ca"); err != nil {
		return err
	}
	p.APIServer, err = p.ServingCA.Server("kube-apiserver", "kubernetes", "kubernetes.default",
		"kubernetes.default.svc", "kubernetes.default.svc.cluster.local")
	if err != nil {
		return err
	}
	p.ControllerManager, err = p.ServingCA.Server("kube-controller-manager")
	return err
}

func (p *PKI) makeClients(dir string) (err error) {
	if p.ClientCA, err = NewAuthority(dir, "client-ca"); err != nil {
		return err
	}
	if p.Admin, err = p.ClientCA.Client("admin", "admin", "system:masters"); err != nil {
		return err
	}
	p.ControllerManagerClient, err = p.ClientCA.Client("controller-manager-client", "system:kube-controller-manager")
	if err != nil {
		return err
	}
	// Not a system:node: the agent is scheduler and kubelet in one.
	p.NodeClient, err = p.ClientCA.Client("node-client", "node-agent", "system:masters")
	return err
}

func (p *PKI) makeFrontProxy(dir string) (err error) {
	if p.FrontProxyCA, err = NewAuthority(dir, "front-proxy-ca"); err != nil {
		return err
	}
	p.FrontProxyClient, err = p.FrontProxyCA.Client("front-proxy-client", "front-proxy-client")
	return err
}

func (p *PKI) makeServiceAccounts(dir string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return err
	}
	p.ServiceAccounts = Pair{Cert: filepath.Join(dir, "service-accounts.pub"), Key: filepath.Join(dir, "service-accounts.key")}
	if err := writePEM(p.ServiceAccounts.Cert, "PUBLIC KEY", public); err != nil {
		return err
	}
	return writeKey(p.ServiceAccounts.Key, key)
}
