package controlplane

import (
	"net/http"
	"path/filepath"

	"ebb/tests/cluster/internal/part"
)

// Etcd is the store of the API server.
func (c *ControlPlane) Etcd() part.Spec {
	client, peer := loopback("http", c.etcdPort), loopback("http", c.etcdPeerPort)
	spec := c.spec("etcd",
		"--name=bed",
		"--data-dir="+filepath.Join(c.dir, "etcd"),
		"--listen-client-urls="+client,
		"--advertise-client-urls="+client,
		"--listen-peer-urls="+peer,
		"--initial-advertise-peer-urls="+peer,
		"--initial-cluster=bed="+peer,
		"--log-level=warn",
		// The data need not survive the machine, and slow disks make flaky tests.
		"--unsafe-no-fsync",
	)
	spec.Ready = part.Probe(http.DefaultClient, client+"/health")
	return spec
}
