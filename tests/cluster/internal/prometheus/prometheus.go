// Package prometheus says how the Prometheus of a bed is run.
package prometheus

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"ebb/tests/cluster/internal/part"
	"ebb/tests/cluster/internal/ports"
)

// Info is what a test has to know to use the server. Config may be rewritten,
// and a POST to /-/reload makes it count.
type Info struct {
	URL    string `json:"url"`
	Config string `json:"config"`
}

// Server is one Prometheus.
type Server struct {
	Info Info

	address string
	dir     string
	logs    string
}

// Installed returns an error if Prometheus is missing.
func Installed() error {
	if _, err := exec.LookPath("prometheus"); err != nil {
		return fmt.Errorf("%w: run apt-get install --no-install-recommends prometheus", err)
	}
	return nil
}

// New writes the configuration of a server whose data is in bedDir/prometheus.
func New(bedDir string, block *ports.Block) (*Server, error) {
	port, err := block.Next()
	if err != nil {
		return nil, err
	}
	s := &Server{
		address: fmt.Sprintf("127.0.0.1:%d", port),
		dir:     filepath.Join(bedDir, "prometheus"),
		logs:    filepath.Join(bedDir, "logs"),
	}
	s.Info = Info{URL: "http://" + s.address, Config: filepath.Join(s.dir, "prometheus.yml")}
	if err := os.MkdirAll(s.dir, 0o755); err != nil {
		return nil, err
	}
	return s, os.WriteFile(s.Info.Config, []byte(s.config()), 0o644)
}

func (s *Server) config() string {
	return fmt.Sprintf(`global:
  scrape_interval: 1s
  evaluation_interval: 1s
scrape_configs:
  - job_name: prometheus
    static_configs:
      - targets: ["%s"]
`, s.address)
}

// Spec says how the server is run.
func (s *Server) Spec() part.Spec {
	return part.Spec{
		Name: "prometheus",
		Path: "prometheus",
		Args: []string{
			"--config.file=" + s.Info.Config,
			"--storage.tsdb.path=" + filepath.Join(s.dir, "data"),
			"--web.listen-address=" + s.address,
			"--web.enable-lifecycle",
		},
		Log:   filepath.Join(s.logs, "prometheus.log"),
		Ready: part.Probe(http.DefaultClient, s.Info.URL+"/-/ready"),
		Grace: 10 * time.Second,
	}
}
