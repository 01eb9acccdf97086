//! Addresses, and their parts.

use proptest::prelude::*;

use super::*;

/// `user`, `user:password`, or nothing.
fn shown(user: Option<&UserInfo>) -> String {
    match user {
        None => "-".into(),
        Some(UserInfo { name, password: None }) => name.clone(),
        Some(UserInfo { name, password: Some(password) }) => format!("{name}:{password}"),
    }
}

/// The examples of RabbitMQ's URI specification. The library with which KEDA reads them finds the same parts where it
/// does not refuse. Both take `/` for a virtual host that is not named, and `guest` for a missing user or password,
/// which `-` leaves to the rules of logging in.
#[test]
fn an_amqp_address_is_what_the_uri_specification_says() {
    for (address, name, port, user, vhost) in [
        ("amqp://user:pass@host:10000/vhost", "host", 10_000, "user:pass", "vhost"),
        // KEDA's library refuses an encoded letter in a machine's name.
        ("amqp://user%61:%61pass@ho%61st:10000/v%2fhost", "hoast", 10_000, "usera:apass", "v/host"),
        ("amqp://host", "host", 5672, "-", ""),
        ("amqp://host/", "host", 5672, "-", ""),
        ("amqp://host/%2F", "host", 5672, "-", "/"),
        ("amqp://host/%2f", "host", 5672, "-", "/"),
        ("amqp://host/%2F%2F", "host", 5672, "-", "//"),
        ("amqp://host/%2Fslash%2F", "host", 5672, "-", "/slash/"),
        ("amqp://192.168.1.1:1000/", "192.168.1.1", 1000, "-", ""),
        ("amqp://[::1]", "::1", 5672, "-", ""),
        ("amqp://[::1]:1000", "::1", 1000, "-", ""),
        ("amqp://[fe80::1]", "fe80::1", 5672, "-", ""),
        ("amqp://[fe80::1]:5671", "fe80::1", 5671, "-", ""),
        ("amqp://[fe80::1%25en0]", "fe80::1%en0", 5672, "-", ""),
        ("amqps://host:1000/", "host", 1000, "-", ""),
        ("amqps://foo.bar/", "foo.bar", 5671, "-", ""),
        ("amqps://foo.bar:5671/", "foo.bar", 5671, "-", ""),
        ("amqp://bob:dobbs@foo.bar:5678/private", "foo.bar", 5678, "bob:dobbs", "private"),
        // The slash after the machine ends the authority; each further one is a part of the name.
        ("amqp://host//staging", "host", 5672, "-", "/staging"),
        ("amqp://host/%2Fstaging", "host", 5672, "-", "/staging"),
        ("amqp://host/%2fstaging", "host", 5672, "-", "/staging"),
        ("amqp://host/staging", "host", 5672, "-", "staging"),
        ("amqp://host/staging/", "host", 5672, "-", "staging/"),
        ("amqp://host//", "host", 5672, "-", "/"),
        ("amqp://host///", "host", 5672, "-", "//"),
        ("amqp://host/a/b", "host", 5672, "-", "a/b"),
        ("amqp://host/a%2Fb", "host", 5672, "-", "a/b"),
        ("amqp://host/.", "host", 5672, "-", "."),
        ("amqp://host/..", "host", 5672, "-", ".."),
        ("amqp://host/a/../b", "host", 5672, "-", "a/../b"),
        ("amqp://host/%2E%2E", "host", 5672, "-", ".."),
        ("amqp://host/a%20b+c", "host", 5672, "-", "a b+c"),
        ("amqp://host/a\\b", "host", 5672, "-", "a\\b"),
        ("amqp://host/%C3%BC", "host", 5672, "-", "ü"),
        ("amqp://host/ü", "host", 5672, "-", "ü"),
        ("amqp://host/%252F", "host", 5672, "-", "%2F"),
        ("amqp://host/v%3Fx%23y", "host", 5672, "-", "v?x#y"),
        ("amqp://host/v?heartbeat=5#part", "host", 5672, "-", "v"),
        ("amqp://host?heartbeat=5", "host", 5672, "-", ""),
        ("AMQP://Host/V", "Host", 5672, "-", "V"),
        ("amqp://host:/", "host", 5672, "-", ""),
        ("amqp://user@host", "host", 5672, "user", ""),
        ("amqp://user:@host", "host", 5672, "user:", ""),
        ("amqp://:pass@host", "host", 5672, ":pass", ""),
        ("amqp://:@host", "host", 5672, ":", ""),
        ("amqp://@host", "host", 5672, "", ""),
        ("amqp://CN=name@host", "host", 5672, "CN=name", ""),
        ("amqp://u:p:q@host", "host", 5672, "u:p:q", ""),
        ("amqp://u:p@q@host", "host", 5672, "u:p@q", ""),
        ("amqp://al%20ice:s3cr%3At%40%25@host", "host", 5672, "al ice:s3cr:t@%", ""),
    ] {
        let host = Host::parse(address).unwrap_or_else(|error| panic!("{address}: {error}"));
        let found = (host.name.as_str(), host.port, shown(host.user.as_ref()), host.vhost.as_str());
        assert_eq!(found, (name, port, user.to_owned(), vhost), "{address}");
        assert_eq!(host.encrypted, address.starts_with("amqps"), "{address}");
        assert_eq!(host.protocol(), Protocol::Amqp, "{address}");
    }
}

/// KEDA's library takes these for RabbitMQ on its own machine, where there is none.
#[test]
fn an_address_without_a_machine_is_refused() {
    for address in [
        "amqp://",
        "amqps://",
        "amqps:///",
        "amqp:///vhost",
        "amqp://:10000",
        "amqp://:@/",
        "amqp://user@",
        "amqp://user:pass@",
        "amqp://guest:pass@",
        "amqp:",
        "amqp:host",
        "amqp:/host",
        "amqp://[]",
        "http://",
        "https://",
        "http:///tenant",
        "http://u:p@/tenant",
        "http://:15672/",
    ] {
        let error = Host::parse(address).err().unwrap();
        assert!(error.contains("host names no machine"), "{address}: {error}");
    }
}

#[test]
fn over_http_the_last_segment_is_the_virtual_host() {
    for (address, api, vhost) in [
        ("http://u:p@h:15672/tenant", "http://h:15672/", "tenant"),
        ("http://h:15672/%2Ftenant", "http://h:15672/", "/tenant"),
        // An empty segment means nothing here, in KEDA as well.
        ("http://h:15672//tenant", "http://h:15672/", "tenant"),
        ("http://h:15672", "http://h:15672/", ""),
        ("http://h:15672/", "http://h:15672/", ""),
        ("http://h:15672//", "http://h:15672/", ""),
        ("http://h:15672/%2F", "http://h:15672/", "/"),
        ("http://h:15672/%2F%2F", "http://h:15672/", "//"),
        ("http://h:15672/a%20b", "http://h:15672/", "a b"),
        ("http://h:15672/a b", "http://h:15672/", "a b"),
        ("http://h:15672/%2E%2E", "http://h:15672/", ".."),
        ("http://h:15672/50%25", "http://h:15672/", "50%"),
        ("http://h/rabbit/", "http://h/rabbit", ""),
        ("http://h/rabbit//", "http://h/rabbit", ""),
        ("http://h/rabbit/%2F", "http://h/rabbit", "/"),
        ("http://h/rabbit/tenant", "http://h/rabbit", "tenant"),
        ("http://h/rabbit/%2Ftenant", "http://h/rabbit", "/tenant"),
        ("http://h/rabbit/eu/", "http://h/rabbit/eu", ""),
        ("http://h/rabbit//eu/tenant", "http://h/rabbit/eu", "tenant"),
        ("https://h/rabbit/eu/b%2Fc?x=1#y", "https://h/rabbit/eu", "b/c"),
        ("http://[::1]:15672/tenant", "http://[::1]:15672/", "tenant"),
    ] {
        let host = Host::parse(address).unwrap_or_else(|error| panic!("{address}: {error}"));
        assert_eq!(host.api.as_ref().map(Url::as_str), Some(api), "{address}");
        assert_eq!(host.vhost, vhost, "{address}");
        assert_eq!((host.encrypted, host.protocol()), (address.starts_with("https"), Protocol::Http), "{address}");
    }
}

#[test]
fn what_is_no_address_has_kedas_text_where_there_is_one() {
    for (address, text) in [
        ("", "unknown host URL scheme: ``"),
        ("rabbit", "unknown host URL scheme: ``"),
        ("rabbit:5672", "unknown host URL scheme: `rabbit`"),
        ("//rabbit", "unknown host URL scheme: ``"),
        ("ftp://h", "unknown host URL scheme: `ftp`"),
        ("something://", "unknown host URL scheme: `something`"),
        ("s3cr3t-and-long:x@h", "unknown host URL scheme: ``"),
        ("amqp://admin:PASSWORD@rabbitmq/ -http_port=8080", "URI must not contain whitespace"),
        ("amqp://h/a b", "URI must not contain whitespace"),
        ("amqp://u:p#x@h", "can't parse host to find protocol"),
        ("amqp://u:50%off@h", "can't parse host to find protocol"),
        ("amqp://u:p%@h", "can't parse host to find protocol"),
        ("amqp://u:p^w@h", "can't parse host to find protocol"),
        ("amqp://u:%FF@h", "can't parse host to find protocol"),
        ("amqp://h/%zz", "can't parse host to find protocol"),
        ("amqp://h/%FF", "can't parse host to find protocol"),
        ("amqp://h/a\nb", "can't parse host to find protocol"),
        ("amqp://h/a\tb", "can't parse host to find protocol"),
        ("amqp://h:65536", "can't parse host to find protocol"),
        ("amqp://h:rabbit", "can't parse host to find protocol"),
        ("amqp://h:-1", "can't parse host to find protocol"),
        ("amqp://::1", "can't parse host to find protocol"),
        ("amqp://[::1", "can't parse host to find protocol"),
        ("amqp://[::1]5672", "can't parse host to find protocol"),
        ("amqp://h\\x", "can't parse host to find protocol"),
        ("http://h h/", "can't parse host to find protocol"),
        ("http://h/%zz", "can't parse host to find protocol"),
        ("http://u:12/34@h", "host holds an @ behind"),
        ("http://u:1@2/34@h", "host holds an @ behind"),
        ("amqp://h/v@w", "host holds an @ behind"),
        ("amqp://h?auth_mechanism=kerberos", "unsupported auth_mechanism in host"),
        ("amqp://h?auth_mechanism=external&auth_mechanism=plain", "more than one auth_mechanism"),
    ] {
        let error = Host::parse(address).err().unwrap_or_else(|| panic!("{address} is read"));
        assert!(error.contains(text), "{address}: {error}");
    }
}

#[test]
fn parameters_say_how_to_log_in() {
    for (address, mechanism, names_files) in [
        ("amqps://h", None, false),
        ("amqps://h/v?heartbeat=5&connection_timeout=1000&channel_max=7", None, false),
        ("amqps://h?auth_mechanism=EXTERNAL", Some(AuthMechanism::External), false),
        ("amqps://h/?auth_mechanism=plain", Some(AuthMechanism::Plain), false),
        ("amqps://h/?auth_mechanism=amqplain", Some(AuthMechanism::AmqPlain), false),
        ("amqps://h/?certfile=/c.pem&keyfile=/k.pem", None, true),
        ("amqps://h/?cacertfile=/c.pem&auth_mechanism=external", Some(AuthMechanism::External), true),
        // Not AMQP.
        ("https://h/?auth_mechanism=external&certfile=/c.pem", None, false),
    ] {
        assert_eq!(Host::parse(address).unwrap().query, Query { mechanism, names_files }, "{address}");
    }
}

proptest! {
    #[test]
    fn no_error_holds_any_part_of_a_password(
        scheme in "(amqp|amqps|http|https|ftp|amqp:|)",
        slashes in "(://|:/|/|:)",
        before in "[ /?#@:%\\[\\]\\\\a-z0-9]{0,4}",
        after in "[ /?#@:%\\[\\]\\\\a-z0-9]{0,4}",
        tail in "(@h:5672/v|@h|@|@h:port/|)",
    ) {
        let address = format!("{scheme}{slashes}user:{before}SECRET{after}{tail}");
        match Host::parse(&address) {
            Err(error) => prop_assert!(!error.contains("SECRET"), "{address}: {error}"),
            // The shown part of a usable address is its machine and the path of the management API, which has the word
            // when it comes after the last `@`.
            Ok(host) if address.rsplit_once('@').is_some_and(|(before, _)| before.contains("SECRET")) => {
                let shown = host.api.map(String::from).unwrap_or_default();
                prop_assert!(!shown.contains("SECRET") && !host.name.contains("SECRET"), "{address}: {shown}");
            }
            Ok(_) => {}
        }
    }

    /// A difference between two addresses is not lost: a virtual host that was encoded is read as it was.
    #[test]
    fn every_virtual_host_can_be_written(vhost in "\\PC{1,20}") {
        let encoded = percent_encoding::utf8_percent_encode(&vhost, percent_encoding::NON_ALPHANUMERIC);
        for address in [format!("amqp://h/{encoded}"), format!("http://h/{encoded}"), format!("https://h/a/{encoded}")] {
            prop_assert_eq!(&Host::parse(&address).unwrap().vhost, &vhost);
        }
    }
}
