//! The parameters of `kafka` and `apache-kafka` triggers ([`declared`]) and the rules between them.
//!
//! Both kinds ask the same brokers the same questions; they differ in a few parameters and in the words of
//! their errors.

mod declared;
mod sasl;

use std::sync::Arc;

use super::endpoint::Endpoint;
use super::lag::{ResetPolicy, Rules};
use super::partitions::Partitions;
use super::protocol::Address;
use crate::net::tls::{GivenIdentity, Tls};
use crate::params::{ConfigError, ParamReader, TriggerConfig, is_placeholder};
pub(crate) use declared::{APACHE_KAFKA, KAFKA};
use sasl::sasl;

/// The longest name that a topic may have (Kafka's `Topic.MAX_NAME_LENGTH`).
const LONGEST_TOPIC: usize = 249;

/// The kind of the trigger: `kafka` or `apache-kafka`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flavor {
    Kafka,
    Apache,
}

/// The parameters of a trigger, read and checked.
#[derive(Debug)]
pub(super) struct Metadata {
    pub(super) endpoint: Endpoint,
    pub(super) group: Arc<str>,
    /// Empty for all topics that the group has committed to.
    pub(super) topics: Vec<String>,
    /// The topics as they are given, for the metric's name.
    named: String,
    pub(super) partitions: Partitions,
    pub(super) rules: Rules,
}

impl Metadata {
    pub(super) fn read(trigger: &TriggerConfig, flavor: Flavor) -> Result<Self, ConfigError> {
        let mut reader = ParamReader::new(
            trigger,
            match flavor {
                Flavor::Kafka => KAFKA,
                Flavor::Apache => APACHE_KAFKA,
            },
        );
        let brokers = brokers(&mut reader);
        let group = reader.required("consumerGroup");
        let mut topics = topics(&mut reader, flavor);
        let named = topics.join(",");
        let mut seen = std::collections::BTreeSet::new();
        topics.retain(|topic| seen.insert(topic.clone()));
        let partitions = partitions(&mut reader, topics.is_empty());
        let rules = rules(&mut reader, flavor, topics.is_empty());
        if flavor == Flavor::Kafka {
            check_what_has_no_effect(&mut reader, topics.is_empty());
        }
        let tls = tls(&mut reader, trigger, flavor);
        let sasl = sasl(&mut reader, trigger, flavor, tls.as_ref());
        reader.finish()?;
        Ok(Self { endpoint: Endpoint { brokers, tls, sasl }, group: group.into(), topics, named, partitions, rules })
    }

    /// The part of the metric's name that this kind of trigger chooses.
    pub(super) fn metric_part(&self) -> String {
        if self.topics.is_empty() { format!("kafka-{}-topics", self.group) } else { format!("kafka-{}", self.named) }
    }
}

/// `bootstrapServers`, separated by commas. An address that no broker can have is a problem.
fn brokers(reader: &mut ParamReader<'_>) -> String {
    let text = reader.required("bootstrapServers");
    let brokers = list(text);
    let shown = reader.shown("bootstrapServers", text);
    for broker in &brokers {
        if Address::parse(broker).is_ok() {
            continue;
        }
        let named = if shown == text { format!("{broker:?}") } else { shown.to_owned() };
        reader.problem_with_hint(
            format!("bootstrapServers: {named} is no broker"),
            if is_placeholder(broker) {
                "put the broker's host:port in the place of the placeholder"
            } else {
                "a broker is host:port, such as kafka.kafka.svc:9092; several are separated by commas"
            },
        );
    }
    if brokers.is_empty() && !text.is_empty() {
        reader.problem("bootstrapServers names no broker");
    }
    brokers.join(",")
}

/// The elements between commas, trimmed.
fn list(text: &str) -> Vec<&str> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty()).collect()
}

fn topics(reader: &mut ParamReader<'_>, flavor: Flavor) -> Vec<String> {
    let text = reader.text("topic").unwrap_or_default();
    let topics: Vec<String> = match flavor {
        Flavor::Kafka if text.is_empty() => Vec::new(),
        Flavor::Kafka => vec![text.to_owned()],
        Flavor::Apache => list(text).into_iter().map(ToOwned::to_owned).collect(),
    };
    let legal = |character: char| character.is_ascii_alphanumeric() || matches!(character, '.' | '_' | '-');
    for topic in &topics {
        if topic.len() > LONGEST_TOPIC || !topic.chars().all(legal) {
            reader.problem_with_hint(
                format!("topic {topic:?} is not a name that a Kafka topic can have"),
                match flavor {
                    Flavor::Kafka if topic.contains(',') => {
                        "a kafka trigger has one topic; type: apache-kafka takes a list, or give each topic a trigger"
                    }
                    _ => "names have up to 249 letters, digits, dots, underscores and dashes",
                },
            );
        }
    }
    topics
}

fn partitions(reader: &mut ParamReader<'_>, no_topic: bool) -> Partitions {
    let text = reader.text("partitionLimitation").unwrap_or_default();
    match Partitions::parse(text) {
        // Without a topic there is nothing that the numbers could belong to, so KEDA takes no notice of them.
        Ok(_) if no_topic => Partitions::default(),
        Ok(partitions) => partitions,
        Err(problem) => {
            reader.problem_with_hint(problem, "partitionLimitation is a list such as 1,2,10-20");
            Partitions::default()
        }
    }
}

fn rules(reader: &mut ParamReader<'_>, flavor: Flavor, no_topic: bool) -> Rules {
    let lag_threshold = reader.integer("lagThreshold");
    if lag_threshold.is_some_and(|threshold| threshold <= 0) {
        reader.problem(match flavor {
            Flavor::Kafka => "\"lagThreshold\" must be positive number",
            Flavor::Apache => "lagThreshold must be a positive number",
        });
    }
    let activation = reader.integer("activationLagThreshold");
    if activation.is_some_and(|threshold| threshold < 0) {
        reader.problem(match flavor {
            Flavor::Kafka => "\"activationLagThreshold\" must be a non-negative number",
            Flavor::Apache => "activationLagThreshold must be a positive number",
        });
    }
    let policies = match flavor {
        Flavor::Kafka => ["latest", "earliest"],
        Flavor::Apache => ["earliest", "latest"],
    };
    let rules = Rules {
        lag_threshold: lag_threshold.unwrap_or(10),
        activation_lag_threshold: activation.unwrap_or(0),
        reset_policy: match reader.one_of("offsetResetPolicy", &policies) {
            "earliest" => ResetPolicy::Earliest,
            _ => ResetPolicy::Latest,
        },
        allow_idle_consumers: reader.flag("allowIdleConsumers"),
        exclude_persistent_lag: reader.flag("excludePersistentLag"),
        scale_to_zero_on_invalid_offset: reader.flag("scaleToZeroOnInvalidOffset"),
        limit_to_partitions_with_lag: reader.flag("limitToPartitionsWithLag"),
        ensure_even_distribution: reader.flag("ensureEvenDistributionOfPartitions"),
    };
    if rules.allow_idle_consumers && rules.limit_to_partitions_with_lag {
        reader.problem("allowIdleConsumers and limitToPartitionsWithLag cannot be set simultaneously");
    }
    if no_topic && rules.limit_to_partitions_with_lag {
        reader.problem("topic must be specified when using limitToPartitionsWithLag");
    }
    if rules.limit_to_partitions_with_lag && rules.ensure_even_distribution {
        reader.problem("limitToPartitionsWithLag and ensureEvenDistributionOfPartitions cannot be set simultaneously");
    }
    if no_topic && rules.ensure_even_distribution {
        reader.problem("topic must be specified when using ensureEvenDistributionOfPartitions");
    }
    rules
}

/// `version` and `fullMetadata` configure KEDA's client library. They are checked as KEDA checks them, and have no
/// effect: Ebb's requests have versions that every broker knows, and metadata is fetched for topics in use only.
fn check_what_has_no_effect(reader: &mut ParamReader<'_>, no_topic: bool) {
    if let Some(version) = reader.text("version") {
        let parts: Vec<_> = version.split('.').collect();
        let wanted = if version.starts_with("0.") { 4 } else { 3 };
        let number = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if parts.len() != wanted || !parts.iter().all(number) {
            reader.problem_with_hint(
                format!("error parsing kafka version: invalid version `{version}`"),
                "drop version: Ebb needs none",
            );
        }
    }
    let given = reader.text("fullMetadata").is_some();
    if given && !reader.flag("fullMetadata") && no_topic {
        reader.problem("topic must be specified when fullMetadata is false");
    }
}

/// `apache-kafka` wants `key` from one place only.
fn refuse_twice(reader: &mut ParamReader<'_>, trigger: &TriggerConfig, flavor: Flavor, key: &str) {
    let given = |map: &std::collections::BTreeMap<String, String>| map.get(key).is_some_and(|value| !value.is_empty());
    if flavor == Flavor::Apache && given(&trigger.metadata) && given(&trigger.auth) {
        reader.problem(format!("unable to set `{key}` in both ScaledObject and TriggerAuthentication together"));
    }
}

fn tls(reader: &mut ParamReader<'_>, trigger: &TriggerConfig, flavor: Flavor) -> Option<Tls> {
    refuse_twice(reader, trigger, flavor, "tls");
    let enabled = reader.one_of("tls", &["enable", "disable"]) == "enable";
    let unsafe_ssl = flavor == Flavor::Kafka && reader.flag("unsafeSsl");
    let own = |key: &str| reader.text(key).map(ToOwned::to_owned);
    let (ca, cert, key, key_password) = (own("ca"), own("cert"), own("key"), own("keyPassword"));
    if !enabled {
        return None;
    }
    let identity = match (cert, key) {
        (None, None) => None,
        (Some(cert), Some(key)) => Some((cert, key)),
        (cert, _) => {
            reader.problem(match (flavor, cert) {
                (Flavor::Kafka, Some(_)) => "key must be provided with cert",
                (Flavor::Kafka, None) => "cert must be provided with key",
                (Flavor::Apache, _) => "can't set only one of cert or key when using TLS",
            });
            return None;
        }
    };
    let given = identity.as_ref().map(|(cert, key)| GivenIdentity { cert, key, key_password: key_password.as_deref() });
    let tls = Tls::new(ca.as_deref(), given, unsafe_ssl).map_err(|problem| reader.problem(problem));
    // Without `tls`, too, the rest is read as its parameters.
    Some(tls.unwrap_or_default())
}

#[cfg(test)]
mod tests;
