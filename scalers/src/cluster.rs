//! Reads of the cluster itself, for kinds whose source is Kubernetes.
//!
//! This crate stays without a client for Kubernetes: the program that uses it implements [`ClusterReader`]. A kind
//! declares the rights that it needs ([`crate::Kind::rights`]). The RBAC manifest is generated from them, and
//! [`ClusterAccess`] refuses every other read.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;

use crate::scaler::ReadError;

/// A namespaced resource of the Kubernetes API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Resource {
    /// The API group; empty for the core.
    pub group: &'static str,
    /// The version, such as `v1`.
    pub version: &'static str,
    /// The kind, such as `Pod`.
    pub kind: &'static str,
    /// The name in paths and roles, such as `pods`.
    pub plural: &'static str,
}

/// A verb of Kubernetes' authorization. None of them changes anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verb {
    /// One object by its name.
    Get,
    /// The objects that a selector matches.
    List,
}

impl Verb {
    /// The word in a role.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::List => "list",
        }
    }
}

/// A right that a kind of trigger needs, in the namespace of its ScaledObject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClusterRight {
    /// The resource.
    pub resource: Resource,
    /// The verb.
    pub verb: Verb,
}

/// Takes one object of a list after the other.
pub type EachObject<'a> = &'a mut (dyn FnMut(&Value) + Send);

/// The API server, as far as triggers read it. Every call has a limit of time and of size.
#[async_trait]
pub trait ClusterReader: Send + Sync + fmt::Debug {
    /// The object of this name; none if there is none.
    ///
    /// # Errors
    /// The API server does not answer, or refuses.
    async fn get(&self, resource: &Resource, namespace: &str, name: &str) -> Result<Option<Value>, ReadError>;

    /// Gives each object that `selector` (of labels, in Kubernetes' notation) matches to `each`.
    ///
    /// # Errors
    /// The API server does not answer, or refuses, or there are more objects than may be read.
    async fn list(
        &self,
        resource: &Resource,
        namespace: &str,
        selector: &str,
        each: EachObject<'_>,
    ) -> Result<(), ReadError>;
}

/// A trigger's access to the cluster: the declared rights of its kind, in the namespace of its ScaledObject.
#[derive(Debug, Clone)]
pub struct ClusterAccess {
    reader: Option<Arc<dyn ClusterReader>>,
    rights: &'static [ClusterRight],
    namespace: Arc<str>,
}

impl ClusterAccess {
    /// Access to `namespace` with these rights. Without a reader every read fails, as for a trigger that is
    /// only checked.
    pub(crate) fn new(
        reader: Option<Arc<dyn ClusterReader>>,
        rights: &'static [ClusterRight],
        namespace: Arc<str>,
    ) -> Self {
        Self { reader, rights, namespace }
    }

    /// As [`ClusterReader::get`].
    ///
    /// # Errors
    /// As there, or the kind has not declared the right.
    pub async fn get(&self, resource: &Resource, name: &str) -> Result<Option<Value>, ReadError> {
        self.reader(resource, Verb::Get)?.get(resource, &self.namespace, name).await
    }

    /// As [`ClusterReader::list`].
    ///
    /// # Errors
    /// As there, or the kind has not declared the right.
    pub async fn list(&self, resource: &Resource, selector: &str, each: EachObject<'_>) -> Result<(), ReadError> {
        self.reader(resource, Verb::List)?.list(resource, &self.namespace, selector, each).await
    }

    fn reader(&self, resource: &Resource, verb: Verb) -> Result<&dyn ClusterReader, ReadError> {
        if !self.rights.contains(&ClusterRight { resource: *resource, verb }) {
            let (verb, plural) = (verb.as_str(), resource.plural);
            return Err(ReadError::Query(format!("the trigger's kind does not declare the right to {verb} {plural}")));
        }
        let none = || ReadError::Query("the cluster cannot be read here".into());
        self.reader.as_deref().ok_or_else(none)
    }
}

#[cfg(test)]
mod tests {
    use parking_lot::Mutex;
    use serde_json::json;

    use super::*;
    use crate::kinds::Kind;
    use crate::net::Outbound;
    use crate::params::{ConfigError, Param, ParamReader, Source, TriggerConfig};
    use crate::pool::{ClientPools, NamespaceQuota};
    use crate::scaler::{MetricSpec, Reading, Scaler};

    const PODS: Resource = Resource { group: "", version: "v1", kind: "Pod", plural: "pods" };
    const SECRETS: Resource = Resource { group: "", version: "v1", kind: "Secret", plural: "secrets" };

    /// A kind that counts pods, as a kind of its own would.
    const COUNT: Kind =
        Kind::new("count", "countScaler", &[Param::required("podSelector", &[Source::Metadata])], build)
            .rights(&[ClusterRight { resource: PODS, verb: Verb::List }]);

    #[derive(Debug)]
    struct Count {
        metric: MetricSpec,
        selector: String,
        cluster: ClusterAccess,
    }

    fn build(trigger: &TriggerConfig, pools: &ClientPools) -> Result<Box<dyn Scaler>, ConfigError> {
        let mut reader = ParamReader::new(trigger, COUNT.params);
        let selector = reader.required("podSelector").to_owned();
        reader.finish()?;
        let metric =
            MetricSpec { name: "s0-count".into(), target: 1.0, activation: 0.0, metric_type: trigger.metric_type };
        Ok(Box::new(Count { metric, selector, cluster: pools.cluster() }))
    }

    #[async_trait]
    impl Scaler for Count {
        fn metric(&self) -> &MetricSpec {
            &self.metric
        }

        async fn read(&self, _now: chrono::DateTime<chrono::Utc>) -> Result<Reading, ReadError> {
            let mut pods = 0.0;
            self.cluster.list(&PODS, &self.selector, &mut |_| pods += 1.0).await?;
            Ok(Reading { value: pods, active: pods > 0.0 })
        }
    }

    /// A cluster with three pods for every question.
    #[derive(Debug, Default)]
    struct Three(Mutex<Vec<String>>);

    #[async_trait]
    impl ClusterReader for Three {
        async fn get(&self, _: &Resource, _: &str, _: &str) -> Result<Option<Value>, ReadError> {
            Ok(None)
        }

        async fn list(
            &self,
            resource: &Resource,
            namespace: &str,
            selector: &str,
            each: EachObject<'_>,
        ) -> Result<(), ReadError> {
            self.0.lock().push(format!("{namespace}/{}?{selector}", resource.plural));
            (0..3).for_each(|number| each(&json!({"metadata": {"name": format!("pod-{number}")}})));
            Ok(())
        }
    }

    fn trigger() -> TriggerConfig {
        let metadata = [("podSelector".to_owned(), "app=worker".to_owned())].into();
        TriggerConfig { kind: "count".into(), metadata, ..TriggerConfig::default() }
    }

    #[tokio::test]
    async fn a_kind_reads_what_it_declares_in_its_own_namespace() {
        let three = Arc::new(Three::default());
        let reader: Arc<dyn ClusterReader> = Arc::clone(&three) as _;
        let pools = ClientPools::new(Outbound::default(), NamespaceQuota::default()).with_cluster(reader).of("shop");
        let scaler = COUNT.build(&trigger(), &pools).unwrap();
        let reading = scaler.read(chrono::Utc::now()).await.unwrap();
        assert_eq!(reading, Reading { value: 3.0, active: true });
        assert_eq!(*three.0.lock(), ["shop/pods?app=worker"]);

        let access = ClusterAccess::new(Some(three), COUNT.rights, "shop".into());
        let error = access.get(&SECRETS, "s").await.unwrap_err().to_string();
        assert_eq!(error, "the trigger's kind does not declare the right to get secrets");
        assert!(access.get(&PODS, "p").await.is_err(), "to list them is another right");
    }

    #[tokio::test]
    async fn a_trigger_that_is_only_checked_reads_nothing() {
        let scaler = COUNT.build(&trigger(), &ClientPools::default()).unwrap();
        assert!(scaler.read(chrono::Utc::now()).await.is_err());
    }
}
