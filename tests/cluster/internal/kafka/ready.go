package kafka

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// ready returns a readiness check that wants a broker to serve clients. The first
// broker is ready when the users have their rights, too, and when the internal
// topics are there: made before there is another broker, they stay on this one, so
// that a loss of the other one takes nothing but its own partitions away.
func (c *Cluster) ready(b *broker) func(ctx context.Context) error {
	var prepared atomic.Bool
	return func(ctx context.Context) error {
		client, err := c.client(b.Plaintext)
		if err != nil {
			return err
		}
		defer client.Close()
		metadata, err := client.BrokerMetadata(ctx) // Asked from this very broker: the client knows no other.
		if err != nil {
			return err
		}
		if !slices.Contains(metadata.Brokers.NodeIDs(), int32(b.ID)) {
			return fmt.Errorf("broker %d is not in the cluster yet", b.ID)
		}
		if b.ID != 1 || prepared.Load() {
			return nil
		}
		for _, user := range []struct{ name, rights string }{
			{viewer.Name, rightsDescribe}, {limited.Name, rightsLimited},
		} {
			if err := allow(ctx, client, user.name, user.rights); err != nil {
				return err
			}
		}
		if err := client.FindGroupCoordinators(ctx, "bed").Error(); err != nil {
			return err
		}
		if err := client.FindTxnCoordinators(ctx, "bed").Error(); err != nil {
			return err
		}
		prepared.Store(true)
		return nil
	}
}

// client returns an administrator's client that begins with one broker.
func (c *Cluster) client(address string) (*kadm.Client, error) {
	return kadm.NewOptClient(kgo.SeedBrokers(address))
}

func allow(ctx context.Context, client *kadm.Client, user, rights string) error {
	acls, err := aclsFor(user, rights)
	if acls == nil {
		return err
	}
	results, err := client.CreateACLs(ctx, acls)
	if err != nil {
		return err
	}
	for _, result := range results {
		if result.Err != nil {
			return fmt.Errorf("rights of %s: %w", user, result.Err)
		}
	}
	return nil
}
