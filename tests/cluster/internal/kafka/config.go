package kafka

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"ebb/tests/cluster/internal/tokens"
)

// clusterID is the same in every bed: 16 bytes in base64.
const clusterID = "ZWJiLXRlc3QtYmVkLTAwMQ"

// writeConfig writes the files that the brokers read when they start.
func (c *Cluster) writeConfig() error {
	keystore, err := c.certs.Server.Bundle()
	if err != nil {
		return err
	}
	for _, b := range c.brokers {
		if err := os.MkdirAll(b.dir, 0o700); err != nil {
			return err
		}
		for name, content := range map[string]string{
			"keystore.pem":      string(keystore),
			"log4j2.yaml":       log4j2,
			"server.properties": c.properties(b),
			"run.sh":            c.script(b),
		} {
			if err := os.WriteFile(filepath.Join(b.dir, name), []byte(content), 0o600); err != nil {
				return err
			}
		}
	}
	return nil
}

const log4j2 = `Configuration:
  Appenders:
    Console:
      name: out
      PatternLayout: {pattern: "%d{ISO8601} %p %c{1}: %m%n"}
  Loggers:
    Root: {level: INFO, AppenderRef: [{ref: out}]}
`

// script returns what starts a broker: it formats the data directory if that is
// new, and then becomes the broker.
func (c *Cluster) script(b *broker) string {
	format := []string{"-t", clusterID, "-c", filepath.Join(b.dir, "server.properties")}
	if b.controllerPort == 0 {
		format = append(format, "--no-initial-controllers")
	} else {
		format = append(format, "--standalone")
		for _, user := range users {
			for _, mechanism := range []string{"SCRAM-SHA-256", "SCRAM-SHA-512"} {
				format = append(format, "--add-scram",
					fmt.Sprintf("'%s=[name=%s,password=%s]'", mechanism, user.Name, user.Password))
			}
		}
	}
	return fmt.Sprintf(`set -eu
java='%s'
jars='%s/*'
dir='%s'
if [ ! -e "$dir/data/meta.properties" ]; then
	"$java" -XX:TieredStopAtLevel=1 -cp "$jars" kafka.tools.StorageTool format %s >"$dir/format.log" 2>&1 ||
		{ cat "$dir/format.log"; exit 1; }
fi
exec "$java" -Xmx256m -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Djava.net.preferIPv4Stack=true \
	-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls='%s' \
	-Dlog4j2.configurationFile="$dir/log4j2.yaml" -cp "$jars" kafka.Kafka "$dir/server.properties"
`, c.java, c.jars, b.dir, strings.Join(format, " "), c.tokens.KeySetURL)
}

func (c *Cluster) properties(b *broker) string {
	common := fmt.Sprintf("PLAINTEXT://%s,SASL_SSL://%s,SASL_PLAINTEXT://%s,SSL://%s,INTERNAL://%s",
		b.Plaintext, b.SASLSSL, b.SASLPlaintext, b.MTLS, address(b.internalPort))
	roles, listeners := "broker", common+",DOOR://"+address(b.behindDoorPort)
	advertised := common + ",DOOR://" + b.Door
	if b.controllerPort != 0 {
		roles, listeners = "broker,controller", listeners+",CONTROLLER://"+address(b.controllerPort)
	}
	return fmt.Sprintf(`process.roles=%s
node.id=%d
controller.quorum.bootstrap.servers=%s
listeners=%s
advertised.listeners=%s
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL,SASL_PLAINTEXT:SASL_PLAINTEXT,SSL:SSL,DOOR:SASL_PLAINTEXT,INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=INTERNAL
controller.listener.names=CONTROLLER
log.dirs=%s

authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=%s

ssl.keystore.type=PEM
ssl.keystore.location=%s
ssl.truststore.type=PEM
ssl.truststore.location=%s
listener.name.ssl.ssl.client.auth=required
# The name in a client certificate is the name of the user.
ssl.principal.mapping.rules=RULE:^CN=([^,]+).*$/$1/,DEFAULT

# A client proves itself anew this often, so that a credential that was taken away
# does not work for much longer over a connection that is open.
connections.max.reauth.ms=15000
%s
sasl.oauthbearer.jwks.endpoint.url=%s
sasl.oauthbearer.expected.audience=%s
sasl.oauthbearer.expected.issuer=%s

# A broker that comes back is let in when its last session is over, however it ended.
broker.session.timeout.ms=5000
broker.heartbeat.interval.ms=500

auto.create.topics.enable=false
default.replication.factor=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
log.segment.bytes=16777216
num.network.threads=2
num.io.threads=2
`, roles, b.ID, b.controller, listeners, advertised, filepath.Join(b.dir, "data"), strings.Join(superUsers(), ";"),
		filepath.Join(b.dir, "keystore.pem"), c.certs.CA.Cert, saslProperties(),
		c.tokens.KeySetURL, tokens.KafkaAudience, c.tokens.Issuer)
}

// saslProperties returns the mechanisms of the SASL listeners.
func saslProperties() string {
	plain := []string{"org.apache.kafka.common.security.plain.PlainLoginModule required"}
	for _, user := range users {
		plain = append(plain, fmt.Sprintf("user_%s=%q", user.Name, user.Password))
	}
	const (
		scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
		oauth = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required;"
		check = "org.apache.kafka.common.security.oauthbearer.OAuthBearerValidatorCallbackHandler"
	)
	var lines []string
	for _, listener := range []string{"sasl_ssl", "sasl_plaintext", "door"} {
		for _, property := range []string{
			"sasl.enabled.mechanisms=SCRAM-SHA-256,SCRAM-SHA-512,PLAIN,OAUTHBEARER",
			"scram-sha-256.sasl.jaas.config=" + scram,
			"scram-sha-512.sasl.jaas.config=" + scram,
			"plain.sasl.jaas.config=" + strings.Join(plain, " ") + ";",
			"oauthbearer.sasl.jaas.config=" + oauth,
			"oauthbearer.sasl.server.callback.handler.class=" + check,
		} {
			lines = append(lines, "listener.name."+listener+"."+property)
		}
	}
	return strings.Join(lines, "\n")
}
