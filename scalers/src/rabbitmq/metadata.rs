//! The parameters of a `rabbitmq` trigger and the rules between them.

use std::time::Duration;

use super::host::{self, Protocol};
use super::{amqp, management};
use crate::config::Source::{Auth, Env, Metadata as Meta};
use crate::config::{ConfigError, Key, Reader, TriggerConfig};

/// Messages a replica is meant to bear when the trigger does not say (KEDA's `defaultRabbitMQQueueLength`).
const DEFAULT_QUEUE_LENGTH: f64 = 20.0;
/// KEDA's `KEDA_HTTP_DEFAULT_TIMEOUT`.
const HTTP_TIMEOUT: Duration = Duration::from_secs(3);

/// AMQP 0-9-1's short strings.
const LONGEST_AMQP_NAME: usize = 255;

/// What a `rabbitmq` trigger reads.
pub(crate) const KEYS: &[Key] = &[
    Key::required("queueName", &[Meta]),
    Key::required("host", &[Meta, Auth, Env]),
    Key::default("protocol", &[Meta, Auth], "auto"),
    Key::optional("vhostName", &[Meta, Auth]),
    Key::default("excludeUnacknowledged", &[Meta], "false"),
    Key::default("unsafeSsl", &[Meta], "false"),
    Key::default("activationValue", &[Meta], "0"),
    Key::default("mode", &[Meta], "QueueLength"),
    Key::default("value", &[Meta], "20"),
    Key::optional("queueLength", &[Meta]),
    Key::optional("timeout", &[Meta]),
    Key::default("useRegex", &[Meta], "false"),
    Key::optional("username", &[Auth, Env]),
    Key::optional("password", &[Auth, Env]),
    Key::default("tls", &[Auth], "disable"),
    // Known and not served yet.
    Key::optional("ca", &[Auth]),
    Key::optional("cert", &[Auth]),
    Key::optional("key", &[Auth]),
    Key::optional("keyPassword", &[Auth]),
    Key::optional("workloadIdentityResource", &[Auth]),
    Key::optional("oauthTokenURI", &[Auth]),
    Key::optional("clientID", &[Auth]),
    Key::optional("clientSecret", &[Auth]),
    Key::optional("scope", &[Auth]),
    Key::optional("scopes", &[Auth]),
    Key::optional("endpointParams", &[Auth]),
];

/// What a `rabbitmq` trigger asks for.
#[derive(Debug)]
pub(super) struct Metadata {
    pub(super) queue: String,
    /// Messages a replica is meant to bear.
    pub(super) target: f64,
    /// The trigger is active above this many messages.
    pub(super) activation_value: f64,
    pub(super) broker: Broker,
}

/// Where to ask.
#[derive(Debug)]
pub(super) enum Broker {
    Amqp(amqp::Endpoint),
    Management { endpoint: management::Endpoint, vhost: String, exclude_unacknowledged: bool },
}

/// Parameters that KEDA knows and Ebb does not serve yet. A trigger that relies on one must not be scaled without it.
const NOT_YET: &[&str] = &[
    "ca",
    "cert",
    "key",
    "keyPassword",
    "workloadIdentityResource",
    "oauthTokenURI",
    "clientID",
    "clientSecret",
    "scope",
    "scopes",
    "endpointParams",
];

impl Metadata {
    pub(super) fn read(trigger: &TriggerConfig) -> Result<Self, ConfigError> {
        let mut reader = Reader::new(trigger);
        let queue = reader.required("queueName", &[Meta]).to_owned();
        let host = reader.required("host", &[Meta, Auth, Env]);
        let protocol = reader.one_of("protocol", &[Meta, Auth], &["auto", "amqp", "http"], "auto");
        let vhost = reader.text("vhostName", &[Meta, Auth]);
        let exclude_unacknowledged = reader.flag("excludeUnacknowledged", &[Meta]);
        let unsafe_ssl = reader.flag("unsafeSsl", &[Meta]);
        let activation_value = reader.number("activationValue", &[Meta]).unwrap_or(0.0);
        let target = target(&mut reader);
        let credentials = credentials(&mut reader);
        let timeout = timeout(&mut reader);
        refuse_what_is_not_there_yet(&mut reader);

        let broker = match host::parse(host, protocol, vhost, credentials) {
            Err(problem) => {
                reader.problem(problem);
                None
            }
            Ok(Protocol::Amqp(endpoint)) => {
                for (key, name) in [("queueName", queue.as_str()), ("the virtual host", endpoint.vhost())] {
                    if name.len() > LONGEST_AMQP_NAME {
                        reader.problem(format!(
                            "{key} is longer than {LONGEST_AMQP_NAME} bytes, which AMQP cannot carry"
                        ));
                    }
                }
                if exclude_unacknowledged {
                    reader.problem_with_cure(
                        "excludeUnacknowledged=true can only be used with the http protocol",
                        "AMQP counts the ready messages only: drop excludeUnacknowledged, or give the management API's address as host",
                    );
                }
                if timeout.is_some() {
                    reader.problem_with_cure(
                        "timeout can only be used with the http protocol",
                        "drop timeout, or give the management API's address as host",
                    );
                }
                if unsafe_ssl && endpoint.is_tls() {
                    reader.problem_with_cure(
                        "unsafeSsl is not supported over AMQP yet",
                        "use a certificate that the system's certificate authorities verify, or the management API",
                    );
                }
                Some(Broker::Amqp(endpoint))
            }
            Ok(Protocol::Http(url, vhost)) => Some(Broker::Management {
                endpoint: management::Endpoint { unsafe_ssl, timeout: timeout.unwrap_or(HTTP_TIMEOUT), url },
                vhost,
                exclude_unacknowledged,
            }),
        };
        reader.finish()?;
        match broker {
            Some(broker) => Ok(Self { queue, target, activation_value, broker }),
            None => Err(ConfigError::new("no broker given")),
        }
    }
}

/// `mode` and `value`, or the deprecated `queueLength` alone, or neither.
fn target(reader: &mut Reader<'_>) -> f64 {
    let mode = reader.text("mode", &[Meta]);
    let value = reader.number("value", &[Meta]);
    let queue_length = reader.number("queueLength", &[Meta]);
    let given = match (mode, value, queue_length) {
        (None, None, None) => return DEFAULT_QUEUE_LENGTH,
        (None, None, Some(queue_length)) => ("queueLength", queue_length),
        (_, _, Some(_)) => {
            reader.problem_with_cure("queueLength is deprecated; configure only mode and value", "drop queueLength");
            return DEFAULT_QUEUE_LENGTH;
        }
        (None, Some(_), None) => {
            reader.problem_with_cure("mode must be specified", "give mode: QueueLength beside value");
            return DEFAULT_QUEUE_LENGTH;
        }
        (Some(mode), value, None) => {
            match mode {
                "QueueLength" => {}
                "MessageRate" | "DeliverGetRate" | "PublishedToDeliveredRatio" | "ExpectedQueueConsumptionTime" => {
                    reader.problem(format!("mode {mode} is not supported yet; the mode is QueueLength"));
                }
                _ => reader.problem(format!(
                    "trigger mode {mode} must be one of QueueLength, MessageRate, DeliverGetRate, PublishedToDeliveredRatio, ExpectedQueueConsumptionTime"
                )),
            }
            let Some(value) = value else {
                reader.problem_with_cure("value must be specified", "give the number of messages a replica is to bear");
                return DEFAULT_QUEUE_LENGTH;
            };
            ("value", value)
        }
    };
    let (key, target) = given;
    if target <= 0.0 {
        reader.problem(format!("{key} must be greater than 0, got {target}"));
    }
    target
}

fn credentials<'a>(reader: &mut Reader<'a>) -> Option<(&'a str, &'a str)> {
    match (reader.text("username", &[Auth, Env]), reader.text("password", &[Auth, Env])) {
        (None, None) => None,
        (Some(username), Some(password)) => Some((username, password)),
        (username, _) => {
            let (given, missing) = if username.is_some() { ("username", "password") } else { ("password", "username") };
            reader.problem_with_cure(
                "both username and password must be given",
                format!("{given} is given and {missing} is not"),
            );
            None
        }
    }
}

/// `timeout`: a number of milliseconds or a duration such as `5s`.
fn timeout(reader: &mut Reader<'_>) -> Option<Duration> {
    let text = reader.text("timeout", &[Meta])?;
    let (number, unit_ms) = if let Some(number) = text.strip_suffix("ms") {
        (number, 1.0)
    } else if let Some(number) = text.strip_suffix('s') {
        (number, 1_000.0)
    } else if let Some(number) = text.strip_suffix('m') {
        (number, 60_000.0)
    } else {
        (text, 1.0)
    };
    let duration =
        number.parse::<f64>().ok().and_then(|number| Duration::try_from_secs_f64(number * unit_ms / 1e3).ok());
    let duration = duration.filter(|duration| !duration.is_zero());
    if duration.is_none() {
        reader.problem(format!(
            "unable to set param \"timeout\" value \"{text}\": it must be milliseconds or a duration such as 5s, above 0"
        ));
    }
    duration
}

fn refuse_what_is_not_there_yet(reader: &mut Reader<'_>) {
    for key in NOT_YET {
        if reader.text(key, &[Auth]).is_some() {
            reader.problem(format!("the parameter \"{key}\" of a rabbitmq trigger is not supported yet"));
        }
    }
    if reader.text("tls", &[Auth]).is_some_and(|tls| tls != "disable") {
        reader.problem("the parameter \"tls\" of a rabbitmq trigger is not supported yet");
    }
    if reader.flag("useRegex", &[Meta]) {
        reader.problem("useRegex is not supported yet; name one queue in each trigger");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(metadata: &[(&str, &str)], auth: &[(&str, &str)]) -> Result<Metadata, ConfigError> {
        let map = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
        };
        let mut metadata: std::collections::BTreeMap<String, String> = map(metadata);
        metadata.entry("queueName".into()).or_insert_with(|| "jobs".into());
        Metadata::read(&TriggerConfig {
            kind: "rabbitmq".into(),
            metadata,
            auth: map(auth),
            ..TriggerConfig::default()
        })
    }

    const AMQP: (&str, &str) = ("host", "amqp://u:p@h:5672/");
    const HTTP: (&str, &str) = ("host", "http://u:p@h:15672/tenant");

    #[test]
    fn the_target_is_what_mode_and_value_or_queue_length_say() {
        for (given, target) in
            [(vec![], 20.0), (vec![("queueLength", "5")], 5.0), (vec![("mode", "QueueLength"), ("value", "7.5")], 7.5)]
        {
            let metadata = read(&[given, vec![AMQP]].concat(), &[]).unwrap();
            assert!((metadata.target - target).abs() < f64::EPSILON);
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let long = "q".repeat(256);
        for (given, auth, text) in [
            (
                vec![],
                vec![],
                "missing required parameter \"host\" in [triggerMetadata authParams resolvedEnv]\nunknown host URL scheme: ``",
            ),
            (vec![AMQP, ("queueLength", "5"), ("mode", "QueueLength")], vec![], "queueLength is deprecated"),
            (vec![AMQP, ("value", "5")], vec![], "mode must be specified"),
            (vec![AMQP, ("mode", "QueueLength")], vec![], "value must be specified"),
            (vec![AMQP, ("mode", "QueueLength"), ("value", "0")], vec![], "value must be greater than 0"),
            (vec![AMQP, ("mode", "Depth"), ("value", "1")], vec![], "trigger mode Depth must be one of"),
            (vec![AMQP, ("excludeUnacknowledged", "true")], vec![], "excludeUnacknowledged=true can only"),
            (vec![AMQP, ("timeout", "5s")], vec![], "timeout can only"),
            (vec![HTTP, ("timeout", "soon")], vec![], "unable to set param \"timeout\""),
            (vec![HTTP], vec![("username", "u")], "both username and password"),
            (
                vec![HTTP],
                vec![("oauthTokenURI", "https://t")],
                "\"oauthTokenURI\" of a rabbitmq trigger is not supported yet",
            ),
            (vec![AMQP, ("queueName", long.as_str())], vec![], "queueName is longer than 255 bytes"),
            (vec![AMQP, ("vhostName", long.as_str())], vec![], "the virtual host is longer than 255 bytes"),
            (vec![("host", "ftp://h")], vec![], "unknown host URL scheme: `ftp`"),
            (vec![HTTP, ("protocol", "amqp")], vec![], "`http`"),
        ] {
            let error = read(&given, &auth).unwrap_err().to_string();
            assert!(error.contains(text), "{given:?}: {error}");
        }
    }

    #[test]
    fn credentials_from_an_authentication_take_the_place_of_those_in_the_address() {
        let metadata = read(&[AMQP], &[("username", "alice"), ("password", "s3cr:t@")]).unwrap();
        let Broker::Amqp(endpoint) = metadata.broker else { unreachable!("an amqp address") };
        assert_eq!(endpoint.broker(), "h:5672");
        assert!(!format!("{endpoint:?}").contains("s3cr"), "{endpoint:?}");
    }

    #[test]
    fn the_virtual_host_is_the_last_segment_of_the_address_unless_named() {
        for (given, vhost) in [
            (vec![HTTP], "tenant"),
            (vec![("host", "http://h:15672/a/b%2Fc")], "b/c"),
            (vec![("host", "http://h:15672")], "/"),
            (vec![("host", "http://h:15672/")], "/"),
            (vec![HTTP, ("vhostName", "other")], "other"),
        ] {
            let Broker::Management { vhost: found, .. } = read(&given, &[]).unwrap().broker else {
                unreachable!("an http address")
            };
            assert_eq!(found, vhost, "{given:?}");
        }
    }
}
