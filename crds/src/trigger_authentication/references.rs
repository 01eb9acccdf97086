//! References into the cluster: to Secrets, ConfigMaps, environment variables and service accounts.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A parameter taken from a key of a Secret or a ConfigMap.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AuthTargetRef {
    /// The parameter that gets the value.
    pub parameter: String,

    /// The name of the object that holds the value.
    pub name: String,

    /// The key of the value in that object.
    pub key: String,
}

/// A parameter taken from an environment variable of the scale target.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AuthEnvironment {
    /// The parameter that gets the value.
    pub parameter: String,

    /// The name of the environment variable.
    pub name: String,

    /// The container that has the variable. Default: the target's envSourceContainerName, else its first container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container_name: Option<String>,
}

/// A parameter that is a token of a service account.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BoundServiceAccountToken {
    /// The parameter that gets the token.
    pub parameter: String,

    /// The service account the token is asked for.
    pub service_account_name: String,
}

/// A value in a Secret.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretValue {
    /// The place of the value.
    pub value_from: ValueFromSecret,
}

/// The place of a value.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ValueFromSecret {
    /// The Secret and the key in it.
    pub secret_key_ref: SecretKeyRef,
}

/// A key of a Secret.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretKeyRef {
    /// The name of the Secret.
    pub name: String,

    /// The key of the value.
    pub key: String,
}
