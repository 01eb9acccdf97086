//! The environment of the target's container, as the kubelet would make it: for `…FromEnv` parameters and for
//! `TriggerAuthentication.spec.env` (keda.sh/docs, "Using environment variables from the ScaleTarget").

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, EnvVar, PodSpec};

use super::lookup::{Lookup, LookupError};
use ebb_plan::environment::{self, PodTemplate, Variable};

/// The container that parameters are read from: the one called `name`, else the first.
///
/// # Errors
/// There is no such container.
pub(super) fn container<'a>(pod: &'a PodSpec, name: Option<&str>) -> Result<&'a Container, LookupError> {
    let Some(name) = name.filter(|name| !name.is_empty()) else {
        return pod
            .containers
            .first()
            .ok_or_else(|| LookupError::Wrong("the target's pod template has no containers".into()));
    };
    let mut containers = pod.containers.iter().chain(pod.init_containers.iter().flatten());
    containers.find(|container| container.name == name).ok_or_else(|| {
        let all = pod.containers.iter().chain(pod.init_containers.iter().flatten());
        let names: Vec<_> = all.map(|container| container.name.as_str()).collect();
        LookupError::Wrong(format!("the target has no container {name:?}; it has {}", names.join(", ")))
    })
}

/// The values of the variables `wanted` in a container. A variable that is not defined is not in the answer.
///
/// # Errors
/// The Secret, ConfigMap or key of a variable is missing and not optional, or the value of a wanted one is known only
/// of a running pod.
pub(super) async fn resolve(
    container: &Container,
    template: &PodTemplate,
    wanted: &[&str],
    lookup: &Lookup<'_>,
) -> Result<BTreeMap<String, String>, LookupError> {
    let namespace = &template.namespace;
    let mut found = BTreeMap::new();
    // Later definitions win, and `env` wins over `envFrom`, as in the kubelet.
    for source in container.env_from.iter().flatten() {
        let prefix = source.prefix.as_deref().unwrap_or_default();
        let values = if let Some(secret) = &source.secret_ref {
            lookup.secret(namespace, &secret.name, secret.optional.unwrap_or(false)).await?
        } else if let Some(map) = &source.config_map_ref {
            lookup.config_map(namespace, &map.name, map.optional.unwrap_or(false)).await?
        } else {
            continue;
        };
        for (key, value) in values {
            found.insert(format!("{prefix}{key}"), Variable::Text(value));
        }
    }
    let variables = container.env.as_deref().unwrap_or_default();
    for variable in variables {
        // Those that are not asked for may still be referred to by $(NAME).
        if !wanted.contains(&variable.name.as_str()) && !is_referred_to(&variable.name, variables) {
            continue;
        }
        if let Some(value) = self::value(variable, template, &found, lookup).await? {
            found.insert(variable.name.clone(), value);
        }
    }
    found.retain(|name, _| wanted.contains(&name.as_str()));
    let known = found.into_iter().map(|(name, value)| match value {
        Variable::Text(value) => Ok((name, value)),
        Variable::Unknown(source) => Err(LookupError::Wrong(format!(
            "the environment variable {name:?} of the container {:?} takes its value from {source}",
            container.name
        ))),
    });
    known.collect()
}

fn is_referred_to(name: &str, variables: &[EnvVar]) -> bool {
    let reference = format!("$({name})");
    variables.iter().any(|variable| variable.value.as_ref().is_some_and(|value| value.contains(&reference)))
}

async fn value(
    variable: &EnvVar,
    template: &PodTemplate,
    before: &BTreeMap<String, Variable>,
    lookup: &Lookup<'_>,
) -> Result<Option<Variable>, LookupError> {
    let Some(source) = &variable.value_from else {
        return Ok(Some(environment::expand(variable.value.as_deref().unwrap_or_default(), before)));
    };
    let namespace = &template.namespace;
    let (mut values, key, kind, name, optional) = if let Some(reference) = &source.secret_key_ref {
        let optional = reference.optional.unwrap_or(false);
        (
            lookup.secret(namespace, &reference.name, optional).await?,
            &reference.key,
            "Secret",
            &reference.name,
            optional,
        )
    } else if let Some(reference) = &source.config_map_key_ref {
        let optional = reference.optional.unwrap_or(false);
        let values = lookup.config_map(namespace, &reference.name, optional).await?;
        (values, &reference.key, "ConfigMap", &reference.name, optional)
    } else {
        return Ok(Some(template.value_from(source)));
    };
    match values.remove(key) {
        Some(value) => Ok(Some(Variable::Text(value))),
        None if optional => Ok(None),
        None => Err(LookupError::Missing(format!(
            "the environment variable {:?} refers to the key {key:?}, which {kind} {namespace}/{name} does not have",
            variable.name
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_container_is_the_named_one_or_the_first() {
        let pod: PodSpec = serde_json::from_value(serde_json::json!({
            "containers": [{"name": "a"}, {"name": "b"}], "initContainers": [{"name": "i"}],
        }))
        .unwrap();
        assert_eq!(container(&pod, None).unwrap().name, "a");
        assert_eq!(container(&pod, Some("b")).unwrap().name, "b");
        assert_eq!(container(&pod, Some("i")).unwrap().name, "i");
        assert!(container(&pod, Some("c")).unwrap_err().to_string().contains("it has a, b, i"));
    }
}
