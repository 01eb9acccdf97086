//! An OAuth 2 client.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::references::SecretValue;

/// An OAuth 2 client and where it gets its token.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
// The default is filled in before anything is checked, so `type` may be left out and yet is always there.
#[schemars(extend("required" = ["clientId", "tokenUrl", "type"]))]
#[serde(rename_all = "camelCase")]
pub struct OAuth2 {
    /// The grant; clientCredentials is the only one.
    #[schemars(extend("enum" = ["clientCredentials"]))]
    #[serde(default = "client_credentials", rename = "type")]
    pub type_: String,

    /// The id of the client.
    pub client_id: String,

    /// The secret of the client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<SecretValue>,

    /// The URL the token is asked from.
    pub token_url: String,

    /// The scopes to ask for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Vec<String>>,

    /// Further parameters of the request for the token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_url_params: Option<BTreeMap<String, String>>,
}

fn client_credentials() -> String {
    "clientCredentials".into()
}
