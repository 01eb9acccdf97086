//! Who may see the page: the one who has the address with the token, from this machine. Pure.
//!
//! A page of another site can make a browser send requests to 127.0.0.1. It does not know the token, its requests carry no
//! cookie of this page (`SameSite=Strict`), and a name that it has made lead to 127.0.0.1 is not a name of this server.

use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, StatusCode};

/// The content security policy of the page: its own script, style, picture and stream, and nothing else.
pub(super) const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

/// The headers of every answer.
pub(super) const HEADERS: [(&str, &str); 7] = [
    ("content-security-policy", POLICY),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("cache-control", "no-store"),
];

/// The secret of one run of `ebb ui`, and the name of the cookie that carries it.
#[derive(Debug, Clone)]
pub(super) struct Guard {
    token: String,
    cookie: String,
}

/// What becomes of a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is answered.
    Pass,
    /// It has brought the token: the browser gets the cookie, and goes on without the token in its address.
    SetCookie(String),
    /// It is refused, and the text says why.
    Refuse(StatusCode, &'static str),
}

impl Guard {
    /// A guard. Browsers do not keep cookies of different ports apart, so that the name of the cookie has the port.
    pub(super) fn new(token: String, port: u16) -> Self {
        Self { token, cookie: format!("ebb-ui-{port}") }
    }

    /// Judges a request.
    pub(super) fn judge(&self, method: &Method, path: &str, query: Option<&str>, headers: &HeaderMap) -> Verdict {
        let host = text(headers, &header::HOST).unwrap_or_default();
        if !is_local(host) {
            return Verdict::Refuse(StatusCode::FORBIDDEN, "ebb ui answers to 127.0.0.1 and localhost alone");
        }
        if path == "/"
            && method == Method::GET
            && let Some(token) = query.and_then(|query| value_of(query, '&', "token"))
        {
            return if self.knows(token) {
                let cookie = &self.cookie;
                Verdict::SetCookie(format!("{cookie}={token}; Path=/; HttpOnly; SameSite=Strict"))
            } else {
                Verdict::Refuse(StatusCode::UNAUTHORIZED, ANOTHER_RUN)
            };
        }
        let site = headers.get("sec-fetch-site").and_then(|site| site.to_str().ok()).unwrap_or("none");
        if path.starts_with("/api/") && !["none", "same-origin"].contains(&site) {
            return Verdict::Refuse(StatusCode::FORBIDDEN, "a page of another origin may not ask ebb ui");
        }
        let origin = text(headers, &header::ORIGIN);
        if origin.is_some_and(|origin| origin.strip_prefix("http://") != Some(host)) {
            return Verdict::Refuse(StatusCode::FORBIDDEN, "a page of another origin may not ask ebb ui");
        }
        if self.is_authenticated(headers) {
            Verdict::Pass
        } else {
            Verdict::Refuse(StatusCode::UNAUTHORIZED, ANOTHER_RUN)
        }
    }

    fn is_authenticated(&self, headers: &HeaderMap) -> bool {
        let bearer = text(headers, &header::AUTHORIZATION).and_then(|value| value.strip_prefix("Bearer "));
        let cookies = headers.get_all(header::COOKIE).iter().filter_map(|cookies| cookies.to_str().ok());
        let cookies = cookies.filter_map(|cookies| value_of(cookies, ';', &self.cookie));
        bearer.into_iter().chain(cookies).any(|token| self.knows(token))
    }

    /// Compares without an end before the last byte: the time that it takes says nothing about the token.
    fn knows(&self, token: &str) -> bool {
        let differences = self.token.bytes().zip(token.bytes()).fold(0, |found, (own, given)| found | (own ^ given));
        token.len() == self.token.len() && differences == 0
    }
}

const ANOTHER_RUN: &str = "open the address that ebb ui has printed: this one is of another run, or lacks the token";

fn text<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> Option<&'a str> {
    headers.get(name).map(HeaderValue::to_str)?.ok()
}

/// The value of `name` in `name=value` pairs.
fn value_of<'a>(pairs: &'a str, separator: char, name: &str) -> Option<&'a str> {
    pairs
        .split(separator)
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value)
}

/// Whether a `Host` header names this machine. The port may be another one: that of an SSH tunnel.
fn is_local(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|digit| digit.is_ascii_digit()) => name,
        _ => host,
    };
    ["127.0.0.1", "localhost", "[::1]"].iter().any(|own| name.eq_ignore_ascii_case(own))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    fn guard() -> Guard {
        Guard::new("s3cret".to_owned(), 8095)
    }

    const COOKIE: (&str, &str) = ("cookie", "theme=dark; ebb-ui-8095=s3cret");
    const HOST: (&str, &str) = ("host", "127.0.0.1:8095");

    #[test]
    fn the_address_with_the_token_gives_the_cookie() {
        let judge = |query| guard().judge(&Method::GET, "/", Some(query), &headers(&[HOST]));
        let cookie = "ebb-ui-8095=s3cret; Path=/; HttpOnly; SameSite=Strict";
        assert_eq!(judge("token=s3cret"), Verdict::SetCookie(cookie.to_owned()));
        assert_eq!(judge("a=b&token=s3cret"), Verdict::SetCookie(cookie.to_owned()));
        for wrong in ["token=", "token=s3cre", "token=s3crets", "token=S3cret", "tokens=s3cret", "token"] {
            assert_eq!(judge(wrong), Verdict::Refuse(StatusCode::UNAUTHORIZED, ANOTHER_RUN), "{wrong}");
        }
    }

    #[test]
    fn a_request_needs_the_token() {
        let judge = |more: &[(&'static str, &str)]| {
            let all: Vec<_> = [HOST].iter().chain(more).copied().collect();
            guard().judge(&Method::GET, "/api/stream", None, &headers(&all))
        };
        assert_eq!(judge(&[COOKIE]), Verdict::Pass);
        assert_eq!(judge(&[("authorization", "Bearer s3cret")]), Verdict::Pass);
        for wrong in [
            ("cookie", "ebb-ui-8095=other"),
            ("cookie", "ebb-ui-8096=s3cret"),
            ("authorization", "s3cret"),
            ("authorization", "Basic s3cret"),
        ] {
            assert_eq!(judge(&[wrong]), Verdict::Refuse(StatusCode::UNAUTHORIZED, ANOTHER_RUN), "{wrong:?}");
        }
    }

    #[test]
    fn other_names_and_other_pages_are_refused() {
        let judge = |host: &'static str, more: &[(&'static str, &str)]| {
            let all: Vec<_> = [("host", host), COOKIE].iter().chain(more).copied().collect();
            guard().judge(&Method::POST, "/api/simulate", None, &headers(&all))
        };
        for host in ["127.0.0.1:8095", "localhost", "LOCALHOST:1", "[::1]:8095"] {
            assert_eq!(judge(host, &[]), Verdict::Pass, "{host}");
        }
        for host in ["", "evil.example:8095", "127.0.0.1.evil.example", "localhost.evil.example:80", "10.0.0.1", "::1"]
        {
            assert!(matches!(judge(host, &[]), Verdict::Refuse(StatusCode::FORBIDDEN, _)), "{host}");
        }
        let own = ("origin", "http://127.0.0.1:8095");
        assert_eq!(judge("127.0.0.1:8095", &[own, ("sec-fetch-site", "same-origin")]), Verdict::Pass);
        for other in [
            ("origin", "http://127.0.0.1:9000"),
            ("origin", "https://evil.example"),
            ("origin", "null"),
            ("sec-fetch-site", "same-site"),
            ("sec-fetch-site", "cross-site"),
        ] {
            assert!(
                matches!(judge("127.0.0.1:8095", &[other]), Verdict::Refuse(StatusCode::FORBIDDEN, _)),
                "{other:?}"
            );
        }
    }

    #[test]
    fn the_policy_allows_nothing_inline_and_nothing_from_elsewhere() {
        for forbidden in ["unsafe", "http:", "https:", "data:", "*"] {
            assert!(!POLICY.contains(forbidden), "{forbidden}");
        }
        assert!(POLICY.starts_with("default-src 'none'; "), "{POLICY}");
    }
}
