//! Credentials that are given and not used, because no way of logging in is chosen. Pure.
//!
//! KEDA ignores them, and manifests with such leftovers work at brokers without authentication. So they are no error.
//! They are a warning before the object is served, and the first thing to look at when a broker does not answer.

use crate::params::{Source, TriggerConfig};

/// A way of logging in: its credentials, and the parameter that chooses it.
struct Way {
    /// The parameters that belong to it.
    credentials: &'static [&'static str],
    /// The parameter that chooses it.
    chosen_by: &'static str,
    /// The values with which the credentials are used.
    values: &'static [&'static str],
}

/// Parameters that belong to SASL, in the order in which a user should look at them.
const WAYS: &[Way] = &[
    Way {
        credentials: &["username", "password"],
        chosen_by: "sasl",
        values: &["plaintext", "scram_sha256", "scram_sha512"],
    },
    Way { credentials: &["oauthTokenEndpointUri", "saslTokenProvider"], chosen_by: "sasl", values: &["oauthbearer"] },
    Way { credentials: &["keytab", "realm", "kerberosConfig"], chosen_by: "sasl", values: &["gssapi"] },
    Way { credentials: &["ca", "cert", "key"], chosen_by: "tls", values: &["enable"] },
];

/// The credentials that are given and not used, and a hint at how to have them used; none if there are none.
///
/// `is_given` says whether the authentication gives a parameter. A way that is declined in words (`none`, `disable`) is
/// declined on purpose.
pub(super) fn unused_credentials(trigger: &TriggerConfig, is_given: &dyn Fn(&str) -> bool) -> Option<(String, String)> {
    let in_metadata = |key: &str| trigger.metadata.get(key).is_some_and(|value| !value.trim().is_empty());
    // The parameter that `oauth2` of an authentication becomes for every trigger. For kafka it becomes a way of SASL
    // besides.
    if is_given("oauthTokenURI") && trigger.kind == "apache-kafka" {
        return Some((
            "oauth2: given and not used, as apache-kafka does not log in with tokens".to_owned(),
            "use type: kafka, which does".to_owned(),
        ));
    }
    let keys = crate::kind(&trigger.kind)?.params;
    let given = |key: &str| {
        let known = keys.iter().find(|known| known.name == key);
        known.is_some_and(|known| (known.sources.contains(&Source::Metadata) && in_metadata(key)) || is_given(key))
    };
    let way = WAYS.iter().find(|way| !given(way.chosen_by) && way.credentials.iter().any(|key| given(key)))?;
    let credentials: Vec<_> = way.credentials.iter().copied().filter(|key| given(key)).collect();
    let (credentials, chosen_by) = (credentials.join(", "), way.chosen_by);
    let values: Vec<_> = way.values.iter().map(|value| format!("`{value}`")).collect();
    Some((
        format!("{credentials}: given and not used, as {chosen_by} is not given"),
        format!("give {chosen_by}: {}, or leave {credentials} out", values.join(", ")),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unused(metadata: &[(&str, &str)], auth: &[&str]) -> Option<String> {
        let metadata = metadata.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let trigger = TriggerConfig { kind: "kafka".into(), metadata, ..TriggerConfig::default() };
        unused_credentials(&trigger, &|key| auth.contains(&key)).map(|(text, _)| text)
    }

    #[test]
    fn what_is_given_and_chosen_by_nothing_is_named() {
        for (metadata, auth, text) in [
            (&[][..], &["username", "password"][..], "username, password: given and not used, as sasl is not given"),
            (&[("sasl", " ")], &["username"], "username: given and not used, as sasl is not given"),
            (&[("tls", "enable")], &["ca", "password"], "password: given and not used, as sasl is not given"),
            (
                &[("saslTokenProvider", "aws_msk_iam")],
                &[],
                "saslTokenProvider: given and not used, as sasl is not given",
            ),
            (&[], &["keytab", "realm"], "keytab, realm: given and not used, as sasl is not given"),
            (&[], &["cert", "key"], "cert, key: given and not used, as tls is not given"),
            (&[("sasl", "plaintext")], &["username", "ca"], "ca: given and not used, as tls is not given"),
        ] {
            assert_eq!(unused(metadata, auth).as_deref(), Some(text), "{metadata:?} {auth:?}");
        }
    }

    #[test]
    fn what_is_chosen_or_declined_in_words_is_no_doubt() {
        for (metadata, auth) in [
            (&[][..], &[][..]),
            (&[("sasl", "plaintext")], &["username", "password"]),
            (&[], &["sasl", "username", "password"]),
            (&[("sasl", "none")], &["username", "password"]),
            (&[("tls", "disable")], &["ca", "cert", "key"]),
            // They are not read there.
            (&[("username", "u"), ("password", "p")], &[]),
            (&[], &["tls", "cert", "key"]),
        ] {
            assert_eq!(unused(metadata, auth), None, "{metadata:?} {auth:?}");
        }
    }

    #[test]
    fn the_hint_names_every_way() {
        let trigger = TriggerConfig { kind: "apache-kafka".into(), ..TriggerConfig::default() };
        let (oauth2, _) = unused_credentials(&trigger, &|key| key == "oauthTokenURI").unwrap();
        assert!(oauth2.starts_with("oauth2: given and not used"), "{oauth2}");
        let (_, hint) = unused_credentials(&trigger, &|key| key == "username").unwrap();
        assert_eq!(hint, "give sasl: `plaintext`, `scram_sha256`, `scram_sha512`, or leave username out");
    }
}
