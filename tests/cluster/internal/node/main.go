// Package node is the pretend node of the test bed: scheduler, kubelet and
// container runtime in one small agent. It binds every pod to the one node there
// is, makes it Running and Ready, and runs a container's command as a local
// process. A container without a command runs nothing and is simply Running.
//
// Not done: images, volumes, probes, resources, networks. Init containers count
// as done at once.
package node

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

// Main is the command that runs the agent until it is told to end. Its pods'
// processes end with it.
func Main(args []string) int {
	flags := flag.NewFlagSet("ebb-bed node", flag.ExitOnError)
	kubeconfig := flags.String("kubeconfig", "", "kubeconfig of the agent")
	name := flags.String("name", "node-1", "name of the node")
	dir := flags.String("dir", "", "directory for the output of pods")
	binPath := flags.String("bin-path", "", "directories before PATH for the commands of pods")
	port := flags.Int("port", 0, "port of /readyz on 127.0.0.1")
	_ = flags.Parse(args[1:]) // Exits on an error.

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	client, err := newClient(*kubeconfig)
	if err == nil {
		err = os.MkdirAll(*dir, 0o755)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	agent := newAgent(client, *name, launcher{dir: *dir, binPath: *binPath})
	go serveReadiness(*port, agent)
	agent.run(ctx)
	return 0
}

// newClient returns a client that is as fast as the API server is.
func newClient(kubeconfig string) (kubernetes.Interface, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, err
	}
	config.QPS = -1 // No limit: hundreds of pods may come at once.
	config.ContentType = runtime.ContentTypeProtobuf
	return kubernetes.NewForConfig(config)
}

// serveReadiness answers /readyz with 200 once the node is registered and its
// pods are known.
func serveReadiness(port int, agent *agent) {
	http.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if !agent.ready() {
			http.Error(w, "not yet", http.StatusServiceUnavailable)
		}
	})
	server := http.Server{Addr: fmt.Sprintf("127.0.0.1:%d", port), ReadHeaderTimeout: 10 * time.Second}
	fmt.Fprintln(os.Stderr, server.ListenAndServe())
	os.Exit(1)
}
