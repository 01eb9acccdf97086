//! The parameters of `kafka` and `apache-kafka` triggers and the rules between them.
//!
//! Both kinds ask the same brokers the same questions; they differ in a few parameters and in the words of their errors.

use std::sync::Arc;

use super::endpoint::{Endpoint, Mechanism, Sasl};
use super::lag::{ResetPolicy, Rules};
use super::partitions::Partitions;
use crate::config::Source::{Auth, Env, Metadata as Meta};
use crate::config::{ConfigError, Key, Reader, TriggerConfig};
use crate::oauth::{Account, ClientCredentials};
use crate::tls::{GivenIdentity, Tls};

/// What a `kafka` trigger reads.
pub(crate) const KAFKA_KEYS: &[Key] = &[
    Key::required("bootstrapServers", &[Meta, Env]),
    Key::required("consumerGroup", &[Meta, Env]),
    Key::optional("topic", &[Meta, Env]),
    Key::default("lagThreshold", &[Meta], "10"),
    Key::default("activationLagThreshold", &[Meta], "0"),
    Key::default("offsetResetPolicy", &[Meta], "latest"),
    Key::optional("partitionLimitation", &[Meta]),
    Key::default("allowIdleConsumers", &[Meta], "false"),
    Key::default("excludePersistentLag", &[Meta], "false"),
    Key::default("scaleToZeroOnInvalidOffset", &[Meta], "false"),
    Key::default("limitToPartitionsWithLag", &[Meta], "false"),
    Key::default("ensureEvenDistributionOfPartitions", &[Meta], "false"),
    Key::default("version", &[Meta], "1.0.0"),
    Key::default("fullMetadata", &[Meta], "true"),
    Key::default("tls", &[Meta, Auth], "disable"),
    Key::default("unsafeSsl", &[Meta], "false"),
    Key::optional("ca", &[Auth]),
    Key::optional("cert", &[Auth]),
    Key::optional("key", &[Auth]),
    Key::optional("keyPassword", &[Auth]),
    Key::default("sasl", &[Meta, Auth], "none"),
    Key::optional("username", &[Auth]),
    Key::optional("password", &[Auth]),
    Key::default("saslTokenProvider", &[Meta, Auth], "bearer"),
    Key::optional("scopes", &[Auth]),
    Key::optional("oauthTokenEndpointUri", &[Auth]),
    Key::optional("oauthExtensions", &[Auth]),
    Key::optional("keytab", &[Auth]),
    Key::optional("realm", &[Auth]),
    Key::optional("kerberosConfig", &[Auth]),
    Key::optional("kerberosServiceName", &[Auth]),
    Key::default("kerberosDisableFAST", &[Auth], "false"),
    Key::optional("awsRegion", &[Meta]),
];

/// What an `apache-kafka` trigger reads.
pub(crate) const APACHE_KAFKA_KEYS: &[Key] = &[
    Key::required("bootstrapServers", &[Meta, Env]),
    Key::required("consumerGroup", &[Meta, Env]),
    Key::optional("topic", &[Meta, Env]),
    Key::default("lagThreshold", &[Meta], "10"),
    Key::default("activationLagThreshold", &[Meta], "0"),
    Key::default("offsetResetPolicy", &[Meta], "latest"),
    Key::optional("partitionLimitation", &[Meta]),
    Key::default("allowIdleConsumers", &[Meta], "false"),
    Key::default("excludePersistentLag", &[Meta], "false"),
    Key::default("scaleToZeroOnInvalidOffset", &[Meta], "false"),
    Key::default("limitToPartitionsWithLag", &[Meta], "false"),
    Key::default("ensureEvenDistributionOfPartitions", &[Meta], "false"),
    Key::default("tls", &[Meta, Auth], "disable"),
    Key::optional("ca", &[Auth]),
    Key::optional("cert", &[Auth]),
    Key::optional("key", &[Auth]),
    Key::optional("keyPassword", &[Auth]),
    Key::default("sasl", &[Meta, Auth], "none"),
    Key::optional("username", &[Auth]),
    Key::optional("password", &[Auth]),
    Key::optional("awsRegion", &[Meta]),
];

/// The longest name that a topic may have (Kafka's `Topic.MAX_NAME_LENGTH`).
const LONGEST_TOPIC: usize = 249;

/// Which of the two kinds a trigger is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flavor {
    Kafka,
    Apache,
}

/// What a trigger asks for.
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
        let mut reader = Reader::new(trigger);
        let brokers = list(reader.required("bootstrapServers", &[Meta, Env])).join(",");
        let group = reader.required("consumerGroup", &[Meta, Env]);
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

/// What is between commas, trimmed.
fn list(text: &str) -> Vec<&str> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty()).collect()
}

fn topics(reader: &mut Reader<'_>, flavor: Flavor) -> Vec<String> {
    let text = reader.text("topic", &[Meta, Env]).unwrap_or_default();
    let topics: Vec<String> = match flavor {
        Flavor::Kafka if text.is_empty() => Vec::new(),
        Flavor::Kafka => vec![text.to_owned()],
        Flavor::Apache => list(text).into_iter().map(ToOwned::to_owned).collect(),
    };
    let legal = |character: char| character.is_ascii_alphanumeric() || matches!(character, '.' | '_' | '-');
    for topic in &topics {
        if topic.len() > LONGEST_TOPIC || !topic.chars().all(legal) {
            reader.problem_with_cure(
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

fn partitions(reader: &mut Reader<'_>, no_topic: bool) -> Partitions {
    let text = reader.text("partitionLimitation", &[Meta]).unwrap_or_default();
    match Partitions::parse(text) {
        // Without a topic there is nothing that the numbers could belong to, so KEDA takes no notice of them.
        Ok(_) if no_topic => Partitions::default(),
        Ok(partitions) => partitions,
        Err(problem) => {
            reader.problem_with_cure(problem, "partitionLimitation is a list such as 1,2,10-20");
            Partitions::default()
        }
    }
}

fn rules(reader: &mut Reader<'_>, flavor: Flavor, no_topic: bool) -> Rules {
    let lag_threshold = reader.integer("lagThreshold", &[Meta]);
    if lag_threshold.is_some_and(|threshold| threshold <= 0) {
        reader.problem(match flavor {
            Flavor::Kafka => "\"lagThreshold\" must be positive number",
            Flavor::Apache => "lagThreshold must be a positive number",
        });
    }
    let activation = reader.integer("activationLagThreshold", &[Meta]);
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
        reset_policy: match reader.one_of("offsetResetPolicy", &[Meta], &policies, "latest") {
            "earliest" => ResetPolicy::Earliest,
            _ => ResetPolicy::Latest,
        },
        allow_idle_consumers: reader.flag("allowIdleConsumers", &[Meta]),
        exclude_persistent_lag: reader.flag("excludePersistentLag", &[Meta]),
        scale_to_zero_on_invalid_offset: reader.flag("scaleToZeroOnInvalidOffset", &[Meta]),
        limit_to_partitions_with_lag: reader.flag("limitToPartitionsWithLag", &[Meta]),
        ensure_even_distribution: reader.flag("ensureEvenDistributionOfPartitions", &[Meta]),
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

/// `version` and `fullMetadata` steer KEDA's client library. They are checked as KEDA checks them, and have no effect:
/// every broker speaks what is asked of it, and metadata is fetched for the topics in use only.
fn check_what_has_no_effect(reader: &mut Reader<'_>, no_topic: bool) {
    if let Some(version) = reader.text("version", &[Meta]) {
        let parts: Vec<_> = version.split('.').collect();
        let wanted = if version.starts_with("0.") { 4 } else { 3 };
        let number = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if parts.len() != wanted || !parts.iter().all(number) {
            reader.problem_with_cure(
                format!("error parsing kafka version: invalid version `{version}`"),
                "drop version: Ebb needs none",
            );
        }
    }
    let given = reader.text("fullMetadata", &[Meta]).is_some();
    if given && !reader.flag("fullMetadata", &[Meta]) && no_topic {
        reader.problem("topic must be specified when fullMetadata is false");
    }
}

/// `apache-kafka` wants `key` from one place only.
fn refuse_twice(reader: &mut Reader<'_>, trigger: &TriggerConfig, flavor: Flavor, key: &str) {
    let given = |map: &std::collections::BTreeMap<String, String>| map.get(key).is_some_and(|value| !value.is_empty());
    if flavor == Flavor::Apache && given(&trigger.metadata) && given(&trigger.auth) {
        reader.problem(format!("unable to set `{key}` in both ScaledObject and TriggerAuthentication together"));
    }
}

fn tls(reader: &mut Reader<'_>, trigger: &TriggerConfig, flavor: Flavor) -> Option<Tls> {
    refuse_twice(reader, trigger, flavor, "tls");
    let words = ["enable", "disable"];
    let enabled = reader.one_of("tls", &[Meta, Auth], &words, "disable") == "enable";
    let unsafe_ssl = flavor == Flavor::Kafka && reader.flag("unsafeSsl", &[Meta]);
    let own = |key: &str| reader.text(key, &[Auth]).map(ToOwned::to_owned);
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
    // Without it, too, the rest is read as what belongs to TLS.
    Some(tls.unwrap_or_default())
}

fn sasl(reader: &mut Reader<'_>, trigger: &TriggerConfig, flavor: Flavor, tls: Option<&Tls>) -> Option<Sasl> {
    refuse_twice(reader, trigger, flavor, "sasl");
    let words: &[&str] = match flavor {
        Flavor::Kafka => &["none", "plaintext", "scram_sha256", "scram_sha512", "oauthbearer", "gssapi"],
        Flavor::Apache => &["none", "plaintext", "scram_sha256", "scram_sha512", "gssapi", "aws_msk_iam"],
    };
    match reader.one_of("sasl", &[Meta, Auth], words, "none") {
        "plaintext" => password(reader, flavor, Mechanism::Plain),
        "scram_sha256" => password(reader, flavor, Mechanism::ScramSha256),
        "scram_sha512" => password(reader, flavor, Mechanism::ScramSha512),
        "oauthbearer" => oauthbearer(reader, tls),
        "aws_msk_iam" => {
            if reader.text("awsRegion", &[Meta]).is_none() {
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

fn not_yet(reader: &mut Reader<'_>, provider: &str) {
    reader.problem_with_cure(
        format!("{provider} is not supported yet"),
        "the ways to be let in are sasl: plaintext, scram_sha256, scram_sha512, oauthbearer with saslTokenProvider: bearer, and client certificates",
    );
}

fn password(reader: &mut Reader<'_>, flavor: Flavor, mechanism: Mechanism) -> Option<Sasl> {
    let username = reader.text("username", &[Auth]);
    let password = reader.text("password", &[Auth]);
    if let (Some(username), Some(password)) = (username, password) {
        return Some(Sasl::Password { mechanism, username: username.to_owned(), password: password.to_owned() });
    }
    let cure = "give username and password through a TriggerAuthentication";
    match flavor {
        Flavor::Apache => {
            reader.problem_with_cure("username and password must be set when using SASL/PLAINTEXT", cure);
        }
        Flavor::Kafka if username.is_none() => reader.problem_with_cure("no username given", cure),
        Flavor::Kafka => reader.problem_with_cure("no password given", cure),
    }
    None
}

fn oauthbearer(reader: &mut Reader<'_>, tls: Option<&Tls>) -> Option<Sasl> {
    const CONTEXT: &str = "error parsing OAuth token provider configuration: ";
    if reader.one_of("saslTokenProvider", &[Meta, Auth], &["bearer", "aws_msk_iam"], "bearer") == "aws_msk_iam" {
        if tls.is_none() {
            reader.problem(format!("{CONTEXT}TLS is required for AWS MSK authentication"));
        }
        if reader.text("awsRegion", &[Meta]).is_none() {
            reader.problem(format!("{CONTEXT}no awsRegion given"));
        }
        not_yet(reader, "saslTokenProvider: aws_msk_iam (AWS MSK IAM)");
        return None;
    }
    let mut wanted = |key: &str, missing: &str| {
        let value = reader.text(key, &[Auth]);
        if value.is_none() {
            reader.problem_with_cure(
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
    let scopes = list(reader.text("scopes", &[Auth]).unwrap_or_default()).into_iter().map(ToOwned::to_owned).collect();
    let mut extensions = Vec::new();
    for extension in list(reader.text("oauthExtensions", &[Auth]).unwrap_or_default()) {
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

fn check_gssapi(reader: &mut Reader<'_>) {
    // Any name of a service will do.
    let _ = reader.text("kerberosServiceName", &[Auth]);
    let _ = reader.flag("kerberosDisableFAST", &[Auth]);
    if reader.text("username", &[Auth]).is_none() {
        reader.problem("no username given");
    }
    if reader.text("password", &[Auth]).is_some() == reader.text("keytab", &[Auth]).is_some() {
        reader.problem("exactly one of 'password' or 'keytab' must be provided for GSSAPI authentication");
    }
    if reader.text("realm", &[Auth]).is_none() {
        reader.problem("no realm given");
    }
    if reader.text("kerberosConfig", &[Auth]).is_none() {
        reader.problem("no Kerberos configuration file (kerberosConfig) given");
    }
}

#[cfg(test)]
mod tests {
    use super::Flavor::{Apache, Kafka};
    use super::*;

    type Pairs = &'static [(&'static str, &'static str)];

    fn trigger(flavor: Flavor, metadata: Pairs, auth: Pairs) -> TriggerConfig {
        let map = |pairs: Pairs| pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        TriggerConfig {
            kind: if flavor == Kafka { "kafka" } else { "apache-kafka" }.into(),
            metadata: map(metadata),
            auth: map(auth),
            ..TriggerConfig::default()
        }
    }

    /// With the parameters that are always needed.
    fn read(flavor: Flavor, metadata: Pairs, auth: Pairs) -> Result<Metadata, ConfigError> {
        let mut config = trigger(flavor, metadata, auth);
        for (key, value) in [("bootstrapServers", "a:9092, b:9092"), ("consumerGroup", "g"), ("topic", "orders")] {
            config.metadata.entry(key.to_owned()).or_insert_with(|| value.to_owned());
        }
        Metadata::read(&config, flavor)
    }

    #[test]
    fn defaults_are_kedas() {
        for flavor in [Kafka, Apache] {
            let metadata = read(flavor, &[], &[]).unwrap();
            assert_eq!(metadata.rules, Rules { lag_threshold: 10, ..Rules::default() });
            assert_eq!(metadata.endpoint.brokers, "a:9092,b:9092");
            assert_eq!(metadata.topics, ["orders"]);
            assert!(metadata.endpoint.tls.is_none() && metadata.endpoint.sasl.is_none());
        }
    }

    #[test]
    fn metric_names_are_kedas() {
        assert_eq!(read(Kafka, &[], &[]).unwrap().metric_part(), "kafka-orders");
        assert_eq!(read(Kafka, &[("topic", "")], &[]).unwrap().metric_part(), "kafka-g-topics");
        assert_eq!(read(Apache, &[("topic", "a, b,a")], &[]).unwrap().metric_part(), "kafka-a,b,a");
        assert_eq!(read(Apache, &[("topic", " ")], &[]).unwrap().metric_part(), "kafka-g-topics");
    }

    #[test]
    fn without_a_topic_partitions_are_not_limited() {
        let metadata = read(Kafka, &[("topic", ""), ("partitionLimitation", "1")], &[]).unwrap();
        assert_eq!(metadata.partitions, Partitions::default());
    }

    #[test]
    fn every_way_to_be_let_in() {
        let login: Pairs = &[("username", "u"), ("password", "p")];
        for (word, mechanism) in [
            ("plaintext", Mechanism::Plain),
            ("scram_sha256", Mechanism::ScramSha256),
            ("scram_sha512", Mechanism::ScramSha512),
        ] {
            for flavor in [Kafka, Apache] {
                let mut config = trigger(flavor, &[("bootstrapServers", "a"), ("consumerGroup", "g")], login);
                config.metadata.insert("sasl".into(), word.into());
                let sasl = Metadata::read(&config, flavor).unwrap().endpoint.sasl;
                assert!(matches!(sasl, Some(Sasl::Password { mechanism: found, .. }) if found == mechanism), "{word}");
            }
        }
        let bearer: Pairs = &[
            ("sasl", "oauthbearer"),
            ("username", "u"),
            ("password", "p"),
            ("oauthTokenEndpointUri", "https://idp/token"),
            ("scopes", "a, b"),
            ("oauthExtensions", "logicalCluster=lkc,x=y"),
        ];
        let Some(Sasl::Bearer { account, extensions }) = read(Kafka, &[], bearer).unwrap().endpoint.sasl else {
            panic!("no bearer")
        };
        assert_eq!(account.credentials.scopes, ["a", "b"]);
        assert_eq!(extensions, [("logicalCluster".into(), "lkc".into()), ("x".into(), "y".into())]);
    }

    #[test]
    fn what_has_no_effect_is_checked_all_the_same() {
        for version in ["1.0.0", "2.5.0", "0.10.2.1"] {
            let mut config = trigger(Kafka, &[("bootstrapServers", "a"), ("consumerGroup", "g")], &[]);
            config.metadata.insert("version".into(), version.into());
            assert!(Metadata::read(&config, Kafka).is_ok(), "{version}");
        }
        assert!(read(Kafka, &[("fullMetadata", "false")], &[]).is_ok());
    }

    /// The kind, its metadata, its authentication, and KEDA's words.
    const ERRORS: &[(Flavor, Pairs, Pairs, &str)] = &[
        (
            Kafka,
            &[("bootstrapServers", "")],
            &[],
            "missing required parameter \"bootstrapServers\" in [triggerMetadata resolvedEnv]",
        ),
        (
            Kafka,
            &[("consumerGroup", "")],
            &[],
            "missing required parameter \"consumerGroup\" in [triggerMetadata resolvedEnv]",
        ),
        (Kafka, &[("lagThreshold", "0")], &[], "\"lagThreshold\" must be positive number"),
        (Apache, &[("lagThreshold", "-1")], &[], "lagThreshold must be a positive number"),
        (
            Kafka,
            &[("lagThreshold", "aa")],
            &[],
            "unable to set param \"lagThreshold\" value \"aa\": it must be a whole number such as 5",
        ),
        (Kafka, &[("activationLagThreshold", "-1")], &[], "\"activationLagThreshold\" must be a non-negative number"),
        (Apache, &[("activationLagThreshold", "-1")], &[], "activationLagThreshold must be a positive number"),
        (
            Kafka,
            &[("offsetResetPolicy", "foo")],
            &[],
            "parameter \"offsetResetPolicy\" value \"foo\" must be one of [latest earliest]",
        ),
        (
            Apache,
            &[("offsetResetPolicy", "foo")],
            &[],
            "parameter \"offsetResetPolicy\" value \"foo\" must be one of [earliest latest]",
        ),
        (Kafka, &[("partitionLimitation", "1-2-3")], &[], "invalid partition limitation range: 1-2-3"),
        (Kafka, &[("partitionLimitation", "x")], &[], "invalid partition limitation: x"),
        (
            Kafka,
            &[("allowIdleConsumers", "true"), ("limitToPartitionsWithLag", "true")],
            &[],
            "allowIdleConsumers and limitToPartitionsWithLag cannot be set simultaneously",
        ),
        (
            Apache,
            &[("allowIdleConsumers", "true"), ("limitToPartitionsWithLag", "true")],
            &[],
            "allowIdleConsumers and limitToPartitionsWithLag cannot be set simultaneously",
        ),
        (
            Kafka,
            &[("topic", ""), ("limitToPartitionsWithLag", "true")],
            &[],
            "topic must be specified when using limitToPartitionsWithLag",
        ),
        (
            Kafka,
            &[("limitToPartitionsWithLag", "true"), ("ensureEvenDistributionOfPartitions", "true")],
            &[],
            "limitToPartitionsWithLag and ensureEvenDistributionOfPartitions cannot be set simultaneously",
        ),
        (
            Kafka,
            &[("topic", ""), ("ensureEvenDistributionOfPartitions", "true")],
            &[],
            "topic must be specified when using ensureEvenDistributionOfPartitions",
        ),
        (Kafka, &[("topic", ""), ("fullMetadata", "false")], &[], "topic must be specified when fullMetadata is false"),
        (Kafka, &[("version", "1.2")], &[], "error parsing kafka version: invalid version `1.2`"),
        (Kafka, &[("version", "0.1.2")], &[], "error parsing kafka version: invalid version `0.1.2`"),
        (Kafka, &[("tls", "yes")], &[], "parameter \"tls\" value \"yes\" must be one of [enable disable]"),
        (Kafka, &[("tls", "enable")], &[("cert", "c")], "key must be provided with cert"),
        (Kafka, &[("tls", "enable")], &[("key", "k")], "cert must be provided with key"),
        (Apache, &[("tls", "enable")], &[("key", "k")], "can't set only one of cert or key when using TLS"),
        (Kafka, &[("tls", "enable")], &[("ca", "ceeay")], "ca holds no certificate in PEM form (BEGIN CERTIFICATE)"),
        (
            Apache,
            &[("tls", "enable")],
            &[("tls", "enable")],
            "unable to set `tls` in both ScaledObject and TriggerAuthentication together",
        ),
        (
            Apache,
            &[("sasl", "none")],
            &[("sasl", "none")],
            "unable to set `sasl` in both ScaledObject and TriggerAuthentication together",
        ),
        (
            Kafka,
            &[("sasl", "foo")],
            &[],
            "parameter \"sasl\" value \"foo\" must be one of [none plaintext scram_sha256 scram_sha512 oauthbearer gssapi]",
        ),
        (
            Apache,
            &[("sasl", "oauthbearer")],
            &[],
            "parameter \"sasl\" value \"oauthbearer\" must be one of [none plaintext scram_sha256 scram_sha512 gssapi aws_msk_iam]",
        ),
        (Kafka, &[("sasl", "plaintext")], &[("password", "p")], "no username given"),
        (Kafka, &[("sasl", "scram_sha512")], &[("username", "u")], "no password given"),
        (
            Apache,
            &[("sasl", "plaintext")],
            &[("username", "u")],
            "username and password must be set when using SASL/PLAINTEXT",
        ),
        (
            Apache,
            &[("sasl", "aws_msk_iam"), ("tls", "enable")],
            &[],
            "awsRegion must be set when using AWS MSK IAM\nsasl: aws_msk_iam (AWS MSK IAM) is not supported yet",
        ),
        (
            Apache,
            &[("sasl", "aws_msk_iam"), ("awsRegion", "r")],
            &[],
            "TLS must be enabled when using AWS MSK IAM\nsasl: aws_msk_iam (AWS MSK IAM) is not supported yet",
        ),
        (Apache, &[("sasl", "gssapi")], &[], "err sasl type \"gssapi\" given"),
        (
            Kafka,
            &[("sasl", "gssapi")],
            &[("password", "p"), ("keytab", "k"), ("realm", "r"), ("kerberosConfig", "c"), ("username", "u")],
            "exactly one of 'password' or 'keytab' must be provided for GSSAPI authentication\nsasl: gssapi (Kerberos) is not supported yet",
        ),
        (
            Kafka,
            &[("sasl", "gssapi")],
            &[("password", "p"), ("username", "u")],
            "no realm given\nno Kerberos configuration file (kerberosConfig) given\nsasl: gssapi (Kerberos) is not supported yet",
        ),
        (
            Kafka,
            &[("sasl", "gssapi")],
            &[("password", "p"), ("realm", "r"), ("kerberosConfig", "c")],
            "no username given\nsasl: gssapi (Kerberos) is not supported yet",
        ),
        (Kafka, &[("topic", "a,b")], &[], "topic \"a,b\" is not a name that a Kafka topic can have"),
    ];

    #[test]
    fn errors_read_as_kedas_do() {
        let oauth = "error parsing OAuth token provider configuration: ";
        for (flavor, metadata, auth, text) in ERRORS {
            let error = read(*flavor, metadata, auth).unwrap_err();
            assert_eq!(error.to_string(), *text, "{flavor:?} {metadata:?} {auth:?}");
        }
        let bearer: &[(Pairs, &str)] = &[
            (&[("password", "p"), ("oauthTokenEndpointUri", "http://t")], "no username given"),
            (&[("username", "u"), ("oauthTokenEndpointUri", "http://t")], "no password given"),
            (&[("username", "u"), ("password", "p")], "no oauth token endpoint uri given"),
            (
                &[
                    ("username", "u"),
                    ("password", "p"),
                    ("oauthTokenEndpointUri", "http://t"),
                    ("oauthExtensions", "a"),
                ],
                "invalid OAuthBearer extension, must be of format key=value",
            ),
            (&[("saslTokenProvider", "aws_msk_iam")], "TLS is required for AWS MSK authentication"),
        ];
        for (auth, text) in bearer {
            let error = read(Kafka, &[("sasl", "oauthbearer")], auth).unwrap_err().to_string();
            assert_eq!(error.lines().next(), Some(format!("{oauth}{text}").as_str()), "{auth:?}");
        }
        let error =
            read(Kafka, &[("sasl", "oauthbearer"), ("saslTokenProvider", "aws_msk_iam"), ("tls", "enable")], &[]);
        let error = error.unwrap_err().to_string();
        assert_eq!(
            error,
            format!("{oauth}no awsRegion given\nsaslTokenProvider: aws_msk_iam (AWS MSK IAM) is not supported yet")
        );
    }

    #[test]
    fn errors_never_hold_a_secret() {
        let auth: Pairs =
            &[("sasl", "plaintext"), ("password", "hunter2"), ("key", "hunter2"), ("keyPassword", "hunter2")];
        let error = read(Kafka, &[("tls", "enable")], auth).unwrap_err();
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    }
}
