package rabbitmq

import "encoding/json"

const (
	adminUser       = "ebb"
	adminPassword   = "rabbit-admin-secret"
	limitedUser     = "limited"
	limitedPassword = "rabbit-limited-secret"
	tenantVhost     = "tenant"
)

type object map[string]any

// definitions are the users and virtual hosts the broker starts with: an
// administrator, and a user who is confined to one virtual host.
func definitions() ([]byte, error) {
	return json.MarshalIndent(object{
		"users": []object{
			{"name": adminUser, "password": adminPassword, "tags": "administrator"},
			{"name": limitedUser, "password": limitedPassword, "tags": "management"},
		},
		"vhosts": []object{{"name": "/"}, {"name": tenantVhost}},
		"permissions": []object{
			everything(adminUser, "/"),
			everything(adminUser, tenantVhost),
			everything(limitedUser, tenantVhost),
		},
	}, "", "  ")
}

func everything(user, vhost string) object {
	return object{"user": user, "vhost": vhost, "configure": ".*", "write": ".*", "read": ".*"}
}
