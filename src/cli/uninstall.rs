//! `ebb uninstall`: takes away what Ebb has put into a cluster, and leaves the users' objects.
//!
//! It needs no running Ebb. The Helm chart runs it at the end of an uninstallation.

mod cluster;

use std::io::{self, Write};
use std::time::Duration;

use ebb_crds::{ClusterTriggerAuthentication, ScaledObject, TriggerAuthentication};
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::kube_aggregator::pkg::apis::apiregistration::v1::APIService;
use kube::{Api, Client};

use self::cluster::{Kind, LeadsTo, Problem};
use crate::cli::args::Uninstall;
use crate::kube_api::client::{self, ConfigError};
use crate::metrics_api::API_SERVICE;
use crate::metrics_api::decisions::DECISIONS_API_SERVICE;

/// How long the API server may take for the beginning of an answer.
const ANSWER: Duration = Duration::from_secs(15);
/// The pause before the finalizers are counted again: an Ebb that is about to end may add one meanwhile.
const SETTLE: Duration = Duration::from_secs(2);
/// How often finalizers that return are removed again.
const ROUNDS: usize = 5;

/// Why something is still there.
#[derive(Debug, thiserror::Error)]
pub enum UninstallError {
    /// There is no way to the API server.
    #[error("cannot find the API server: {0}; give --kubeconfig, set KUBECONFIG, or run in a pod")]
    Config(#[from] ConfigError),
    /// A client cannot be made.
    #[error("cannot reach the API server: {0}")]
    Client(#[from] kube::Error),
    /// A request failed.
    #[error(transparent)]
    Request(#[from] Problem),
    /// Another program adds the finalizers again.
    #[error("finalizers return as soon as they are removed: Ebb or KEDA still runs; scale it to zero first")]
    StillRuns,
    /// Standard output cannot be written.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// Removes the APIServices and the webhook's configuration if they lead to Ebb, then the finalizers, and with `--purge`
/// the HPAs. Writes its steps to `output`.
///
/// # Errors
/// A request that fails, or finalizers that return.
pub async fn run(question: &Uninstall, mut output: impl Write) -> Result<(), UninstallError> {
    let config = client::config(question.kubeconfig.as_deref()).await?;
    let client = client::connect(&config, Some(ANSWER))?;
    // First the objects that would refuse or hold up requests of others.
    let api_services: Api<APIService> = Api::all(client.clone());
    for name in [API_SERVICE, DECISIONS_API_SERVICE] {
        remove(&api_services, "APIService", name, question, &mut output).await?;
    }
    let webhooks: Api<ValidatingWebhookConfiguration> = Api::all(client.clone());
    let name = &question.validating_webhook_name;
    remove(&webhooks, "ValidatingWebhookConfiguration", name, question, &mut output).await?;
    if question.purge {
        let count = cluster::delete_hpas(&client, &question.scope()).await?;
        writeln!(output, "deleted {count} HorizontalPodAutoscalers")?;
    }
    remove_finalizers(&client, question, &mut output).await
}

async fn remove<K: Kind + LeadsTo>(
    api: &Api<K>,
    kind: &str,
    name: &str,
    question: &Uninstall,
    output: &mut impl Write,
) -> Result<(), UninstallError> {
    let namespace = &question.namespace;
    if cluster::delete_if_it_leads_to(api, kind, name, namespace).await? {
        writeln!(output, "deleted the {kind} {name}")?;
    } else {
        writeln!(output, "there is no {kind} {name} that leads to the namespace {namespace}")?;
    }
    Ok(())
}

async fn remove_finalizers(
    client: &Client,
    question: &Uninstall,
    output: &mut impl Write,
) -> Result<(), UninstallError> {
    let scope = question.scope();
    let mut total = 0;
    for _ in 0..ROUNDS {
        let objects = scope.apis::<ScaledObject>(client);
        let within = |namespace: &str| Api::namespaced(client.clone(), namespace);
        let mut removed = cluster::remove_finalizers(&objects, within, &scope.objects).await?;
        // Another Ebb may use an authentication, if it serves ScaledObjects that may refer to it.
        if scope.knows_all_users(false) {
            let authentications = scope.apis::<TriggerAuthentication>(client);
            let within = |namespace: &str| Api::namespaced(client.clone(), namespace);
            removed += cluster::remove_finalizers(&authentications, within, &scope.authentications).await?;
        }
        if scope.knows_all_users(true) {
            let all = Api::<ClusterTriggerAuthentication>::all(client.clone());
            let within = |_: &str| all.clone();
            removed += cluster::remove_finalizers(std::slice::from_ref(&all), within, &scope.authentications).await?;
        }
        total += removed;
        if removed == 0 {
            writeln!(output, "removed {total} finalizers")?;
            return Ok(());
        }
        tokio::time::sleep(SETTLE).await;
    }
    Err(UninstallError::StillRuns)
}
