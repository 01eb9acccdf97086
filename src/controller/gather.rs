//! Reads everything that a ScaledObject refers to: its target, the target's environment, its authentications.
//! Writes nothing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ebb_crds::{ScaleTrigger, ScaledObject};
use ebb_scalers::TriggerConfig;
use futures::future::try_join_all;
use kube::{Client, ResourceExt as _};

use super::authentication::{Authentication, ResolveContext};
use super::authentications::Authentications;
use super::environment;
use super::lookup::{Lookup, LookupError, ReadSet, Sources};
use crate::clock;
use crate::kube_api::pod_template::{self, TemplateError};
use crate::kube_api::scale::{Kind, TargetError, Targets};
use ebb_plan::environment::PodTemplate;
use ebb_plan::{resource, validate};

/// The target of a ScaledObject, as it was found.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) kind: Kind,
    pub(super) replicas: i32,
    /// When the count was read, by the time since the start of the process.
    pub(super) seen: Duration,
}

/// Finds the target.
pub(super) async fn target(object: &ScaledObject, targets: &Targets) -> Result<Target, TargetError> {
    let reference = &object.spec.scale_target_ref;
    let namespace = object.namespace().unwrap_or_default();
    let kind = targets.kind(reference).await?;
    let replicas = targets.scale(&kind, &namespace, &reference.name).await?.replicas;
    Ok(Target { kind, replicas, seen: clock::moment().steady })
}

/// The sources of the triggers' parameters.
pub(super) struct Gatherer<'a> {
    pub(super) sources: &'a Sources,
    pub(super) authentications: &'a Authentications,
    pub(super) targets: &'a Targets,
    /// The namespace of the objects that ClusterTriggerAuthentications refer to.
    pub(super) cluster_namespace: &'a str,
}

impl Gatherer<'_> {
    /// Every trigger but cpu and memory with its parameters resolved, and the reads for that, even if they failed.
    /// `force_refresh`: the triggers of the last reads do not work.
    pub(super) async fn triggers(
        &self,
        object: &ScaledObject,
        target: &Target,
        force_refresh: bool,
    ) -> (Result<Vec<TriggerConfig>, LookupError>, ReadSet) {
        let lookup = Lookup::new(self.sources, force_refresh);
        let resolved = self.resolved(object, target, &lookup).await;
        (resolved, lookup.read_set())
    }

    async fn resolved(
        &self,
        object: &ScaledObject,
        target: &Target,
        lookup: &Lookup<'_>,
    ) -> Result<Vec<TriggerConfig>, LookupError> {
        let namespace = object.namespace().unwrap_or_default();
        let fetched = object.spec.triggers.iter().enumerate().map(|(index, trigger)| {
            let (namespace, known) = (&namespace, self.authentications);
            async move {
                match trigger.authentication() {
                    Some(reference) => Authentication::fetch(reference, namespace, known, lookup)
                        .await
                        .map(Some)
                        .map_err(|error| in_trigger(index, trigger, error)),
                    None => Ok(None),
                }
            }
        });
        let authentications = try_join_all(fetched).await?;

        let from_env = |trigger: &ScaleTrigger| trigger.metadata.keys().any(|key| key.ends_with("FromEnv"));
        let needs_pod = object.spec.triggers.iter().any(from_env)
            || authentications.iter().flatten().any(Authentication::needs_pod);
        let pod = if needs_pod { Some(self.pod(lookup.client(), object, target).await?) } else { None };
        let container = object.spec.scale_target_ref.env_source_container_name.as_deref();
        let around = ResolveContext {
            namespace: &namespace,
            cluster_namespace: self.cluster_namespace,
            pod: pod.as_ref(),
            container,
            lookup,
        };

        let mut triggers = Vec::with_capacity(object.spec.triggers.len());
        for (index, (trigger, authentication)) in object.spec.triggers.iter().zip(&authentications).enumerate() {
            if resource::is_resource(trigger) {
                continue;
            }
            let config = self.trigger(index, trigger, authentication.as_ref(), &around).await;
            triggers.push(config.map_err(|error| in_trigger(index, trigger, error))?);
        }
        Ok(triggers)
    }

    async fn trigger(
        &self,
        index: usize,
        trigger: &ScaleTrigger,
        authentication: Option<&Authentication>,
        around: &ResolveContext<'_>,
    ) -> Result<TriggerConfig, LookupError> {
        let wanted: Vec<_> = trigger
            .metadata
            .iter()
            .filter(|(key, _)| key.ends_with("FromEnv"))
            .map(|(_, name)| name.as_str())
            .collect();
        let env = match around.pod {
            Some(pod) if !wanted.is_empty() => {
                let container = environment::container(&pod.spec, around.container)?;
                environment::resolve(container, pod, &wanted, around.lookup).await?
            }
            _ => BTreeMap::new(),
        };
        let auth = match authentication {
            Some(authentication) => authentication.parameters(trigger, around).await?,
            None => BTreeMap::new(),
        };
        Ok(TriggerConfig {
            index,
            kind: trigger.type_.clone(),
            metric_type: validate::metric_type(trigger.metric_type.as_deref()).map_err(LookupError::Wrong)?,
            use_cached_metrics: trigger.uses_cached_metrics(),
            metadata: trigger.metadata.clone(),
            auth,
            env,
        })
    }

    async fn pod(&self, client: &Client, object: &ScaledObject, target: &Target) -> Result<PodTemplate, LookupError> {
        let namespace = object.namespace().unwrap_or_default();
        let (kind, name) = (&target.kind, &object.spec.scale_target_ref.name);
        let found = pod_template::read(client, self.targets, kind, &namespace, name).await;
        found.map_err(|error| match error {
            TemplateError::Missing(text) => LookupError::Missing(text),
            TemplateError::Wrong(text) => LookupError::Wrong(text),
            TemplateError::Api { what, cause } => LookupError::Api { what, cause: Arc::from(cause) },
        })
    }
}

fn in_trigger(index: usize, trigger: &ScaleTrigger, error: LookupError) -> LookupError {
    let place = format!("trigger {index} ({})", trigger.type_);
    match error {
        LookupError::Missing(text) => LookupError::Missing(format!("{place}: {text}")),
        LookupError::Wrong(text) => LookupError::Wrong(format!("{place}: {text}")),
        LookupError::Api { what, cause } => LookupError::Api { what: format!("{place}: {what}"), cause },
    }
}
