package controlplane

import (
	"net/http"
	"path/filepath"
	"strconv"

	"ebb/tests/cluster/internal/part"
)

// Node is the agent that stands for scheduler, kubelet and container runtime.
func (c *ControlPlane) Node() part.Spec {
	spec := c.spec("node",
		"--kubeconfig="+c.nodeKubeconfig(),
		"--dir="+filepath.Join(c.dir, "pods"),
		"--bin-path="+c.options.BinPath,
		"--port="+strconv.Itoa(c.nodePort),
	)
	spec.Ready = part.Probe(http.DefaultClient, loopback("http", c.nodePort)+"/readyz")
	return spec
}
