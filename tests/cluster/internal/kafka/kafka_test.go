package kafka

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/oauth"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"ebb/tests/cluster/internal/door"
	"ebb/tests/cluster/internal/part"
	"ebb/tests/cluster/internal/pki"
	"ebb/tests/cluster/internal/ports"
	"ebb/tests/cluster/internal/tokens"
)

// The token server is this program under another name, as in ebb-bed.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "tokens" {
		os.Exit(tokens.Main(os.Args[1:]))
	}
	os.Exit(m.Run())
}

// startCluster starts a token server and two brokers, or skips the test where
// Kafka was not fetched.
func startCluster(t *testing.T) (*Cluster, tokens.Info) {
	t.Helper()
	fetched, err := filepath.Abs("../../../../target/testbed/kafka")
	if err != nil {
		t.Fatal(err)
	}
	jarsDir = func() (string, error) { return fetched, nil }
	if err := Installed(); err != nil {
		t.Skip(err)
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "logs"), 0o755); err != nil {
		t.Fatal(err)
	}
	block, err := ports.Claim()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(block.Release)
	certs, err := pki.NewBrokers(filepath.Join(dir, "pki"), tokens.ClientID, LimitedName)
	if err != nil {
		t.Fatal(err)
	}
	issuer, err := tokens.New(dir, block, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	cluster, err := New(dir, block, certs, issuer.Info, 2)
	if err != nil {
		t.Fatal(err)
	}
	front, err := door.Open("kafka", door.Valid, certs, cluster.Lanes()...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(front.Close)
	for _, spec := range append([]part.Spec{issuer.Spec()}, cluster.Parts()...) {
		p := part.New(spec, make(chan *part.Part, 1))
		if err := p.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(p.Kill)
	}
	return cluster, issuer.Info
}

// awaitTopics waits until every broker knows of so many topics: a client asks
// one of them, and each learns of a new topic in its own time.
func awaitTopics(t *testing.T, c *Cluster, count int) {
	t.Helper()
	client, err := kgo.NewClient(seeds(c.Info.Plaintext))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for _, broker := range c.Info.Brokers {
		for known := 0; known < count; {
			request := kmsg.NewPtrMetadataRequest()
			answer, err := client.Broker(broker.ID).RetriableRequest(ctx, request)
			if err != nil {
				t.Fatalf("broker %d knows of %d topics: %v", broker.ID, known, err)
			}
			known = 0
			for _, topic := range answer.(*kmsg.MetadataResponse).Topics {
				if !topic.IsInternal {
					known++
				}
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
}

// visible returns what a client sees of the two topics `allowed-a` and `other`.
func visible(t *testing.T, options ...kgo.Opt) (string, error) {
	t.Helper()
	client, err := kadm.NewOptClient(options...)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	topics, err := client.ListTopics(ctx)
	return strings.Join(topics.Names(), " "), err
}

func testTLS(t *testing.T, c *Cluster, cert, key string) *tls.Config {
	t.Helper()
	ca, err := os.ReadFile(c.Info.CA)
	if err != nil {
		t.Fatal(err)
	}
	config := &tls.Config{RootCAs: x509.NewCertPool()}
	config.RootCAs.AppendCertsFromPEM(ca)
	if cert != "" {
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			t.Fatal(err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config
}

func testToken(t *testing.T, issuer tokens.Info, id, secret string) sasl.Mechanism {
	t.Helper()
	response, err := http.PostForm(issuer.TokenURL, url.Values{
		"grant_type": {"client_credentials"}, "client_id": {id}, "client_secret": {secret},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var answer struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil || answer.AccessToken == "" {
		t.Fatalf("no token: %v %s", err, response.Status)
	}
	return oauth.Auth{Token: answer.AccessToken}.AsMechanism()
}

// One cluster for all of it: it takes ten seconds to start.
func TestACluster(t *testing.T) {
	c, issuer := startCluster(t)
	anonymous, err := kadm.NewOptClient(seeds(c.Info.Plaintext))
	if err != nil {
		t.Fatal(err)
	}
	defer anonymous.Close()
	for _, topic := range []string{"allowed-a", "other"} {
		if _, err := anonymous.CreateTopic(t.Context(), 2, 1, nil, topic); err != nil {
			t.Fatal(err)
		}
	}
	awaitTopics(t, c, 2)

	t.Run("lets users see what they may by each way to log in", func(t *testing.T) {
		plaintext, encrypted := seeds(c.Info.SASLPlaintext), seeds(c.Info.SASLSSL)
		mtls, dial := seeds(c.Info.MTLS), kgo.DialTLSConfig(testTLS(t, c, "", ""))
		const everything = "allowed-a other"
		for name, test := range map[string]struct {
			options []kgo.Opt
			sees    string
		}{
			"anonymous":             {[]kgo.Opt{seeds(c.Info.Plaintext)}, everything},
			"SCRAM-256 with TLS":    {[]kgo.Opt{encrypted, dial, kgo.SASL(testScram(admin).AsSha256Mechanism())}, everything},
			"SCRAM-512 with TLS":    {[]kgo.Opt{encrypted, dial, kgo.SASL(testScram(viewer).AsSha512Mechanism())}, everything},
			"SCRAM-512 without TLS": {[]kgo.Opt{plaintext, kgo.SASL(testScram(limited).AsSha512Mechanism())}, "allowed-a"},
			"PLAIN": {
				[]kgo.Opt{encrypted, dial, kgo.SASL(plain.Auth{User: limited.Name, Pass: limited.Password}.AsMechanism())}, "allowed-a",
			},
			"SCRAM-256 through the door": {
				[]kgo.Opt{seeds(c.Info.Door), dial, kgo.SASL(testScram(limited).AsSha256Mechanism())}, "allowed-a",
			},
			"a stranger": {[]kgo.Opt{plaintext, kgo.SASL(testScram(stranger).AsSha256Mechanism())}, ""},
			"a token": {
				[]kgo.Opt{encrypted, dial, kgo.SASL(testToken(t, issuer, issuer.ClientID, issuer.ClientSecret))}, everything,
			},
			"a stranger's token": {
				[]kgo.Opt{plaintext, kgo.SASL(testToken(t, issuer, issuer.StrangerID, issuer.StrangerSecret))}, "",
			},
			"a certificate": {
				[]kgo.Opt{mtls, kgo.DialTLSConfig(testTLS(t, c, c.Info.ClientCert, c.Info.ClientKey))}, everything,
			},
			"a limited user's certificate": {
				[]kgo.Opt{mtls, kgo.DialTLSConfig(testTLS(t, c, c.Info.LimitedCert, c.Info.LimitedKey))}, "allowed-a",
			},
		} {
			if sees, err := visible(t, test.options...); err != nil || sees != test.sees {
				t.Errorf("%s sees %q, want %q: %v", name, sees, test.sees, err)
			}
		}
		for name, options := range map[string][]kgo.Opt{
			"a wrong password":      {encrypted, dial, kgo.SASL(scram.Auth{User: admin.Name, Pass: "wrong"}.AsSha256Mechanism())},
			"a token that is none":  {plaintext, kgo.SASL(oauth.Auth{Token: "a.b.c"}.AsMechanism())},
			"no client certificate": {mtls, dial},
		} {
			if sees, err := visible(t, append(options, kgo.RequestRetries(0))...); err == nil {
				t.Errorf("%s sees %q", name, sees)
			}
		}
	})

	t.Run("makes users and takes them away", func(t *testing.T) {
		tenant := User{Name: "tenant", Password: "first"}
		options := []kgo.Opt{seeds(c.Info.SASLPlaintext), kgo.RequestRetries(0)}
		for _, step := range []struct {
			method, body string
			status       int
			sees         string
			fails        bool
		}{
			{http.MethodPut, `{"password":"first","rights":"limited"}`, http.StatusNoContent, "allowed-a", false},
			{http.MethodPut, `{"password":"second"}`, http.StatusNoContent, "", true},
			{http.MethodPut, `{"password":"first"}`, http.StatusNoContent, "allowed-a", false},
			{http.MethodDelete, "", http.StatusNoContent, "", true},
			{http.MethodDelete, "", http.StatusNoContent, "", true},
			{http.MethodPut, `{"password":"first","rights":"all"}`, http.StatusInternalServerError, "", true},
		} {
			w := httptest.NewRecorder()
			c.Control().ServeHTTP(w, httptest.NewRequest(step.method, "/kafka/users/tenant", strings.NewReader(step.body)))
			if w.Code != step.status {
				t.Errorf("%s %s: %d %s", step.method, step.body, w.Code, w.Body)
			}
			var sees string
			err := eventually(func() bool {
				var err error
				sees, err = visible(t, append(options, kgo.SASL(testScram(tenant).AsSha256Mechanism()))...)
				return (err != nil) == step.fails && sees == step.sees
			})
			if err != nil {
				t.Errorf("after %s %s the user sees %q", step.method, step.body, sees)
			}
		}
	})

	t.Run("keeps its internal topics on the first broker", func(t *testing.T) {
		topics, err := anonymous.ListTopicsWithInternal(t.Context(), "__consumer_offsets", "__transaction_state")
		if err != nil {
			t.Fatal(err)
		}
		for name, topic := range topics {
			for _, partition := range topic.Partitions {
				if partition.Leader != 1 {
					t.Errorf("broker %d leads %s/%d", partition.Leader, name, partition.Partition)
				}
			}
			if len(topic.Partitions) != 4 {
				t.Errorf("%s has %d partitions", name, len(topic.Partitions))
			}
		}
	})
}

// eventually waits until a change has reached every broker.
func eventually(done func() bool) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for !done() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
	return nil
}

func testScram(user User) scram.Auth { return scram.Auth{User: user.Name, Pass: user.Password} }

// seeds takes the addresses as clients are usually given them.
func seeds(addresses string) kgo.Opt { return kgo.SeedBrokers(strings.Split(addresses, ",")...) }
