package rabbitmq

import (
	"encoding/json"

	"ebb/tests/cluster/internal/tokens"
)

const (
	adminUser       = "ebb"
	adminPassword   = "rabbit-admin-secret"
	limitedUser     = "limited"
	limitedPassword = "rabbit-limited-secret"
	tenantVhost     = "tenant"
	// certUser is the name in the client certificate.
	certUser = tokens.ClientID
)

type object map[string]any

// definitions are the users and virtual hosts the broker starts with: an
// administrator, a user who is confined to one virtual host, and one who has no
// password and logs in with a certificate.
func definitions() ([]byte, error) {
	return json.MarshalIndent(object{
		"users": []object{
			{"name": adminUser, "password": adminPassword, "tags": "administrator"},
			{"name": limitedUser, "password": limitedPassword, "tags": "management"},
			{"name": certUser, "password_hash": "", "tags": ""},
		},
		"vhosts": []object{{"name": "/"}, {"name": tenantVhost}},
		"permissions": []object{
			everything(adminUser, "/"),
			everything(adminUser, tenantVhost),
			everything(limitedUser, tenantVhost),
			everything(certUser, "/"),
		},
	}, "", "  ")
}

func everything(user, vhost string) object {
	return object{"user": user, "vhost": vhost, "configure": ".*", "write": ".*", "read": ".*"}
}
