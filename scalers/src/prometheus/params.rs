//! The parameters of a `prometheus` trigger and the rules between them.

mod login;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use url::Url;

use super::client::{Endpoint, Query};
use crate::metric_name::form_encode;
use crate::params::Source::{Auth, Env, Metadata as Meta};
use crate::params::{ConfigError, NOT_YET, Param, ParamReader, Sample, TriggerConfig, is_placeholder};
use login::Login;

/// The HPA's targets are in thousandths.
const LEAST_THRESHOLD: f64 = 0.001;

/// The parameters of a `prometheus` trigger.
pub(super) const PARAMS: &[Param] = &[
    Param::required("serverAddress", &[Meta]).sample(Sample::Texts(&["http://prometheus:9090"])).secret_in_url(),
    Param::required("query", &[Meta]),
    Param::required("threshold", &[Meta]).sample(Sample::Texts(&["1"])),
    Param::default("activationThreshold", &[Meta], "0"),
    Param::optional("namespace", &[Meta]),
    Param::optional("customHeaders", &[Meta]),
    Param::optional("queryParameters", &[Meta]),
    Param::default("ignoreNullValues", &[Meta], "true"),
    Param::default("unsafeSsl", &[Meta], "false"),
    Param::default("timeout", &[Meta], "3s"),
    Param::optional("authModes", &[Meta, Auth])
        .aliases(&["authMode"])
        .sample(Sample::Texts(&["basic", "bearer", "custom", "tls"])),
    Param::optional("username", &[Auth]),
    Param::optional("password", &[Auth]).secret(),
    Param::optional("bearerToken", &[Auth]).aliases(&["token"]).secret(),
    Param::optional("customAuthHeader", &[Auth]),
    Param::optional("customAuthValue", &[Auth]).secret(),
    Param::optional("ca", &[Auth]).sample(Sample::Unknown),
    Param::optional("cert", &[Auth]).sample(Sample::Certificate),
    Param::optional("key", &[Auth]).sample(Sample::PrivateKey).secret(),
    Param::optional("apiKey", &[Meta, Auth]).secret(),
    Param::optional("method", &[Meta, Auth]).sample(Sample::Texts(&["header"])),
    Param::optional("keyParamName", &[Meta, Auth]),
    Param::optional("oauthTokenURI", &[Auth]).sample(Sample::Texts(&["https://tokens/token"])),
    Param::optional("clientID", &[Auth]),
    Param::optional("clientSecret", &[Auth]).secret(),
    Param::optional("scopes", &[Auth]).aliases(&["scope"]),
    Param::optional("endpointParams", &[Auth]).sample(Sample::Texts(&["a=b"])),
    Param::optional("awsRegion", &[Meta, Auth]).sample(Sample::Unknown),
    Param::optional("identityOwner", &[Meta]),
    Param::optional("cloud", &[Meta]),
    Param::optional("azureManagedPrometheusResourceURL", &[Meta]),
    Param::optional("credentials", &[Env]).sample(Sample::Unknown),
    Param::optional("credentialsFromEnvFile", &[Meta]),
    Param::optional("GoogleApplicationCredentials", &[Auth]).sample(Sample::Unknown).secret(),
];

/// Parameters that choose the identity of a cloud, the key that a user writes for each, and the identity.
const CLOUDS: &[(&str, &str, &str)] = &[
    ("awsRegion", "awsRegion", "AWS (SigV4)"),
    ("credentials", "credentialsFromEnv", "Google Cloud"),
    ("credentialsFromEnvFile", "credentialsFromEnvFile", "Google Cloud"),
    ("GoogleApplicationCredentials", "GoogleApplicationCredentials", "Google Cloud"),
];

/// A trigger's query, and the rules for its answer.
#[derive(Debug)]
pub(super) struct Metadata {
    pub(super) endpoint: Endpoint,
    pub(super) query: Query,
    /// The value for one replica. At least 0.001.
    pub(super) threshold: f64,
    /// The trigger is active above this.
    pub(super) activation_threshold: f64,
    /// Whether an answer without a value reads 0.
    pub(super) ignore_null_values: bool,
}

impl Metadata {
    pub(super) fn read(trigger: &TriggerConfig) -> Result<Self, ConfigError> {
        let mut reader = ParamReader::new(trigger, PARAMS);
        let base = address(&mut reader);
        let expression = reader.required("query").to_owned();
        let threshold = threshold(&mut reader);
        let activation_threshold = reader.number("activationThreshold").unwrap_or(0.0);
        let ignore_null_values = reader.flag("ignoreNullValues");
        let mut headers = custom_headers(&mut reader);
        let more = more(&mut reader);
        let timeout = reader.duration("timeout").filter(|timeout| !timeout.is_zero());
        let Login { tls, basic } = Login::read(&mut reader, &mut headers);
        refuse_clouds(&mut reader);
        reader.finish()?;
        let base = base.ok_or_else(|| ConfigError::new("no serverAddress given"))?;
        Ok(Self {
            endpoint: Endpoint { base, tls, timeout },
            query: Query { expression, more, headers, basic },
            threshold,
            activation_threshold,
            ignore_null_values,
        })
    }
}

/// Authentication that is asked for and has no effect, as in KEDA, or that Ebb refuses whatever its value is.
pub(super) fn unused_credentials(trigger: &TriggerConfig, is_given: &dyn Fn(&str) -> bool) -> Option<(String, String)> {
    // The keys whose values a review does not see.
    let from_env = trigger.metadata.get("credentialsFromEnv").is_some_and(|variable| !variable.trim().is_empty());
    let is_asked = |(name, ..): &&(&str, _, _)| is_given(name) || *name == "credentials" && from_env;
    if let Some((_, key, cloud)) = CLOUDS.iter().find(is_asked) {
        return Some((format!("{} {NOT_YET}", at_cloud(key, cloud)), no_cloud(key)));
    }
    let modes = ["authModes", "authMode"].iter().find_map(|name| trigger.metadata.get(*name)).map(String::as_str);
    let unused = login::words(modes.unwrap_or_default()).find(|mode| login::HAVE_NO_EFFECT.contains(mode))?;
    let given = ["apiKey", "oauthTokenURI"].into_iter().filter(|name| is_given(name)).collect::<Vec<_>>().join(", ");
    let given = if given.is_empty() { String::new() } else { format!(" ({given})") };
    Some((
        format!("authModes: {unused}{given} has no effect for a prometheus trigger, in KEDA neither"),
        "use basic, bearer, custom or tls".to_owned(),
    ))
}

fn address(reader: &mut ParamReader<'_>) -> Option<Url> {
    let text = reader.required("serverAddress");
    if text.is_empty() {
        return None;
    }
    // The text may hold a password, so it is not repeated.
    match Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && has_name(&url) && url.query().is_none() => Some(url),
        _ => {
            reader.problem_with_hint(
                "serverAddress is no address of an HTTP server",
                if is_placeholder(text) {
                    "serverAddress holds a placeholder: put the server's address in its place"
                } else {
                    "serverAddress must be a URL such as http://prometheus.monitoring:9090, without a query"
                },
            );
            None
        }
    }
}

/// Whether an address names a machine that there can be: one without the signs of variables and placeholders.
fn has_name(url: &Url) -> bool {
    url.host_str().is_some_and(|host| !host.is_empty() && !host.contains(|sign| "$(){}*!&'+,;=\"`".contains(sign)))
}

fn threshold(reader: &mut ParamReader<'_>) -> f64 {
    if reader.text("threshold").is_none() {
        reader.required("threshold");
    }
    let threshold = reader.number("threshold").unwrap_or(1.0);
    if threshold < LEAST_THRESHOLD {
        reader.problem(format!("threshold must be at least {LEAST_THRESHOLD}, got {threshold}"));
    }
    threshold
}

/// `k=v,k2=v2`. Neither may hold `=` or `,`, as in KEDA.
fn pairs(reader: &mut ParamReader<'_>, name: &str) -> Vec<(String, String)> {
    let text = reader.text(name).unwrap_or_default();
    let mut found = Vec::new();
    for element in text.split(',').map(str::trim).filter(|_| !text.is_empty()) {
        match element.split('=').collect::<Vec<_>>()[..] {
            [key, value] => found.push((key.trim().to_owned(), value.trim().to_owned())),
            _ => {
                reader.problem(format!(
                    "unable to set param \"{name}\" value \"{text}\": expected format key=value, got \"{element}\""
                ));
            }
        }
    }
    found
}

fn custom_headers(reader: &mut ParamReader<'_>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs(reader, "customHeaders") {
        add_header(reader, &mut headers, "customHeaders", (&name, &value));
    }
    headers
}

/// Adds a header, in place of one of the same name. A header that HTTP cannot carry is a problem; its value is not
/// shown.
fn add_header(reader: &mut ParamReader<'_>, headers: &mut HeaderMap, param: &str, (name, value): (&str, &str)) {
    let parsed = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value));
    if let (Ok(name), Ok(mut value)) = parsed {
        value.set_sensitive(true);
        headers.insert(name, value);
    } else {
        reader.problem(format!("{param}: that is no header of HTTP"));
    }
}

/// The part of a request's address after query and time.
fn more(reader: &mut ParamReader<'_>) -> String {
    let mut pairs = pairs(reader, "queryParameters");
    if let Some(namespace) = reader.text("namespace") {
        pairs.insert(0, ("namespace".to_owned(), namespace.to_owned()));
    }
    let pairs: Vec<_> = pairs
        .iter()
        .flat_map(|(key, value)| ["&".to_owned(), form_encode(key), "=".to_owned(), form_encode(value)])
        .collect();
    pairs.concat()
}

fn refuse_clouds(reader: &mut ParamReader<'_>) {
    for (name, key, cloud) in CLOUDS {
        if reader.text(name).is_some() {
            reader.not_yet(&at_cloud(key, cloud), no_cloud(key));
        }
    }
    // They only say more of an identity that is refused with its authentication.
    for name in ["identityOwner", "cloud", "azureManagedPrometheusResourceURL"] {
        let _ = reader.text(name);
    }
}

fn at_cloud(key: &str, cloud: &str) -> String {
    format!("{key}: authentication at {cloud}")
}

fn no_cloud(key: &str) -> String {
    format!("drop {key}, and use authModes basic, bearer, custom or tls")
}
