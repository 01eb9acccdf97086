// Package tokens is the OAuth 2.0 authorization server of a bed: a token endpoint
// for applications (client credentials), whose tokens Kafka and RabbitMQ accept.
package tokens

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"ebb/tests/cluster/internal/part"
	"ebb/tests/cluster/internal/ports"
)

const (
	// KafkaAudience and RabbitMQAudience are the `aud` of every token.
	KafkaAudience    = "kafka"
	RabbitMQAudience = "rabbitmq"
	// DefaultLifetime is how long a token is valid unless the request says otherwise.
	DefaultLifetime = time.Minute
	// lifetimeParameter of a request for a token, in seconds, comes before the server's own setting.
	lifetimeParameter = "lifetime"
)

// Info is what a test has to know to get tokens.
type Info struct {
	// TokenURL, KeySetURL and StatsURL are the endpoints.
	TokenURL  string `json:"tokenUrl"`
	KeySetURL string `json:"keySetUrl"`
	StatsURL  string `json:"statsUrl"`
	Issuer    string `json:"issuer"`
	// ClientID may do everything, StrangerID nothing at all.
	ClientID       string `json:"clientId"`
	ClientSecret   string `json:"clientSecret"`
	StrangerID     string `json:"strangerId"`
	StrangerSecret string `json:"strangerSecret"`
	// PublicKey is the PEM file that verifies tokens.
	PublicKey string `json:"publicKey"`
}

// Server is one token server.
type Server struct {
	Info Info

	self     string // The path of this program.
	key      string
	log      string
	port     int
	lifetime time.Duration
}

// New makes the keys of a token server in bedDir/tokens.
func New(bedDir string, block *ports.Block, lifetime time.Duration) (*Server, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(bedDir, "tokens")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	s := &Server{
		self: self, key: filepath.Join(dir, "signing.key"), log: filepath.Join(bedDir, "logs", "tokens.log"), lifetime: lifetime,
	}
	if s.port, err = block.Next(); err != nil {
		return nil, err
	}
	s.Info = Info{
		TokenURL: issuer(s.port) + "/token", KeySetURL: issuer(s.port) + "/jwks", StatsURL: issuer(s.port) + "/stats",
		Issuer:   issuer(s.port),
		ClientID: ClientID, ClientSecret: clientSecret,
		StrangerID: strangerID, StrangerSecret: strangerSecret,
		PublicKey: filepath.Join(dir, "signing.pub"),
	}
	return s, writeKeys(s.key, s.Info.PublicKey)
}

func issuer(port int) string { return fmt.Sprintf("http://127.0.0.1:%d", port) }

// Spec says how the server is run.
func (s *Server) Spec() part.Spec {
	return part.Spec{
		Name:  "tokens",
		Path:  s.self,
		Args:  []string{"tokens", "--port=" + strconv.Itoa(s.port), "--key=" + s.key, "--lifetime=" + s.lifetime.String()},
		Log:   s.log,
		Ready: part.Probe(http.DefaultClient, s.Info.Issuer+"/readyz"),
		Grace: time.Second,
	}
}
