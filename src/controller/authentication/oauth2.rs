//! `oauth2`: a client and its token endpoint, as the parameters that triggers read (keda.sh/docs, "OAuth2").

use ebb_crds::OAuth2;
use ebb_scalers::form_encode;

use crate::controller::lookup::Values;

/// Adds what a trigger of type `trigger` needs to get its tokens.
///
/// Every trigger gets KEDA's parameters. A kafka trigger reads others for the same, and gets those too. `has_sasl` says
/// that its metadata chooses the mechanism already.
pub(super) fn add(parameters: &mut Values, oauth2: &OAuth2, secret: Option<String>, trigger: &str, has_sasl: bool) {
    let mut set = |key: &str, value: String| parameters.insert(key.to_owned(), value);
    set("oauthTokenURI", oauth2.token_url.clone());
    set("clientID", oauth2.client_id.clone());
    if let Some(secret) = &secret {
        set("clientSecret", secret.clone());
    }
    if let Some(scopes) = oauth2.scopes.as_ref().filter(|scopes| !scopes.is_empty()) {
        set("scopes", scopes.join(","));
    }
    if let Some(params) = oauth2.token_url_params.as_ref().filter(|params| !params.is_empty()) {
        let pairs: Vec<_> =
            params.iter().map(|(key, value)| format!("{}={}", form_encode(key), form_encode(value))).collect();
        set("endpointParams", pairs.join("&"));
    }
    if trigger == "kafka" {
        set("username", oauth2.client_id.clone());
        if let Some(secret) = secret {
            set("password", secret);
        }
        set("oauthTokenEndpointUri", oauth2.token_url.clone());
        if !has_sasl {
            parameters.entry("sasl".to_owned()).or_insert_with(|| "oauthbearer".to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn oauth2() -> OAuth2 {
        serde_json::from_value(json!({
            "clientId": "ebb", "tokenUrl": "https://id/token", "scopes": ["read", "write"],
            "tokenUrlParams": {"resource": "https://broker/", "audience": "a b"},
        }))
        .unwrap()
    }

    fn added(trigger: &str, secret: Option<&str>, has_sasl: bool) -> Vec<(String, String)> {
        let mut parameters = Values::new();
        add(&mut parameters, &oauth2(), secret.map(str::to_owned), trigger, has_sasl);
        parameters.into_iter().collect()
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    const ALL: [(&str, &str); 5] = [
        ("clientID", "ebb"),
        ("clientSecret", "s3"),
        ("endpointParams", "audience=a+b&resource=https%3A%2F%2Fbroker%2F"),
        ("oauthTokenURI", "https://id/token"),
        ("scopes", "read,write"),
    ];

    #[test]
    fn every_trigger_gets_kedas_parameters() {
        assert_eq!(added("rabbitmq", Some("s3"), false), pairs(&ALL));
        assert_eq!(added("apache-kafka", Some("s3"), false), pairs(&ALL));
        let without: Vec<_> = ALL.into_iter().filter(|(key, _)| *key != "clientSecret").collect();
        assert_eq!(added("rabbitmq", None, false), pairs(&without));
    }

    #[test]
    fn kafka_gets_its_own_names_too() {
        let own = [("oauthTokenEndpointUri", "https://id/token"), ("password", "s3"), ("username", "ebb")];
        let mut with_sasl = pairs(&[&ALL[..], &own].concat());
        with_sasl.sort();
        assert_eq!(added("kafka", Some("s3"), true), with_sasl);
        with_sasl.extend(pairs(&[("sasl", "oauthbearer")]));
        with_sasl.sort();
        assert_eq!(added("kafka", Some("s3"), false), with_sasl);
    }
}
