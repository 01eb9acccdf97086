package controlplane

import (
	"os"
	"path/filepath"
)

// auditPolicy keeps a line for each request of what runs in the namespaces of
// Ebbs, and nothing else: what somebody else does is no concern of the tests, and costs.
// What was sent is kept for the counts of Deployments and for leases, and where
// it is shown to users: events and statuses.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
  - level: Request
    userGroups: ["system:serviceaccounts:ebb-system", "system:serviceaccounts:ebb-beside", "system:serviceaccounts:ebb-observe"]
    verbs: [create, update, patch]
    resources:
      - group: coordination.k8s.io
        resources: [leases]
      - group: apps
        resources: ["*/scale"]
      - group: ""
        resources: [events]
      - group: keda.sh
        resources: ["*/status"]
  - level: Metadata
    userGroups: ["system:serviceaccounts:ebb-system", "system:serviceaccounts:ebb-beside", "system:serviceaccounts:ebb-observe"]
  - level: None
`

func (c *ControlPlane) auditPolicyFile() string {
	return filepath.Join(c.dir, "audit-policy.yaml")
}

func (c *ControlPlane) writeAuditPolicy() error {
	return os.WriteFile(c.auditPolicyFile(), []byte(auditPolicy), 0o600)
}

// auditLog is where those lines are, each a JSON object of kind Event.
func (c *ControlPlane) auditLog() string {
	return filepath.Join(c.dir, "logs", "audit.log")
}
