//! The diagnosis of an installation from the reads of `cluster`. Pure.

use chrono::{DateTime, TimeDelta, Utc};
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use k8s_openapi::kube_aggregator::pkg::apis::apiregistration::v1::APIService;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde::Serialize;

use super::cluster::{DEFINITIONS, Found, Known};
use crate::certs::not_after;
use crate::cli::args::doctor::Doctor;
use crate::leader::leader_client::ADDRESS_ANNOTATION;

/// How many names a line has.
const NAMES: usize = 5;
/// A certificate that ends sooner should have been renewed.
const SOON: TimeDelta = TimeDelta::days(7);

/// The state of one part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It is as it should be.
    Right,
    /// It works, and deserves a look.
    Warning,
    /// It does not work.
    Wrong,
    /// It could not be read.
    Unknown,
}

impl State {
    /// The word of a state.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Right => "ok",
            Self::Warning => "warning",
            Self::Wrong => "wrong",
            Self::Unknown => "unknown",
        }
    }
}

/// The examination of one part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Examination {
    /// The part.
    pub what: String,
    /// Its state.
    pub state: State,
    /// The finding.
    pub text: String,
    /// The advice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// A finding without the name of its part: its state, its text and the advice.
type Verdict = (State, String, Option<&'static str>);

fn right(text: impl Into<String>) -> Verdict {
    (State::Right, text.into(), None)
}

fn wrong(text: impl Into<String>, hint: &'static str) -> Verdict {
    (State::Wrong, text.into(), Some(hint))
}

fn warning(text: impl Into<String>, hint: &'static str) -> Verdict {
    (State::Warning, text.into(), Some(hint))
}

/// Judges the reads of an installation at `now`.
pub(super) fn examine(found: &Found, question: &Doctor, now: DateTime<Utc>) -> Vec<Examination> {
    let namespace = &question.namespace;
    let version = known(&found.version, |version| right(version.clone()));
    let definitions = DEFINITIONS.iter().zip(&found.definitions);
    let definitions = definitions
        .map(|(name, found)| (format!("definition {name}"), known(found, |found| definition_of(found.as_ref()))));
    let service = |found: &Option<APIService>| api_service(found.as_ref(), namespace);
    let parts = [
        ("APIService of external metrics", known(&found.metrics, service)),
        ("APIService of decisions", known(&found.decisions, |found| decisions(found.as_ref(), namespace))),
        ("webhook", known(&found.webhook, |found| webhook(found.as_ref(), namespace))),
        ("Lease", known(&found.lease, |found| lease(found.as_ref(), now))),
        ("certificate", known(&found.certificate, |found| certificate(found.as_ref(), now))),
        ("rights of Ebb's account", known(&found.missing_rights, |missing| rights(missing))),
        ("KEDA", known(&found.keda, |running| keda(running))),
        ("ScaledObjects", known(&found.objects, |(count, unready)| objects(*count, unready))),
        ("ScaledJobs", known(&found.jobs, |count| jobs(*count))),
    ];
    let parts = parts.map(|(what, verdict)| (what.to_owned(), verdict));
    let all = std::iter::once(("API server".to_owned(), version)).chain(definitions).chain(parts);
    all.map(|(what, (state, text, hint))| Examination { what, state, text, hint: hint.map(str::to_owned) }).collect()
}

fn webhook(found: Option<&ValidatingWebhookConfiguration>, namespace: &str) -> Verdict {
    let Some(found) = found else {
        return warning(
            "there is none: mistakes are found after they are applied only",
            "install the webhook of the Helm chart or of deploy/ebb.yaml",
        );
    };
    let services = found.webhooks.iter().flatten().filter_map(|one| one.client_config.service.as_ref());
    leads_to(services.map(|service| service.namespace.as_str()).next(), namespace)
}

fn rights(missing: &[String]) -> Verdict {
    if missing.is_empty() {
        return right("all that were asked for are there");
    }
    let hint = "apply the RBAC of the Helm chart or of deploy/ebb.yaml again";
    wrong(format!("missing: {}", missing.join(", ")), hint)
}

fn keda(running: &[String]) -> Verdict {
    if running.is_empty() {
        return right("does not run");
    }
    let hint = "scale one of the two to zero; see docs/install.md";
    wrong(format!("runs beside Ebb: {}", running.join(", ")), hint)
}

fn objects(count: usize, unready: &[String]) -> Verdict {
    if unready.is_empty() {
        return right(format!("{count}, all Ready"));
    }
    let shown = unready.iter().take(NAMES).cloned().collect::<Vec<_>>().join(", ");
    let more = if unready.len() > NAMES { ", …" } else { "" };
    let text = format!("{} of {count} are not Ready: {shown}{more}", unready.len());
    warning(text, "run ebb explain for one of them")
}

fn jobs(count: usize) -> Verdict {
    if count == 0 {
        return right("there are none");
    }
    warning(format!("{count}: Ebb does not serve them"), "delete them, or keep KEDA for them in other namespaces")
}

fn known<T>(found: &Known<T>, judge: impl FnOnce(&T) -> Verdict) -> Verdict {
    match found {
        Ok(found) => judge(found),
        Err(error) => (State::Unknown, format!("cannot be read: {error}"), None),
    }
}

fn definition_of(found: Option<&CustomResourceDefinition>) -> Verdict {
    let Some(found) = found else { return wrong("is missing", "apply crds/yaml, deploy/ebb.yaml or the Helm chart") };
    let is_served = found.spec.versions.iter().any(|version| version.name == "v1alpha1" && version.served);
    if is_served { right("v1alpha1 is served") } else { wrong("does not serve v1alpha1", "apply crds/yaml again") }
}

fn leads_to(found: Option<&str>, namespace: &str) -> Verdict {
    match found {
        Some(found) if found == namespace => right(format!("leads to the namespace {namespace}")),
        Some(found) => wrong(
            format!("leads to the namespace {found}, not to {namespace}"),
            "give --namespace, or install Ebb over the present objects",
        ),
        None => wrong("leads to no Service", "install it from the Helm chart or deploy/ebb.yaml"),
    }
}

fn api_service(found: Option<&APIService>, namespace: &str) -> Verdict {
    let Some(found) = found else { return wrong("is missing", "install it from the Helm chart or deploy/ebb.yaml") };
    let service = found.spec.as_ref().and_then(|spec| spec.service.as_ref()?.namespace.as_deref());
    let place = leads_to(service, namespace);
    if place.0 != State::Right {
        return place;
    }
    let conditions = found.status.iter().flat_map(|status| status.conditions.iter().flatten());
    match conditions.into_iter().find(|condition| condition.type_ == "Available") {
        Some(condition) if condition.status == "True" => right("is available"),
        Some(condition) => {
            let message = condition.message.as_deref().unwrap_or_default();
            wrong(
                format!("is not available: {message}"),
                "see whether Ebb's pods run, and whether the API server reaches their port 6443",
            )
        }
        None => wrong("has no condition Available", "see whether the API server's aggregation layer is on"),
    }
}

/// Without it Ebb scales all the same.
fn decisions(found: Option<&APIService>, namespace: &str) -> Verdict {
    let (state, text, hint) = api_service(found, namespace);
    (if state == State::Wrong { State::Warning } else { state }, text, hint)
}

fn lease(found: Option<&Lease>, now: DateTime<Utc>) -> Verdict {
    let Some(found) = found else {
        return warning("there is none", "Ebb does not run, or runs without --leader-elect");
    };
    let Some(spec) = &found.spec else { return warning("is empty", "see whether Ebb's pods run") };
    let holder = spec.holder_identity.as_deref().unwrap_or_default();
    if holder.is_empty() {
        return wrong("no replica holds it, so that no replica scales", "see whether Ebb's pods run");
    }
    let renewed = spec.renew_time.as_ref().and_then(|time| DateTime::from_timestamp(time.0.as_second(), 0));
    let age = renewed.map_or(TimeDelta::MAX, |renewed| now - renewed);
    let duration = TimeDelta::seconds(spec.lease_duration_seconds.unwrap_or(15).into());
    if age > duration {
        return wrong(format!("{holder} has not renewed it for {} s", age.num_seconds()), "see whether Ebb's pods run");
    }
    let annotations = found.metadata.annotations.as_ref();
    match annotations.and_then(|all| all.get(ADDRESS_ANNOTATION)) {
        Some(address) => right(format!("{holder} holds it, at {address}")),
        None => warning(
            format!("{holder} holds it and gives no address, so that standbys show no decisions"),
            "set POD_IP in Ebb's pods, as the Helm chart does",
        ),
    }
}

fn certificate(found: Option<&Secret>, now: DateTime<Utc>) -> Verdict {
    let data = found.and_then(|secret| secret.data.as_ref()?.get("tls.crt"));
    let Some(pem) = data else {
        return warning("there is no Secret with one", "give --cert-secret-name; with --cert-dir there is none");
    };
    let der = CertificateDer::from_pem_slice(&pem.0).ok();
    let ends = der.as_ref().and_then(|der| not_after(der));
    match ends {
        None => wrong("cannot be read", "delete the Secret: Ebb makes another"),
        Some(ends) if ends <= now => wrong(format!("ended at {ends}"), "delete the Secret: Ebb makes another"),
        Some(ends) if ends - now < SOON => {
            warning(format!("ends at {ends}"), "see the log of Ebb: it should have been renewed")
        }
        Some(ends) => right(format!("valid until {ends}")),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use serde_json::{Value, json};

    use super::*;
    use crate::cli::args::{Args, Command};

    fn now() -> DateTime<Utc> {
        "2026-11-27T21:00:00Z".parse().unwrap()
    }

    fn question() -> Doctor {
        match Args::parse_from(["ebb", "doctor"]).command {
            Command::Doctor(question) => question,
            other => panic!("{other:?}"),
        }
    }

    fn read<T: serde::de::DeserializeOwned>(value: Value) -> T {
        serde_json::from_value(value).unwrap()
    }

    fn service(namespace: &str, available: &str) -> Value {
        json!({
            "metadata": {}, "spec": {
                "groupPriorityMinimum": 1, "versionPriority": 1, "service": {"name": "ebb", "namespace": namespace}},
            "status": {"conditions": [{"type": "Available", "status": available, "message": "connection refused"}]},
        })
    }

    fn lease_of(holder: &str, renewed: &str, annotations: &Value) -> Value {
        let spec = json!({"holderIdentity": holder, "renewTime": renewed, "leaseDurationSeconds": 15});
        json!({"metadata": {"annotations": annotations}, "spec": spec})
    }

    fn sound() -> Found {
        let definition = json!({
            "metadata": {}, "spec": {"group": "keda.sh", "scope": "Namespaced", "names": {"kind": "X", "plural": "xs"},
            "versions": [{"name": "v1alpha1", "served": true, "storage": true}]},
        });
        let lease = lease_of("ebb-1", "2026-11-27T20:59:58.000000Z", &json!({"ebb.dev/address": "10.0.0.7:6443"}));
        let webhook = json!({"metadata": {}, "webhooks": [{
            "name": "x", "admissionReviewVersions": ["v1"], "sideEffects": "None",
            "clientConfig": {"service": {"name": "ebb", "namespace": "ebb-system"}},
        }]});
        Found {
            version: Ok("v1.37.0".to_owned()),
            definitions: (0..3).map(|_| Ok(Some(read(definition.clone())))).collect(),
            metrics: Ok(Some(read(service("ebb-system", "True")))),
            decisions: Ok(Some(read(service("ebb-system", "True")))),
            webhook: Ok(Some(read(webhook))),
            lease: Ok(Some(read(lease))),
            certificate: Err("secrets is forbidden".to_owned()),
            keda: Ok(Vec::new()),
            missing_rights: Ok(Vec::new()),
            objects: Ok((7, Vec::new())),
            jobs: Ok(0),
        }
    }

    /// The parts that are not right, with their states and texts.
    fn ills(found: &Found) -> Vec<(String, State, String)> {
        let all = examine(found, &question(), now());
        let ills = all.into_iter().filter(|one| one.state != State::Right);
        ills.map(|one| (one.what, one.state, one.text)).collect()
    }

    #[test]
    fn a_sound_installation_has_only_what_may_not_be_read() {
        let ills = ills(&sound());
        assert_eq!(ills.len(), 1, "{ills:?}");
        assert_eq!((ills[0].0.as_str(), ills[0].1), ("certificate", State::Unknown));
    }

    #[test]
    fn each_ill_is_named_with_its_hint() {
        let with = |change: &dyn Fn(&mut Found)| {
            let mut found = sound();
            change(&mut found);
            found
        };
        let none = json!({});
        let cases = vec![
            (
                with(&|found| found.definitions[0] = Ok(None)),
                "definition scaledobjects.keda.sh",
                State::Wrong,
                "is missing",
            ),
            (with(&|found| found.metrics = Ok(None)), "APIService of external metrics", State::Wrong, "is missing"),
            (
                with(&|found| found.metrics = Ok(Some(read(service("keda", "True"))))),
                "APIService of external metrics",
                State::Wrong,
                "leads to the namespace keda",
            ),
            (
                with(&|found| found.metrics = Ok(Some(read(service("ebb-system", "False"))))),
                "APIService of external metrics",
                State::Wrong,
                "connection refused",
            ),
            (with(&|found| found.decisions = Ok(None)), "APIService of decisions", State::Warning, "is missing"),
            (with(&|found| found.webhook = Ok(None)), "webhook", State::Warning, "there is none"),
            (
                with(&|found| found.lease = Ok(Some(read(lease_of("", "2026-11-27T20:59:58.000000Z", &none))))),
                "Lease",
                State::Wrong,
                "no replica holds it",
            ),
            (
                with(&|found| found.lease = Ok(Some(read(lease_of("ebb-1", "2026-11-27T20:00:00.000000Z", &none))))),
                "Lease",
                State::Wrong,
                "has not renewed it for 3600 s",
            ),
            (
                with(&|found| found.lease = Ok(Some(read(lease_of("ebb-1", "2026-11-27T20:59:58.000000Z", &none))))),
                "Lease",
                State::Warning,
                "gives no address",
            ),
            (
                with(&|found| found.missing_rights = Ok(vec!["patch deployments/scale".into()])),
                "rights of Ebb's account",
                State::Wrong,
                "patch deployments/scale",
            ),
            (
                with(&|found| found.keda = Ok(vec!["keda/keda-operator".into()])),
                "KEDA",
                State::Wrong,
                "keda/keda-operator",
            ),
            (
                with(&|found| found.objects = Ok((9, (0..8).map(|n| format!("shop/{n}")).collect()))),
                "ScaledObjects",
                State::Warning,
                "8 of 9 are not Ready: shop/0, shop/1, shop/2, shop/3, shop/4, …",
            ),
            (with(&|found| found.jobs = Ok(2)), "ScaledJobs", State::Warning, "2: Ebb does not serve them"),
        ];
        for (found, what, state, part) in cases {
            let all = examine(&found, &question(), now());
            let one = all.iter().find(|one| one.what == what).unwrap();
            assert_eq!(one.state, state, "{one:?}");
            assert!(one.text.contains(part) && one.hint.is_some(), "{one:?}");
        }
    }
}
