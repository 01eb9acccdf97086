//! The choice among the ways to log in that a trigger gives. Pure.
//!
//! A way that was asked for is used, or it is an error that names the missing part: credentials that point nowhere
//! never become others. RabbitMQ's default account is for an address without user where nothing else was given in any
//! form.

use crate::rabbitmq::amqp::{Login, Mechanism};
use crate::rabbitmq::host::{AuthMechanism, Host, UserInfo};
use crate::rabbitmq::management::Identity;

/// The credentials that are given beside the address.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Given<'a> {
    /// `username` and `password`.
    pub(super) credentials: Option<(&'a str, &'a str)>,
    pub(super) certificate: Certificate,
    /// `tls: enable`.
    pub(super) tls_enabled: bool,
    /// Where `username` and `password` are named and empty.
    pub(super) empty_credentials: &'a [String],
    /// Where another way to log in is named and empty, or given where it is not read.
    pub(super) other_ways: &'a [String],
}

/// `cert` and `key`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Certificate {
    #[default]
    None,
    /// Both are given, without `tls: enable`.
    Unused,
    /// Both are given, with `tls: enable`.
    Used,
}

/// Why there is no login: the mistake, and a hint.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) problem: String,
    pub(super) hint: &'static str,
}

const GIVE_PASSWORD: &str = "give user:password@ in host, or username and password in a TriggerAuthentication or by usernameFromEnv and \
     passwordFromEnv";
const GIVE_CERTIFICATE: &str = "give tls: enable, cert and key in a TriggerAuthentication, and an amqps:// host";
const FILL: &str = "fill it, or drop it from the trigger and its TriggerAuthentication";

fn refusal<T>(problem: impl Into<String>, hint: &'static str) -> Result<T, Refusal> {
    Err(Refusal { problem: problem.into(), hint })
}

/// How to log in over AMQP.
pub(super) fn amqp(given: Given<'_>, host: &Host) -> Result<Login, Refusal> {
    if host.query.names_files && !given.tls_enabled {
        return refusal(
            "host names certificates or keys as files, which are not read",
            "give tls: enable, ca, cert and key in a TriggerAuthentication; its filePath reads files",
        );
    }
    let mechanism = match host.query.mechanism {
        Some(AuthMechanism::External) => return asked_for_external(given, host),
        Some(AuthMechanism::AmqPlain) => Mechanism::AmqPlain,
        Some(AuthMechanism::Plain) | None => Mechanism::Plain,
    };
    let login =
        |(user, password): (&str, &str)| Login::Password { user: user.into(), password: password.into(), mechanism };
    if let Some(found) = password(given, host.user.as_ref())? {
        return Ok(login(found));
    }
    if given.certificate == Certificate::Used {
        return external(host);
    }
    nothing_else_was_meant(given, host.user.as_ref())?;
    Ok(login(("guest", "guest")))
}

/// How to log in to the management API, but for OAuth 2.0. A client certificate is shown there besides; it is for a
/// proxy before the API, which takes none itself.
pub(super) fn http(given: Given<'_>, host: &Host) -> Result<Identity, Refusal> {
    if let Some((user, password)) = password(given, host.user.as_ref())? {
        return Ok(Identity::Basic(user.into(), password.into()));
    }
    if host.user.is_none() && given.certificate == Certificate::Used {
        return if host.encrypted {
            Ok(Identity::Anonymous)
        } else {
            refusal("cert and key are given, and host is not encrypted", "give an https:// host")
        };
    }
    nothing_else_was_meant(given, host.user.as_ref())?;
    Ok(Identity::Anonymous)
}

/// `username` and `password`, or else those in the address.
fn password<'a>(given: Given<'a>, user: Option<&'a UserInfo>) -> Result<Option<(&'a str, &'a str)>, Refusal> {
    if given.credentials.is_some() {
        return Ok(given.credentials);
    }
    let Some(UserInfo { name, password: Some(password) }) = user else { return Ok(None) };
    if !given.empty_credentials.is_empty() {
        return refusal(given.empty_credentials.join(", and "), FILL);
    }
    match (name.as_str(), password.as_str()) {
        ("", "") => refusal("host has an empty user and an empty password", GIVE_PASSWORD),
        (_, "") => refusal("host has a user with an empty password", GIVE_PASSWORD),
        // Without a user, as for a broker that takes tokens for passwords.
        found => Ok(Some(found)),
    }
}

/// With a certificate and no password the certificate is the login, as in KEDA.
fn external(host: &Host) -> Result<Login, Refusal> {
    if host.encrypted {
        Ok(Login::Certificate)
    } else {
        refusal("cert and key are given without a password, and host is not encrypted", "give an amqps:// host")
    }
}

fn asked_for_external(given: Given<'_>, host: &Host) -> Result<Login, Refusal> {
    if given.credentials.is_some() {
        return refusal(
            "host asks for auth_mechanism=external, and username and password are given, too",
            "drop the one or the other",
        );
    }
    if given.certificate != Certificate::Used {
        return refusal("host asks for auth_mechanism=external, and no client certificate is used", GIVE_CERTIFICATE);
    }
    external(host)
}

/// Checks that no credentials were given in any form, so that the default account may be used.
fn nothing_else_was_meant(given: Given<'_>, user: Option<&UserInfo>) -> Result<(), Refusal> {
    let ways: Vec<_> = given.empty_credentials.iter().chain(given.other_ways).map(String::as_str).collect();
    if !ways.is_empty() {
        return refusal(ways.join(", and "), FILL);
    }
    match user {
        Some(UserInfo { name, .. }) if name.is_empty() => {
            refusal("host has an empty user and no password", GIVE_PASSWORD)
        }
        Some(_) => refusal("host has a user and no password", GIVE_PASSWORD),
        None if given.certificate == Certificate::Unused => {
            refusal("cert and key are given without tls: enable, and no other way to log in is", GIVE_CERTIFICATE)
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
