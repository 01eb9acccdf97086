//! Mistakes in names of other objects: a name that no object can have refers to nothing.

use ebb_crds::{ScaleTrigger, ScaledObjectSpec, TriggerAuthenticationSpec};

use super::{Environment, Finding};
use ebb_plan::names::{data_key_mistake, label_mistake, subdomain_mistake, variable_mistake};

/// Whether a name, a key or a variable is possible.
type Check = fn(&str) -> Option<String>;

/// The impossible names in a ScaledObject, and variables that no pod can give.
pub(super) fn of_scaled_object(spec: &ScaledObjectSpec, environment: &Environment) -> Vec<Finding> {
    let mut findings = Vec::new();
    let target = &spec.scale_target_ref;
    note(&mut findings, "spec.scaleTargetRef.name", &target.name, subdomain_mistake);
    let container = target.env_source_container_name.as_deref().unwrap_or_default();
    note(&mut findings, "spec.scaleTargetRef.envSourceContainerName", container, label_mistake);
    for (index, trigger) in spec.triggers.iter().enumerate() {
        of_trigger(&format!("spec.triggers[{index}]"), trigger, environment, &mut findings);
    }
    findings
}

fn of_trigger(place: &str, trigger: &ScaleTrigger, environment: &Environment, findings: &mut Vec<Finding>) {
    if let Some(reference) = &trigger.authentication_ref {
        let path = format!("{place}.authenticationRef.name");
        if reference.name.is_empty() {
            let text = "is empty, so that the trigger has no authentication: give a name, or drop authenticationRef";
            findings.push(Finding::advice(path, text));
        } else {
            note(findings, &path, &reference.name, subdomain_mistake);
        }
        if !["TriggerAuthentication", "ClusterTriggerAuthentication"].contains(&reference.kind()) {
            let text = format!("{:?} must be TriggerAuthentication or ClusterTriggerAuthentication", reference.kind());
            findings.push(Finding::warning(format!("{place}.authenticationRef.kind"), text));
        }
    }
    let kind = ebb_scalers::kind(&trigger.type_);
    let read = |key: &str| kind.is_some_and(|kind| kind.params.iter().any(|param| param.is_given_by(key)));
    for (key, variable) in trigger.metadata.iter().filter(|(key, _)| key.ends_with("FromEnv") && read(key)) {
        let path = format!("{place}.metadata.{key}");
        note(findings, &path, variable, variable_mistake);
        findings.extend(environment.never_known(variable).map(|text| Finding::warning(path, text)));
    }
}

/// The impossible names in an authentication.
pub(super) fn of_authentication(spec: &TriggerAuthenticationSpec) -> Vec<Finding> {
    let mut findings = Vec::new();
    let lists = [("secretTargetRef", &spec.secret_target_ref), ("configMapTargetRef", &spec.config_map_target_ref)];
    for (list, references) in lists {
        for (index, reference) in references.iter().flatten().enumerate() {
            let place = format!("spec.{list}[{index}]");
            required(&mut findings, &format!("{place}.name"), &reference.name, subdomain_mistake);
            required(&mut findings, &format!("{place}.key"), &reference.key, data_key_mistake);
            required(&mut findings, &format!("{place}.parameter"), &reference.parameter, |_| None);
        }
    }
    for (index, entry) in spec.env.iter().flatten().enumerate() {
        let place = format!("spec.env[{index}]");
        required(&mut findings, &format!("{place}.name"), &entry.name, variable_mistake);
        let container = entry.container_name.as_deref().unwrap_or_default();
        note(&mut findings, &format!("{place}.containerName"), container, label_mistake);
    }
    for (index, entry) in spec.bound_service_account_token.iter().flatten().enumerate() {
        let path = format!("spec.boundServiceAccountToken[{index}].serviceAccountName");
        required(&mut findings, &path, &entry.service_account_name, subdomain_mistake);
    }
    if let Some(secret) = spec.oauth2.as_ref().and_then(|client| client.client_secret.as_ref()) {
        let (place, key) = ("spec.oauth2.clientSecret.valueFrom.secretKeyRef", &secret.value_from.secret_key_ref);
        required(&mut findings, &format!("{place}.name"), &key.name, subdomain_mistake);
        required(&mut findings, &format!("{place}.key"), &key.key, data_key_mistake);
    }
    findings
}

/// Notes an impossible name. An empty one is another matter.
fn note(findings: &mut Vec<Finding>, path: &str, name: &str, check: Check) {
    let mistake = Some(name).filter(|name| !name.is_empty()).and_then(check);
    findings.extend(mistake.map(|text| Finding::warning(path, text)));
}

fn required(findings: &mut Vec<Finding>, path: &str, name: &str, check: Check) {
    if name.is_empty() {
        findings.push(Finding::warning(path, "must not be empty"));
    } else {
        note(findings, path, name, check);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn paths(findings: Vec<Finding>) -> Vec<String> {
        findings.into_iter().map(|finding| finding.path).collect()
    }

    #[test]
    fn names_that_cannot_be_are_found_in_a_scaled_object() {
        let found = |target: Value, trigger: Value| {
            let spec = json!({"scaleTargetRef": target, "triggers": [trigger]});
            paths(of_scaled_object(&serde_json::from_value(spec).unwrap(), &Environment::Unknown))
        };
        let rabbitmq =
            |more: Value| json!({"type": "rabbitmq", "metadata": {"hostFromEnv": "MQ"}, "authenticationRef": more});
        assert_eq!(found(json!({"name": "app"}), rabbitmq(json!({"name": "auth"}))), [""; 0]);
        let odd = json!({"name": "<app>", "envSourceContainerName": "My_App"});
        assert_eq!(
            found(odd, rabbitmq(json!({"name": "Auth", "kind": "Secret"}))),
            [
                "spec.scaleTargetRef.name",
                "spec.scaleTargetRef.envSourceContainerName",
                "spec.triggers[0].authenticationRef.name",
                "spec.triggers[0].authenticationRef.kind",
            ]
        );
        let address = json!({"type": "rabbitmq", "metadata": {"hostFromEnv": "amqp://u:hunter2@mq/"}});
        assert_eq!(found(json!({"name": "app"}), address), ["spec.triggers[0].metadata.hostFromEnv"]);
        let unread = json!({"type": "cron", "metadata": {"startFromEnv": "0 8 * * *"}});
        assert_eq!(found(json!({"name": "app"}), unread), [""; 0], "it is reported as a key that is not read");
    }

    #[test]
    fn names_that_cannot_be_are_found_in_an_authentication() {
        let found = |spec: Value| paths(of_authentication(&serde_json::from_value(spec).unwrap()));
        let fine = json!({"parameter": "host", "name": "s", "key": "tls.crt"});
        assert_eq!(found(json!({"secretTargetRef": [fine], "configMapTargetRef": [fine]})), [""; 0]);
        for (spec, path) in [
            (
                json!({"secretTargetRef": [{"parameter": "p", "name": "my_secret", "key": "k"}]}),
                "spec.secretTargetRef[0].name",
            ),
            (
                json!({"secretTargetRef": [fine, {"parameter": "p", "name": "s", "key": "a b"}]}),
                "spec.secretTargetRef[1].key",
            ),
            (
                json!({"configMapTargetRef": [{"parameter": "", "name": "s", "key": "k"}]}),
                "spec.configMapTargetRef[0].parameter",
            ),
            (json!({"env": [{"parameter": "p", "name": "$(MQ)"}]}), "spec.env[0].name"),
            (json!({"env": [{"parameter": "p", "name": "MQ", "containerName": "A"}]}), "spec.env[0].containerName"),
            (
                json!({"boundServiceAccountToken": [{"parameter": "p", "serviceAccountName": "<account>"}]}),
                "spec.boundServiceAccountToken[0].serviceAccountName",
            ),
        ] {
            assert_eq!(found(spec.clone()), [path], "{spec}");
        }
    }
}
