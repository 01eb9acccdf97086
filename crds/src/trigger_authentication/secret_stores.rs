//! Stores outside the cluster that hold secrets: HashiCorp Vault and those of Azure, Google Cloud and AWS.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{pod_identity::AuthPodIdentity, references::SecretValue};

/// A HashiCorp Vault and the secrets to take from it.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HashiCorpVault {
    /// The URL of the vault.
    pub address: String,

    /// How to log in: with a token or with a Kubernetes service account.
    #[schemars(extend("enum" = ["token", "kubernetes"]))]
    pub authentication: String,

    /// The secrets and the parameters that get them.
    #[schemars(length(min = 1))]
    pub secrets: Vec<VaultSecret>,

    /// The vault's namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,

    /// The credentials.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credential: Option<VaultCredential>,

    /// The role to log in as with a service account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,

    /// The path where the vault's Kubernetes login is mounted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mount: Option<String>,
}

/// The credentials for a HashiCorp Vault.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VaultCredential {
    /// A token of the vault.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,

    /// The path of a file with a service account's token. Default: that of the operator's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_account: Option<String>,

    /// The name of a service account to ask a token for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_account_name: Option<String>,
}

/// A secret of a HashiCorp Vault.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VaultSecret {
    /// The parameter that gets the secret.
    pub parameter: String,

    /// The path of the secret in the vault.
    pub path: String,

    /// The key of the value in the secret.
    pub key: String,

    /// The engine that holds the secret: secret (version 1), secretV2 or pki. Default: found out from the answer.
    #[schemars(extend("enum" = ["", "secretV2", "secret", "pki"]))]
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub type_: Option<String>,

    /// With pki, the certificate to have issued.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pki_data: Option<VaultPkiData>,
}

/// A certificate to have issued by a HashiCorp Vault.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VaultPkiData {
    /// The common name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub common_name: Option<String>,

    /// Further DNS names or mail addresses, separated by commas.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alt_names: Option<String>,

    /// IP addresses, separated by commas.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip_sans: Option<String>,

    /// URIs, separated by commas.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uri_sans: Option<String>,

    /// Names of other types, separated by commas.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub other_sans: Option<String>,

    /// How long the certificate is valid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttl: Option<String>,

    /// The format of the certificate, for instance pem.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
}

/// An Azure Key Vault and the secrets to take from it.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AzureKeyVault {
    /// The URL of the vault.
    pub vault_uri: String,

    /// The secrets and the parameters that get them.
    #[schemars(length(min = 1))]
    pub secrets: Vec<AzureSecret>,

    /// The application to log in as. Not together with podIdentity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credentials: Option<AzureCredentials>,

    /// The pod identity to log in with. Not together with credentials.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_identity: Option<AuthPodIdentity>,

    /// The Azure cloud that has the vault. Default: the public one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cloud: Option<AzureCloud>,
}

/// An application registered at Azure.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AzureCredentials {
    /// The client id of the application.
    pub client_id: String,

    /// The tenant of the application.
    pub tenant_id: String,

    /// The secret of the application.
    pub client_secret: SecretValue,
}

/// A secret of an Azure Key Vault.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AzureSecret {
    /// The parameter that gets the secret.
    pub parameter: String,

    /// The name of the secret.
    pub name: String,

    /// The version of the secret. Default: the latest one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// An Azure cloud.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AzureCloud {
    /// The name of the cloud, or Private for one of your own.
    #[serde(rename = "type")]
    pub type_: String,

    /// With Private, the resource that tokens for the vault are asked for.
    #[serde(rename = "keyVaultResourceURL", skip_serializing_if = "Option::is_none")]
    pub key_vault_resource_url: Option<String>,

    /// With Private, the URL to log in at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active_directory_endpoint: Option<String>,
}

/// Google Cloud's Secret Manager and the secrets to take from it.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GcpSecretManager {
    /// The secrets and the parameters that get them.
    #[schemars(length(min = 1))]
    pub secrets: Vec<GcpSecret>,

    /// The service account to log in as. Not together with podIdentity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credentials: Option<GcpCredentials>,

    /// The pod identity to log in with. Not together with credentials.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_identity: Option<AuthPodIdentity>,
}

/// A service account of Google Cloud.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GcpCredentials {
    /// The JSON key of the service account.
    pub client_secret: SecretValue,
}

/// A secret of Google Cloud's Secret Manager.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GcpSecret {
    /// The parameter that gets the secret.
    pub parameter: String,

    /// The id of the secret.
    pub id: String,

    /// The version of the secret. Default: the latest one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// AWS Secrets Manager and the secrets to take from it.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AwsSecretManager {
    /// The secrets and the parameters that get them.
    #[schemars(length(min = 1))]
    pub secrets: Vec<AwsSecret>,

    /// The access key to log in with. Not together with podIdentity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credentials: Option<AwsCredentials>,

    /// The pod identity to log in with. Not together with credentials.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_identity: Option<AuthPodIdentity>,

    /// The region that has the secrets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
}

/// An access key of AWS.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AwsCredentials {
    /// The id of the access key.
    pub access_key: SecretValue,

    /// The secret of the access key.
    pub access_secret_key: SecretValue,

    /// The session token, with temporary credentials.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_token: Option<SecretValue>,
}

/// A secret of AWS Secrets Manager.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AwsSecret {
    /// The parameter that gets the secret.
    pub parameter: String,

    /// The name of the secret.
    pub name: String,

    /// The id of a version of the secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version_id: Option<String>,

    /// The stage of a version of the secret. Default: the current one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version_stage: Option<String>,

    /// The key of the value, in a secret that is a JSON object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_key: Option<String>,
}
