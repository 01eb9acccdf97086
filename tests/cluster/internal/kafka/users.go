package kafka

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"

	"ebb/tests/cluster/internal/tokens"
)

// LimitedName is the name of the user with few rights, as in its client certificate.
const LimitedName = "limited"

const limitedPrefix = "allowed-"

var (
	admin    = User{Name: "admin", Password: "admin-secret"}
	viewer   = User{Name: "viewer", Password: "viewer-secret"}
	limited  = User{Name: LimitedName, Password: "limited-secret"}
	stranger = User{Name: "stranger", Password: "stranger-secret"}

	users = []User{admin, viewer, limited, stranger}
)

// superUsers pass every check: whoever comes without a name over a listener that
// asks for none, the administrator, and the client with tokens and certificates.
func superUsers() []string {
	return []string{"User:ANONYMOUS", "User:" + admin.Name, "User:" + tokens.ClientID}
}

// The rights that a user can be given.
const (
	rightsNone     = "none"
	rightsDescribe = "describe" // Describe all topics and groups.
	rightsRead     = "read"     // Describe and read all of them.
	rightsLimited  = "limited"  // Describe and read those that begin with limitedPrefix.
)

// aclsFor returns what gives a user rights, or nil for none.
func aclsFor(user, rights string) (*kadm.ACLBuilder, error) {
	pattern, name := kadm.ACLPatternLiteral, "*"
	operations := []kadm.ACLOperation{kadm.OpDescribe}
	switch rights {
	case rightsNone:
		return nil, nil
	case rightsDescribe:
	case rightsRead:
		operations = append(operations, kadm.OpRead)
	case rightsLimited:
		pattern, name = kadm.ACLPatternPrefixed, limitedPrefix
		operations = append(operations, kadm.OpRead)
	default:
		return nil, fmt.Errorf("there are no rights %q: they are none, describe, read and limited", rights)
	}
	return kadm.NewACLs().Allow("User:" + user).Topics(name).Groups(name).
		ResourcePatternType(pattern).Operations(operations...), nil
}
