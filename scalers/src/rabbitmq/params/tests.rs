//! Every rule between the parameters.

use super::*;

mod keda_cases;

fn read(metadata: &[(&str, &str)], auth: &[(&str, &str)]) -> Result<Metadata, ConfigError> {
    read_all(metadata, auth, &[])
}

fn read_all(metadata: &[(&str, &str)], auth: &[(&str, &str)], env: &[(&str, &str)]) -> Result<Metadata, ConfigError> {
    let map =
        |pairs: &[(&str, &str)]| pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let mut metadata: std::collections::BTreeMap<String, String> = map(metadata);
    metadata.entry("queueName".into()).or_insert_with(|| "jobs".into());
    let (auth, env) = (map(auth), map(env));
    Metadata::read(&TriggerConfig { kind: "rabbitmq".into(), metadata, auth, env, ..TriggerConfig::default() })
}

const AMQP: (&str, &str) = ("host", "amqp://u:p@h:5672/");
const HTTP: (&str, &str) = ("host", "http://u:p@h:15672/tenant");
const OAUTH: [(&str, &str); 3] =
    [("oauthTokenURI", "https://idp/token"), ("clientID", "ebb"), ("clientSecret", "hunter2")];

fn is_near(a: f64, b: f64) -> bool {
    (a - b).abs() < 1e-9
}

#[test]
fn the_target_is_what_mode_and_value_or_queue_length_say() {
    for (given, mode, target) in [
        (vec![], Mode::QueueLength, 20.0),
        (vec![("queueLength", "5")], Mode::QueueLength, 5.0),
        (vec![("queueLength", "0.5")], Mode::QueueLength, 0.5),
        (vec![("queueLength", "0")], Mode::QueueLength, 20.0),
        (vec![("mode", "Unknown"), ("value", "0")], Mode::QueueLength, 20.0),
        (vec![("mode", "QueueLength"), ("value", "7.5")], Mode::QueueLength, 7.5),
        (vec![("mode", "MessageRate"), ("value", "0.25")], Mode::MessageRate, 0.25),
        (vec![("mode", "DeliverGetRate"), ("value", "100")], Mode::DeliverGetRate, 100.0),
        (vec![("mode", "PublishedToDeliveredRatio"), ("value", "1")], Mode::PublishedToDeliveredRatio, 1.0),
        (vec![("mode", "ExpectedQueueConsumptionTime"), ("value", "30")], Mode::ExpectedQueueConsumptionTime, 30.0),
    ] {
        let metadata = read(&[given.clone(), vec![HTTP]].concat(), &[]).unwrap();
        assert!(metadata.mode == mode && is_near(metadata.target, target), "{given:?}: {metadata:?}");
    }
    assert!(is_near(read(&[AMQP, ("activationValue", "1.5")], &[]).unwrap().activation_value, 1.5));
}

#[test]
fn a_placeholder_in_an_address_is_called_one() {
    for host in
        ["amqp://guest:guest@<host>:5672/", "amqp://$(RABBITMQ):5672/", "http://${HOST}/", "amqp://{{ .Values.host }}"]
    {
        let error = read(&[("host", host)], &[]).unwrap_err();
        assert!(error.hints().iter().any(|hint| hint.contains("placeholder")), "{host}: {error} {:?}", error.hints());
    }
}

#[test]
fn what_is_wrong_has_kedas_text() {
    let mode = |mode| vec![HTTP, ("mode", mode), ("value", "1")];
    for (given, auth, text) in [
        (vec![], vec![], "missing required parameter \"host\" in [triggerMetadata authParams resolvedEnv]"),
        (
            vec![AMQP, ("protocol", "mqtt")],
            vec![],
            "the protocol has to be either `amqp`, `http`, or `auto` but is `mqtt`",
        ),
        (
            vec![AMQP],
            vec![("tls", "on")],
            "incorrect value for TLS given: (not shown: it comes from an authentication or the environment)",
        ),
        (vec![AMQP], vec![("cert", "c")], "both key and certificate must be provided"),
        (vec![AMQP], vec![("tls", "enable"), ("key", "k")], "both key and certificate must be provided"),
        (vec![HTTP, ("pageSize", "0")], vec![], "pageSize should be 1 or greater"),
        (vec![AMQP, ("pageSize", "-1")], vec![], "pageSize should be 1 or greater"),
        (vec![HTTP], vec![("username", "u")], "username and password must be given together"),
        (vec![AMQP], vec![("password", "p")], "username and password must be given together"),
        (vec![("host", "ftp://h")], vec![], "unknown host URL scheme: `ftp`"),
        (
            vec![AMQP],
            vec![("workloadIdentityResource", "r")],
            "workload identity is not supported for the AMQP protocol at the moment",
        ),
        (
            vec![HTTP],
            vec![("clientID", "ebb"), ("clientSecret", "s")],
            "OAuth2 requires tokenUrl clientId and clientSecret to be configured in TriggerAuthentication",
        ),
        (vec![AMQP], OAUTH.to_vec(), "OAuth2 authentication is only supported with HTTP protocol, not AMQP"),
        (
            vec![HTTP],
            [OAUTH.to_vec(), vec![("username", "u"), ("password", "p")]].concat(),
            "OAuth2 authentication cannot be combined with username/password authentication or Azure Workload Identity",
        ),
        (vec![AMQP, ("useRegex", "true")], vec![], "configure useRegex=true only with HTTP protocol"),
        (
            vec![AMQP, ("excludeUnacknowledged", "true")],
            vec![],
            "configure excludeUnacknowledged=true only with HTTP protocol",
        ),
        (
            vec![AMQP, ("queueLength", "5"), ("mode", "QueueLength")],
            vec![],
            "queueLength is deprecated; use mode and value",
        ),
        (vec![AMQP, ("queueLength", "5"), ("value", "5")], vec![], "queueLength is deprecated; use mode and value"),
        (vec![AMQP, ("value", "5")], vec![], "mode must be specified"),
        (
            vec![AMQP, ("mode", "QueueLength"), ("value", "five")],
            vec![],
            "unable to set param \"value\" value \"five\": it must be a number such as 5 or 2.5",
        ),
        (
            vec![AMQP, ("value", "five")],
            vec![],
            "unable to set param \"value\" value \"five\": it must be a number such as 5 or 2.5\nmode must be specified",
        ),
        (vec![AMQP, ("mode", "QueueLength")], vec![], "value must be specified"),
        (vec![AMQP, ("mode", "QueueLength"), ("value", "0")], vec![], "value must be specified"),
        (
            mode("Depth"),
            vec![],
            "trigger mode Depth must be one of QueueLength, MessageRate, DeliverGetRate, PublishedToDeliveredRatio or ExpectedQueueConsumptionTime",
        ),
        (
            vec![AMQP, ("mode", "MessageRate"), ("value", "1")],
            vec![],
            "protocol amqp not supported; must be HTTP to use trigger mode MessageRate",
        ),
        (
            vec![AMQP, ("mode", "DeliverGetRate"), ("value", "1")],
            vec![],
            "protocol amqp not supported; must be HTTP to use trigger mode DeliverGetRate",
        ),
        (
            vec![AMQP, ("mode", "QueueLength"), ("value", "1"), ("timeout", "5s")],
            vec![],
            "AMQP protocol doesn't support custom timeouts: 5000000000",
        ),
        (
            vec![HTTP, ("operation", "min"), ("useRegex", "true")],
            vec![],
            "operation mode min must be one of sum, avg, max",
        ),
    ] {
        let error = read(&given, &auth).unwrap_err().to_string();
        assert_eq!(error, text, "{given:?}");
    }
}

#[test]
fn what_only_ebb_checks_is_named_with_its_hint() {
    let long = "q".repeat(256);
    for (given, auth, text) in [
        (vec![HTTP, ("mode", "QueueLength"), ("value", "-1")], vec![], "value must be at least 0.001, got -1"),
        (vec![AMQP, ("queueLength", "0.0001")], vec![], "queueLength must be at least 0.001"),
        (vec![HTTP, ("timeout", "soon")], vec![], "unable to set param \"timeout\" value \"soon\""),
        (vec![AMQP, ("queueName", long.as_str())], vec![], "queueName is longer than 255 bytes"),
        (vec![AMQP, ("vhostName", long.as_str())], vec![], "the virtual host is longer than 255 bytes"),
        (vec![HTTP, ("protocol", "amqp")], vec![], "protocol does not fit the scheme of host"),
        (vec![HTTP], vec![("workloadIdentityResource", "r")], "azure-workload"),
        (vec![HTTP], [OAUTH.to_vec(), vec![("oauthTokenURI", "idp/token")]].concat(), "oauthTokenURI: the token"),
        (vec![AMQP], vec![("tls", "enable"), ("ca", "rubbish")], "ca holds no certificate in PEM form"),
        (vec![HTTP, ("managementHost", "http://h")], vec![], "managementHost can only be used with the AMQP protocol"),
        (vec![AMQP, ("managementHost", "amqp://h")], vec![], "managementHost must begin with http:// or https://"),
        (vec![AMQP, ("managementHost", "h:15672")], vec![], "managementHost: unknown host URL scheme"),
        (vec![AMQP, ("managementHost", "http://m@h")], vec![], "managementHost: host has a user and no password"),
        (vec![AMQP, ("managementHostFromEnv", "M")], vec![], "managementHost: managementHostFromEnv names"),
        (vec![HTTP, ("queueName", "..")], vec![], "queueName is \"..\""),
        (vec![HTTP, ("vhostName", ".")], vec![], "the virtual host is \".\""),
        (vec![("host", "http://u:p@h/%2E%2E")], vec![], "the virtual host is \"..\""),
        (vec![AMQP, ("managementHost", "http://h"), ("queueName", ".")], vec![], "queueName is \".\""),
    ] {
        let error = read(&given, &auth).unwrap_err().to_string();
        assert!(error.contains(text), "{given:?}: {error}");
    }
}

#[test]
fn what_keda_lets_pass_passes() {
    for (given, auth) in [
        // These two ways return before the check of the timeout.
        (vec![AMQP, ("timeout", "5s")], vec![]),
        (vec![AMQP, ("queueLength", "5"), ("timeout", "1000")], vec![]),
        (vec![AMQP, ("mode", "QueueLength"), ("value", "1"), ("timeout", "0")], vec![]),
        (vec![AMQP, ("unsafeSsl", "true")], vec![]),
        (vec![AMQP], vec![("tls", "enable")]),
        (vec![AMQP, ("queueName", ".."), ("vhostName", ".")], vec![]),
        (vec![HTTP, ("queueName", "."), ("useRegex", "true")], vec![]),
        // Without tls: enable they are not looked at, where there is another way to log in.
        (vec![AMQP], vec![("ca", "rubbish"), ("cert", "c"), ("key", "k")]),
        (vec![HTTP, ("pageSize", "1000"), ("operation", "max")], vec![]),
    ] {
        assert!(read(&given, &auth).is_ok(), "{given:?}: {:?}", read(&given, &auth));
    }
}

#[test]
fn all_mistakes_are_told_at_once() {
    let given = [("host", "http://h"), ("pageSize", "0"), ("operation", "min"), ("value", "1")];
    let error = read(&given, &[("tls", "on"), ("username", "u")]).unwrap_err().to_string();
    assert_eq!(error.lines().count(), 5, "{error}");
}

#[test]
fn credentials_from_an_authentication_take_the_place_of_those_in_the_address() {
    let auth = [("username", "alice"), ("password", "s3cr:t@")];
    let Broker::Amqp { endpoint, .. } = read(&[AMQP], &auth).unwrap().broker else { unreachable!("amqp") };
    assert_eq!(endpoint.broker(), "h:5672");
    assert!(format!("{endpoint:?}").contains("alice") && !format!("{endpoint:?}").contains("s3cr"), "{endpoint:?}");
    let Broker::Management { at, .. } = read(&[HTTP], &auth).unwrap().broker else { unreachable!("http") };
    assert_eq!(at.endpoint.identity, management::Identity::Basic("alice".into(), "s3cr:t@".into()));
    assert!(!format!("{at:?}").contains("s3cr"), "{at:?}");
}

/// Cases that KEDA's page does not allow: every way to log in that names nothing, or is in a place where it is not
/// read.
#[test]
fn credentials_that_point_nowhere_are_named_and_never_become_others() {
    let variable = "usernameFromEnv names the environment variable \"U\", which the target's container does not set, and \
                    passwordFromEnv names the environment variable \"P\", which is empty in the target's container";
    let from_env = [("usernameFromEnv", "U"), ("passwordFromEnv", "P")];
    let parameters = "the parameter `username` of its TriggerAuthentication is empty, and the parameter `password` of \
                      its TriggerAuthentication is empty";
    let certificate = "the parameter `cert` of its TriggerAuthentication is empty, and the parameter `key` of its \
                       TriggerAuthentication is empty";
    let unread = "`username` in its metadata is not read, and `password` in its metadata is not read";
    let oauth = "the parameter `oauthTokenURI` of its TriggerAuthentication is empty, and the parameter `clientID` of \
                 its TriggerAuthentication is empty, and the parameter `clientSecret` of its TriggerAuthentication is \
                 empty";
    for host in ["amqp://h", "amqps://h", "http://h", "https://h"] {
        let host = ("host", host);
        for (metadata, auth, text) in [
            (vec![host, from_env[0], from_env[1]], vec![], variable),
            (vec![host], vec![("username", ""), ("password", " ")], parameters),
            (vec![host, ("username", "u"), ("password", "p")], vec![], unread),
            (vec![host], vec![("tls", "enable"), ("cert", ""), ("key", "")], certificate),
            (vec![host], vec![("cert", ""), ("key", "")], certificate),
            (vec![host, ("certFromEnv", "C")], vec![("tls", "enable")], "`certFromEnv` in its metadata is not read"),
            (vec![host], OAUTH.map(|(key, _)| (key, "")).to_vec(), oauth),
            (vec![host, ("clientSecretFromEnv", "C")], vec![], "`clientSecretFromEnv` in its metadata is not read"),
            (
                vec![host],
                vec![("workloadIdentityResource", "")],
                "the parameter `workloadIdentityResource` of its TriggerAuthentication is empty",
            ),
            (vec![host], vec![("cert", "c"), ("key", "k")], "cert and key are given without tls: enable"),
            (vec![host], vec![("tls", ""), ("cert", "c"), ("key", "k")], "cert and key are given without tls: enable"),
        ] {
            let error = read_all(&metadata, &auth, &[("P", "")]).unwrap_err();
            assert!(error.to_string().contains(text), "{metadata:?} {auth:?}: {error}");
            assert_eq!((error.problems().len(), error.hints().len()), (1, 1), "{metadata:?} {auth:?}: {error}");
        }
    }
    // A variable that is there is used, even where the other one is empty.
    let metadata = [("host", "amqp://h"), from_env[0], from_env[1]];
    let read = read_all(&metadata, &[("username", "")], &[("U", "alice"), ("P", "p")]).unwrap();
    assert!(format!("{:?}", read.broker).contains("alice"), "{read:?}");
    let half = read_all(&metadata, &[], &[("U", "alice")]).unwrap_err();
    assert!(half.hints()[0].contains("\"P\", which the target's container does not set"), "{half:?}");
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
        let Broker::Management { at, .. } = read(&given, &[]).unwrap().broker else { unreachable!("http") };
        assert_eq!(*at.vhost, *vhost, "{given:?}");
    }
}

#[test]
fn over_amqp_the_virtual_host_is_all_behind_the_first_slash_unless_named() {
    for (given, vhost) in [
        (vec![AMQP], "/"),
        (vec![("host", "amqp://u:p@h")], "/"),
        (vec![("host", "amqp://u:p@h//staging")], "/staging"),
        (vec![("host", "amqp://u:p@h/%2Fstaging")], "/staging"),
        (vec![("host", "amqp://u:p@h/staging")], "staging"),
        (vec![("host", "amqp://u:p@h//")], "/"),
        // A name is taken as it is called.
        (vec![("host", "amqp://u:p@h/other"), ("vhostName", "/staging")], "/staging"),
        (vec![("host", "amqp://u:p@h/other"), ("vhostName", "%2F")], "%2F"),
        (vec![("host", "amqp://u:p@h/other"), ("vhostName", "/")], "/"),
        (vec![("host", "amqp://u:p@h/other"), ("vhostName", "")], "other"),
    ] {
        let Broker::Amqp { endpoint, .. } = read(&given, &[]).unwrap().broker else { unreachable!("amqp") };
        assert_eq!(endpoint.vhost(), vhost, "{given:?}");
    }
}

#[test]
fn a_search_has_pages_that_the_broker_gives() {
    for (page_size, pages) in [("", 500), ("1", 1), ("100", 100), ("501", 500), ("99999999999", 500)] {
        let given = [HTTP, ("useRegex", "true"), ("pageSize", page_size), ("operation", "avg")];
        let Broker::Management { pattern: Some(search), .. } = read(&given, &[]).unwrap().broker else {
            unreachable!("a pattern")
        };
        assert_eq!((search.page_size, search.operation, search.allow_no_match), (pages, Operation::Avg, false));
    }
}

#[test]
fn oauth_is_read_whole() {
    let more = [("scopes", "a, b c"), ("endpointParams", "audience=rabbit+mq&x=1%262"), ("tls", "enable")];
    let metadata = read(&[("host", "https://h/"), ("unsafeSsl", "true")], &[&OAUTH[..], &more].concat()).unwrap();
    let Broker::Management { at, .. } = metadata.broker else { unreachable!("http") };
    assert!(!format!("{at:?}").contains("hunter2"), "{at:?}");
    let management::Identity::Bearer(account) = at.endpoint.identity else { unreachable!("a client") };
    assert_eq!(account.credentials.scopes, ["a", "b", "c"]);
    assert_eq!(account.credentials.params["audience"], "rabbit mq");
    assert_eq!(account.credentials.params["x"], "1&2");
    // The secret goes to a server that is verified.
    assert_ne!(account.tls, at.endpoint.tls);
    assert_eq!(account.tls, at.endpoint.tls.verifying());
}

#[test]
fn the_unacknowledged_are_asked_for_as_the_same_user_where_no_other_is_named() {
    for (address, auth, user, password) in [
        ("http://h:15672", vec![], "u", "p"),
        ("http://m:w@h:15672", vec![], "m", "w"),
        ("http://m:w@h:15672", vec![("username", "a"), ("password", "b")], "a", "b"),
    ] {
        let given = [AMQP, ("vhostName", "tenant"), ("managementHost", address)];
        let Broker::Amqp { unacknowledged: Some(at), .. } = read(&given, &auth).unwrap().broker else {
            unreachable!("a management API")
        };
        assert_eq!(at.endpoint.identity, management::Identity::Basic(user.into(), password.into()));
        assert_eq!((&*at.vhost, at.endpoint.base.as_str()), ("tenant", "http://h:15672/"));
    }
}
