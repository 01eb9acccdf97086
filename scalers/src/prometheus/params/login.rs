//! `authModes` and the credentials that belong to it.

use reqwest::header::HeaderMap;

use super::add_header;
use crate::net::tls::{GivenIdentity, Tls};
use crate::params::ParamReader;

/// Every mode, in KEDA's order.
const MODES: [&str; 6] = ["apiKey", "basic", "tls", "bearer", "custom", "oauth"];
/// Modes. A trigger may have one of them.
const EXCLUSIVE: [&str; 3] = ["bearer", "basic", "oauth"];
/// Modes that KEDA takes and that change nothing in its requests.
pub(super) const HAVE_NO_EFFECT: [&str; 2] = ["apiKey", "oauth"];

/// A trigger's credentials. Those that are headers are among the other headers.
pub(super) struct Login {
    pub(super) tls: Tls,
    /// User and password.
    pub(super) basic: Option<(String, String)>,
}

/// The modes of a list.
pub(super) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|word| !word.is_empty())
}

impl Login {
    /// Reads the credentials that the modes ask for. Without a mode no credentials are used, even where some are given.
    pub(super) fn read(reader: &mut ParamReader<'_>, headers: &mut HeaderMap) -> Self {
        let text = reader.text("authModes").unwrap_or_default();
        let modes: Vec<_> = words(text).collect();
        check(reader, text, &modes);
        let has = |mode: &str| modes.contains(&mode);
        let unsafe_ssl = reader.flag("unsafeSsl");
        let tls = tls(reader, !modes.is_empty(), has("tls"), unsafe_ssl);
        let bearer = has("bearer").then(|| bearer(reader)).flatten();
        let basic = has("basic").then(|| basic(reader)).flatten();
        let custom = has("custom").then(|| custom(reader)).flatten();
        for mode in HAVE_NO_EFFECT.iter().filter(|mode| has(mode)) {
            check_without_effect(reader, mode);
        }
        // The first of them is used, in KEDA's order.
        match (bearer, &basic, custom) {
            (Some(token), ..) => {
                add_header(reader, headers, "bearerToken", ("Authorization", &format!("Bearer {token}")));
                return Self { tls, basic: None };
            }
            (None, None, Some((name, value))) => {
                add_header(reader, headers, "customAuthHeader, customAuthValue", (&name, &value));
            }
            (None, Some(_), _) => drop(headers.remove("authorization")),
            (None, None, None) => {}
        }
        Self { tls, basic }
    }
}

fn check(reader: &mut ParamReader<'_>, text: &str, modes: &[&str]) {
    let shown = reader.shown("authModes", text);
    if modes.iter().any(|mode| !MODES.contains(mode)) {
        reader.problem(format!(
            "parameter \"authModes,authMode\" value \"{shown}\" must be one of [{}]",
            MODES.join(" ")
        ));
    }
    if modes.iter().filter(|mode| EXCLUSIVE.contains(mode)).count() > 1 {
        reader.problem(format!(
            "parameter \"authModes,authMode\" value \"{shown}\" must contain only one of [{}]",
            EXCLUSIVE.join(" ")
        ));
    }
}

/// How KEDA's errors show a credential.
fn presence(value: Option<&str>) -> &'static str {
    if value.is_some() { "<present>" } else { "<empty>" }
}

const GIVE: &str = "give the parameters through a TriggerAuthentication, or leave the mode out of authModes";

fn bearer(reader: &mut ParamReader<'_>) -> Option<String> {
    let token = reader.text("bearerToken");
    if token.is_none() {
        reader.problem_with_hint("bearer token=<empty> is required when bearer auth is enabled", GIVE);
    }
    token.map(ToOwned::to_owned)
}

fn basic(reader: &mut ParamReader<'_>) -> Option<(String, String)> {
    let (user, password) = (reader.text("username"), reader.text("password"));
    if user.is_none() {
        reader.problem_with_hint("username=<empty> is required when basic auth is enabled", GIVE);
    }
    user.map(|user| (user.to_owned(), password.unwrap_or_default().to_owned()))
}

fn custom(reader: &mut ParamReader<'_>) -> Option<(String, String)> {
    let (name, value) = (reader.text("customAuthHeader"), reader.text("customAuthValue"));
    if name.is_none() || value.is_none() {
        let (name, value) = (presence(name), presence(value));
        reader.problem_with_hint(
            format!("customAuthHeader={name} and customAuthValue={value} are required when custom auth is enabled"),
            GIVE,
        );
    }
    name.zip(value).map(|(name, value)| (name.to_owned(), value.to_owned()))
}

/// The parameters are checked as KEDA checks them.
fn check_without_effect(reader: &mut ParamReader<'_>, mode: &str) {
    if mode == "apiKey" {
        reader.one_of("method", &["header", "query"]);
        let _ = reader.text("keyParamName");
        if reader.text("apiKey").is_none() {
            reader.problem_with_hint("apiKey is required when apiKey auth is enabled", GIVE);
        }
        return;
    }
    for name in ["clientSecret", "scopes", "endpointParams"] {
        let _ = reader.text(name);
    }
    let (uri, id) = (reader.text("oauthTokenURI"), reader.text("clientID"));
    if uri.is_none() || id.is_none() {
        let (uri, id) = (presence(uri), presence(id));
        reader.problem_with_hint(
            format!("oauthTokenURI={uri} and clientID={id} are required when oauth is enabled"),
            GIVE,
        );
    }
}

/// `ca` counts with any mode, `cert` and `key` with `tls`. Where either counts, servers are verified even with
/// `unsafeSsl`, as in KEDA.
fn tls(reader: &mut ParamReader<'_>, has_mode: bool, has_tls: bool, unsafe_ssl: bool) -> Tls {
    let [ca, cert, key] = ["ca", "cert", "key"].map(|name| reader.text(name));
    let ca = ca.filter(|_| has_mode);
    if has_tls && (cert.is_none() || key.is_none()) {
        let (cert, key) = (presence(cert), presence(key));
        reader.problem_with_hint(format!("cert={cert} and key={key} are required when tls auth is enabled"), GIVE);
        return Tls::default();
    }
    let identity = cert.zip(key).filter(|_| has_tls).map(|(cert, key)| GivenIdentity { cert, key, key_password: None });
    let accept_anything = unsafe_ssl && ca.is_none() && identity.is_none();
    Tls::new(ca, identity, accept_anything).unwrap_or_else(|problem| {
        reader.problem(problem);
        Tls::default()
    })
}
