//! What a trigger is, and every kind of it.
//!
//! Owns: the [`Scaler`] contract, the reading of a trigger's parameters ([`config`]), the connections that all
//! triggers share ([`broker`]) and one module for each kind. Must not touch: Kubernetes. Whatever a scaler needs
//! from the cluster has been fetched into its [`TriggerConfig`] before it is built.

mod body;
pub mod broker;
pub mod budget;
pub mod config;
pub mod cron;
pub mod exchange;
pub mod go;
pub mod kafka;
mod metric_name;
pub mod oauth;
pub mod outbound;
pub mod peer;
pub mod rabbitmq;
mod scaler;
pub mod tls;

pub use config::{ConfigError, Key, TriggerConfig};
pub use metric_name::{form_encode, metric_name};
pub use outbound::Outbound;
pub use scaler::{MetricSpec, MetricType, ReadError, Reading, Scaler};

use broker::Brokers;

/// The types of trigger whose metrics the HPA reads by itself, from the pods. No scaler is built for them.
pub const RESOURCE_KINDS: [&str; 2] = ["cpu", "memory"];

type Build = fn(&TriggerConfig, &Brokers) -> Result<Box<dyn Scaler>, ConfigError>;
type Unused = fn(&TriggerConfig, &dyn Fn(&str) -> bool) -> Option<(String, String)>;

/// One kind of trigger: the word after `type:` in a ScaledObject.
#[derive(Debug)]
pub struct Kind {
    /// The trigger's `type`.
    pub name: &'static str,
    /// The name that KEDA's metrics give to an unnamed trigger of this kind (label `scaler`).
    pub scaler_label: &'static str,
    /// Every parameter that it reads.
    pub keys: &'static [Key],
    build: Build,
    unused: Unused,
}

/// Every kind of trigger, sorted by name.
pub const KINDS: &[Kind] = &[
    Kind {
        name: "apache-kafka",
        scaler_label: "apacheKafkaScaler",
        keys: kafka::APACHE_KAFKA_KEYS,
        build: kafka::build_apache_kafka,
        unused: kafka::unused_credentials,
    },
    Kind { name: "cron", scaler_label: "cronScaler", keys: cron::KEYS, build: cron::build, unused: |_, _| None },
    Kind {
        name: "kafka",
        scaler_label: "kafkaScaler",
        keys: kafka::KAFKA_KEYS,
        build: kafka::build_kafka,
        unused: kafka::unused_credentials,
    },
    Kind {
        name: "rabbitmq",
        scaler_label: "rabbitMQScaler",
        keys: rabbitmq::KEYS,
        build: rabbitmq::build,
        unused: |_, _| None,
    },
];

impl Kind {
    /// Credentials that `trigger` is given and does not use, and how to have them used. `is_given` says whether the
    /// trigger's authentication gives a parameter.
    pub fn unused_credentials(
        &self,
        trigger: &TriggerConfig,
        is_given: &dyn Fn(&str) -> bool,
    ) -> Option<(String, String)> {
        (self.unused)(trigger, is_given)
    }
}

/// The kind called `name`, if Ebb has it.
pub fn kind(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.name == name)
}

/// Builds the scaler of one trigger. Does no I/O: a scaler connects when it is first read.
///
/// # Errors
/// All that is wrong with the trigger's parameters, with KEDA's texts and a cure where one is known.
pub fn build(trigger: &TriggerConfig, brokers: &Brokers) -> Result<Box<dyn Scaler>, ConfigError> {
    match kind(&trigger.kind) {
        Some(kind) => (kind.build)(trigger, brokers),
        None => Err(ConfigError::new(format!("no scaler found for type: {}", trigger.kind)).cure(format!(
            "trigger {} has type {:?}; the types are {}",
            trigger.index,
            trigger.kind,
            KINDS.iter().map(|kind| kind.name).chain(RESOURCE_KINDS).collect::<Vec<_>>().join(", ")
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_sorted_so_that_a_new_one_has_one_place() {
        assert!(KINDS.is_sorted_by_key(|kind| kind.name));
    }

    #[test]
    fn a_kind_declares_each_parameter_once() {
        for kind in KINDS {
            let mut names: Vec<_> = kind.keys.iter().map(|key| key.name).collect();
            names.sort_unstable();
            let declared = names.len();
            names.dedup();
            assert_eq!(names.len(), declared, "{}", kind.name);
            assert!(kind.keys.iter().all(|key| !key.sources.is_empty()), "{}", kind.name);
        }
    }

    #[test]
    fn an_unknown_type_is_named_with_the_types_there_are() {
        let trigger = TriggerConfig { index: 1, kind: "rabitmq".into(), ..TriggerConfig::default() };
        let error = build(&trigger, &Brokers::default()).err().unwrap();
        assert_eq!(error.to_string(), "no scaler found for type: rabitmq");
        assert_eq!(
            error.cures(),
            ["trigger 1 has type \"rabitmq\"; the types are apache-kafka, cron, kafka, rabbitmq, cpu, memory"]
        );
    }
}
