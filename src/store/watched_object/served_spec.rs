//! The part of a ScaledObject that passes work from, kept small.

use std::collections::BTreeMap;
use std::mem::size_of;

use ebb_crds::{ScaledObject, ScaledObjectSpec, ScaledObjectStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};

use crate::store::raw_json::RawJson;

/// Labels or annotations.
type Pairs = Box<[(Box<str>, Box<str>)]>;

/// The fields that passes need of a ScaledObject beside its namespace and name. Its metadata has no owners and no
/// managed fields.
#[derive(Debug)]
pub struct ServedSpec {
    uid: Option<Box<str>>,
    resource_version: Option<Box<str>>,
    generation: Option<i64>,
    created: Option<Time>,
    labels: Option<Pairs>,
    annotations: Option<Pairs>,
    finalizers: Option<Box<[Box<str>]>>,
    spec: RawJson<ScaledObjectSpec>,
    status: Option<RawJson<ScaledObjectStatus>>,
}

impl ServedSpec {
    /// Takes it from a ScaledObject. It shares with `before` the JSON that is the same: most events of a watch change a
    /// `resourceVersion` and nothing else that is kept.
    ///
    /// # Errors
    /// The specification or the status has no JSON, which is a bug.
    pub fn of(object: &ScaledObject, before: Option<&Self>) -> Result<Self, serde_json::Error> {
        let metadata = &object.metadata;
        let before_status = before.and_then(|before| before.status.as_ref());
        Ok(Self {
            uid: metadata.uid.as_deref().map(Into::into),
            resource_version: metadata.resource_version.as_deref().map(Into::into),
            generation: metadata.generation,
            created: metadata.creation_timestamp.clone(),
            labels: metadata.labels.as_ref().map(pairs),
            annotations: metadata.annotations.as_ref().map(pairs),
            finalizers: metadata
                .finalizers
                .as_ref()
                .map(|finalizers| finalizers.iter().map(|name| name.as_str().into()).collect()),
            spec: RawJson::after(before.map(|before| &before.spec), &object.spec)?,
            status: object.status.as_ref().map(|status| RawJson::after(before_status, status)).transpose()?,
        })
    }

    /// The ScaledObject, with these names and this time in its metadata.
    ///
    /// # Errors
    /// The JSON that is kept cannot be read, which is a bug.
    pub fn open(&self, names: &ObjectMeta) -> Result<ScaledObject, serde_json::Error> {
        let metadata = ObjectMeta {
            name: names.name.clone(),
            namespace: names.namespace.clone(),
            deletion_timestamp: names.deletion_timestamp.clone(),
            uid: self.uid.as_deref().map(str::to_owned),
            resource_version: self.resource_version.as_deref().map(str::to_owned),
            generation: self.generation,
            creation_timestamp: self.created.clone(),
            labels: self.labels.as_ref().map(map),
            annotations: self.annotations.as_ref().map(map),
            finalizers: self.finalizers.as_ref().map(|names| names.iter().map(ToString::to_string).collect()),
            ..ObjectMeta::default()
        };
        let status = self.status.as_ref().map(RawJson::open).transpose()?;
        Ok(ScaledObject { metadata, spec: self.spec.open()?, status })
    }

    /// The bytes that it takes, without the allocator's own.
    pub fn bytes(&self) -> usize {
        let text = |text: &Option<Box<str>>| text.as_ref().map_or(0, |text| text.len());
        let pairs = |pairs: &Option<Pairs>| {
            let texts = pairs.iter().flatten().map(|(key, value)| key.len() + value.len());
            texts.map(|length| length + size_of::<(Box<str>, Box<str>)>()).sum::<usize>()
        };
        let finalizers = self.finalizers.iter().flatten().map(|name| name.len() + size_of::<Box<str>>());
        size_of::<Self>()
            + text(&self.uid)
            + text(&self.resource_version)
            + pairs(&self.labels)
            + pairs(&self.annotations)
            + finalizers.sum::<usize>()
            + self.spec.len()
            + self.status.as_ref().map_or(0, RawJson::len)
    }
}

fn pairs(map: &BTreeMap<String, String>) -> Pairs {
    map.iter().map(|(key, value)| (key.as_str().into(), value.as_str().into())).collect()
}

fn map(pairs: &Pairs) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
}
