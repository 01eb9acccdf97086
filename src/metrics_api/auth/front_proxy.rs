//! Reads the user from the headers that a front proxy adds. The caller decides whether the proxy may name a user: these
//! functions trust every header.

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderName};

use super::User;

/// The names of the headers, and the proxies that may send them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::metrics_api) struct FrontProxy {
    pub(super) allowed_names: Vec<String>,
    pub(super) user_headers: Vec<HeaderName>,
    pub(super) uid_headers: Vec<HeaderName>,
    pub(super) group_headers: Vec<HeaderName>,
    /// The names in lower case.
    pub(super) extra_prefixes: Vec<String>,
}

impl FrontProxy {
    /// Whether the holder of a verified certificate with this common name may name other users. An empty list
    /// allows every name.
    pub(super) fn allows(&self, common_name: &str) -> bool {
        self.allowed_names.is_empty() || self.allowed_names.iter().any(|name| name == common_name)
    }

    /// The user that the headers name; none if they name no user, or if one of them is not text.
    pub(super) fn user(&self, headers: &HeaderMap) -> Option<User> {
        let name = first(headers, &self.user_headers)?;
        let uid = first(headers, &self.uid_headers).unwrap_or_default();
        let groups = all(headers, &self.group_headers)?;
        let extra = self.extra(headers)?;
        Some(User { name, uid, groups, extra }.authenticated())
    }

    fn extra(&self, headers: &HeaderMap) -> Option<BTreeMap<String, Vec<String>>> {
        let mut extra = BTreeMap::<_, Vec<_>>::new();
        for prefix in &self.extra_prefixes {
            for (name, value) in headers {
                let Some(key) = name.as_str().strip_prefix(prefix.as_str()) else { continue };
                extra.entry(unescape(key)).or_default().push(text(value.as_bytes())?);
            }
        }
        Some(extra)
    }
}

fn text(bytes: &[u8]) -> Option<String> {
    std::str::from_utf8(bytes).ok().map(str::to_owned)
}

fn first(headers: &HeaderMap, names: &[HeaderName]) -> Option<String> {
    let value = names.iter().filter_map(|name| headers.get(name)).find(|value| !value.is_empty())?;
    text(value.as_bytes())
}

fn all(headers: &HeaderMap, names: &[HeaderName]) -> Option<Vec<String>> {
    let values = names.iter().flat_map(|name| headers.get_all(name)).filter(|value| !value.is_empty());
    values.map(|value| text(value.as_bytes())).collect()
}

/// Decodes `%xx`. Malformed sequences stay unchanged.
fn unescape(key: &str) -> String {
    fn decoded(key: &str) -> Option<String> {
        let mut bytes = Vec::with_capacity(key.len());
        let mut rest = key.as_bytes();
        while let Some((&byte, tail)) = rest.split_first() {
            if byte == b'%' {
                let digits = std::str::from_utf8(tail.get(..2)?).ok()?;
                bytes.push(u8::from_str_radix(digits, 16).ok()?);
                rest = &tail[2..];
            } else {
                bytes.push(byte);
                rest = tail;
            }
        }
        String::from_utf8(bytes).ok()
    }
    decoded(key).unwrap_or_else(|| key.to_owned())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn proxy() -> FrontProxy {
        FrontProxy {
            allowed_names: vec!["front-proxy-client".into()],
            user_headers: vec!["x-remote-user".parse().unwrap()],
            uid_headers: vec!["x-remote-uid".parse().unwrap()],
            group_headers: vec!["x-remote-group".parse().unwrap()],
            extra_prefixes: vec!["x-remote-extra-".into()],
        }
    }

    #[test]
    fn reads_all_of_a_user() {
        let mut headers = HeaderMap::new();
        headers.insert("x-remote-user", HeaderValue::from_static("joe"));
        headers.insert("x-remote-uid", HeaderValue::from_static("42"));
        headers.append("x-remote-group", HeaderValue::from_static("dev"));
        headers.append("x-remote-group", HeaderValue::from_static(""));
        headers.append("x-remote-group", HeaderValue::from_static("ops"));
        headers.append("x-remote-extra-authentication.kubernetes.io%2fpod-name", HeaderValue::from_static("a"));
        headers.append("x-remote-extra-scopes", HeaderValue::from_static("one"));
        headers.append("x-remote-extra-scopes", HeaderValue::from_static("two"));
        let user = proxy().user(&headers).unwrap();
        assert_eq!((user.name.as_str(), user.uid.as_str()), ("joe", "42"));
        assert_eq!(user.groups, ["dev", "ops", "system:authenticated"]);
        assert_eq!(user.extra["authentication.kubernetes.io/pod-name"], ["a"]);
        assert_eq!(user.extra["scopes"], ["one", "two"]);
    }

    #[test]
    fn names_nobody_without_a_good_name() {
        let mut headers = HeaderMap::new();
        headers.insert("x-remote-group", HeaderValue::from_static("system:masters"));
        assert_eq!(proxy().user(&headers), None);
        headers.insert("x-remote-user", HeaderValue::from_static(""));
        assert_eq!(proxy().user(&headers), None);
        headers.insert("x-remote-user", HeaderValue::from_bytes(b"\xff").unwrap());
        assert_eq!(proxy().user(&headers), None);
    }

    #[test]
    fn allowed_names_bound_the_proxies() {
        assert!(proxy().allows("front-proxy-client"));
        assert!(!proxy().allows("kubelet"));
        assert!(FrontProxy::default().allows("kubelet"));
    }

    #[test]
    fn escapes_are_undone_where_they_are_whole() {
        for (key, expected) in [("a%2fb", "a/b"), ("a%2", "a%2"), ("a%zz", "a%zz"), ("%ff", "%ff"), ("plain", "plain")]
        {
            assert_eq!(unescape(key), expected);
        }
    }
}
