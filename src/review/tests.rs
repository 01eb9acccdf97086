use serde_json::{Value, json};

use super::*;

fn review(spec: &Value, given: &AuthParams) -> Vec<(Severity, String, String)> {
    let mut whole = json!({"scaleTargetRef": {"name": "app"}, "triggers": [cron()]});
    for (key, value) in spec.as_object().unwrap() {
        whole[key] = value.clone();
    }
    let mut object = ScaledObject::new("so", serde_json::from_value(whole).unwrap());
    object.metadata.namespace = Some("default".into());
    let context = ReviewContext {
        given: &|_| given.clone(),
        readers: &|_, _| Readers::Nobody,
        environment: &Environment::Unknown,
        brokers: &ClientPools::default(),
    };
    let findings = scaled_object(&object, &context);
    findings.into_iter().map(|finding| (finding.severity, finding.path, finding.text)).collect()
}

fn cron() -> Value {
    json!({"type": "cron", "metadata": {"timezone": "UTC", "start": "0 8 * * *", "end": "0 18 * * *", "desiredReplicas": "2"}})
}

fn rabbitmq(metadata: &Value) -> Value {
    let mut whole = json!({"queueName": "jobs", "mode": "QueueLength", "value": "5"});
    for (key, value) in metadata.as_object().unwrap() {
        whole[key] = value.clone();
    }
    json!({"triggers": [{"type": "rabbitmq", "metadata": whole, "authenticationRef": {"name": "auth"}}]})
}

fn names(names: &[&str]) -> AuthParams {
    AuthParams::Names(names.iter().map(|name| (*name).to_owned()).collect())
}

#[test]
fn what_is_right_finds_nothing() {
    let kafka = json!({"triggers": [{"type": "kafka", "authenticationRef": {"name": "auth"}, "metadata": {
        "bootstrapServersFromEnv": "BROKERS", "consumerGroup": "g", "topic": "t", "sasl": "scram_sha512", "tls": "enable",
    }}]});
    let cpu = json!({"minReplicaCount": 1, "triggers": [{"type": "cpu", "metricType": "Utilization", "metadata": {"value": "60"}}]});
    let http = json!({"protocol": "http", "excludeUnacknowledged": "true", "hostFromEnv": "HOST"});
    for (spec, given) in [
        (json!({}), AuthParams::Nothing),
        (rabbitmq(&json!({"hostFromEnv": "HOST"})), AuthParams::Nothing),
        (rabbitmq(&json!({})), AuthParams::Anything),
        (rabbitmq(&json!({})), names(&["host"])),
        (rabbitmq(&json!({"useRegex": "true"})), names(&["host", "username", "password"])),
        (rabbitmq(&json!({"host": "amqps://broker"})), names(&["ca", "cert", "key", "tls"])),
        (rabbitmq(&http), AuthParams::Anything),
        (kafka.clone(), AuthParams::Anything),
        (kafka, names(&["username", "password", "ca"])),
        (cpu, AuthParams::Nothing),
    ] {
        assert_eq!(review(&spec, &given), [], "{spec} with {given:?}");
    }
}

#[test]
fn what_keda_refuses_is_refused() {
    let cpu = json!({"type": "cpu", "metricType": "Utilization", "metadata": {"value": "60"}});
    for (spec, path, text) in [
        (json!({"triggers": []}), "spec.triggers", "no triggers"),
        (
            json!({"minReplicaCount": 5, "maxReplicaCount": 2}),
            "spec.minReplicaCount",
            "MinReplicaCount=5 must be less than",
        ),
        (
            json!({"idleReplicaCount": 1, "minReplicaCount": 1}),
            "spec.idleReplicaCount",
            "IdleReplicaCount=1 must be less than",
        ),
        (json!({"triggers": [cpu]}), "spec.triggers", "only cpu/memory triggers AND minReplica is 0"),
        (
            json!({"minReplicaCount": 1, "triggers": [cpu], "fallback": {"failureThreshold": 1, "replicas": 2}}),
            "spec.fallback",
            "type is cpu/memory",
        ),
        (json!({"fallback": {"failureThreshold": -1, "replicas": 2}}), "spec.fallback", "must not be negative"),
        (
            json!({"advanced": {"scalingModifiers": {"formula": "a +", "target": "1"}}}),
            "spec.advanced.scalingModifiers.formula",
            "scalingModifiers.formula",
        ),
    ] {
        let found = review(&spec, &AuthParams::Nothing);
        assert!(
            found
                .iter()
                .any(|(severity, at, what)| *severity == Severity::Refusal && at == path && what.contains(text)),
            "{spec}: {found:?}"
        );
    }
}

#[test]
fn a_mistake_that_keda_lets_pass_is_a_warning_at_its_key() {
    let trigger = |metadata: Value| json!({"triggers": [{"type": "cron", "metadata": metadata}]});
    let mut zone = cron();
    zone["metadata"]["timezone"] = json!("Europe/Lodnon");
    let mut utilization = cron();
    utilization["metricType"] = json!("Utilization");
    for (spec, given, path, text) in [
        (
            json!({"triggers": [zone]}),
            AuthParams::Nothing,
            "spec.triggers[0].metadata.timezone",
            "unknown time zone Europe/Lodnon",
        ),
        (
            json!({"triggers": [utilization]}),
            AuthParams::Nothing,
            "spec.triggers[0].metricType",
            "'Utilization' metric type is unsupported",
        ),
        (
            trigger(json!({})),
            AuthParams::Nothing,
            "spec.triggers[0].metadata",
            "missing required parameter \"timezone\"",
        ),
        (
            json!({"triggers": [{"type": "rabitmq", "metadata": {}}]}),
            AuthParams::Nothing,
            "spec.triggers[0].type",
            "no scaler found",
        ),
        (
            rabbitmq(&json!({})),
            names(&["password"]),
            "spec.triggers[0].metadata",
            "missing required parameter \"host\"",
        ),
        (
            rabbitmq(&json!({"value": "five"})),
            AuthParams::Anything,
            "spec.triggers[0].metadata.value",
            "value \"five\"",
        ),
        (
            rabbitmq(&json!({"queueNam": "x"})),
            AuthParams::Anything,
            "spec.triggers[0].metadata.queueNam",
            "does not read",
        ),
        (
            rabbitmq(&json!({"host": "amqp://broker", "useRegex": "true"})),
            AuthParams::Anything,
            "spec.triggers[0].metadata.useRegex",
            "only with HTTP protocol",
        ),
        (
            json!({"triggers": [{"type": "apache-kafka", "authenticationRef": {"name": "auth"}, "metadata": {
                "bootstrapServers": "broker:9092", "consumerGroup": "g", "topic": "t",
            }}]}),
            names(&["username", "password"]),
            "spec.triggers[0].metadata",
            "username, password: given and not used, as sasl is not given",
        ),
        (
            json!({"maxReplicaCount": 0}),
            AuthParams::Nothing,
            "spec.maxReplicaCount",
            "MaxReplicaCount=0 must be at least 1",
        ),
    ] {
        let found = review(&spec, &given);
        assert!(
            found
                .iter()
                .any(|(severity, at, what)| *severity == Severity::Warning && at == path && what.contains(text)),
            "{spec} with {given:?}: {found:?}"
        );
        assert!(found.iter().all(|(severity, ..)| *severity == Severity::Warning), "{spec}: {found:?}");
    }
}

/// A way to log in with unknown values may be complete. One in a place that is not read does not count.
#[test]
fn a_login_whose_parts_are_not_known_is_not_missed() {
    let certificate = names(&["tls", "ca", "cert", "key"]);
    let host = |host: &str| rabbitmq(&json!({"host": host}));
    let from_env = json!({"host": "amqp://broker", "usernameFromEnv": "U", "passwordFromEnv": "P"});
    for (spec, given) in [
        (host("amqps://broker"), certificate.clone()),
        (host("amqps://CN=user@broker"), certificate.clone()),
        (host("amqps://broker"), AuthParams::Anything),
        (host("amqps://CN=user@broker"), AuthParams::Anything),
        (rabbitmq(&from_env), AuthParams::Nothing),
        (host("amqp://broker"), names(&["username", "password"])),
    ] {
        assert_eq!(review(&spec, &given), [], "{spec} with {given:?}");
    }
    for (spec, given, text) in [
        (host("amqps://user@broker"), AuthParams::Nothing, "host has a user and no password"),
        (
            rabbitmq(&json!({"host": "amqp://broker", "username": "u", "password": "p"})),
            AuthParams::Nothing,
            "`username` in its metadata is not read",
        ),
    ] {
        let found = review(&spec, &given);
        assert!(found.iter().any(|(_, _, what)| what.contains(text)), "{spec} with {given:?}: {found:?}");
    }
}

#[test]
fn what_an_authentication_gives_for_kerberos_is_not_said_to_be_missing() {
    let metadata = json!({"bootstrapServers": "k:9092", "consumerGroup": "g", "topic": "t", "sasl": "gssapi"});
    let spec = json!({"triggers": [{"type": "kafka", "authenticationRef": {"name": "auth"}, "metadata": metadata}]});
    let texts =
        |given: &[&str]| -> Vec<String> { review(&spec, &names(given)).into_iter().map(|(_, _, text)| text).collect() };
    let alone = ["sasl: gssapi (Kerberos) is not supported yet"];
    assert_eq!(texts(&["username", "password", "realm", "kerberosConfig"]), alone);
    assert_eq!(texts(&["username", "keytab", "realm", "kerberosConfig", "kerberosDisableFAST"]), alone);
    assert_eq!(texts(&["username", "keytab", "kerberosConfig"]).len(), 2, "the realm is missing");
}

#[test]
fn what_an_authentication_gives_is_known_by_name() {
    let given = |spec: Value| AuthParams::by(&serde_json::from_value(spec).unwrap());
    let secret = json!([{"parameter": "host", "name": "s", "key": "k"}]);
    assert_eq!(given(json!({"secretTargetRef": secret})), names(&["host"]));
    assert_eq!(given(json!({"secretTargetRef": secret, "filePath": "a.json"})), AuthParams::Anything);
    assert_eq!(given(json!({})), names(&[]));
}

#[test]
fn an_authentication_is_refused_for_a_contradiction_and_warned_of_what_has_no_client() {
    let found = |spec: Value| authentication(&serde_json::from_value(spec).unwrap(), false);
    let refused = found(json!({"podIdentity": {"provider": "azure-workload", "identityId": ""}}));
    assert_eq!((refused[0].severity, refused[0].path.as_str()), (Severity::Refusal, "spec.podIdentity"));
    let warned = found(json!({"podIdentity": {"provider": "gcp"}}));
    assert_eq!(warned[0].severity, Severity::Warning);
    assert_eq!(found(json!({})), []);
}
