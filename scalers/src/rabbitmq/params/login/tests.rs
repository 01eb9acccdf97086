//! Every combination of credentials that may be given, and the login that follows.

use super::*;

const PAIR: Option<(&str, &str)> = Some(("alice", "a"));

fn given(credentials: Option<(&'static str, &'static str)>, certificate: Certificate) -> Given<'static> {
    Given { credentials, certificate, tls_enabled: certificate == Certificate::Used, ..Given::default() }
}

/// The login in a word, or the problem.
fn over_amqp(given: Given<'_>, address: &str) -> String {
    match amqp(given, &Host::parse(address).unwrap()) {
        Ok(Login::Password { user, password, mechanism: Mechanism::Plain }) => format!("PLAIN {user}:{password}"),
        Ok(Login::Password { user, password, mechanism: Mechanism::AmqPlain }) => format!("AMQPLAIN {user}:{password}"),
        Ok(Login::Certificate) => "EXTERNAL".into(),
        Err(refusal) => refusal.problem,
    }
}

fn over_http(given: Given<'_>, address: &str) -> String {
    match http(given, &Host::parse(address).unwrap()) {
        Ok(Identity::Basic(user, password)) => format!("Basic {user}:{password}"),
        Ok(Identity::Anonymous) => "nobody".into(),
        Ok(Identity::Bearer(_)) => unreachable!("there is no OAuth 2.0 here"),
        Err(refusal) => refusal.problem,
    }
}

const NO_PASSWORD: &str = "host has a user and no password";
const EMPTY_PASSWORD: &str = "host has a user with an empty password";
const EMPTY_BOTH: &str = "host has an empty user and an empty password";
const EMPTY_USER: &str = "host has an empty user and no password";
const NO_TLS: &str = "cert and key are given without tls: enable, and no other way to log in is";
const NOT_ENCRYPTED: &str = "cert and key are given without a password, and host is not encrypted";
const HTTP_NOT_ENCRYPTED: &str = "cert and key are given, and host is not encrypted";

/// The columns: no certificate, one without `tls: enable`, one with it.
#[test]
fn amqp_logs_in_with_what_was_asked_for() {
    for (address, without, unused, used) in [
        ("amqps://h", "PLAIN guest:guest", NO_TLS, "EXTERNAL"),
        ("amqp://h", "PLAIN guest:guest", NO_TLS, NOT_ENCRYPTED),
        ("amqps://bob:b@h", "PLAIN bob:b", "PLAIN bob:b", "PLAIN bob:b"),
        ("amqp://bob:b@h", "PLAIN bob:b", "PLAIN bob:b", "PLAIN bob:b"),
        // A token in the place of a password needs no user.
        ("amqps://:t@h", "PLAIN :t", "PLAIN :t", "PLAIN :t"),
        ("amqps://bob@h", NO_PASSWORD, NO_PASSWORD, "EXTERNAL"),
        ("amqps://guest@h", NO_PASSWORD, NO_PASSWORD, "EXTERNAL"),
        ("amqps://guest:guest@h", "PLAIN guest:guest", "PLAIN guest:guest", "PLAIN guest:guest"),
        ("amqps://@h", EMPTY_USER, EMPTY_USER, "EXTERNAL"),
        ("amqps://bob:@h", EMPTY_PASSWORD, EMPTY_PASSWORD, EMPTY_PASSWORD),
        ("amqps://:@h", EMPTY_BOTH, EMPTY_BOTH, EMPTY_BOTH),
    ] {
        for (certificate, login) in
            [(Certificate::None, without), (Certificate::Unused, unused), (Certificate::Used, used)]
        {
            assert_eq!(over_amqp(given(None, certificate), address), login, "{address}, {certificate:?}");
            // username and password take the place of all that an address says.
            assert_eq!(over_amqp(given(PAIR, certificate), address), "PLAIN alice:a", "{address}, {certificate:?}");
        }
    }
}

#[test]
fn http_logs_in_with_what_was_asked_for() {
    for (address, without, unused, used) in [
        ("https://h", "nobody", NO_TLS, "nobody"),
        ("http://h", "nobody", NO_TLS, HTTP_NOT_ENCRYPTED),
        ("https://bob:b@h", "Basic bob:b", "Basic bob:b", "Basic bob:b"),
        ("http://:t@h", "Basic :t", "Basic :t", "Basic :t"),
        ("https://bob@h", NO_PASSWORD, NO_PASSWORD, NO_PASSWORD),
        ("https://@h", EMPTY_USER, EMPTY_USER, EMPTY_USER),
        ("https://bob:@h", EMPTY_PASSWORD, EMPTY_PASSWORD, EMPTY_PASSWORD),
        ("https://:@h", EMPTY_BOTH, EMPTY_BOTH, EMPTY_BOTH),
    ] {
        for (certificate, login) in
            [(Certificate::None, without), (Certificate::Unused, unused), (Certificate::Used, used)]
        {
            assert_eq!(over_http(given(None, certificate), address), login, "{address}, {certificate:?}");
            assert_eq!(over_http(given(PAIR, certificate), address), "Basic alice:a", "{address}, {certificate:?}");
        }
    }
}

#[test]
fn what_points_nowhere_is_named_and_nobody_else_stands_in() {
    let empty = ["usernameFromEnv names nothing".to_owned(), "passwordFromEnv names nothing".to_owned()];
    let both = "usernameFromEnv names nothing, and passwordFromEnv names nothing";
    let credentials = Given { empty_credentials: &empty, ..Given::default() };
    for scheme in ["amqp", "amqps"] {
        for address in ["h", "bob:b@h", "bob@h"] {
            assert_eq!(over_amqp(credentials, &format!("{scheme}://{address}")), both);
        }
    }
    for address in ["http://h", "http://bob:b@h", "https://bob@h"] {
        assert_eq!(over_http(credentials, address), both);
    }
    // A whole certificate is a way that was asked for as well.
    let certificate = Given { certificate: Certificate::Used, tls_enabled: true, ..credentials };
    assert_eq!(over_amqp(certificate, "amqps://h"), "EXTERNAL");

    let empty = ["cert is empty".to_owned()];
    let other = Given { other_ways: &empty, tls_enabled: true, ..Given::default() };
    assert_eq!(over_amqp(other, "amqps://h"), "cert is empty");
    assert_eq!(over_http(other, "https://h"), "cert is empty");
    // Parameters of a login that is not used may be empty, as in a TriggerAuthentication that serves several.
    assert_eq!(over_amqp(other, "amqps://bob:b@h"), "PLAIN bob:b");
    assert_eq!(over_amqp(Given { credentials: PAIR, ..other }, "amqps://h"), "PLAIN alice:a");
    assert_eq!(over_http(Given { credentials: PAIR, ..other }, "https://h"), "Basic alice:a");
}

#[test]
fn an_address_may_name_the_mechanism() {
    let unused = "host asks for auth_mechanism=external, and no client certificate is used";
    let files = "host names certificates or keys as files, which are not read";
    for (address, credentials, certificate, login) in [
        ("amqps://h?auth_mechanism=external", None, Certificate::Used, "EXTERNAL"),
        ("amqps://bob:b@h?auth_mechanism=external", None, Certificate::Used, "EXTERNAL"),
        ("amqps://h?auth_mechanism=external", None, Certificate::None, unused),
        ("amqps://bob:b@h?auth_mechanism=external", None, Certificate::Unused, unused),
        ("amqp://h?auth_mechanism=external", None, Certificate::Used, NOT_ENCRYPTED),
        (
            "amqps://h?auth_mechanism=external",
            PAIR,
            Certificate::Used,
            "host asks for auth_mechanism=external, and username and password are given, too",
        ),
        ("amqps://bob:b@h?auth_mechanism=plain", None, Certificate::None, "PLAIN bob:b"),
        ("amqps://bob:b@h?auth_mechanism=amqplain", None, Certificate::None, "AMQPLAIN bob:b"),
        ("amqps://h?auth_mechanism=amqplain", PAIR, Certificate::None, "AMQPLAIN alice:a"),
        ("amqps://h?certfile=/c&keyfile=/k", None, Certificate::None, files),
        ("amqps://bob:b@h?cacertfile=/c", None, Certificate::None, files),
        // With tls: enable the library that KEDA uses does not look at them either.
        ("amqps://h?certfile=/c&keyfile=/k", None, Certificate::Used, "EXTERNAL"),
    ] {
        assert_eq!(over_amqp(given(credentials, certificate), address), login, "{address}");
    }
}
