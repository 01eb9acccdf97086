//! KEDA's `triggerauthentication_webhook_test.go`, of both kinds, and its unit tests of OAuth 2 and Vault.

use super::*;

/// The row about secret stores and identities.
const NO_CLIENT: &str = "secret stores and identities that Ebb has no client for";

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for kind in ["TriggerAuthentication", "ClusterTriggerAuthentication"] {
        let of = |spec: &Value| json!({"apiVersion": "keda.sh/v1alpha1", "kind": kind, "metadata": {"name": "auth"}, "spec": spec});
        cases.extend(identities(&of));
        cases.extend(clients(&of));
        let file = case("a file", of(&json!({"filePath": "creds.json"})), Accepted);
        cases.push(if kind == "TriggerAuthentication" { Case { keda: Refused, ..file } } else { file });
    }
    cases
}

fn identities(of: &impl Fn(&Value) -> Value) -> Vec<Case> {
    let identity =
        |name, identity: Value| case(name, of(&json!({"podIdentity": identity})), Accepted).ebb(Warned, NO_CLIENT);
    let refused = |name, identity: Value| case(name, of(&json!({"podIdentity": identity})), Refused);
    let azure = |more: Value| {
        let mut identity = json!({"provider": "azure-workload", "identityId": "12345"});
        merge(&mut identity, &more);
        identity
    };
    let aws = |more: Value| {
        let mut identity = json!({"provider": "aws"});
        merge(&mut identity, &more);
        identity
    };
    vec![
        case("no identity", of(&json!({"podIdentity": {"provider": "none"}})), Accepted),
        case("a Secret", of(&json!({"secretTargetRef": [{"parameter": "host", "name": "s", "key": "k"}]})), Accepted),
        identity("identityId is left out", azure(json!({"identityId": null}))),
        refused("identityId is empty", azure(json!({"identityId": ""}))),
        identity("identityId is given", azure(json!({}))),
        identity("identityTenantId is given", azure(json!({"identityTenantId": "12345"}))),
        refused("identityTenantId is empty", azure(json!({"identityTenantId": ""}))),
        identity(
            "an authority and a tenant",
            azure(json!({"identityAuthorityHost": "12345", "identityTenantId": "12345"})),
        ),
        refused("an authority without a tenant", azure(json!({"identityAuthorityHost": "12345"}))),
        refused(
            "an authority and an empty tenant",
            azure(json!({"identityAuthorityHost": "12345", "identityTenantId": ""})),
        ),
        identity("a role", aws(json!({"roleArn": "role"}))),
        identity("a role and the owner keda", aws(json!({"roleArn": "role", "identityOwner": "keda"}))),
        refused("a role and the owner workload", aws(json!({"roleArn": "role", "identityOwner": "workload"}))),
        identity("the owner keda", aws(json!({"identityOwner": "keda"}))),
        identity("the owner workload", aws(json!({"identityOwner": "workload"}))),
        identity("a role and an external id", aws(json!({"roleArn": "role", "externalID": "x"}))),
        refused("an external id without a role", aws(json!({"externalID": "x"}))),
    ]
}

fn clients(of: &impl Fn(&Value) -> Value) -> Vec<Case> {
    let oauth2 = |name, more: Value, keda| {
        let mut oauth2 = json!({"type": "clientCredentials", "clientId": "c", "tokenUrl": "https://id/token"});
        merge(&mut oauth2, &more);
        case(name, of(&json!({"oauth2": oauth2})), keda)
    };
    let vault = json!({"address": "https://v", "authentication": "token", "secrets": [{"parameter": "p", "key": "k", "path": "p"}]});
    let vault = |credential: Value| {
        let mut vault = vault.clone();
        vault["credential"] = credential;
        of(&json!({"hashiCorpVault": vault}))
    };
    let from = json!({"secretKeyRef": {"name": "vault-token", "key": "token"}});
    vec![
        oauth2("an OAuth 2 client", json!({}), Accepted),
        oauth2("an OAuth 2 client without TLS", json!({"tokenUrl": "http://id/token"}), Accepted),
        oauth2("another grant", json!({"type": "password"}), Refused).by_schema(),
        oauth2("no clientId", json!({"clientId": ""}), Refused),
        oauth2("no tokenUrl", json!({"tokenUrl": ""}), Refused),
        oauth2("a tokenUrl without a scheme", json!({"tokenUrl": "id/token"}), Refused),
        oauth2("a tokenUrl of another scheme", json!({"tokenUrl": "ftp://id/token"}), Refused),
        case("a Vault token in plain text", vault(json!({"token": "legacy"})), Warned),
        case("a Vault token from a Secret", vault(json!({"tokenFrom": from})), Accepted).ebb(Warned, NO_CLIENT),
    ]
}
