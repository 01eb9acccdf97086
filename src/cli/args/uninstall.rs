//! The input of `ebb uninstall`.

use std::path::PathBuf;

use super::values::{or_default, text};
use crate::kube_api::scope::{Labels, Namespaces, Scope};

/// The input of `ebb uninstall`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  ebb uninstall --kubeconfig ~/.kube/config
  ebb uninstall --purge

ScaledObjects, authentications and their definitions stay. HPAs stay, too, so that KEDA or another Ebb can go on with them;
--purge deletes them, and workloads keep their replicas. Stop Ebb first: scale its Deployment to zero, or remove it. For an
Ebb that serves a part of the cluster, give its --watch-namespace and --watch-label-selector.")]
pub struct Uninstall {
    /// Delete the HPAs of ScaledObjects, too.
    #[arg(long)]
    pub purge: bool,
    /// A kubeconfig file. Default: the variable KUBECONFIG, or the pod's service account.
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// The namespace that Ebb ran in. An APIService or a webhook that leads elsewhere stays.
    #[arg(long, env = "POD_NAMESPACE", default_value = "ebb-system", value_parser = or_default("ebb-system", text))]
    pub namespace: String,
    /// The name of the ValidatingWebhookConfiguration.
    #[arg(long, value_name = "NAME", default_value = "keda-admission")]
    pub validating_webhook_name: String,
    /// The namespaces that Ebb served, separated by commas. Default: all.
    #[arg(long, env = "WATCH_NAMESPACE", default_value = "", hide_default_value = true, value_name = "NAMES",
        value_parser = Namespaces::parse)]
    pub watch_namespace: Namespaces,
    /// The labels of the ScaledObjects that Ebb served. Default: all.
    #[arg(long, env = "WATCH_LABEL_SELECTOR", default_value = "", hide_default_value = true, value_name = "SELECTOR",
        value_parser = Labels::parse)]
    pub watch_label_selector: Labels,
    /// The labels of the authentications that Ebb used. Default: all.
    #[arg(long, env = "WATCH_LABEL_SELECTOR_FOR_TRIGGERAUTH", default_value = "", hide_default_value = true,
        value_name = "SELECTOR", value_parser = Labels::parse)]
    pub watch_label_selector_for_triggerauth: Labels,
}

impl Uninstall {
    /// The namespaces and labels that Ebb served.
    pub fn scope(&self) -> Scope {
        Scope {
            namespaces: self.watch_namespace.clone(),
            objects: self.watch_label_selector.clone(),
            authentications: self.watch_label_selector_for_triggerauth.clone(),
        }
    }
}
