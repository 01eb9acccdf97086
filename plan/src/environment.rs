//! The values of a container's environment variables, as the kubelet makes them (Kubernetes docs, "Define Dependent
//! Environment Variables", "Expose Pod Information to Containers Through Environment Variables").
//!
//! The pods themselves are not looked at: there may be none. So the value of a field is known where the pod template
//! and the namespace determine it.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{EnvVarSource, PodSpec, PodTemplateSpec};

/// The service account of pods that name none.
const DEFAULT_SERVICE_ACCOUNT: &str = "default";

/// The value of a variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Variable {
    /// Its text.
    Text(String),
    /// It is set to a value that is not known. The text names the source of the value.
    Unknown(String),
}

/// The pods of a target, as their template describes them.
#[derive(Debug, Clone, Default)]
pub struct PodTemplate {
    /// The namespace of the pods.
    pub namespace: String,
    /// Labels of the template. Controllers add others.
    pub labels: BTreeMap<String, String>,
    /// Annotations of the template. Controllers add others.
    pub annotations: BTreeMap<String, String>,
    /// The specification of the pods.
    pub spec: PodSpec,
}

impl PodTemplate {
    /// The pods of `template` in `namespace`.
    pub fn new(namespace: &str, template: PodTemplateSpec) -> Self {
        let metadata = template.metadata.unwrap_or_default();
        Self {
            namespace: namespace.to_owned(),
            labels: metadata.labels.unwrap_or_default(),
            annotations: metadata.annotations.unwrap_or_default(),
            spec: template.spec.unwrap_or_default(),
        }
    }

    /// The value of a variable that neither a Secret nor a ConfigMap gives.
    pub fn value_from(&self, source: &EnvVarSource) -> Variable {
        if let Some(reference) = &source.field_ref {
            let path = &reference.field_path;
            let known = self.field(path).map(Variable::Text);
            return known
                .unwrap_or_else(|| Variable::Unknown(format!("the pod's field {path}, which only a running pod has")));
        }
        Variable::Unknown(match &source.resource_field_ref {
            Some(reference) => format!("the container's resource {}", reference.resource),
            None => "a source that ebb does not know".to_owned(),
        })
    }

    /// The value of a field, where it is the same for every pod.
    fn field(&self, path: &str) -> Option<String> {
        let entry = |of: &BTreeMap<String, String>, prefix: &str| {
            let key = path.strip_prefix(prefix)?.strip_suffix("']")?;
            of.get(key).cloned()
        };
        match path {
            "metadata.namespace" => Some(self.namespace.clone()),
            "spec.serviceAccountName" => {
                let names = [&self.spec.service_account_name, &self.spec.service_account];
                let name = names.into_iter().flatten().find(|name| !name.is_empty()).map(String::as_str);
                Some(name.unwrap_or(DEFAULT_SERVICE_ACCOUNT).to_owned())
            }
            _ => {
                entry(&self.labels, "metadata.labels['").or_else(|| entry(&self.annotations, "metadata.annotations['"))
            }
        }
    }
}

/// Replaces `$(NAME)` by the value of NAME. `$$(NAME)` means the text `$(NAME)`. The result is not known where a value
/// is not, or where no variable has this name: the kubelet may make such a variable of a Service.
pub fn expand(text: &str, known: &BTreeMap<String, Variable>) -> Variable {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        expanded.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            expanded.push('$');
            rest = after;
        } else if let Some((name, after)) = rest.strip_prefix('(').and_then(|after| after.split_once(')')) {
            match known.get(name) {
                Some(Variable::Text(value)) => expanded.push_str(value),
                Some(Variable::Unknown(source)) => {
                    return Variable::Unknown(format!("$({name}), and {name} from {source}"));
                }
                None if is_variable(name) => return Variable::Unknown(undefined(name)),
                None => {
                    expanded.push_str("$(");
                    expanded.push_str(name);
                    expanded.push(')');
                }
            }
            rest = after;
        } else {
            expanded.push('$');
        }
    }
    expanded.push_str(rest);
    Variable::Text(expanded)
}

/// Whether a text in brackets refers to a variable. Others, as in a password with `$(`, stay as they are.
fn is_variable(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn undefined(name: &str) -> String {
    let service =
        name.strip_suffix("_SERVICE_HOST").or_else(|| name.split_once("_SERVICE_PORT").map(|(service, _)| service));
    match service {
        Some(service) => format!(
            "$({name}), which the kubelet makes of a Service: write the Service's name, {}, in its place",
            service.to_ascii_lowercase().replace('_', "-")
        ),
        None => format!("$({name}), which no variable before it in the container sets"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn text(text: &str) -> Variable {
        Variable::Text(text.into())
    }

    #[test]
    fn references_are_expanded_as_the_kubelet_does() {
        let known = [("HOST".to_owned(), text("h"))].into();
        for (from, expected) in [
            ("amqp://$(HOST):5672/", "amqp://h:5672/"),
            ("$$(HOST)", "$(HOST)"),
            ("$(not a name)", "$(not a name)"),
            ("a$b", "a$b"),
            ("$(open", "$(open"),
            ("$", "$"),
        ] {
            assert_eq!(expand(from, &known), text(expected), "{from}");
        }
    }

    #[test]
    fn what_is_not_known_is_named_by_its_reference() {
        let known = [("IP".to_owned(), Variable::Unknown("the pod's field status.podIP".into()))].into();
        for (from, says) in [
            ("amqp://$(IP)/", "$(IP), and IP from the pod's field status.podIP"),
            (
                "amqp://$(MY_MQ_SERVICE_HOST)/",
                "$(MY_MQ_SERVICE_HOST), which the kubelet makes of a Service: write the Service's name, my-mq,",
            ),
            ("$(MQ_SERVICE_PORT_AMQP)", "name, mq, in"),
            ("$(LATER)", "$(LATER), which no variable before it"),
        ] {
            let Variable::Unknown(found) = expand(from, &known) else { panic!("{from} is known") };
            assert!(found.contains(says), "{found}");
        }
    }

    #[test]
    fn fields_that_every_pod_shares_are_known() {
        let template = |account: &str| {
            let template = json!({
                "metadata": {"labels": {"app.kubernetes.io/name": "tx"}, "annotations": {"team": "a"}},
                "spec": {"serviceAccountName": account, "containers": []},
            });
            PodTemplate::new("shop", serde_json::from_value(template).unwrap())
        };
        let field = |account: &str, path: &str| {
            let source = serde_json::from_value(json!({"fieldRef": {"fieldPath": path}})).unwrap();
            template(account).value_from(&source)
        };
        for (account, path, expected) in [
            ("", "metadata.namespace", "shop"),
            ("", "spec.serviceAccountName", "default"),
            ("worker", "spec.serviceAccountName", "worker"),
            ("", "metadata.labels['app.kubernetes.io/name']", "tx"),
            ("", "metadata.annotations['team']", "a"),
        ] {
            assert_eq!(field(account, path), text(expected), "{path}");
        }
        for path in
            ["metadata.name", "metadata.uid", "status.podIP", "spec.nodeName", "metadata.labels['pod-template-hash']"]
        {
            let Variable::Unknown(source) = field("", path) else { panic!("{path} is known") };
            assert!(source.contains(path), "{source}");
        }
        let source = serde_json::from_value(json!({"resourceFieldRef": {"resource": "limits.cpu"}})).unwrap();
        assert_eq!(template("").value_from(&source), Variable::Unknown("the container's resource limits.cpu".into()));
    }
}
