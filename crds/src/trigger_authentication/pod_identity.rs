//! The identity of a pod on a cloud platform.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The identity that requests to a cloud platform are made with.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AuthPodIdentity {
    /// The platform's way of giving identities to pods.
    #[schemars(extend("enum" = ["azure-workload", "gcp", "aws", "aws-eks", "none"]))]
    pub provider: String,

    /// Azure: the client id to use instead of the one on the operator's service account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity_id: Option<String>,

    /// Azure: the tenant to use instead of the default one; needs identityId.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity_tenant_id: Option<String>,

    /// Azure: the authority host to use instead of the default one; needs identityTenantId.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity_authority_host: Option<String>,

    /// AWS: the role to assume. Not together with identityOwner.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role_arn: Option<String>,

    /// AWS: the external id to give when roleArn is assumed.
    #[serde(rename = "externalID", skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,

    /// AWS: whether the role is that of the operator's service account (keda) or that of the scale target's (workload).
    /// Not together with roleArn.
    #[schemars(extend("enum" = ["keda", "workload"]))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity_owner: Option<String>,
}
