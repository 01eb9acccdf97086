//! The reads of `ebb doctor`. A read that fails is an unknown, with its reason.

use ebb_crds::{Condition, ScaledObject};
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use k8s_openapi::kube_aggregator::pkg::apis::apiregistration::v1::APIService;
use kube::api::{ListParams, PostParams};
use kube::{Api, Client, ResourceExt as _};
use serde::de::DeserializeOwned;

use crate::cli::args::doctor::Doctor;
use crate::kube_api::errors;
use crate::metrics_api::API_SERVICE;
use crate::metrics_api::decisions::DECISIONS_API_SERVICE;

/// Something that could be read, or why not.
pub(super) type Known<T> = Result<T, String>;

/// The kinds that Ebb serves, as definitions.
pub(super) const DEFINITIONS: [&str; 3] =
    ["scaledobjects.keda.sh", "triggerauthentications.keda.sh", "clustertriggerauthentications.keda.sh"];

/// Rights that Ebb needs: verb, group, resource, subresource.
const RIGHTS: [(&str, &str, &str, &str); 9] = [
    ("list", "keda.sh", "scaledobjects", ""),
    ("patch", "keda.sh", "scaledobjects", "status"),
    ("create", "autoscaling", "horizontalpodautoscalers", ""),
    ("patch", "apps", "deployments", "scale"),
    ("get", "", "secrets", ""),
    ("create", "", "events", ""),
    ("create", "authorization.k8s.io", "subjectaccessreviews", ""),
    ("list", "decisions.ebb.dev", "scalingdecisions", ""),
    ("patch", "apiregistration.k8s.io", "apiservices", ""),
];

/// The state of the cluster.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) version: Known<String>,
    /// The definitions of [`DEFINITIONS`], in their order. None: there is none.
    pub(super) definitions: Vec<Known<Option<CustomResourceDefinition>>>,
    pub(super) metrics: Known<Option<APIService>>,
    pub(super) decisions: Known<Option<APIService>>,
    pub(super) webhook: Known<Option<ValidatingWebhookConfiguration>>,
    pub(super) lease: Known<Option<Lease>>,
    pub(super) certificate: Known<Option<Secret>>,
    /// The Deployments of KEDA that want replicas, as `namespace/name`.
    pub(super) keda: Known<Vec<String>>,
    /// The rights that Ebb's account lacks.
    pub(super) missing_rights: Known<Vec<String>>,
    /// The number of ScaledObjects, and those that are not ready.
    pub(super) objects: Known<(usize, Vec<String>)>,
    /// The number of ScaledJobs.
    pub(super) jobs: Known<usize>,
}

/// Reads it.
pub(super) async fn read(client: &Client, question: &Doctor) -> Found {
    let services: Api<APIService> = Api::all(client.clone());
    let webhooks: Api<ValidatingWebhookConfiguration> = Api::all(client.clone());
    let leases: Api<Lease> = Api::namespaced(client.clone(), &question.namespace);
    let secrets: Api<Secret> = Api::namespaced(client.clone(), &question.namespace);
    let mut definitions = Vec::new();
    for name in DEFINITIONS {
        definitions.push(get(&Api::all(client.clone()), name).await);
    }
    let (metrics, decisions, webhook, lease, certificate) = tokio::join!(
        get(&services, API_SERVICE),
        get(&services, DECISIONS_API_SERVICE),
        get(&webhooks, &question.validating_webhook_name),
        get(&leases, &question.lease),
        get(&secrets, &question.cert_secret_name),
    );
    let (version, keda, missing_rights, objects, jobs) =
        tokio::join!(version(client), keda(client), missing_rights(client, question), objects(client), jobs(client));
    Found { version, definitions, metrics, decisions, webhook, lease, certificate, keda, missing_rights, objects, jobs }
}

async fn get<K: Clone + DeserializeOwned + std::fmt::Debug>(api: &Api<K>, name: &str) -> Known<Option<K>> {
    api.get_opt(name).await.map_err(|error| errors::message(&error))
}

async fn version(client: &Client) -> Known<String> {
    client.apiserver_version().await.map(|version| version.git_version).map_err(|error| errors::message(&error))
}

async fn keda(client: &Client) -> Known<Vec<String>> {
    let names = "app.kubernetes.io/name in (keda-operator,keda-operator-metrics-apiserver,keda-admission-webhooks)";
    let api: Api<Deployment> = Api::all(client.clone());
    let list = api.list(&ListParams::default().labels(names)).await.map_err(|error| errors::message(&error))?;
    let wanted = |one: &Deployment| one.spec.replicas.unwrap_or(1) > 0;
    let name = |one: Deployment| format!("{}/{}", one.namespace().unwrap_or_default(), one.name_any());
    Ok(list.into_iter().filter(wanted).map(name).collect())
}

async fn missing_rights(client: &Client, question: &Doctor) -> Known<Vec<String>> {
    let api: Api<SubjectAccessReview> = Api::all(client.clone());
    let user = format!("system:serviceaccount:{}:{}", question.namespace, question.service_account);
    let groups = ["system:serviceaccounts", "system:authenticated"].map(str::to_owned);
    let mut missing = Vec::new();
    for (verb, group, resource, subresource) in RIGHTS {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let attributes = ResourceAttributes {
            verb: some(verb),
            group: some(group),
            resource: some(resource),
            subresource: some(subresource),
            // Ebb has the right to its own APIServices only.
            name: (resource == "apiservices").then(|| API_SERVICE.to_owned()),
            ..ResourceAttributes::default()
        };
        let spec = SubjectAccessReviewSpec {
            user: Some(user.clone()),
            groups: Some(groups.to_vec()),
            resource_attributes: Some(attributes),
            ..SubjectAccessReviewSpec::default()
        };
        let review = SubjectAccessReview { spec, ..SubjectAccessReview::default() };
        let answer = api.create(&PostParams::default(), &review).await.map_err(|error| errors::message(&error))?;
        if !answer.status.is_some_and(|status| status.allowed) {
            let slash = if subresource.is_empty() { String::new() } else { format!("/{subresource}") };
            missing.push(format!("{verb} {resource}{slash}"));
        }
    }
    Ok(missing)
}

async fn objects(client: &Client) -> Known<(usize, Vec<String>)> {
    let api: Api<ScaledObject> = Api::all(client.clone());
    let list = api.list(&ListParams::default()).await.map_err(|error| errors::message(&error))?;
    let is_ready = |object: &ScaledObject| {
        object.status.as_ref().and_then(|status| status.condition(Condition::READY)).is_some_and(Condition::is_true)
    };
    let unready = list.iter().filter(|object| !is_ready(object));
    let names = unready.map(|object| format!("{}/{}", object.namespace().unwrap_or_default(), object.name_any()));
    Ok((list.items.len(), names.collect()))
}

/// Ebb does not know the kind.
async fn jobs(client: &Client) -> Known<usize> {
    let request = http::Request::get("/apis/keda.sh/v1alpha1/scaledjobs?limit=500").body(Vec::new());
    let request = request.map_err(|error| error.to_string())?;
    match client.request::<serde_json::Value>(request).await {
        Ok(list) => Ok(list["items"].as_array().map_or(0, Vec::len)),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(0),
        Err(error) => Err(errors::message(&error)),
    }
}
