// Package controlplane says how the parts of the Kubernetes control plane are
// run: etcd, the API server, the controller manager and the node agent.
package controlplane

import (
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"ebb/tests/cluster/internal/part"
	"ebb/tests/cluster/internal/pki"
	"ebb/tests/cluster/internal/ports"
)

// Options are the knobs that a test may turn.
type Options struct {
	// BinPath comes before PATH for the commands of pods.
	BinPath string
	// HPASyncPeriod and HPADownscaleStabilization are the flags of the
	// controller manager with these names.
	HPASyncPeriod             time.Duration
	HPADownscaleStabilization time.Duration
}

// ControlPlane holds what the parts have to know of each other.
type ControlPlane struct {
	PKI *pki.PKI
	// Kubeconfig is the administrator's.
	Kubeconfig string

	options Options
	self    string // The path of this program, which is every part as well.
	dir     string
	client  *http.Client // The administrator's, for readiness checks.

	etcdPort, etcdPeerPort, apiServerPort, controllerManagerPort, nodePort int
}

// New prepares certificates, kubeconfigs and ports in an empty directory.
func New(dir string, block *ports.Block, options Options) (*ControlPlane, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := &ControlPlane{options: options, self: self, dir: dir, Kubeconfig: filepath.Join(dir, "kubeconfig")}
	for _, port := range []*int{&c.etcdPort, &c.etcdPeerPort, &c.apiServerPort, &c.controllerManagerPort, &c.nodePort} {
		if *port, err = block.Next(); err != nil {
			return nil, err
		}
	}
	if c.PKI, err = pki.New(filepath.Join(dir, "pki")); err != nil {
		return nil, err
	}
	for path, user := range map[string]pki.Pair{
		c.Kubeconfig:             c.PKI.Admin,
		c.controllerKubeconfig(): c.PKI.ControllerManagerClient,
		c.nodeKubeconfig():       c.PKI.NodeClient,
	} {
		if err := writeKubeconfig(path, c.URL(), c.PKI.ServingCA.Cert, user); err != nil {
			return nil, err
		}
	}
	if err := c.writeAuditPolicy(); err != nil {
		return nil, err
	}
	config, err := c.restConfig()
	if err != nil {
		return nil, err
	}
	c.client, err = rest.HTTPClientFor(config)
	return c, err
}

// URL is the address of the API server.
func (c *ControlPlane) URL() string { return loopback("https", c.apiServerPort) }

// Client returns a client with the administrator's rights.
func (c *ControlPlane) Client() (kubernetes.Interface, error) {
	config, err := c.restConfig()
	if err != nil {
		return nil, err
	}
	return kubernetes.NewForConfig(config)
}

func (c *ControlPlane) restConfig() (*rest.Config, error) {
	return clientcmd.BuildConfigFromFlags("", c.Kubeconfig)
}

func (c *ControlPlane) controllerKubeconfig() string {
	return filepath.Join(c.dir, "pki", "controller-manager.kubeconfig")
}

func (c *ControlPlane) nodeKubeconfig() string {
	return filepath.Join(c.dir, "pki", "node.kubeconfig")
}

// spec returns what is common to all parts: this program under another name.
func (c *ControlPlane) spec(name string, args ...string) part.Spec {
	return part.Spec{
		Name:  name,
		Path:  c.self,
		Args:  append([]string{name}, args...),
		Log:   filepath.Join(c.dir, "logs", name+".log"),
		Grace: 5 * time.Second,
	}
}

func loopback(scheme string, port int) string {
	return scheme + "://127.0.0.1:" + strconv.Itoa(port)
}
