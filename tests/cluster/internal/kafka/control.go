package kafka

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

// Control lets a test make users and take them away:
//
//	PUT    /kafka/users/NAME  {"password":"…","rights":"none|describe|read|limited"}
//	DELETE /kafka/users/NAME
//
// They may log in with SCRAM. A user that is there gets the new password and, in
// addition, the rights. Deleting one takes its password and leaves its rights.
func (c *Cluster) Control() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("PUT /kafka/users/{name}", func(w http.ResponseWriter, r *http.Request) {
		var wanted struct{ Password, Rights string }
		if err := json.NewDecoder(r.Body).Decode(&wanted); err != nil || wanted.Password == "" {
			http.Error(w, `want {"password":"…","rights":"…"}`, http.StatusBadRequest)
			return
		}
		name := r.PathValue("name")
		c.administer(w, r, func(ctx context.Context, client *kadm.Client) error {
			if wanted.Rights != "" {
				if err := allow(ctx, client, name, wanted.Rights); err != nil {
					return err
				}
			}
			return setPassword(ctx, client, name, wanted.Password)
		})
	})
	mux.HandleFunc("DELETE /kafka/users/{name}", func(w http.ResponseWriter, r *http.Request) {
		c.administer(w, r, func(ctx context.Context, client *kadm.Client) error {
			return removePassword(ctx, client, r.PathValue("name"))
		})
	})
	return mux
}

func (c *Cluster) administer(w http.ResponseWriter, r *http.Request, act func(context.Context, *kadm.Client) error) {
	ctx, cancel := context.WithTimeout(r.Context(), 15*time.Second)
	defer cancel()
	client, err := c.client(c.brokers[0].Plaintext)
	if err == nil {
		defer client.Close()
		err = act(ctx, client)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

var mechanisms = []kadm.ScramMechanism{kadm.ScramSha256, kadm.ScramSha512}

func setPassword(ctx context.Context, client *kadm.Client, user, password string) error {
	for _, mechanism := range mechanisms { // Kafka takes one credential of a user at a time.
		wanted := []kadm.UpsertSCRAM{{User: user, Mechanism: mechanism, Iterations: 4096, Password: password}}
		results, err := client.AlterUserSCRAMs(ctx, nil, wanted)
		if err == nil {
			err = results.Error()
		}
		if err != nil {
			return fmt.Errorf("password of %s: %w", user, err)
		}
	}
	return nil
}

// removePassword is content with a user who has none.
func removePassword(ctx context.Context, client *kadm.Client, user string) error {
	for _, mechanism := range mechanisms {
		results, err := client.AlterUserSCRAMs(ctx, []kadm.DeleteSCRAM{{User: user, Mechanism: mechanism}}, nil)
		if err == nil {
			err = results.Error()
		}
		if err != nil && !errors.Is(err, kerr.ResourceNotFound) {
			return fmt.Errorf("password of %s: %w", user, err)
		}
	}
	return nil
}
