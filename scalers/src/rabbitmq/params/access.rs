//! Credentials and trust: `username` and `password`, TLS, OAuth 2.0. The choice among them: [`login`].

use std::collections::BTreeMap;
use std::time::Duration;

use url::form_urlencoded;

use super::login::{self, Certificate, Given, Refusal};
use crate::net::oauth::{Account, ClientCredentials};
use crate::net::tls::{GivenIdentity, Tls};
use crate::params::ParamReader;
use crate::rabbitmq::amqp;
use crate::rabbitmq::host::Host;
use crate::rabbitmq::management::{Endpoint, Identity};

const OAUTH: [&str; 3] = ["oauthTokenURI", "clientID", "clientSecret"];
/// Parameters besides `username` and `password` with which one logs in.
const OTHER_WAYS: [&str; 6] = ["cert", "key", "oauthTokenURI", "clientID", "clientSecret", "workloadIdentityResource"];

/// The credentials that a trigger gives.
pub(super) struct Access {
    /// `username` and `password`; they take the place of those in an address.
    credentials: Option<(String, String)>,
    pub(super) tls: Tls,
    tls_enabled: bool,
    certificate: Certificate,
    empty_credentials: Vec<String>,
    other_ways: Vec<String>,
    oauth: OAuth,
    workload_identity: bool,
    /// Whether the given credentials are refused already, so that no login follows from them.
    refused: bool,
}

/// The parameters of OAuth 2.0.
enum OAuth {
    None,
    /// Some of those that belong together.
    Incomplete,
    Whole(Account),
}

impl Access {
    /// Reads everything that does not depend on the protocol.
    pub(super) fn read(reader: &mut ParamReader<'_>) -> Self {
        let (tls, tls_enabled) = tls(reader);
        let certificate = match ["cert", "key"].map(|key| reader.text(key).is_some()) {
            [true, true] if tls_enabled => Certificate::Used,
            [true, true] => Certificate::Unused,
            _ => Certificate::None,
        };
        let credentials = credentials(reader);
        let given = OAUTH.map(|key| reader.text(key));
        let oauth = match given {
            [None, None, None] => OAuth::None,
            [Some(token_url), Some(client_id), Some(client_secret)] => OAuth::Whole(Account {
                credentials: ClientCredentials {
                    token_url: token_url.to_owned(),
                    client_id: client_id.to_owned(),
                    client_secret: client_secret.to_owned(),
                    scopes: scopes(reader),
                    params: params(reader),
                },
                // A secret is sent there: unsafeSsl is about the broker.
                tls: tls.verifying(),
            }),
            _ => OAuth::Incomplete,
        };
        let workload_identity = reader.text("workloadIdentityResource").is_some();
        let half_certificate = reader.text("cert").is_some() != reader.text("key").is_some();
        Self {
            tls,
            tls_enabled,
            certificate,
            empty_credentials: empty_credentials(reader),
            other_ways: other_ways(reader),
            refused: credentials.is_err()
                || matches!(oauth, OAuth::Incomplete)
                || workload_identity
                || half_certificate,
            oauth,
            workload_identity,
            credentials: credentials.unwrap_or_default(),
        }
    }

    /// Notes credentials that do not fit together, or not to the protocol.
    pub(super) fn check(&self, reader: &mut ParamReader<'_>, is_amqp: bool) {
        if self.workload_identity && is_amqp {
            reader.problem("workload identity is not supported for the AMQP protocol at the moment");
        } else if self.workload_identity {
            reader.not_yet(
                "workloadIdentityResource: the identity provider azure-workload",
                "use username and password, a client certificate, or OAuth2 with clientID and clientSecret",
            );
        }
        if matches!(self.oauth, OAuth::Incomplete) {
            reader.problem_with_hint(
                "OAuth2 requires tokenUrl clientId and clientSecret to be configured in TriggerAuthentication",
                "give oauthTokenURI, clientID and clientSecret",
            );
        }
        let OAuth::Whole(account) = &self.oauth else { return };
        if is_amqp {
            reader.problem("OAuth2 authentication is only supported with HTTP protocol, not AMQP");
        }
        if self.credentials.is_some() || self.workload_identity {
            reader.problem(
                "OAuth2 authentication cannot be combined with username/password authentication or Azure Workload Identity",
            );
        }
        if let Err(problem) = account.credentials.check() {
            reader.problem(format!("oauthTokenURI: {problem}"));
        }
    }

    /// How to log in over AMQP. `None` once something that is given for it has been refused.
    pub(super) fn amqp(&self, reader: &mut ParamReader<'_>, host: &Host) -> Option<amqp::Login> {
        if self.refused || matches!(self.oauth, OAuth::Whole(_)) {
            return None;
        }
        noted(reader, "", login::amqp(self.given(), host))
    }

    /// How to log in to a management API. `None` once something that is given for it has been refused.
    pub(super) fn http(&self, reader: &mut ParamReader<'_>, host: &Host) -> Option<Identity> {
        match &self.oauth {
            OAuth::Whole(account) => Some(Identity::Bearer(account.clone())),
            _ if self.refused => None,
            _ => noted(reader, "", login::http(self.given(), host)),
        }
    }

    /// How to log in to the management API beside an AMQP broker: as the same user, unless its address names another.
    pub(super) fn beside_amqp(
        &self,
        reader: &mut ParamReader<'_>,
        login: &amqp::Login,
        api: &Host,
    ) -> Option<Identity> {
        match login {
            amqp::Login::Password { user, password, .. } if api.user.is_none() => {
                Some(Identity::Basic(user.clone(), password.clone()))
            }
            _ => noted(reader, "managementHost: ", login::http(self.given(), api)),
        }
    }

    /// The management API at an HTTP address.
    pub(super) fn management(&self, host: &Host, identity: Identity, timeout: Option<Duration>) -> Option<Endpoint> {
        let tls = if host.encrypted { self.tls.clone() } else { Tls::default() };
        Some(Endpoint { base: host.api.clone()?, identity, tls, timeout })
    }

    fn given(&self) -> Given<'_> {
        Given {
            credentials: self.credentials.as_ref().map(|(user, password)| (user.as_str(), password.as_str())),
            certificate: self.certificate,
            tls_enabled: self.tls_enabled,
            empty_credentials: &self.empty_credentials,
            other_ways: &self.other_ways,
        }
    }
}

fn noted<T>(reader: &mut ParamReader<'_>, before: &str, login: Result<T, Refusal>) -> Option<T> {
    login.map_err(|Refusal { problem, hint }| reader.problem_with_hint(format!("{before}{problem}"), hint)).ok()
}

/// The settings, and whether `tls` is `enable`.
fn tls(reader: &mut ParamReader<'_>) -> (Tls, bool) {
    let enabled = match reader.text("tls") {
        None | Some("disable") => false,
        Some("enable") => true,
        Some(other) => {
            let other = reader.shown("tls", other);
            reader.problem(format!("incorrect value for TLS given: {other}"));
            false
        }
    };
    let unsafe_ssl = reader.flag("unsafeSsl");
    let [ca, cert, key, key_password] = ["ca", "cert", "key", "keyPassword"].map(|parameter| reader.text(parameter));
    if cert.is_some() != key.is_some() {
        reader.problem("both key and certificate must be provided");
    }
    if !enabled {
        // As in KEDA, where they have no effect without tls: enable.
        return (Tls::new(None, None, unsafe_ssl).unwrap_or_default(), false);
    }
    let identity = cert.zip(key).map(|(cert, key)| GivenIdentity { cert, key, key_password });
    let tls = Tls::new(ca, identity, unsafe_ssl).unwrap_or_else(|problem| {
        reader.problem(problem);
        Tls::default()
    });
    (tls, true)
}

/// `username` and `password`; an error, which is noted, where only one of them is given.
fn credentials(reader: &mut ParamReader<'_>) -> Result<Option<(String, String)>, ()> {
    match (reader.text("username"), reader.text("password")) {
        (None, None) => Ok(None),
        (Some(username), Some(password)) => Ok(Some((username.to_owned(), password.to_owned()))),
        (username, _) => {
            let (given, missing) = if username.is_some() { ("username", "password") } else { ("password", "username") };
            let why = reader.empty(missing);
            let hint = why.map_or_else(
                || format!("{given} is given and {missing} is not"),
                |why| format!("{given} is given, and {why}"),
            );
            reader.problem_with_hint("username and password must be given together", hint);
            Err(())
        }
    }
}

fn empty_credentials(reader: &ParamReader<'_>) -> Vec<String> {
    ["username", "password"].iter().filter_map(|key| reader.empty(key)).collect()
}

/// Ways to log in that are named and empty, or given where they are not read.
fn other_ways(reader: &ParamReader<'_>) -> Vec<String> {
    let empty = OTHER_WAYS.iter().filter_map(|key| reader.empty(key));
    let credentials = ["username", "password"].iter().filter_map(|key| reader.misplaced(key));
    let others = OTHER_WAYS.iter().filter_map(|key| reader.misplaced(key));
    empty.chain(credentials).chain(others).collect()
}

/// Separated by commas as in KEDA, or by spaces as in OAuth 2.0.
fn scopes(reader: &ParamReader<'_>) -> Vec<String> {
    let text = reader.text("scopes").or_else(|| reader.text("scope")).unwrap_or_default();
    let scopes = text.split([',', ' ']).map(str::trim).filter(|scope| !scope.is_empty());
    scopes.map(ToOwned::to_owned).collect()
}

/// `a=1&b=2`, form-encoded.
fn params(reader: &ParamReader<'_>) -> BTreeMap<String, String> {
    let text = reader.text("endpointParams").unwrap_or_default();
    form_urlencoded::parse(text.as_bytes()).into_owned().collect()
}
