//! The `keda.sh/v1alpha1` kinds that Ebb serves: [`ScaledObject`], [`TriggerAuthentication`] and
//! [`ClusterTriggerAuthentication`], with the schema KEDA 2.20 gives them.
//!
//! This crate owns the shape of these objects, their documented defaults, the names (labels, annotations, the
//! finalizer) that belong to them, and the custom resource definitions in `crds/yaml`, which are generated from the
//! types. It holds no client, makes no decision and checks nothing that the schema does not check.
//!
//! The types are as permissive as the schema: what the API server stores must always be readable, because one
//! unreadable object would hide every other object of its kind. So a field that the schema restricts to a few words is
//! still a [`String`] here, unknown fields are passed over, and everything KEDA lets a user leave out is an [`Option`].
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let object: ebb_crds::ScaledObject = serde_json::from_value(serde_json::json!({
//!     "apiVersion": "keda.sh/v1alpha1",
//!     "kind": "ScaledObject",
//!     "metadata": {"name": "orders"},
//!     "spec": {
//!         "scaleTargetRef": {"name": "orders"},
//!         "triggers": [{"type": "rabbitmq", "metadata": {"queueName": "orders", "hostFromEnv": "AMQP"}}],
//!     },
//! }))?;
//! assert_eq!(object.spec.polling_interval().as_secs(), 30);
//! assert_eq!((object.spec.min_replica_count(), object.spec.max_replica_count()), (0, 100));
//! # Ok(())
//! # }
//! ```

#![allow(clippy::duplicated_attributes, reason = "every printer column has a type")]
#![allow(clippy::doc_markdown, reason = "the comments on fields are what `kubectl explain` prints, as plain text")]

mod condition;
pub mod names;
mod scaled_object;
mod trigger_authentication;
pub mod yaml;

pub use condition::Condition;
pub use scaled_object::{
    AdvancedConfig, AuthenticationRef, Fallback, GroupVersionKindResource, HealthStatus, HorizontalPodAutoscalerConfig,
    ScaleTarget, ScaleTrigger, ScaledObject, ScaledObjectSpec, ScaledObjectStatus, ScalingModifiers, TriggerActivity,
};
pub use trigger_authentication::{
    AuthEnvironment, AuthPodIdentity, AuthTargetRef, AwsCredentials, AwsSecret, AwsSecretManager, AzureCloud,
    AzureCredentials, AzureKeyVault, AzureSecret, BoundServiceAccountToken, ClusterTriggerAuthentication,
    ClusterTriggerAuthenticationSpec, GcpCredentials, GcpSecret, GcpSecretManager, HashiCorpVault, OAuth2,
    SecretKeyRef, SecretValue, TriggerAuthentication, TriggerAuthenticationSpec, TriggerAuthenticationStatus,
    ValueFromSecret, VaultCredential, VaultPkiData, VaultSecret,
};
