//! The cases of KEDA's own tests of this trigger's parameters, and Ebb's decision about each.

use super::read_all;

/// The variables that KEDA's cases refer to.
const ENV: [(&str, &str); 3] =
    [("HOST", "amqp://user:secret@somehost.example:5236/vhost"), ("USER", "user"), ("PASSWORD", "Password")];

type Pairs<'a> = Vec<(&'a str, &'a str)>;

fn text(metadata: &Pairs<'_>, auth: &Pairs<'_>) -> Option<String> {
    let queue = ("queueName", metadata.iter().find(|(key, _)| *key == "queueName").map_or("", |(_, queue)| *queue));
    read_all(&[metadata.as_slice(), &[queue]].concat(), auth, &ENV).err().map(|error| error.to_string())
}

/// Ebb accepts and refuses the same metadata as KEDA.
#[test]
fn metadata_is_accepted_and_refused_as_in_keda() {
    let (queue, host) = (("queueName", "sample"), ("hostFromEnv", "HOST"));
    let length = ("queueLength", "10");
    let mode = |name: &'static str, value: &'static str| [("mode", name), ("value", value)];
    for (given, accepted) in [
        (vec![], false),
        (vec![length, queue, host], true),
        (vec![("queueLength", "AA"), queue, host], false),
        (vec![("queueLength", "AA"), queue], false),
        (vec![length, host], false),
        (vec![length, ("queueName", "namespace/name"), host], true),
        (vec![("vhostName", "myVhost"), ("queueName", "namespace/name"), host], true),
        (vec![("vhostName", ""), ("queueName", "namespace/name"), host], true),
        (vec![queue, host], true),
        (vec![queue, ("host", "something://")], false),
        (vec![("activationValue", "10"), ("queueLength", "20"), queue, host], true),
        (vec![("activationValue", "AA"), length, queue, host], false),
        (vec![queue, ("host", "https://h"), ("unsafeSsl", "true")], true),
        (vec![queue, ("host", "https://h"), ("unsafeSsl", "random")], false),
        (vec![("vhostName", "myhost"), queue, ("host", "http://h")], true),
    ] {
        assert_eq!(text(&given, &vec![]).is_none(), accepted, "{given:?}: {:?}", text(&given, &vec![]));
    }
    // KEDA's own cases name no machine; see below.
    for (scheme, over_http) in [("amqp", false), ("amqps", false), ("http", true), ("https", true)] {
        let address = format!("{scheme}://h");
        let host = ("host", address.as_str());
        for (given, accepted) in [
            (vec![], true),
            (vec![length, ("mode", "QueueLength")], false),
            (vec![length, ("value", "20")], false),
            (vec![length, ("mode", "QueueLength"), ("value", "20")], false),
            (vec![("mode", "QueueLength")], false),
            (vec![("value", "20")], false),
            (mode("QueueLength", "20").to_vec(), true),
            (mode("Feelings", "20").to_vec(), false),
            (mode("QueueLength", "lots").to_vec(), false),
            (mode("MessageRate", "1000").to_vec(), over_http),
            (mode("DeliverGetRate", "1000").to_vec(), over_http),
            (vec![("useRegex", "true")], over_http),
            ([&mode("MessageRate", "1000")[..], &[("useRegex", "true")]].concat(), over_http),
            ([&mode("DeliverGetRate", "1000")[..], &[("useRegex", "true")]].concat(), over_http),
            ([&mode("QueueLength", "1000")[..], &[("useRegex", "true")]].concat(), over_http),
            ([&mode("QueueLength", "1000")[..], &[("timeout", "1000")]].concat(), over_http),
            ([&mode("QueueLength", "1000")[..], &[("timeout", "-10")]].concat(), false),
            ([&mode("QueueLength", "1000")[..], &[("timeout", "error")]].concat(), false),
            ([&mode("MessageRate", "1000")[..], &[("useRegex", "true"), ("pageSize", "100")]].concat(), over_http),
            ([&mode("MessageRate", "1000")[..], &[("useRegex", "true"), ("pageSize", "-1")]].concat(), false),
            ([&mode("MessageRate", "1000")[..], &[("useRegex", "true"), ("pageSize", "a")]].concat(), false),
            (vec![("useRegex", "true"), ("excludeUnacknowledged", "true")], over_http),
            (vec![("excludeUnacknowledged", "true")], over_http),
        ] {
            let given = [given, vec![queue, host]].concat();
            assert_eq!(text(&given, &vec![]).is_none(), accepted, "{given:?}: {:?}", text(&given, &vec![]));
        }
    }
}

#[test]
fn authentication_is_accepted_and_refused_as_in_keda() {
    let amqp = vec![("hostFromEnv", "HOST")];
    let http = vec![("host", "http://localhost:15672"), ("protocol", "http")];
    let oauth = vec![("oauthTokenURI", "https://idp.example/token"), ("clientID", "me"), ("clientSecret", "s")];
    let and = |more: &[(&'static str, &'static str)]| [oauth.as_slice(), more].concat();
    let with_env = |more: &[(&'static str, &'static str)]| [amqp.as_slice(), more].concat();
    let (username, password) = (("usernameFromEnv", "USER"), ("passwordFromEnv", "PASSWORD"));
    for (given, auth, accepted) in [
        (amqp.clone(), vec![("tls", "enable"), ("ca", "c"), ("key", "k")], false),
        (amqp.clone(), vec![("tls", "enable"), ("ca", "c"), ("cert", "c")], false),
        (amqp.clone(), vec![("tls", "yes"), ("ca", "c"), ("cert", "c"), ("key", "k")], false),
        (amqp.clone(), vec![("username", "user"), ("password", "PASSWORD")], true),
        (amqp.clone(), vec![("username", "user")], false),
        (amqp.clone(), vec![("password", "PASSWORD")], false),
        (amqp.clone(), vec![("vhostName", "myVhost")], true),
        (amqp.clone(), vec![("vhostName", "")], true),
        (with_env(&[username, password]), vec![], true),
        (with_env(&[username]), vec![], false),
        (with_env(&[password]), vec![], false),
        (with_env(&[("protocol", "amqp")]), vec![("workloadIdentityResource", "r")], false),
        (http.clone(), oauth.clone(), true),
        (vec![("host", "https://localhost:15672"), ("protocol", "http")], and(&[("scopes", "a.read,b.write")]), true),
        (http.clone(), and(&[("endpointParams", "audience=rabbitmq&resource=api")]), true),
        (vec![("host", "amqp://localhost:5672"), ("protocol", "amqp")], oauth.clone(), false),
        (http.clone(), and(&[("username", "user"), ("password", "pass")]), false),
        (http.clone(), and(&[("workloadIdentityResource", "r")]), false),
        (http.clone(), oauth[1..].to_vec(), false),
        (http.clone(), vec![oauth[0], oauth[2]], false),
        (http.clone(), oauth[..2].to_vec(), false),
    ] {
        let given = [given, vec![("queueName", "sample")]].concat();
        assert_eq!(text(&given, &auth).is_none(), accepted, "{given:?} {auth:?}: {:?}", text(&given, &auth));
    }
}

/// KEDA accepts these when it reads the parameters, and fails with all of them later, when it connects or asks. Each
/// has its line in `docs/keda-differences.md`.
#[test]
fn what_cannot_work_is_refused_where_keda_finds_it_later() {
    let queue = ("queueName", "sample");
    let machine = "host names no machine";
    let pem = "key holds no private key in PEM form";
    for (given, auth, said) in [
        (vec![("host", "http://")], vec![], machine),
        (vec![("host", "https://")], vec![], machine),
        (vec![("host", "amqp://")], vec![], machine),
        (vec![("host", "amqps://")], vec![], machine),
        (vec![("host", "amqps:///vhost")], vec![], machine),
        (vec![("host", "somehost"), ("protocol", "http")], vec![], "unknown host URL scheme"),
        (vec![("host", "somehost:5672"), ("protocol", "amqp")], vec![], "unknown host URL scheme"),
        (vec![("hostFromEnv", "HOST"), ("protocol", "http")], vec![], "protocol does not fit the scheme of host"),
        (vec![("hostFromEnv", "HOST")], vec![("protocol", "http")], "protocol does not fit the scheme of host"),
        (vec![("host", "https://h"), ("protocol", "amqp")], vec![], "protocol does not fit the scheme of host"),
        (vec![("host", "amqps://user@h")], vec![], "host has a user and no password"),
        (vec![("host", "amqps://user:@h")], vec![], "host has a user with an empty password"),
        (vec![("host", "amqps://h")], vec![("cert", "c"), ("key", "k")], "cert and key are given without tls: enable"),
        (vec![("host", "amqps://h"), ("usernameFromEnv", "NONE")], vec![], "names the environment variable \"NONE\""),
        (vec![("hostFromEnv", "HOST"), ("usernameFromEnv", "NONE")], vec![], "names the environment variable \"NONE\""),
        (vec![("host", "amqps://h?certfile=/c")], vec![], "as files"),
        (vec![("hostFromEnv", "HOST")], vec![("tls", "enable"), ("cert", "c"), ("key", "k")], pem),
        (vec![("hostFromEnv", "HOST")], vec![("tls", "enable"), ("ca", "c")], "ca holds no certificate in PEM form"),
        (
            vec![("host", "http://h"), ("protocol", "http")],
            vec![("workloadIdentityResource", "r")],
            "workloadIdentityResource: the identity provider azure-workload is not supported yet",
        ),
    ] {
        let given = [given, vec![queue]].concat();
        let text = text(&given, &auth).unwrap_or_default();
        assert!(text.contains(said), "{given:?} {auth:?}: {text}");
    }
}
