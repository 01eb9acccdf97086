//! The cases of KEDA's own tables for its two Kafka scalers, as facts: parameters, and whether KEDA takes them. Where
//! Ebb decides differently, the case names the line of `docs/keda-differences.md` that says so.
//!
//! KEDA's tables are older than some of its rules; a case has the behavior of KEDA 2.20.

use super::params::Flavor::{self, Apache, Kafka};
use super::params::Metadata;
use crate::params::TriggerConfig;

type Pairs = &'static [(&'static str, &'static str)];
/// The kinds, the metadata beside that of every case, the authentication's parameters, whether KEDA takes it, and the
/// line that says why Ebb decides differently.
type Case = (&'static [Flavor], Pairs, Pairs, bool, Option<&'static str>);

const BOTH: &[Flavor] = &[Kafka, Apache];
const ONE: &[Flavor] = &[Kafka];
const OTHER: &[Flavor] = &[Apache];

const PEM: Option<&str> =
    Some("`kafka`, `apache-kafka`: a `ca` without certificates, `cert` and `key` that do not fit");
const GSSAPI: Option<&str> = Some("`kafka`: `sasl: gssapi`");
const MSK: Option<&str> = Some("`kafka`, `apache-kafka`: `aws_msk_iam`");
const TOPIC: Option<&str> = Some("`kafka`, `apache-kafka`: a `topic` that is no name of a topic");
const SCRAM: Option<&str> = Some("`apache-kafka`: SCRAM without `username` or `password`");

const LOGIN: (&str, &str) = ("username", "admin");
const PASSWORD: (&str, &str) = ("password", "admin");

/// Parameters that are no credentials. An empty value takes the place of what every case has.
const PARAMETERS: &[Case] = &[
    (BOTH, &[("bootstrapServers", "")], &[], false, None),
    (BOTH, &[("consumerGroup", "")], &[], false, None),
    (BOTH, &[("topic", "")], &[], true, None),
    (BOTH, &[("topic", ""), ("partitionLimitation", "1,2,3,4,5,6")], &[], true, None),
    (BOTH, &[("topic", ""), ("partitionLimitation", "           ")], &[], true, None),
    (BOTH, &[("topic", ""), ("partitionLimitation", "")], &[], true, None),
    (ONE, &[("version", "1.2.3.4")], &[], false, None),
    (ONE, &[("version", "1.0.0"), ("allowIdleConsumers", "true")], &[], true, None),
    (BOTH, &[("lagThreshold", "-1")], &[], false, None),
    (BOTH, &[("lagThreshold", "0")], &[], false, None),
    (BOTH, &[("lagThreshold", "1000000"), ("activationLagThreshold", "0")], &[], true, None),
    (BOTH, &[("lagThreshold", "10"), ("activationLagThreshold", "AA")], &[], false, None),
    (BOTH, &[("lagThreshold", "10"), ("activationLagThreshold", "0")], &[], true, None),
    (BOTH, &[], &[], true, None),
    (BOTH, &[("partitionLimitation", "1,2,3,4")], &[], true, None),
    (BOTH, &[("partitionLimitation", "1-4")], &[], true, None),
    (BOTH, &[("partitionLimitation", "1-4,8,10-12")], &[], true, None),
    (BOTH, &[("partitionLimitation", "a,b,c,d")], &[], false, None),
    (BOTH, &[("bootstrapServers", "foo:9092,bar:9092")], &[], true, None),
    (BOTH, &[("offsetResetPolicy", "latest")], &[], true, None),
    (BOTH, &[("offsetResetPolicy", "earliest")], &[], true, None),
    (BOTH, &[("offsetResetPolicy", "foo")], &[], false, None),
    (BOTH, &[("allowIdleConsumers", "notvalid")], &[], false, None),
    (BOTH, &[("allowIdleConsumers", "true")], &[], true, None),
    (BOTH, &[("excludePersistentLag", "notvalid")], &[], false, None),
    (BOTH, &[("excludePersistentLag", "true")], &[], true, None),
    (BOTH, &[("limitToPartitionsWithLag", "true")], &[], true, None),
    (BOTH, &[("limitToPartitionsWithLag", "notvalid")], &[], false, None),
    (BOTH, &[("allowIdleConsumers", "true"), ("limitToPartitionsWithLag", "true")], &[], false, None),
    (BOTH, &[("allowIdleConsumers", "true"), ("limitToPartitionsWithLag", "false")], &[], true, None),
    (BOTH, &[("topic", ""), ("limitToPartitionsWithLag", "true")], &[], false, None),
    (BOTH, &[("ensureEvenDistributionOfPartitions", "true")], &[], true, None),
    (BOTH, &[("ensureEvenDistributionOfPartitions", "notvalid")], &[], false, None),
    (BOTH, &[("topic", ""), ("ensureEvenDistributionOfPartitions", "true")], &[], false, None),
    (BOTH, &[("limitToPartitionsWithLag", "true"), ("ensureEvenDistributionOfPartitions", "true")], &[], false, None),
    (ONE, &[("topic", "one,two")], &[], true, TOPIC),
    (OTHER, &[("topic", "one,two")], &[], true, None),
    (OTHER, &[("topic", "one two")], &[], true, TOPIC),
];

/// Where the authentication says how to log in.
const AUTHENTICATION: &[Case] = &[
    (BOTH, &[], &[("sasl", "plaintext"), LOGIN, PASSWORD], true, None),
    (BOTH, &[], &[("sasl", "scram_sha256"), LOGIN, PASSWORD], true, None),
    (BOTH, &[], &[("sasl", "scram_sha512"), LOGIN, PASSWORD], true, None),
    (BOTH, &[], &[("sasl", "plaintext\n"), LOGIN, PASSWORD], true, None),
    (BOTH, &[], &[("sasl", "plaintext "), LOGIN, PASSWORD], true, None),
    (BOTH, &[], &[("sasl", "scram_sha256\n"), LOGIN, PASSWORD], true, None),
    (BOTH, &[], &[("sasl", "scram_sha512 "), LOGIN, PASSWORD], true, None),
    (BOTH, &[], &[("tls", "enable"), ("ca", "CA"), ("cert", "CERT"), ("key", "KEY")], true, None),
    (BOTH, &[], &[("tls", "enable"), ("ca", "caaa"), ("cert", "ceert"), ("key", "keey")], true, PEM),
    (BOTH, &[], &[("tls", "enable"), ("cert", "CERT"), ("key", "KEY")], true, None),
    (BOTH, &[], &[("tls", "enable"), ("cert", "ceert"), ("key", "keey")], true, PEM),
    (BOTH, &[], &[("tls", "enable"), ("cert", "CERT"), ("key", "KEY"), ("keyPassword", "unused")], true, None),
    (BOTH, &[], &[("tls", "enable"), ("ca", "CA")], true, None),
    (BOTH, &[], &[("tls", "enable"), ("ca", "caaa")], true, PEM),
    (BOTH, &[], &[("sasl", "plaintext"), LOGIN, PASSWORD, ("tls", "enable"), ("ca", "CA")], true, None),
    (BOTH, &[], &[("sasl", "plaintext"), LOGIN, PASSWORD, ("tls", "disable")], true, None),
    (BOTH, &[], &[("sasl", "foo"), LOGIN, PASSWORD], false, None),
    (BOTH, &[], &[("sasl", "plaintext"), PASSWORD], false, None),
    (BOTH, &[], &[("sasl", "plaintext"), LOGIN], false, None),
    (ONE, &[], &[("sasl", "scram_sha512"), LOGIN], false, None),
    (OTHER, &[], &[("sasl", "scram_sha512"), LOGIN], true, SCRAM),
    (OTHER, &[], &[("sasl", "scram_sha256"), PASSWORD], true, SCRAM),
    (BOTH, &[], &[("tls", "enable"), ("ca", "CA"), ("key", "KEY")], false, None),
    (BOTH, &[], &[("tls", "enable"), ("ca", "CA"), ("cert", "CERT")], false, None),
    (BOTH, &[], &[("tls", "yes"), ("ca", "CA")], false, None),
    (BOTH, &[], &[("sasl", "foo"), LOGIN, PASSWORD, ("tls", "enable"), ("ca", "CA")], false, None),
    (BOTH, &[], &[("sasl", "plaintext"), LOGIN, PASSWORD, ("tls", "foo")], false, None),
    (BOTH, &[], &[("sasl", "plaintext"), PASSWORD, ("tls", "enable"), ("ca", "CA")], false, None),
    (BOTH, &[], &[("sasl", "plaintext"), LOGIN, ("tls", "enable"), ("ca", "CA")], false, None),
    (BOTH, &[], &[("sasl", "plaintext"), LOGIN, PASSWORD, ("tls", "enable"), ("key", "KEY")], false, None),
    (BOTH, &[], &[("sasl", "plaintext"), LOGIN, PASSWORD, ("tls", "enable"), ("cert", "CERT")], false, None),
    // Credentials that no parameter chooses.
    (BOTH, &[], &[LOGIN, PASSWORD], true, None),
    (BOTH, &[], &[("sasl", ""), LOGIN, PASSWORD], true, None),
    (BOTH, &[], &[("sasl", "none"), LOGIN, PASSWORD], true, None),
    (BOTH, &[], &[("ca", "CA"), ("cert", "CERT"), ("key", "KEY")], true, None),
    (BOTH, &[], &[("tls", "disable"), ("ca", "caaa"), ("cert", "ceert")], true, None),
    (BOTH, &[("sasl", "plaintext"), ("usernameFromEnv", "USER")], &[PASSWORD], false, None),
    (BOTH, &[("sasl", "plaintext"), ("username", "admin"), ("password", "admin")], &[], false, None),
];

/// Where the metadata says how to log in.
const METADATA: &[Case] = &[
    (BOTH, &[("sasl", "plaintext")], &[LOGIN, PASSWORD], true, None),
    (BOTH, &[("sasl", "scram_sha256")], &[LOGIN, PASSWORD], true, None),
    (BOTH, &[("sasl", "scram_sha512")], &[LOGIN, PASSWORD], true, None),
    (BOTH, &[("tls", "enable")], &[("ca", "CA"), ("cert", "CERT"), ("key", "KEY")], true, None),
    (BOTH, &[("tls", "enable")], &[("cert", "CERT"), ("key", "KEY")], true, None),
    (BOTH, &[("tls", "enable")], &[("ca", "CA")], true, None),
    (ONE, &[("tls", "enable"), ("unsafeSsl", "true")], &[("ca", "CA")], true, None),
    (BOTH, &[("sasl", "plaintext"), ("tls", "enable")], &[LOGIN, PASSWORD, ("ca", "CA")], true, None),
    (BOTH, &[("sasl", "plaintext"), ("tls", "disable")], &[LOGIN, PASSWORD], true, None),
    (BOTH, &[("sasl", "foo")], &[LOGIN, PASSWORD], false, None),
    (BOTH, &[("sasl", "plaintext")], &[PASSWORD], false, None),
    (BOTH, &[("sasl", "plaintext")], &[LOGIN], false, None),
    (BOTH, &[("tls", "enable")], &[("ca", "CA"), ("key", "KEY")], false, None),
    (BOTH, &[("tls", "enable")], &[("ca", "CA"), ("cert", "CERT")], false, None),
    (BOTH, &[("tls", "random")], &[("ca", "CA")], false, None),
    (BOTH, &[("sasl", "plaintext"), ("tls", "foo")], &[LOGIN, PASSWORD], false, None),
    (BOTH, &[("sasl", "plaintext"), ("tls", "enable")], &[PASSWORD, ("ca", "CA")], false, None),
    (BOTH, &[("sasl", "plaintext"), ("tls", "enable")], &[LOGIN, PASSWORD, ("key", "KEY")], false, None),
    // The metadata wins over the authentication; apache-kafka takes one of them only.
    (ONE, &[("sasl", "scram_sha512")], &[("sasl", "scram_sha512"), LOGIN, PASSWORD], true, None),
    (OTHER, &[("sasl", "scram_sha512")], &[("sasl", "scram_sha512"), LOGIN, PASSWORD], false, None),
    (ONE, &[("tls", "enable")], &[("tls", "enable"), ("ca", "CA")], true, None),
    (OTHER, &[("tls", "enable")], &[("tls", "enable"), ("ca", "CA")], false, None),
];

const TOKENS: (&str, &str) = ("oauthTokenEndpointUri", "https://website.com");
const OAUTH: (&str, &str) = ("sasl", "oauthbearer");
const PROVIDER: (&str, &str) = ("saslTokenProvider", "aws_msk_iam");
const REGION: (&str, &str) = ("awsRegion", "eu-west-1");
const KEY_ID: (&str, &str) = ("awsAccessKeyID", "none");
const SECRET: (&str, &str) = ("awsSecretAccessKey", "none");

const OAUTHBEARER: &[Case] = &[
    (ONE, &[], &[OAUTH, LOGIN, PASSWORD, ("scopes", "scope"), TOKENS, ("tls", "disable")], true, None),
    (ONE, &[OAUTH, ("tls", "disable")], &[LOGIN, PASSWORD, ("scopes", "scope"), TOKENS], true, None),
    (ONE, &[], &[OAUTH, ("saslTokenProvider", "bearer"), LOGIN, PASSWORD, TOKENS], true, None),
    (ONE, &[], &[OAUTH, LOGIN, PASSWORD, ("scopes", "scope1, scope2"), TOKENS], true, None),
    (ONE, &[], &[OAUTH, LOGIN, PASSWORD, TOKENS], true, None),
    (ONE, &[], &[OAUTH, LOGIN, PASSWORD, ("scopes", "scope"), ("oauthTokenEndpointUri", "")], false, None),
    (ONE, &[], &[OAUTH, PASSWORD, TOKENS], false, None),
    (ONE, &[], &[OAUTH, LOGIN, TOKENS], false, None),
    (ONE, &[], &[OAUTH, LOGIN, PASSWORD, TOKENS, ("oauthExtensions", "extension_foo=bar")], true, None),
    (ONE, &[], &[OAUTH, LOGIN, PASSWORD, TOKENS, ("oauthExtensions", "foo=bar,baz=baz")], true, None),
    (ONE, &[], &[OAUTH, LOGIN, PASSWORD, TOKENS, ("oauthExtensions", "foo=bar,bazbaz")], false, None),
    (OTHER, &[], &[OAUTH, LOGIN, PASSWORD, TOKENS], false, None),
    (ONE, &[REGION], &[OAUTH, PROVIDER, ("tls", "enable"), KEY_ID, SECRET], true, MSK),
    (ONE, &[REGION], &[OAUTH, PROVIDER, ("tls", "enable"), ("awsRoleArn", "none")], true, MSK),
    (ONE, &[], &[OAUTH, PROVIDER, ("tls", "disable")], false, None),
    (ONE, &[], &[OAUTH, PROVIDER, ("tls", "enable")], false, None),
    (ONE, &[REGION], &[OAUTH, PROVIDER, ("tls", "enable")], false, None),
    (OTHER, &[REGION], &[("sasl", "aws_msk_iam"), ("tls", "enable"), KEY_ID, SECRET], true, MSK),
    (OTHER, &[], &[("sasl", "aws_msk_iam"), ("tls", "enable"), KEY_ID, SECRET], false, None),
    (OTHER, &[REGION], &[("sasl", "aws_msk_iam"), KEY_ID, SECRET], false, None),
];

const KERBEROS: (&str, &str) = ("sasl", "gssapi");
const CONFIG: (&str, &str) = ("kerberosConfig", "<config>");
const REALM: (&str, &str) = ("realm", "tst.com");
const KEYTAB: (&str, &str) = ("keytab", "/path/to/keytab");

const KERBEROS_CASES: &[Case] = &[
    (ONE, &[], &[KERBEROS, LOGIN, PASSWORD, CONFIG, REALM], true, GSSAPI),
    (ONE, &[], &[KERBEROS, LOGIN, KEYTAB, CONFIG, REALM], true, GSSAPI),
    (ONE, &[], &[KERBEROS, LOGIN, PASSWORD, CONFIG, REALM, ("tls", "enable"), ("ca", "CA")], true, GSSAPI),
    (ONE, &[KERBEROS, ("tls", "disable")], &[LOGIN, KEYTAB, CONFIG, REALM, ("ca", "caaa")], true, GSSAPI),
    (ONE, &[], &[KERBEROS, LOGIN, KEYTAB, CONFIG, REALM, ("kerberosServiceName", "srckafka")], true, GSSAPI),
    (ONE, &[], &[KERBEROS, LOGIN, KEYTAB, CONFIG, REALM, ("kerberosDisableFAST", "true")], true, GSSAPI),
    (ONE, &[], &[KERBEROS, LOGIN, KEYTAB, CONFIG, REALM, ("kerberosDisableFAST", "notabool")], false, None),
    (ONE, &[], &[KERBEROS, LOGIN, CONFIG, REALM], false, None),
    (ONE, &[], &[KERBEROS, LOGIN, PASSWORD, KEYTAB, CONFIG, REALM], false, None),
    (ONE, &[], &[KERBEROS, LOGIN, PASSWORD, CONFIG], false, None),
    (ONE, &[], &[KERBEROS, KEYTAB, CONFIG, REALM], false, None),
    (ONE, &[], &[KERBEROS, LOGIN, KEYTAB, REALM], false, None),
    (OTHER, &[], &[KERBEROS, LOGIN, PASSWORD, CONFIG, REALM], false, None),
];

/// A certificate, and its key.
fn pem() -> (String, String) {
    let made = rcgen::generate_simple_self_signed(["kafka".to_owned()]).unwrap();
    (made.cert.pem(), made.signing_key.serialize_pem())
}

fn is_taken(flavor: Flavor, metadata: Pairs, auth: Pairs, (certificate, key): &(String, String)) -> Result<(), String> {
    let kind = if flavor == Kafka { "kafka" } else { "apache-kafka" };
    let mut trigger = TriggerConfig { kind: kind.into(), ..TriggerConfig::default() };
    let always = [("bootstrapServers", "foobar:9092"), ("consumerGroup", "my-group"), ("topic", "my-topic")];
    for (key, value) in always.iter().chain(metadata) {
        trigger.metadata.insert((*key).to_owned(), (*value).to_owned());
    }
    for (name, value) in auth {
        let value = match *value {
            "CA" | "CERT" => certificate,
            "KEY" => key,
            value => value,
        };
        trigger.auth.insert((*name).to_owned(), value.to_owned());
    }
    Metadata::read(&trigger, flavor).map(drop).map_err(|error| error.to_string())
}

#[test]
fn every_case_of_kedas_tables_is_decided_as_there_or_has_its_line() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/keda-differences.md");
    let differences = std::fs::read_to_string(path).unwrap();
    let pem = pem();
    for (flavors, metadata, auth, keda_takes_it, line) in
        [PARAMETERS, AUTHENTICATION, METADATA, OAUTHBEARER, KERBEROS_CASES].into_iter().flatten()
    {
        for flavor in *flavors {
            let here = is_taken(*flavor, metadata, auth, &pem);
            let same = here.is_ok() == *keda_takes_it;
            assert_eq!(same, line.is_none(), "{flavor:?} {metadata:?} {auth:?}: KEDA {keda_takes_it}, here {here:?}");
            let has_line = line.is_none_or(|line| differences.contains(&format!("| {line} |")));
            assert!(has_line, "docs/keda-differences.md has no line {line:?}");
        }
    }
}
