//! The cases of KEDA's own tables for its prometheus scaler, as facts: parameters, and whether KEDA takes them;
//! answers, and KEDA's reading of them.

use super::answer::{self, Answer};
use super::params::Metadata;
use crate::params::TriggerConfig;

type Pairs = &'static [(&'static str, &'static str)];

/// Metadata beside or in place of that of every case, and whether KEDA takes it.
const METADATA: &[(Pairs, bool)] = &[
    (&[("serverAddress", ""), ("query", ""), ("threshold", "")], false),
    (&[("metricName", "http_requests_total")], true),
    (&[("namespace", "foo")], true),
    (&[("ignoreNullValues", "false")], true),
    (&[("activationThreshold", "50")], true),
    (&[("serverAddress", "")], false),
    (&[("threshold", "")], false),
    (&[("threshold", "one")], false),
    (&[("activationThreshold", "one")], false),
    (&[("query", "")], false),
    (&[("ignoreNullValues", "xxxx")], false),
    (&[("serverAddress", "https://localhost:9090"), ("unsafeSsl", "true")], true),
    (&[("customHeaders", "key1=value1,key2=value2")], true),
    (&[("customHeaders", "key1=value1,key2")], false),
    (&[("queryParameters", "key1=value1,key2=value2")], true),
    (&[("queryParameters", "key1=value1,key2")], false),
    (&[("timeout", "1000")], true),
    (&[("timeout", "-1")], false),
    (&[("timeout", "a")], false),
];

const USER: (&str, &str) = ("username", "user");
const PASSWORD: (&str, &str) = ("password", "pass");
const CA: (&str, &str) = ("ca", "CA");
const CERT: (&str, &str) = ("cert", "CERT");
const KEY: (&str, &str) = ("key", "KEY");

/// `authModes`, the authentication's parameters, and whether KEDA takes it.
const AUTHENTICATION: &[(&str, Pairs, bool)] = &[
    ("tls", &[CA, CERT, KEY], true),
    ("tls", &[CERT, KEY], true),
    ("tls", &[CA, CERT], false),
    ("tls", &[CA, KEY], false),
    ("bearer", &[("bearerToken", "tooooken")], true),
    ("bearer", &[("token", "tooooken")], true),
    ("bearer", &[], false),
    ("basic", &[USER, PASSWORD], true),
    ("basic", &[USER], true),
    ("basic", &[], false),
    ("tls, basic", &[CA, CERT, KEY, USER, PASSWORD], true),
    ("tls,basic", &[USER, PASSWORD], false),
    ("custom", &[("customAuthHeader", "header"), ("customAuthValue", "value")], true),
    ("custom", &[("customAuthHeader", "")], false),
    ("custom", &[("customAuthValue", "")], false),
    ("custom", &[("customAuthHeader", "header\n"), ("customAuthValue", "value\n")], true),
    ("bearer,basic", &[("bearerToken", "t"), USER, PASSWORD], false),
    ("apiKey", &[("apiKey", "k")], true),
    ("apiKey", &[], false),
    ("oauth", &[("oauthTokenURI", "https://tokens/token"), ("clientID", "c")], true),
    ("oauth", &[("clientID", "c")], false),
    ("password", &[USER, PASSWORD], false),
    ("", &[USER, PASSWORD], true),
];

fn read(metadata: Pairs, auth: Pairs, modes: &str) -> Result<Metadata, String> {
    let made = rcgen::generate_simple_self_signed(["prometheus".to_owned()]).unwrap();
    let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let mut trigger = TriggerConfig { kind: "prometheus".into(), ..TriggerConfig::default() };
    let always =
        [("serverAddress", "http://localhost:9090"), ("threshold", "100"), ("query", "up"), ("authModes", modes)];
    for (name, value) in always.iter().chain(metadata) {
        trigger.metadata.insert((*name).to_owned(), (*value).to_owned());
    }
    for (name, value) in auth {
        let value = match *value {
            "CA" | "CERT" => &certificate,
            "KEY" => &key,
            value => value,
        };
        trigger.auth.insert((*name).to_owned(), value.to_owned());
    }
    Metadata::read(&trigger).map_err(|error| error.to_string())
}

#[test]
fn parameters_are_taken_and_refused_as_in_keda() {
    for (metadata, taken) in METADATA {
        let here = read(metadata, &[], "");
        assert_eq!(here.is_ok(), *taken, "{metadata:?}: {here:?}");
    }
    for (modes, auth, taken) in AUTHENTICATION {
        let here = read(&[], auth, modes);
        assert_eq!(here.is_ok(), *taken, "{modes} {auth:?}: {here:?}");
    }
}

/// An answer, and KEDA's reading with `ignoreNullValues`: none for an error. Whether KEDA fails without it.
const ANSWERS: &[(&str, Option<f64>, bool)] = &[
    ("{}", Some(0.0), true),
    (r#"{"data":{"result":[]}}"#, Some(0.0), true),
    (r#"{"data":{"result":[{"value": []}]}}"#, Some(0.0), true),
    (r#"{"data":{"result":[{"value": ["1", "2"]}]}}"#, Some(2.0), false),
    (r#"{"data":{"result":[{"value": ["1"]}]}}"#, None, true),
    (r#"{"data":{"result":[{},{}]}}"#, None, true),
    (r#"{"data":{"result":[{"value": ["1", "+Inf"]}]}}"#, Some(0.0), true),
    (r#"{"data":{"result":[{"value": ["1", "-Inf"]}]}}"#, Some(0.0), true),
    (r#"{"data":{"result":[{"value": ["1", "NaN"]}]}}"#, Some(0.0), true),
];

#[test]
fn answers_are_read_as_in_keda() {
    for (body, with_ignore, fails_without) in ANSWERS {
        let read = answer::read(body.as_bytes(), "up");
        let value = |ignore: bool| match &read {
            Ok(Answer::Value(value)) if value.is_finite() => Some(*value),
            Ok(Answer::Value(_) | Answer::Empty(_)) => ignore.then_some(0.0),
            Ok(Answer::Null) => Some(-1.0),
            Err(_) => None,
        };
        assert_eq!(value(true), *with_ignore, "{body}: {read:?}");
        assert_eq!(value(false).is_none(), *fails_without, "{body}: {read:?}");
    }
}
