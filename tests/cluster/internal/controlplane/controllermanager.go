package controlplane

import (
	"context"
	"strconv"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"ebb/tests/cluster/internal/part"
)

// absentControllers would only get in the way of a node that has no kubelet.
const absentControllers = "-node-lifecycle-controller,-node-ipam-controller,-taint-eviction-controller"

// ControllerManager runs the real controllers: HPA, Deployment, Job, garbage
// collection and all the others.
func (c *ControlPlane) ControllerManager() part.Spec {
	spec := c.spec("kube-controller-manager",
		"--kubeconfig="+c.controllerKubeconfig(),
		"--authentication-kubeconfig="+c.controllerKubeconfig(),
		"--authorization-kubeconfig="+c.controllerKubeconfig(),
		"--bind-address=127.0.0.1",
		"--secure-port="+strconv.Itoa(c.controllerManagerPort),
		"--tls-cert-file="+c.PKI.ControllerManager.Cert,
		"--tls-private-key-file="+c.PKI.ControllerManager.Key,

		"--controllers=*,"+absentControllers,
		"--leader-elect=false",
		"--use-service-account-credentials",
		"--root-ca-file="+c.PKI.ServingCA.Cert,
		"--service-account-private-key-file="+c.PKI.ServiceAccounts.Key,
		"--cluster-signing-cert-file="+c.PKI.ClientCA.Cert,
		"--cluster-signing-key-file="+c.PKI.ClientCA.Key,

		"--horizontal-pod-autoscaler-sync-period="+c.options.HPASyncPeriod.String(),
		"--horizontal-pod-autoscaler-downscale-stabilization="+c.options.HPADownscaleStabilization.String(),

		"--kube-api-qps=2000",
		"--kube-api-burst=4000",
	)
	healthy := part.Probe(c.client, loopback("https", c.controllerManagerPort)+"/healthz")
	spec.Ready = func(ctx context.Context) error {
		if err := healthy(ctx); err != nil {
			return err
		}
		return c.defaultServiceAccount(ctx)
	}
	return spec
}

// defaultServiceAccount checks that the controllers do their work; without this
// account no pod can be created.
func (c *ControlPlane) defaultServiceAccount(ctx context.Context) error {
	client, err := c.Client()
	if err != nil {
		return err
	}
	_, err = client.CoreV1().ServiceAccounts("default").Get(ctx, "default", metav1.GetOptions{})
	return err
}
