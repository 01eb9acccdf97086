package bed

import (
	"fmt"
	"net/http"
	"strings"

	"ebb/tests/cluster/internal/door"
	"ebb/tests/cluster/internal/pki"
)

// openRabbitDoors opens two doors in front of each of RabbitMQ's plain ports: one
// that a test may do with as it likes, and one that wants a client certificate,
// which the broker's own TLS ports do not.
func (b *bed) openRabbitDoors(certs *pki.Brokers) error {
	for name, target := range map[string]int{"amqps": b.info.RabbitMQ.AMQPPort, "https": b.info.RabbitMQ.HTTPPort} {
		for suffix, mode := range map[string]door.Mode{"": door.Valid, "-mutual": door.Mutual} {
			port, err := b.ports.Next()
			if err != nil {
				return err
			}
			lane := door.Lane{Port: port, Target: fmt.Sprintf("127.0.0.1:%d", target)}
			if err := b.openDoor(name+suffix, mode, certs, lane); err != nil {
				return err
			}
		}
	}
	return nil
}

func (b *bed) openDoor(name string, mode door.Mode, certs *pki.Brokers, lanes ...door.Lane) error {
	d, err := door.Open(name, mode, certs, lanes...)
	if err != nil {
		return err
	}
	b.doors = append(b.doors, d)
	var addresses []string
	for _, lane := range lanes {
		addresses = append(addresses, fmt.Sprintf("127.0.0.1:%d", lane.Port))
	}
	if b.info.Doors == nil {
		b.info.Doors = map[string]string{}
	}
	b.info.Doors[name] = strings.Join(addresses, ",")
	return nil
}

func (b *bed) listDoors(w http.ResponseWriter, _ *http.Request) {
	modes := map[string]door.Mode{}
	for _, d := range b.doors {
		modes[d.Name] = d.Mode()
	}
	writeJSON(w, modes)
}

func (b *bed) setDoor(w http.ResponseWriter, r *http.Request) {
	for _, d := range b.doors {
		if d.Name == r.PathValue("name") {
			if err := d.Set(door.Mode(r.PathValue("mode"))); err != nil {
				http.Error(w, err.Error(), http.StatusNotFound)
				return
			}
			b.listDoors(w, r)
			return
		}
	}
	http.Error(w, "no such door", http.StatusNotFound)
}
