//! The virtual host in the path of an address. Both rules are KEDA's.

/// AMQP: all behind the first slash, further slashes included. Empty for the default virtual host.
pub(super) fn amqp_vhost(path: &str) -> &str {
    path.strip_prefix('/').unwrap_or(path)
}

/// HTTP: the virtual host is the last segment. The segments before it are a path of the management API's own; empty
/// ones mean nothing.
pub(super) fn prefix_and_vhost(path: &str) -> (String, &str) {
    let (before, vhost) = path.rsplit_once('/').unwrap_or(("", path));
    let segments = before.split('/').filter(|segment| !segment.is_empty());
    (segments.flat_map(|segment| ["/", segment]).collect(), vhost)
}
