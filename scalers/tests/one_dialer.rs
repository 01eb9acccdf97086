//! One way out: only `scalers/src/net` opens sockets, resolves names and builds HTTP clients, so that denied addresses,
//! limits of time, TLS settings and quotas hold for every kind of trigger.

// A source that cannot be read fails the test.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

/// What opens a socket, resolves a name, or makes a way out with settings of its own.
const WAYS_OUT: [&str; 14] = [
    "TcpStream::connect",
    "TcpSocket",
    "UdpSocket",
    "UnixStream",
    "UnixDatagram",
    "std::net::TcpStream",
    "lookup_host",
    "to_socket_addrs",
    "reqwest::get",
    "Client::builder",
    "ClientBuilder",
    "reqwest::Client::new",
    "Outbound::default",
    "Command::new",
];

/// The ways out that a source has outside of its tests.
fn ways_out(source: &str) -> Vec<&'static str> {
    let code = source.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let code: String = code.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    WAYS_OUT.into_iter().filter(|way| code.contains(way)).collect()
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let is_test = path.file_stem().is_some_and(|name| name == "tests" || name == "keda_cases");
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") && !is_test {
            found.push(path);
        }
    }
}

#[test]
fn only_net_leads_out_of_the_process() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut all = Vec::new();
    sources(&folder, &mut all);
    assert!(all.len() > 50, "{}", all.len());
    for path in all {
        let place = path.strip_prefix(&folder).unwrap();
        let found = ways_out(&fs::read_to_string(&path).unwrap());
        if place.starts_with("net") {
            continue;
        }
        assert!(found.is_empty(), "{}: {found:?}; go out through net::Outbound", place.display());
    }
}

#[test]
fn a_way_out_is_found() {
    assert_eq!(ways_out("async fn f() { tokio::net::TcpStream::connect(a).await }"), ["TcpStream::connect"]);
    assert_eq!(ways_out("let client = reqwest::Client::builder();"), ["Client::builder"]);
    assert_eq!(ways_out("// TcpSocket\n#[cfg(test)]\nmod tests {\n TcpStream::connect(a) }"), [""; 0]);
}
