//! Who asks and whom to trust: `username` and `password`, TLS, OAuth 2.0.

use std::collections::BTreeMap;
use std::time::Duration;

use url::form_urlencoded;

use crate::config::Reader;
use crate::config::Source::{Auth, Env, Metadata as Meta};
use crate::oauth::{Account, ClientCredentials};
use crate::rabbitmq::host::Host;
use crate::rabbitmq::management::{Endpoint, Identity};
use crate::tls::{GivenIdentity, Tls};

/// What a trigger gives to be let in.
pub(super) struct Access {
    /// `username` and `password`; they take the place of those in an address.
    pub(super) credentials: Option<(String, String)>,
    pub(super) tls: Tls,
    oauth: Option<Account>,
    oauth_incomplete: bool,
    workload_identity: bool,
}

impl Access {
    /// Reads everything that does not depend on the protocol.
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let tls = tls(reader);
        let credentials = credentials(reader);
        let given = ["oauthTokenURI", "clientID", "clientSecret"].map(|key| reader.text(key, &[Auth]));
        let oauth = match given {
            [Some(token_url), Some(client_id), Some(client_secret)] => Some(Account {
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
            _ => None,
        };
        let oauth_incomplete = oauth.is_none() && given.iter().any(Option::is_some);
        let workload_identity = reader.text("workloadIdentityResource", &[Auth]).is_some();
        Self { credentials, tls, oauth, oauth_incomplete, workload_identity }
    }

    /// Notes what does not go together, or not with the protocol.
    pub(super) fn check(&self, reader: &mut Reader<'_>, is_amqp: bool) {
        if self.workload_identity && is_amqp {
            reader.problem("workload identity is not supported for the AMQP protocol at the moment");
        } else if self.workload_identity {
            reader.problem_with_cure(
                "workloadIdentityResource needs the identity provider azure-workload, which Ebb does not have yet",
                "use username and password, a client certificate, or OAuth2 with clientID and clientSecret",
            );
        }
        if self.oauth_incomplete {
            reader.problem_with_cure(
                "OAuth2 requires tokenUrl clientId and clientSecret to be configured in TriggerAuthentication",
                "give oauthTokenURI, clientID and clientSecret",
            );
        }
        let Some(account) = &self.oauth else { return };
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

    /// The management API at an HTTP address.
    pub(super) fn management(&self, host: Host, timeout: Option<Duration>) -> Endpoint {
        let tls = if host.encrypted { self.tls.clone() } else { Tls::default() };
        let identity = match (&self.oauth, &self.credentials) {
            (Some(account), _) => Identity::Bearer(account.clone()),
            (None, Some((username, password))) => Identity::Basic(username.clone(), password.clone()),
            (None, None) if host.username.is_empty() => Identity::Anonymous,
            (None, None) => Identity::Basic(host.username, host.password),
        };
        Endpoint { base: host.base, identity, tls, timeout }
    }
}

fn tls(reader: &mut Reader<'_>) -> Tls {
    let enabled = match reader.text("tls", &[Auth]) {
        None | Some("disable") => false,
        Some("enable") => true,
        Some(other) => {
            reader.problem(format!("incorrect value for TLS given: {other}"));
            false
        }
    };
    let unsafe_ssl = reader.flag("unsafeSsl", &[Meta]);
    let [ca, cert, key, key_password] =
        ["ca", "cert", "key", "keyPassword"].map(|parameter| reader.text(parameter, &[Auth]));
    if cert.is_some() != key.is_some() {
        reader.problem("both key and certificate must be provided");
    }
    if !enabled {
        // As in KEDA, where they have no effect without tls: enable.
        return Tls::new(None, None, unsafe_ssl).unwrap_or_default();
    }
    let identity = cert.zip(key).map(|(cert, key)| GivenIdentity { cert, key, key_password });
    Tls::new(ca, identity, unsafe_ssl).unwrap_or_else(|problem| {
        reader.problem(problem);
        Tls::default()
    })
}

fn credentials(reader: &mut Reader<'_>) -> Option<(String, String)> {
    match (reader.text("username", &[Auth, Env]), reader.text("password", &[Auth, Env])) {
        (None, None) => None,
        (Some(username), Some(password)) => Some((username.to_owned(), password.to_owned())),
        (username, _) => {
            let (given, missing) = if username.is_some() { ("username", "password") } else { ("password", "username") };
            reader.problem_with_cure(
                "username and password must be given together",
                format!("{given} is given and {missing} is not"),
            );
            None
        }
    }
}

/// Separated by commas as in KEDA, or by spaces as in OAuth 2.0.
fn scopes(reader: &Reader<'_>) -> Vec<String> {
    let text = reader.text("scopes", &[Auth]).or_else(|| reader.text("scope", &[Auth])).unwrap_or_default();
    let scopes = text.split([',', ' ']).map(str::trim).filter(|scope| !scope.is_empty());
    scopes.map(ToOwned::to_owned).collect()
}

/// `a=1&b=2`, form-encoded.
fn params(reader: &Reader<'_>) -> BTreeMap<String, String> {
    let text = reader.text("endpointParams", &[Auth]).unwrap_or_default();
    form_urlencoded::parse(text.as_bytes()).into_owned().collect()
}
