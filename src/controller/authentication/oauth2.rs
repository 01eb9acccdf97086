//! `oauth2`: a client and its token endpoint, as the parameters that triggers read (keda.sh/docs, "OAuth2").

use std::collections::BTreeMap;

use ebb_crds::OAuth2;
use ebb_scalers::params::OAuth2Field;
use ebb_scalers::{Kind, form_encode};

use crate::controller::lookup::Values;

/// Adds the parameters with which a trigger of this kind gets its tokens.
///
/// Every trigger gets KEDA's parameters. A kind with other parameters for the same purpose declares them, and gets
/// those too. The trigger's own `metadata` wins: a value that it gives is kept.
pub(super) fn add(
    parameters: &mut Values,
    oauth2: &OAuth2,
    secret: Option<&str>,
    kind: Option<&Kind>,
    metadata: &BTreeMap<String, String>,
) {
    let mut set = |key: &str, value: String| parameters.insert(key.to_owned(), value);
    set("oauthTokenURI", oauth2.token_url.clone());
    set("clientID", oauth2.client_id.clone());
    if let Some(secret) = secret {
        set("clientSecret", secret.to_owned());
    }
    if let Some(scopes) = oauth2.scopes.as_ref().filter(|scopes| !scopes.is_empty()) {
        set("scopes", scopes.join(","));
    }
    if let Some(params) = oauth2.token_url_params.as_ref().filter(|params| !params.is_empty()) {
        let pairs: Vec<_> =
            params.iter().map(|(key, value)| format!("{}={}", form_encode(key), form_encode(value))).collect();
        set("endpointParams", pairs.join("&"));
    }
    for (param, field) in kind.iter().flat_map(|kind| kind.params).filter_map(|param| Some((param, param.oauth2?))) {
        let name = param.name.to_owned();
        match (field, secret) {
            (OAuth2Field::ClientId, _) => drop(parameters.insert(name, oauth2.client_id.clone())),
            (OAuth2Field::ClientSecret, Some(secret)) => drop(parameters.insert(name, secret.to_owned())),
            (OAuth2Field::ClientSecret, None) => {}
            (OAuth2Field::TokenUrl, _) => drop(parameters.insert(name, oauth2.token_url.clone())),
            (OAuth2Field::Word(_), _) if metadata.contains_key(&name) => {}
            (OAuth2Field::Word(word), _) => drop(parameters.entry(name).or_insert_with(|| word.to_owned())),
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
        let metadata = has_sasl.then(|| ("sasl".to_owned(), String::new())).into_iter().collect();
        add(&mut parameters, &oauth2(), secret, ebb_scalers::kind(trigger), &metadata);
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
    fn a_kind_gets_the_names_that_it_declares() {
        let own = [("oauthTokenEndpointUri", "https://id/token"), ("password", "s3"), ("username", "ebb")];
        let mut with_sasl = pairs(&[&ALL[..], &own].concat());
        with_sasl.sort();
        assert_eq!(added("kafka", Some("s3"), true), with_sasl);
        with_sasl.extend(pairs(&[("sasl", "oauthbearer")]));
        with_sasl.sort();
        assert_eq!(added("kafka", Some("s3"), false), with_sasl);
    }
}
