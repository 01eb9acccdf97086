package bed

import (
	"encoding/json"
	"os"
	"path/filepath"

	"ebb/tests/cluster/internal/kafka"
	"ebb/tests/cluster/internal/prometheus"
	"ebb/tests/cluster/internal/rabbitmq"
	"ebb/tests/cluster/internal/tokens"
)

// Info is the content of bed.json: all that a test has to know of the bed. Paths
// are absolute.
type Info struct {
	PID        int            `json:"pid"`
	Control    string         `json:"control"`
	Dir        string         `json:"dir"`
	Kubeconfig string         `json:"kubeconfig"`
	APIServer  string         `json:"apiserver"`
	CA         string         `json:"ca"`
	Kubectl    string         `json:"kubectl"`
	FrontProxy FrontProxy     `json:"frontProxy"`
	ClientCA   ClientCA       `json:"clientCA"`
	RabbitMQ   *rabbitmq.Info `json:"rabbitmq,omitempty"`
	// RabbitMQWithoutStatistics is a second broker. Its part runs from when the
	// control API is asked to start it.
	RabbitMQWithoutStatistics *rabbitmq.Info `json:"rabbitmqWithoutStatistics,omitempty"`
	Kafka                     *kafka.Info    `json:"kafka,omitempty"`
	Tokens                    *tokens.Info   `json:"tokens,omitempty"`
	// Doors are the addresses of each door by its name, separated by commas.
	Doors      map[string]string `json:"doors,omitempty"`
	Prometheus *prometheus.Info  `json:"prometheus,omitempty"`
}

// FrontProxy is what the API server proves itself with to an aggregated API, and
// what a test needs to forge such a proof.
type FrontProxy struct {
	CA    string `json:"ca"`
	CAKey string `json:"caKey"`
	Cert  string `json:"cert"`
	Key   string `json:"key"`
}

// ClientCA is the authority for users of the API server.
type ClientCA struct {
	CA  string `json:"ca"`
	Key string `json:"key"`
}

func infoPath(dir string) string { return filepath.Join(dir, "bed.json") }

// writeInfo writes bed.json in one go, as others wait for it to appear, and
// returns its content.
func writeInfo(info Info) ([]byte, error) {
	content, err := json.Marshal(info)
	if err != nil {
		return nil, err
	}
	content = append(content, '\n')
	temporary := infoPath(info.Dir) + ".new"
	if err := os.WriteFile(temporary, content, 0o644); err != nil {
		return nil, err
	}
	return content, os.Rename(temporary, infoPath(info.Dir))
}

func readInfo(dir string) (Info, error) {
	var info Info
	content, err := os.ReadFile(infoPath(dir))
	if err != nil {
		return info, err
	}
	return info, json.Unmarshal(content, &info)
}
