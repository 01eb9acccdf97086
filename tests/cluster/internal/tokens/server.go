package tokens

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"sync"
	"time"
)

// Main is the command that runs the token server until it is killed.
func Main(args []string) int {
	flags := flag.NewFlagSet("ebb-bed tokens", flag.ExitOnError)
	port := flags.Int("port", 0, "port on 127.0.0.1")
	key := flags.String("key", "", "PEM file of the key that signs tokens")
	lifetime := flags.Duration("lifetime", DefaultLifetime, "how long a token is valid")
	_ = flags.Parse(args[1:]) // Exits on an error.

	signer, err := readKey(*key)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	server := http.Server{
		Addr:              fmt.Sprintf("127.0.0.1:%d", *port),
		Handler:           newServer(signer, issuer(*port), *lifetime).handler(),
		ReadHeaderTimeout: 10 * time.Second,
	}
	fmt.Fprintln(os.Stderr, server.ListenAndServe())
	return 1
}

// server is the OAuth 2.0 token endpoint (RFC 6749, section 4.4) with its keys.
type server struct {
	key      *rsa.PrivateKey
	issuer   string
	lifetime time.Duration
	now      func() time.Time

	mu    sync.Mutex
	stats stats
}

// stats tell a test what its client has asked.
type stats struct {
	// Issued counts the tokens by client.
	Issued map[string]int `json:"issued"`
	// Refused counts the requests that were answered with an error.
	Refused int `json:"refused"`
	// KeySets counts the answers to /jwks.
	KeySets int `json:"keySets"`
	// Last is the last request for a token.
	Last *lastRequest `json:"last"`
}

type lastRequest struct {
	Client string `json:"client"`
	// Credentials is "basic" or "body".
	Credentials string `json:"credentials"`
	// Parameters are those of the form, without the secret.
	Parameters map[string]string `json:"parameters"`
}

func newServer(key *rsa.PrivateKey, issuer string, lifetime time.Duration) *server {
	return &server{key: key, issuer: issuer, lifetime: lifetime, now: time.Now, stats: stats{Issued: map[string]int{}}}
}

func (s *server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /token", s.token)
	mux.HandleFunc("GET /jwks", func(w http.ResponseWriter, _ *http.Request) {
		s.mu.Lock()
		s.stats.KeySets++
		s.mu.Unlock()
		answer(w, http.StatusOK, keySet(&s.key.PublicKey))
	})
	mux.HandleFunc("GET /stats", func(w http.ResponseWriter, _ *http.Request) {
		s.mu.Lock()
		copied := s.stats
		copied.Issued = maps.Clone(s.stats.Issued)
		s.mu.Unlock()
		answer(w, http.StatusOK, copied)
	})
	mux.HandleFunc("GET /readyz", func(http.ResponseWriter, *http.Request) {})
	return mux
}

// token answers a request for a token with the grant client_credentials.
func (s *server) token(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		s.refuse(w, http.StatusBadRequest, "invalid_request", "the form cannot be read")
		return
	}
	id, secret, how := credentials(r)
	s.remember(id, how, r.PostForm)
	client := authenticate(id, secret)
	if client == nil {
		w.Header().Set("WWW-Authenticate", `Basic realm="bed"`)
		s.refuse(w, http.StatusUnauthorized, "invalid_client", "no such client, or another secret")
		return
	}
	if grant := r.PostForm.Get("grant_type"); grant != "client_credentials" {
		s.refuse(w, http.StatusBadRequest, "unsupported_grant_type", "there is client_credentials only")
		return
	}
	scope, ok := client.grant(r.PostForm.Get("scope"))
	if !ok {
		s.refuse(w, http.StatusBadRequest, "invalid_scope", "the client may not have this scope")
		return
	}
	lifetime := s.lifetime
	if seconds, err := strconv.Atoi(r.PostForm.Get(lifetimeParameter)); err == nil && seconds > 0 {
		lifetime = time.Duration(seconds) * time.Second
	}
	now := s.now()
	token, err := sign(s.key, claims{
		Issuer: s.issuer, Subject: client.id, ClientID: client.id,
		Audience: []string{KafkaAudience, RabbitMQAudience},
		Scope:    scope,
		ID:       rand.Text(), // Two tokens of the same second differ.
		IssuedAt: now.Unix(), Expires: now.Add(lifetime).Unix(),
	})
	if err != nil {
		s.refuse(w, http.StatusInternalServerError, "server_error", err.Error())
		return
	}
	s.mu.Lock()
	s.stats.Issued[client.id]++
	s.mu.Unlock()
	w.Header().Set("Cache-Control", "no-store")
	answer(w, http.StatusOK, map[string]any{
		"access_token": token, "token_type": "Bearer", "expires_in": int(lifetime.Seconds()), "scope": scope,
	})
}

func (s *server) refuse(w http.ResponseWriter, status int, code, description string) {
	s.mu.Lock()
	s.stats.Refused++
	s.mu.Unlock()
	answer(w, status, map[string]string{"error": code, "error_description": description})
}

func (s *server) remember(id, how string, form url.Values) {
	parameters := map[string]string{}
	for name := range form {
		if name != "client_secret" {
			parameters[name] = form.Get(name)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.Last = &lastRequest{Client: id, Credentials: how, Parameters: parameters}
}

// credentials returns the client's id and secret and where they were. In HTTP
// Basic both are form-encoded first (RFC 6749, section 2.3.1); a client that does
// not do so is understood as well, as most servers do.
func credentials(r *http.Request) (id, secret, how string) {
	id, secret, ok := r.BasicAuth()
	if !ok {
		return r.PostForm.Get("client_id"), r.PostForm.Get("client_secret"), "body"
	}
	if authenticate(id, secret) == nil {
		plainID, errID := url.QueryUnescape(id)
		plainSecret, errSecret := url.QueryUnescape(secret)
		if errID == nil && errSecret == nil {
			id, secret = plainID, plainSecret
		}
	}
	return id, secret, "basic"
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // Fails if the client has gone.
}
