//! Mistakes of a TriggerAuthentication: contradictions, in the words of KEDA's webhook, and the stores and identities
//! that Ebb has no client for.

use ebb_crds::{AuthPodIdentity, OAuth2, TriggerAuthenticationSpec};
use http::Uri;

/// Why `spec` cannot be served, if it cannot.
pub fn reason(spec: &TriggerAuthenticationSpec, cluster: bool) -> Option<String> {
    if has_file(spec) {
        // Nothing else of it counts then.
        return misplaced_file(spec, cluster).map(str::to_owned);
    }
    spec.pod_identity.as_ref().and_then(identity).or_else(|| stores(spec).into_iter().next().map(|(_, text)| text))
}

/// Every contradiction that KEDA's webhook refuses, with its field.
pub fn contradictions(spec: &TriggerAuthenticationSpec, cluster: bool) -> Vec<(&'static str, String)> {
    let file = misplaced_file(spec, cluster).map(|text| ("spec.filePath", text.to_owned()));
    let identity = spec.pod_identity.as_ref().and_then(contradicts);
    let identity = identity.map(|text| ("spec.podIdentity", text.to_owned()));
    let oauth2 = spec.oauth2.as_ref().map(incomplete).unwrap_or_default();
    file.into_iter().chain(identity).chain(oauth2).collect()
}

/// The stores and identities that Ebb has no client for, and where they are.
pub fn unsupported(spec: &TriggerAuthenticationSpec) -> Vec<(&'static str, String)> {
    if has_file(spec) {
        return Vec::new();
    }
    let identity = spec.pod_identity.as_ref().filter(|identity| contradicts(identity).is_none()).and_then(identity);
    identity.map(|text| ("spec.podIdentity.provider", text)).into_iter().chain(stores(spec)).collect()
}

fn has_file(spec: &TriggerAuthenticationSpec) -> bool {
    spec.file_path.as_ref().is_some_and(|path| !path.is_empty())
}

fn misplaced_file(spec: &TriggerAuthenticationSpec, cluster: bool) -> Option<&'static str> {
    (has_file(spec) && !cluster)
        .then_some("filePath is only supported for ClusterTriggerAuthentication, got kind: TriggerAuthentication")
}

/// The missing fields of an OAuth 2 client.
fn incomplete(oauth2: &OAuth2) -> Vec<(&'static str, String)> {
    let mut mistakes = Vec::new();
    if oauth2.type_ != "clientCredentials" {
        let text = format!("oauth2.type must be 'clientCredentials', got '{}'", oauth2.type_);
        mistakes.push(("spec.oauth2.type", text));
    }
    if oauth2.client_id.is_empty() {
        mistakes.push(("spec.oauth2.clientId", "oauth2.clientId is required when oauth2 is configured".to_owned()));
    }
    let url = oauth2.token_url.parse::<Uri>().ok();
    let fine = url.is_some_and(|url| {
        matches!(url.scheme_str(), Some("http" | "https")) && url.host().is_some_and(|host| !host.is_empty())
    });
    if oauth2.token_url.is_empty() {
        mistakes.push(("spec.oauth2.tokenUrl", "oauth2.tokenUrl is required when oauth2 is configured".to_owned()));
    } else if !fine {
        mistakes.push(("spec.oauth2.tokenUrl", "oauth2.tokenUrl must be a valid http or https URL".to_owned()));
    }
    mistakes
}

fn identity(identity: &AuthPodIdentity) -> Option<String> {
    if matches!(identity.provider.as_str(), "none" | "") {
        return None;
    }
    if let Some(contradiction) = contradicts(identity) {
        return Some(contradiction.to_owned());
    }
    let (name, instead) = match identity.provider.as_str() {
        "azure-workload" => ("Microsoft Entra Workload ID", "a service principal's secret, or a connection string,"),
        "gcp" => ("Google Cloud's workload identity", "a service account's key"),
        "aws" | "aws-eks" => ("AWS IAM roles", "an access key"),
        other => return Some(format!("podIdentity.provider {other:?} is unknown")),
    };
    Some(format!(
        "podIdentity.provider {:?} is not supported: ebb has no client for {name} yet; give {instead} in a Secret by secretTargetRef, and leave podIdentity out or set it to none",
        identity.provider
    ))
}

/// The contradiction in an identity that KEDA's webhook refuses, if there is one.
fn contradicts(identity: &AuthPodIdentity) -> Option<&'static str> {
    let given = |value: &Option<String>| value.as_ref().is_some_and(|value| !value.is_empty());
    let empty = |value: &Option<String>| value.as_ref().is_some_and(String::is_empty);
    match identity.provider.as_str() {
        "azure-workload" if empty(&identity.identity_id) => Some(
            "identityId of PodIdentity should not be empty. If it's set, identityId has to be different than \"\"",
        ),
        "azure-workload" if given(&identity.identity_authority_host) => (!given(&identity.identity_tenant_id)).then_some(
            "identityTenantID of PodIdentity should not be nil or empty when identityAuthorityHost of PodIdentity is set",
        ),
        "azure-workload" if empty(&identity.identity_tenant_id) => Some(
            "identityTenantId of PodIdentity should not be empty. If it's set, identityTenantId has to be different than \"\"",
        ),
        "aws" if given(&identity.role_arn) && identity.identity_owner.as_deref() == Some("workload") => {
            Some("roleArn of PodIdentity can't be set if KEDA isn't identityOwner")
        }
        "aws" if given(&identity.external_id) && !given(&identity.role_arn) => {
            Some("externalID of PodIdentity requires roleArn to be set")
        }
        _ => None,
    }
}

fn stores(spec: &TriggerAuthenticationSpec) -> Vec<(&'static str, String)> {
    // As in KEDA, a store that no parameter is taken from counts for nothing.
    let stores = [
        ("spec.hashiCorpVault", "HashiCorp Vault", spec.hashi_corp_vault.as_ref().map(|store| store.secrets.len())),
        ("spec.azureKeyVault", "Azure Key Vault", spec.azure_key_vault.as_ref().map(|store| store.secrets.len())),
        (
            "spec.gcpSecretManager",
            "Google Cloud's Secret Manager",
            spec.gcp_secret_manager.as_ref().map(|store| store.secrets.len()),
        ),
        (
            "spec.awsSecretManager",
            "AWS Secrets Manager",
            spec.aws_secret_manager.as_ref().map(|store| store.secrets.len()),
        ),
    ];
    let used = stores.into_iter().filter(|(_, _, secrets)| secrets.is_some_and(|secrets| secrets > 0));
    let text = |path: &str, name: &str| {
        let source = path.trim_start_matches("spec.");
        format!(
            "{source} is not supported: ebb has no client for {name} yet; bring the values into a Secret of the cluster (the External Secrets Operator does) and give them by secretTargetRef"
        )
    };
    used.map(|(path, name, _)| (path, text(path, name))).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn refused(spec: Value, cluster: bool) -> Option<String> {
        reason(&serde_json::from_value(spec).unwrap(), cluster)
    }

    #[test]
    fn stores_and_identities_without_a_client_are_named_with_a_way_out() {
        let secrets = json!([{"parameter": "p", "name": "n", "path": "p", "key": "k", "id": "i"}]);
        let cases = [
            (
                json!({"hashiCorpVault": {"address": "https://v", "authentication": "token", "secrets": secrets}}),
                "HashiCorp Vault",
            ),
            (json!({"azureKeyVault": {"vaultUri": "https://v", "secrets": secrets}}), "Azure Key Vault"),
            (json!({"gcpSecretManager": {"secrets": secrets}}), "Google Cloud's Secret Manager"),
            (json!({"awsSecretManager": {"secrets": secrets}}), "AWS Secrets Manager"),
            (json!({"podIdentity": {"provider": "azure-workload"}}), "Microsoft Entra Workload ID"),
            (json!({"podIdentity": {"provider": "gcp"}}), "Google Cloud"),
            (json!({"podIdentity": {"provider": "aws"}}), "AWS IAM"),
            (json!({"podIdentity": {"provider": "aws-eks"}}), "AWS IAM"),
        ];
        for (spec, name) in cases {
            let source = spec.as_object().unwrap().keys().next().unwrap().clone();
            let reason = refused(spec, false).unwrap();
            assert!(reason.starts_with(&source), "{reason}");
            assert!(
                reason.contains(name) && reason.contains("not supported") && reason.contains("secretTargetRef"),
                "{reason}"
            );
        }
        assert_eq!(refused(json!({"podIdentity": {"provider": "none"}}), false), None);
        assert_eq!(refused(json!({"podIdentity": {"provider": ""}}), false), None);
        assert_eq!(refused(json!({"filePath": ""}), false), None);
        assert_eq!(refused(json!({"awsSecretManager": {"secrets": []}}), false), None);
        assert_eq!(refused(json!({}), false), None);
        assert!(refused(json!({"podIdentity": {"provider": "ibm"}}), false).unwrap().contains("unknown"));
    }

    #[test]
    fn contradictions_have_kedas_words() {
        let cases = [
            (json!({"provider": "azure-workload", "identityId": ""}), "identityId of PodIdentity should not be empty"),
            (
                json!({"provider": "azure-workload", "identityAuthorityHost": "https://h"}),
                "identityTenantID of PodIdentity should not be nil or empty when identityAuthorityHost",
            ),
            (
                json!({"provider": "azure-workload", "identityTenantId": ""}),
                "identityTenantId of PodIdentity should not be empty",
            ),
            (
                json!({"provider": "aws", "roleArn": "arn", "identityOwner": "workload"}),
                "roleArn of PodIdentity can't be set if KEDA isn't identityOwner",
            ),
            (json!({"provider": "aws", "externalID": "x"}), "externalID of PodIdentity requires roleArn to be set"),
        ];
        for (identity, says) in cases {
            let reason = refused(json!({"podIdentity": identity}), false).unwrap();
            assert!(reason.starts_with(says), "{reason}");
        }
        for consistent in [
            json!({"provider": "azure-workload", "identityAuthorityHost": "https://h", "identityTenantId": "t"}),
            json!({"provider": "aws", "roleArn": "arn", "identityOwner": "keda"}),
            json!({"provider": "aws", "identityOwner": "workload"}),
            json!({"provider": "aws", "roleArn": "arn", "externalID": "x"}),
        ] {
            let reason = refused(json!({"podIdentity": consistent}), false).unwrap();
            assert!(reason.contains("not supported"), "{reason}");
        }
    }

    #[test]
    fn a_contradiction_has_its_place() {
        for (spec, place) in [
            (json!({"filePath": "a.json"}), Some("spec.filePath")),
            (json!({"podIdentity": {"provider": "aws", "externalID": "x"}}), Some("spec.podIdentity")),
            (json!({"podIdentity": {"provider": "aws"}}), None),
            (
                json!({"oauth2": {"type": "password", "clientId": "c", "tokenUrl": "https://t"}}),
                Some("spec.oauth2.type"),
            ),
            (json!({"oauth2": {"clientId": "", "tokenUrl": "https://t"}}), Some("spec.oauth2.clientId")),
            (json!({"oauth2": {"clientId": "c", "tokenUrl": ""}}), Some("spec.oauth2.tokenUrl")),
            (json!({"oauth2": {"clientId": "c", "tokenUrl": "t"}}), Some("spec.oauth2.tokenUrl")),
        ] {
            let found = contradictions(&serde_json::from_value(spec.clone()).unwrap(), false);
            let places: Vec<_> = found.iter().map(|(place, _)| *place).collect();
            assert_eq!(places, Vec::from_iter(place), "{spec}");
        }
    }

    #[test]
    fn an_oauth2_client_is_whole() {
        for (oauth2, says) in [
            (json!({"type": "password", "clientId": "c", "tokenUrl": "https://id/t"}), "must be 'clientCredentials'"),
            (json!({"clientId": "", "tokenUrl": "https://id/t"}), "clientId is required"),
            (json!({"clientId": "c", "tokenUrl": ""}), "tokenUrl is required"),
            (json!({"clientId": "c", "tokenUrl": "ftp://id/t"}), "must be a valid http or https URL"),
            (json!({"clientId": "c", "tokenUrl": "id/t"}), "must be a valid http or https URL"),
            (json!({"clientId": "c", "tokenUrl": "https://"}), "must be a valid http or https URL"),
            (json!({"clientId": "c", "tokenUrl": "https://id/t"}), ""),
            (json!({"clientId": "c", "tokenUrl": "http://id:8080"}), ""),
        ] {
            let found = contradictions(&serde_json::from_value(json!({"oauth2": oauth2})).unwrap(), false);
            match &found[..] {
                [(_, text)] => assert!(!says.is_empty() && text.contains(says), "{oauth2}: {text}"),
                [] => assert_eq!(says, "", "{oauth2}"),
                more => panic!("{more:?}"),
            }
        }
    }

    #[test]
    fn a_file_is_for_the_cluster_wide_kind_and_hides_everything_else() {
        let spec = json!({"filePath": "a.json", "podIdentity": {"provider": "aws"}});
        assert_eq!(refused(spec.clone(), true), None);
        let reason = refused(spec, false).unwrap();
        assert!(reason.contains("filePath is only supported for ClusterTriggerAuthentication"), "{reason}");
    }
}
