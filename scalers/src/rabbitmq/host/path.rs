//! The virtual host in the path of an address. Both rules are KEDA's.

/// AMQP: all behind the first slash, further slashes included. Empty for the default virtual host.
pub(super) fn amqp_vhost(path: &str) -> &str {
    path.strip_prefix('/').unwrap_or(path)
}

/// HTTP: the last segment, as the management API may live below a path of its own, which is what comes before. Empty
/// segments of that path mean nothing.
pub(super) fn prefix_and_vhost(path: &str) -> (String, &str) {
    let (before, vhost) = path.rsplit_once('/').unwrap_or(("", path));
    let segments = before.split('/').filter(|segment| !segment.is_empty());
    (segments.flat_map(|segment| ["/", segment]).collect(), vhost)
}
