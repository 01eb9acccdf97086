use super::Flavor::{Apache, Kafka};
use super::*;
use crate::kafka::endpoint::{Mechanism, Sasl};

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
    (
        Kafka,
        &[("bootstrapServers", "kafka.<your-namespace>.svc:9092")],
        &[],
        "bootstrapServers: \"kafka.<your-namespace>.svc:9092\" is no broker",
    ),
    (
        Apache,
        &[("bootstrapServers", "kafka:9092, kafka:port, ${KAFKA}:9092")],
        &[],
        "bootstrapServers: \"kafka:port\" is no broker\nbootstrapServers: \"${KAFKA}:9092\" is no broker",
    ),
    (Kafka, &[("bootstrapServers", ",")], &[], "bootstrapServers names no broker"),
    (Kafka, &[("sasl", "plaintext")], &[], "no username given\nno password given"),
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
            &[("username", "u"), ("password", "p"), ("oauthTokenEndpointUri", "http://t"), ("oauthExtensions", "a")],
            "invalid OAuthBearer extension, must be of format key=value",
        ),
        (&[("saslTokenProvider", "aws_msk_iam")], "TLS is required for AWS MSK authentication"),
    ];
    for (auth, text) in bearer {
        let error = read(Kafka, &[("sasl", "oauthbearer")], auth).unwrap_err().to_string();
        assert_eq!(error.lines().next(), Some(format!("{oauth}{text}").as_str()), "{auth:?}");
    }
    let error = read(Kafka, &[("sasl", "oauthbearer"), ("saslTokenProvider", "aws_msk_iam"), ("tls", "enable")], &[]);
    let error = error.unwrap_err().to_string();
    assert_eq!(
        error,
        format!("{oauth}no awsRegion given\nsaslTokenProvider: aws_msk_iam (AWS MSK IAM) is not supported yet")
    );
}

#[test]
fn errors_never_hold_a_secret() {
    let auth: Pairs = &[("sasl", "plaintext"), ("password", "hunter2"), ("key", "hunter2"), ("keyPassword", "hunter2")];
    let error = read(Kafka, &[("tls", "enable")], auth).unwrap_err();
    assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
}
