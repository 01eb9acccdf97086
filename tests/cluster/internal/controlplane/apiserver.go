package controlplane

import (
	"strconv"
	"time"

	"ebb/tests/cluster/internal/part"
)

// APIServer is the real one, with RBAC, the default admission plugins and the
// aggregation layer.
func (c *ControlPlane) APIServer() part.Spec {
	spec := c.spec("kube-apiserver",
		"--etcd-servers="+loopback("http", c.etcdPort),
		"--bind-address=127.0.0.1",
		"--advertise-address=127.0.0.1",
		"--secure-port="+strconv.Itoa(c.apiServerPort),
		"--tls-cert-file="+c.PKI.APIServer.Cert,
		"--tls-private-key-file="+c.PKI.APIServer.Key,
		"--client-ca-file="+c.PKI.ClientCA.Cert,
		"--authorization-mode=Node,RBAC",

		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file="+c.PKI.ServiceAccounts.Cert,
		"--service-account-signing-key-file="+c.PKI.ServiceAccounts.Key,

		// Without --enable-aggregator-routing the aggregator goes by a Service's
		// name, so one of type ExternalName reaches a process on this machine.
		"--requestheader-client-ca-file="+c.PKI.FrontProxyCA.Cert,
		"--requestheader-allowed-names=front-proxy-client",
		"--requestheader-username-headers=X-Remote-User",
		"--requestheader-group-headers=X-Remote-Group",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--proxy-client-cert-file="+c.PKI.FrontProxyClient.Cert,
		"--proxy-client-key-file="+c.PKI.FrontProxyClient.Key,

		"--service-cluster-ip-range=10.96.0.0/16",
		// The reconciler refuses to publish a loopback address.
		"--endpoint-reconciler-type=none",

		"--audit-policy-file="+c.auditPolicyFile(),
		"--audit-log-path="+c.auditLog(),
		// In megabytes, after which another is begun: what is looked for may be in
		// the first.
		"--audit-log-maxsize=8192",

		// A load test shall find the limits of what it tests.
		"--max-requests-inflight=4000",
		"--max-mutating-requests-inflight=2000",
	)
	spec.Ready = part.Probe(c.client, c.URL()+"/readyz")
	// It would wait a minute for its watchers to leave, and holds nothing itself.
	spec.Grace = time.Second
	return spec
}
