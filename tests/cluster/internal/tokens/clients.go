package tokens

import (
	"crypto/subtle"
	"slices"
	"strings"
)

// client is an application that may have tokens.
type client struct {
	id     string
	secret string
	// scopes are all that the client may ask for, and what it gets when it asks for none.
	scopes []string
}

// The clients are named so that Kafka's rights, which go by the name in a token,
// are those of the user with the same name.
const (
	// ClientID has every right in Kafka, and sees all of RabbitMQ.
	ClientID     = "ebb-client"
	clientSecret = "ebb+client/secret" // With characters that HTTP Basic must have encoded.
	// strangerID has valid tokens with which nothing may be done.
	strangerID     = "stranger-client"
	strangerSecret = "stranger-secret"
)

var clients = []client{
	{
		id: ClientID, secret: clientSecret,
		scopes: []string{
			"rabbitmq.read:*/*", "rabbitmq.write:*/*", "rabbitmq.configure:*/*", "rabbitmq.tag:monitoring", "kafka",
		},
	},
	{id: strangerID, secret: strangerSecret, scopes: []string{"nothing"}},
}

// authenticate returns the client with this id and secret, or nil.
func authenticate(id, secret string) *client {
	for i := range clients {
		if clients[i].id == id && subtle.ConstantTimeCompare([]byte(clients[i].secret), []byte(secret)) == 1 {
			return &clients[i]
		}
	}
	return nil
}

// grant returns the scopes of a token for a request's space-separated scopes, and
// whether the client may have all of them.
func (c *client) grant(asked string) (granted string, ok bool) {
	words := strings.Fields(asked)
	if len(words) == 0 {
		return strings.Join(c.scopes, " "), true
	}
	for _, word := range words {
		if !slices.Contains(c.scopes, word) {
			return "", false
		}
	}
	return strings.Join(words, " "), true
}
