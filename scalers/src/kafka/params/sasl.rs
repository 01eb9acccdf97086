//! `sasl` and the credentials that belong to it.

use super::{Flavor, list, refuse_twice};
use crate::kafka::endpoint::{Mechanism, Sasl};
use crate::net::oauth::{Account, ClientCredentials};
use crate::net::tls::Tls;
use crate::params::{ParamReader, TriggerConfig};

/// The login that the parameters choose; none where they choose none, or a wrong one, which is noted as a problem.
pub(super) fn sasl(
    reader: &mut ParamReader<'_>,
    trigger: &TriggerConfig,
    flavor: Flavor,
    tls: Option<&Tls>,
) -> Option<Sasl> {
    refuse_twice(reader, trigger, flavor, "sasl");
    let words: &[&str] = match flavor {
        Flavor::Kafka => &["none", "plaintext", "scram_sha256", "scram_sha512", "oauthbearer", "gssapi"],
        Flavor::Apache => &["none", "plaintext", "scram_sha256", "scram_sha512", "gssapi", "aws_msk_iam"],
    };
    match reader.one_of("sasl", words) {
        "plaintext" => password(reader, flavor, Mechanism::Plain),
        "scram_sha256" => password(reader, flavor, Mechanism::ScramSha256),
        "scram_sha512" => password(reader, flavor, Mechanism::ScramSha512),
        "oauthbearer" => oauthbearer(reader, tls),
        "aws_msk_iam" => {
            if reader.text("awsRegion").is_none() {
                reader.problem("awsRegion must be set when using AWS MSK IAM");
            }
            if tls.is_none() {
                reader.problem("TLS must be enabled when using AWS MSK IAM");
            }
            not_yet(reader, "sasl: aws_msk_iam (AWS MSK IAM)");
            None
        }
        "gssapi" => {
            if flavor == Flavor::Kafka {
                check_gssapi(reader);
                not_yet(reader, "sasl: gssapi (Kerberos)");
            } else {
                reader.problem("err sasl type \"gssapi\" given");
            }
            None
        }
        _ => None,
    }
}

fn not_yet(reader: &mut ParamReader<'_>, provider: &str) {
    reader.not_yet(
        provider,
        "the ways to authenticate are sasl: plaintext, scram_sha256, scram_sha512, oauthbearer with saslTokenProvider: bearer, and client certificates",
    );
}

fn password(reader: &mut ParamReader<'_>, flavor: Flavor, mechanism: Mechanism) -> Option<Sasl> {
    let username = reader.text("username");
    let password = reader.text("password");
    if let (Some(username), Some(password)) = (username, password) {
        return Some(Sasl::Password { mechanism, username: username.to_owned(), password: password.to_owned() });
    }
    let hint = "give username and password through a TriggerAuthentication";
    match flavor {
        Flavor::Apache => {
            reader.problem_with_hint("username and password must be set when using SASL/PLAINTEXT", hint);
        }
        Flavor::Kafka => {
            for (key, value) in [("username", username), ("password", password)] {
                if value.is_none() {
                    reader.problem_with_hint(format!("no {key} given"), hint);
                }
            }
        }
    }
    None
}

fn oauthbearer(reader: &mut ParamReader<'_>, tls: Option<&Tls>) -> Option<Sasl> {
    const CONTEXT: &str = "error parsing OAuth token provider configuration: ";
    if reader.one_of("saslTokenProvider", &["bearer", "aws_msk_iam"]) == "aws_msk_iam" {
        if tls.is_none() {
            reader.problem(format!("{CONTEXT}TLS is required for AWS MSK authentication"));
        }
        if reader.text("awsRegion").is_none() {
            reader.problem(format!("{CONTEXT}no awsRegion given"));
        }
        not_yet(reader, "saslTokenProvider: aws_msk_iam (AWS MSK IAM)");
        return None;
    }
    let mut wanted = |key: &str, missing: &str| {
        let value = reader.text(key);
        if value.is_none() {
            reader.problem_with_hint(
                format!("{CONTEXT}{missing}"),
                format!(
                    "give `{key}` through a TriggerAuthentication: username and password are the client's id and secret"
                ),
            );
        }
        value.map(ToOwned::to_owned)
    };
    let client_id = wanted("username", "no username given");
    let client_secret = wanted("password", "no password given");
    let token_url = wanted("oauthTokenEndpointUri", "no oauth token endpoint uri given");
    let scopes = list(reader.text("scopes").unwrap_or_default()).into_iter().map(ToOwned::to_owned).collect();
    let mut extensions = Vec::new();
    for extension in list(reader.text("oauthExtensions").unwrap_or_default()) {
        match extension.split('=').collect::<Vec<_>>()[..] {
            [key, value] => extensions.push((key.to_owned(), value.to_owned())),
            _ => {
                reader.problem(format!("{CONTEXT}invalid OAuthBearer extension, must be of format key=value"));
            }
        }
    }
    let credentials = ClientCredentials {
        token_url: token_url?,
        client_id: client_id?,
        client_secret: client_secret?,
        scopes,
        params: std::collections::BTreeMap::new(),
    };
    if let Err(problem) = credentials.check() {
        reader.problem(format!("{CONTEXT}{problem}"));
    }
    let trust = tls.map(Tls::without_identity).unwrap_or_default();
    Some(Sasl::Bearer { account: Account { credentials, tls: trust }, extensions })
}

fn check_gssapi(reader: &mut ParamReader<'_>) {
    // Any name of a service will do.
    let _ = reader.text("kerberosServiceName");
    let _ = reader.flag("kerberosDisableFAST");
    if reader.text("username").is_none() {
        reader.problem("no username given");
    }
    if reader.text("password").is_some() == reader.text("keytab").is_some() {
        reader.problem("exactly one of 'password' or 'keytab' must be provided for GSSAPI authentication");
    }
    if reader.text("realm").is_none() {
        reader.problem("no realm given");
    }
    if reader.text("kerberosConfig").is_none() {
        reader.problem("no Kerberos configuration file (kerberosConfig) given");
    }
}
