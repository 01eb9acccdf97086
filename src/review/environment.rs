//! The environment of the target's container while only the pod template is known, and no Secret and no ConfigMap.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Container;

use ebb_plan::environment::{self, PodTemplate, Variable};
use ebb_plan::names::variable_mistake;

/// The source of a value that is in the cluster.
const ELSEWHERE: &str = "a Secret or ConfigMap";

/// The variables of a container, as far as they are known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Environment {
    /// Nothing: the target is not there, or is not asked for.
    #[default]
    Unknown,
    /// The variables of this container.
    Of {
        /// The container's name.
        container: String,
        /// Its variables, as far as their names are known.
        variables: BTreeMap<String, Variable>,
        /// Whether it has others, from `envFrom`.
        open: bool,
    },
}

/// One variable, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KnownVariable<'a> {
    /// Its value.
    Text(&'a str),
    /// It is set.
    Set,
    /// It is not set.
    Absent,
    /// Nothing.
    Unknown,
}

impl Environment {
    /// The variables of the container called `name`, or of the first one.
    ///
    /// # Errors
    /// There is no such container: the containers that there are.
    pub fn of(template: &PodTemplate, name: Option<&str>) -> Result<Self, String> {
        let containers = &template.spec.containers;
        let Some(name) = name.filter(|name| !name.is_empty()) else {
            return Ok(containers.first().map_or(Self::Unknown, |first| Self::of_container(template, first)));
        };
        let all = || containers.iter().chain(template.spec.init_containers.iter().flatten());
        let found = all().find(|container| container.name == name);
        found.map(|container| Self::of_container(template, container)).ok_or_else(|| {
            let names: Vec<_> = all().map(|container| container.name.as_str()).collect();
            format!("the target has no container {name:?}; it has {}", names.join(", "))
        })
    }

    fn of_container(template: &PodTemplate, container: &Container) -> Self {
        let open = container.env_from.as_ref().is_some_and(|sources| !sources.is_empty());
        let mut variables = BTreeMap::new();
        for variable in container.env.iter().flatten() {
            let value = match &variable.value_from {
                None => environment::expand(variable.value.as_deref().unwrap_or_default(), &variables),
                // Optional ones may be missing; what is missing then is found when it is looked at.
                Some(source) if source.secret_key_ref.is_some() || source.config_map_key_ref.is_some() => {
                    Variable::Unknown(ELSEWHERE.to_owned())
                }
                Some(source) => template.value_from(source),
            };
            // A reference to a variable from `envFrom` is not known either.
            variables.insert(variable.name.clone(), value);
        }
        Self::Of { container: container.name.clone(), variables, open }
    }

    /// The variable called `name`, as far as it is known.
    pub(super) fn variable(&self, name: &str) -> KnownVariable<'_> {
        let Self::Of { variables, open, .. } = self else { return KnownVariable::Unknown };
        match variables.get(name) {
            Some(Variable::Text(text)) => KnownVariable::Text(text),
            Some(Variable::Unknown(_)) => KnownVariable::Set,
            // A name that is a mistake of its own is not reported twice.
            None if *open || variable_mistake(name).is_some() => KnownVariable::Unknown,
            None => KnownVariable::Absent,
        }
    }

    /// The container, if it is certain that it does not set the variable called `name`.
    pub fn lacks(&self, name: &str) -> Option<&str> {
        match self {
            Self::Of { container, .. } if self.variable(name) == KnownVariable::Absent => Some(container),
            _ => None,
        }
    }

    /// Why no pod gives the value of the variable called `name`, where that is certain.
    pub(super) fn never_known(&self, name: &str) -> Option<String> {
        let Self::Of { container, variables, open } = self else { return None };
        match variables.get(name) {
            Some(Variable::Unknown(source)) if !open && !source.ends_with(ELSEWHERE) => Some(format!(
                "the environment variable {name:?} of the container {container:?} takes its value from {source}"
            )),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn environment(container: &Value) -> Environment {
        let template = json!({"spec": {"containers": [container]}});
        Environment::of(&PodTemplate::new("shop", serde_json::from_value(template).unwrap()), None).unwrap()
    }

    #[test]
    fn variables_are_known_as_far_as_the_template_tells() {
        let env = json!([
            {"name": "MQ", "value": "amqp://mq/"},
            {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
            {"name": "URL", "value": "amqp://u:$(PASSWORD)@mq/"},
            {"name": "NAMESPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}},
            {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        ]);
        let closed = environment(&json!({"name": "app", "env": env}));
        let open = environment(&json!({"name": "app", "env": env, "envFrom": [{"secretRef": {"name": "s"}}]}));
        for (name, expected) in [
            ("MQ", KnownVariable::Text("amqp://mq/")),
            ("PASSWORD", KnownVariable::Set),
            ("URL", KnownVariable::Set),
            ("NAMESPACE", KnownVariable::Text("shop")),
            ("IP", KnownVariable::Set),
            ("OTHER", KnownVariable::Absent),
            ("amqp://u:p@mq", KnownVariable::Unknown),
        ] {
            assert_eq!(closed.variable(name), expected, "{name}");
            if expected == KnownVariable::Absent {
                assert_eq!(open.variable(name), KnownVariable::Unknown);
            }
        }
        assert!(closed.never_known("IP").unwrap().contains("status.podIP"));
        assert_eq!((closed.never_known("URL"), closed.never_known("MQ")), (None, None));
        assert_eq!(Environment::Unknown.variable("MQ"), KnownVariable::Unknown);
    }

    #[test]
    fn a_container_that_is_not_there_is_named_with_those_that_are() {
        let template = json!({"spec": {"containers": [{"name": "a"}], "initContainers": [{"name": "i"}]}});
        let template = PodTemplate::new("shop", serde_json::from_value(template).unwrap());
        assert!(Environment::of(&template, Some("i")).is_ok());
        assert!(Environment::of(&template, Some("b")).unwrap_err().ends_with("it has a, i"));
    }
}
