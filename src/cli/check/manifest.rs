//! The objects in a document: those of kinds that Ebb serves, and the others, which they refer to.

use std::rc::Rc;

use ebb_crds::{
    ClusterTriggerAuthentication, ScaleTrigger, ScaledObject, TriggerAuthentication, TriggerAuthenticationSpec,
};
use serde::Deserialize as _;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::metadata;
use super::schema::{Schemas, unknown_field};
use crate::cli::yaml::Document;
use crate::review::Finding;
use ebb_plan::similar::similar;

const GROUPS: [&str; 2] = ["keda.sh/", "eventing.keda.sh/"];
const VERSION: &str = "keda.sh/v1alpha1";
/// The group of KEDA 1.
const FORMER_GROUP: &str = "keda.k8s.io/";
/// A kind of KEDA that Ebb does not serve.
const SCALED_JOB: &str = "ScaledJob";
/// The kinds of KEDA's API groups that Ebb does not serve, that of KEDA's own operator among them.
const UNSERVED: [&str; 4] = [SCALED_JOB, "CloudEventSource", "ClusterCloudEventSource", "KedaController"];
/// The fields of an object.
const FIELDS: [&str; 5] = ["apiVersion", "kind", "metadata", "spec", "status"];

/// One object with its findings.
pub(super) struct Manifest {
    pub(super) file: Rc<str>,
    document: Rc<Document>,
    /// The path of the object in its document, which is not empty in a List.
    prefix: String,
    pub(super) kind: String,
    /// The namespace; empty if the object names none.
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) findings: Vec<Finding>,
    /// The places that the findings cover as a whole.
    holes: Vec<String>,
    /// The parsed object, if it can be parsed.
    pub(super) object: Option<Object>,
}

/// A parsed object.
pub(super) enum Object {
    Scaled(Box<ScaledObject>),
    Authentication {
        spec: Box<TriggerAuthenticationSpec>,
        cluster: bool,
    },
    /// The triggers of an object that Ebb does not serve. They read authentications, too.
    Job(Vec<ScaleTrigger>),
}

/// An object of a kind that Ebb does not serve.
#[derive(Debug)]
pub(super) struct Neighbour {
    pub(super) api_version: String,
    pub(super) kind: String,
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) value: Value,
}

/// Either of them.
pub(super) enum Found {
    Manifest(Box<Manifest>),
    Neighbour(Box<Neighbour>),
}

impl Found {
    /// The objects of a document, which may be a List.
    pub(super) fn all_in(file: &Rc<str>, document: &Rc<Document>, schemas: &Schemas) -> Vec<Self> {
        let whole = &document.value;
        match whole["items"].as_array().filter(|_| whole["kind"].as_str().is_some_and(|kind| kind.ends_with("List"))) {
            Some(items) => {
                let items = items.iter().enumerate();
                items.map(|(index, item)| Self::of(file, document, format!("items[{index}]"), item, schemas)).collect()
            }
            None => vec![Self::of(file, document, String::new(), whole, schemas)],
        }
    }

    fn of(file: &Rc<str>, document: &Rc<Document>, prefix: String, value: &Value, schemas: &Schemas) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (api_version, kind) = (text(&value["apiVersion"]), text(&value["kind"]));
        let (namespace, name) = (text(&value["metadata"]["namespace"]), text(&value["metadata"]["name"]));
        if !is_kedas(&api_version, &kind, schemas) {
            let value = value.clone();
            return Self::Neighbour(Box::new(Neighbour { api_version, kind, namespace, name, value }));
        }
        let Reading { mut findings, holes, object } = read(&api_version, &kind, value, schemas);
        findings.extend(duplicates(document, &prefix));
        let (file, document) = (Rc::clone(file), Rc::clone(document));
        Self::Manifest(Box::new(Manifest { file, document, prefix, kind, namespace, name, findings, holes, object }))
    }
}

impl Manifest {
    /// The name of the object in findings.
    pub(super) fn title(&self) -> String {
        let Self { kind, namespace, name, .. } = self;
        let place = if namespace.is_empty() { name.clone() } else { format!("{namespace}/{name}") };
        format!("{kind} {place}").trim().to_owned()
    }

    /// The line of the part at `path` in the object.
    pub(super) fn line_of(&self, path: &str) -> usize {
        let parts = [self.prefix.as_str(), path];
        self.document.line_of(&parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("."))
    }

    /// Adds findings that are not there yet.
    pub(super) fn add(&mut self, findings: impl IntoIterator<Item = Finding>) {
        for finding in findings {
            let said = |known: &Finding| known.path == finding.path && known.text == finding.text;
            if !self.holes.iter().any(|hole| follows_from(&finding, hole)) && !self.findings.iter().any(said) {
                self.findings.push(finding);
            }
        }
    }
}

/// Whether a finding only follows from a value that is missing or refused at the place `hole`.
fn follows_from(finding: &Finding, hole: &str) -> bool {
    let below = |path: &str, of: &str| path.strip_prefix(of).is_some_and(|rest| rest.starts_with(['.', '[']));
    let key = hole.rsplit('.').next().unwrap_or_default();
    let names_key = || finding.text.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word == key);
    finding.path == hole || below(&finding.path, hole) || below(hole, &finding.path) && names_key()
}

/// Whether an object was meant for KEDA.
fn is_kedas(api_version: &str, kind: &str, schemas: &Schemas) -> bool {
    if GROUPS.iter().any(|group| api_version.starts_with(group)) || api_version.starts_with(FORMER_GROUP) {
        return true;
    }
    // Groups of others have a domain, and may have kinds of these names.
    let group = api_version.split_once('/').map_or("", |(group, _)| group);
    let is_kind = schemas.kind(kind).is_some() || kind.eq_ignore_ascii_case(SCALED_JOB);
    is_kind && (!group.contains('.') || group.contains("keda"))
}

/// The reading of an object.
#[derive(Default)]
struct Reading {
    findings: Vec<Finding>,
    holes: Vec<String>,
    object: Option<Object>,
}

fn read(api_version: &str, written_kind: &str, value: &Value, schemas: &Schemas) -> Reading {
    let mut reading = Reading::default();
    let Some(kind) = served_kind(api_version, written_kind, schemas, &mut reading.findings) else {
        if written_kind == SCALED_JOB {
            let triggers = value["spec"]["triggers"].as_array().into_iter().flatten();
            let triggers = triggers.filter_map(|trigger| ScaleTrigger::deserialize(trigger).ok());
            reading.object = Some(Object::Job(triggers.collect()));
        }
        return reading;
    };
    let missing = value["metadata"].is_null().then(|| json!({}));
    let metadata = metadata::check(missing.as_ref().unwrap_or(&value["metadata"]));
    let spec = schemas.spec(kind, value.get("spec"));
    reading.findings.extend(unknown_fields(value));
    for part in [&metadata, &spec] {
        reading.findings.extend(part.findings.iter().cloned());
        reading.holes.extend(part.holes.iter().cloned());
    }
    let whole = json!({"apiVersion": VERSION, "kind": kind, "metadata": metadata.value, "spec": spec.value});
    let object = match kind {
        "ScaledObject" => parsed::<ScaledObject>(whole).map(|object| Object::Scaled(Box::new(object))),
        "TriggerAuthentication" => parsed::<TriggerAuthentication>(whole)
            .map(|found| Object::Authentication { spec: Box::new(found.spec), cluster: false }),
        _ => parsed::<ClusterTriggerAuthentication>(whole)
            .map(|found| Object::Authentication { spec: Box::new(found.spec.0), cluster: true }),
    };
    match object {
        Ok(object) => reading.object = Some(object),
        // The schema has let a value pass that the type does not take.
        Err(text) => reading.findings.push(Finding::refusal("", text)),
    }
    reading
}

/// The kind that an object is to be checked as, and the mistakes in its `apiVersion` and `kind`.
fn served_kind<'a>(
    api_version: &str,
    written: &str,
    schemas: &'a Schemas,
    findings: &mut Vec<Finding>,
) -> Option<&'a str> {
    let kind = schemas.kind(written).or_else(|| schemas.similar(written).filter(|_| !UNSERVED.contains(&written)));
    if let Some(kind) = kind.filter(|kind| *kind != written) {
        let text = if kind.eq_ignore_ascii_case(written) {
            format!("{written:?} is no kind of KEDA: kinds are case-sensitive, and this one is written {kind}")
        } else {
            format!("{written:?} is no kind of KEDA: write {kind}")
        };
        findings.push(Finding::refusal("kind", text));
    }
    if api_version == VERSION && kind.is_some() {
        return kind;
    }
    let (path, text) = if api_version.is_empty() {
        ("apiVersion", format!("apiVersion is missing: write {VERSION}"))
    } else if api_version.starts_with(FORMER_GROUP) {
        (
            "apiVersion",
            format!("{api_version} is the API of KEDA 1, which KEDA 2 and ebb do not serve: write {VERSION}"),
        )
    } else if kind.is_some() || written.eq_ignore_ascii_case(SCALED_JOB) && api_version != VERSION {
        ("apiVersion", format!("{api_version} has no {written}: write {VERSION}"))
    } else if written.is_empty() {
        ("kind", format!("kind is missing, or no text: write one of {}", schemas.kinds()))
    } else if UNSERVED.contains(&written) {
        let text =
            format!("{api_version} {written} is nothing that ebb serves; it serves {VERSION} {}", schemas.kinds());
        findings.push(Finding::warning("kind", text));
        return None;
    } else {
        ("kind", format!("{written:?} is no kind of KEDA: write one of {}", schemas.kinds()))
    };
    findings.push(Finding::refusal(path, text));
    kind
}

/// Fields of the object itself that no object has.
fn unknown_fields(value: &Value) -> impl Iterator<Item = Finding> {
    let fields = value.as_object().into_iter().flatten().map(|(name, _)| name.as_str());
    let unknown = fields.filter(|name| !FIELDS.contains(name)).map(|name| {
        let absent = FIELDS.into_iter().filter(|field| value.get(field).is_none());
        Finding::warning(name, unknown_field(name, similar(name, absent)))
    });
    unknown.collect::<Vec<_>>().into_iter()
}

fn duplicates(document: &Document, prefix: &str) -> Vec<Finding> {
    let within = |path: &str| match path.strip_prefix(prefix)? {
        rest if prefix.is_empty() => Some(rest.to_owned()),
        rest => rest.strip_prefix('.').map(str::to_owned),
    };
    let duplicates =
        document.duplicates.iter().filter_map(|duplicate| Some((within(&duplicate.path)?, duplicate.first)));
    let text = |first| format!("the key is there twice: kubectl takes this one and drops the one in line {first}");
    duplicates.map(|(path, first)| Finding::warning(path, text(first))).collect()
}

fn parsed<K: DeserializeOwned>(value: Value) -> Result<K, String> {
    serde_json::from_value(value).map_err(|error| error.to_string())
}
