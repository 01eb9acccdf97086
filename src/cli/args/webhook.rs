//! The settings of the admission webhook.

use super::values::{flag, or_default, text};
use crate::certs::CaBundle;

/// The admission webhook.
#[derive(Debug, Clone, clap::Args)]
pub struct Webhook {
    /// The port of the admission webhook; 0 for none.
    #[arg(id = "webhook_port", long = "webhook-port", default_value_t = 9443, value_name = "PORT")]
    pub port: u16,
    /// Refuse objects that the webhook would otherwise only warn about.
    #[arg(id = "webhook_strict", long = "webhook-strict", num_args = 0..=1, require_equals = true, default_missing_value = "true",
        default_value = "false", value_name = "BOOL", value_parser = flag)]
    pub strict: bool,
    /// The ValidatingWebhookConfiguration into which Ebb writes the certificate authority.
    #[arg(long, default_value = "keda-admission", value_name = "NAME", value_parser = or_default("keda-admission", text))]
    pub validating_webhook_name: String,
    /// Write the certificate authority into the ValidatingWebhookConfiguration.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "true",
        value_name = "BOOL", value_parser = flag)]
    pub enable_webhook_patching: bool,
}

impl Webhook {
    /// The object into which Ebb writes the certificate authority, if any.
    pub fn bundle(&self) -> Option<CaBundle> {
        let given = self.port > 0 && self.enable_webhook_patching;
        given.then(|| CaBundle::ValidatingWebhook(self.validating_webhook_name.clone()))
    }
}
