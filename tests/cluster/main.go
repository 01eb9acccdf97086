// Command ebb-bed runs the cluster that Ebb's end-to-end tests talk to: a real
// etcd, API server and controller manager, a pretend node that runs pods as
// local processes, and on request RabbitMQ, Kafka, a token server and Prometheus.
//
// It is one multi-call program, so that the Kubernetes code is linked once;
// "ebb-bed up" re-executes itself for every part of the control plane.
package main

import (
	"fmt"
	"maps"
	"os"

	"ebb/tests/cluster/internal/bed"
	"ebb/tests/cluster/internal/lossy"
	"ebb/tests/cluster/internal/node"
	"ebb/tests/cluster/internal/tokens"
)

const usage = `usage: ebb-bed COMMAND [FLAG...]

  up      start a bed and supervise it (ebb-bed up -h lists the flags)
  down    end the bed in a directory (ebb-bed down --dir DIR)

Parts of a bed, started by up:
  etcd  kube-apiserver  kube-controller-manager  kubectl  node  tokens

Beside a bed:
  external-metrics  the external metrics API as the project's own libraries serve it, for comparison with Ebb
  lossy             a proxy before the API server that loses writes and their answers
`

func main() {
	if len(os.Args) < 2 {
		fmt.Fprint(os.Stderr, usage)
		os.Exit(2)
	}
	commands := map[string]func(args []string) int{
		"up":                      bed.Up,
		"down":                    bed.Down,
		"node":                    node.Main,
		"tokens":                  tokens.Main,
		"lossy":                   lossy.Main,
		"etcd":                    runEtcd,
		"kube-apiserver":          runAPIServer,
		"kube-controller-manager": runControllerManager,
		"kubectl":                 runKubectl,
	}
	maps.Copy(commands, reference)
	command, ok := commands[os.Args[1]]
	if !ok {
		fmt.Fprint(os.Stderr, usage)
		os.Exit(2)
	}
	os.Args = os.Args[1:]
	os.Exit(command(os.Args))
}
