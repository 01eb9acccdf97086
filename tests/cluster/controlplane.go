package main

import (
	_ "time/tzdata" // CronJob time zones work on a machine without a zone database.

	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/metrics/prometheus/clientgo" // The client-go series on /metrics.
	_ "k8s.io/component-base/metrics/prometheus/version"  // The build info series on /metrics.
	kubectl "k8s.io/kubectl/pkg/cmd"
	kubectlutil "k8s.io/kubectl/pkg/cmd/util"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
)

// The functions below are the upstream programs. Each reads its arguments from
// os.Args, which main has already cut to what that program expects.

func runEtcd(args []string) int {
	etcdmain.Main(args)
	return 0
}

func runAPIServer([]string) int {
	return cli.Run(apiserver.NewAPIServerCommand())
}

func runControllerManager([]string) int {
	return cli.Run(controllermanager.NewControllerManagerCommand())
}

func runKubectl([]string) int {
	if err := cli.RunNoErrOutput(kubectl.NewDefaultKubectlCommand()); err != nil {
		kubectlutil.CheckErr(err) // Prints the error as kubectl does and exits.
	}
	return 0
}
