//! One request to a token endpoint and the reading of its answer.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use parking_lot::Mutex;
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use reqwest::redirect::Policy;
use reqwest::{Response, StatusCode};
use serde::de::Visitor;
use serde::{Deserialize, Deserializer};
use url::Url;

use super::{Account, ClientCredentials};
use crate::metric_name::form_encode;
use crate::net::body::{self, Body};
use crate::net::budget::Budget;
use crate::net::exchange;
use crate::net::outbound::Outbound;
use crate::net::peer::said;
use crate::scaler::ReadError;

/// No token is as long. Parsed, the answer takes 64 KiB.
const LARGEST_ANSWER: usize = 32 << 10;

/// How the client shows its secret (RFC 6749, section 2.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    Header,
    Body,
}

/// The token that an endpoint gave.
pub(super) struct Success {
    pub(super) token: String,
    /// `expires_in`.
    pub(super) life: Option<Duration>,
}

/// Asks for tokens.
pub(super) struct Requester {
    credentials: ClientCredentials,
    http: Result<reqwest::Client, String>,
    budget: Budget,
    /// How long an exchange may take.
    timeout: Duration,
    /// The style that worked, once one has.
    style: Mutex<Option<Style>>,
}

impl fmt::Debug for Requester {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Requester").field("credentials", &self.credentials).finish_non_exhaustive()
    }
}

#[derive(Deserialize, Default)]
struct Answer {
    access_token: Option<String>,
    token_type: Option<String>,
    expires_in: Option<Seconds>,
    error: Option<String>,
    error_description: Option<String>,
}

/// How long a token lives, where the endpoint says so. Some write the number as a text.
struct Seconds(Option<Duration>);

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Number;

        impl Visitor<'_> for Number {
            type Value = Seconds;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("seconds")
            }

            fn visit_f64<E>(self, seconds: f64) -> Result<Seconds, E> {
                // Zero is how some endpoints leave it open, as Go's client has it.
                Ok(Seconds(Duration::try_from_secs_f64(seconds).ok().filter(|life| !life.is_zero())))
            }

            fn visit_u64<E>(self, seconds: u64) -> Result<Seconds, E> {
                Ok(Seconds(Some(Duration::from_secs(seconds)).filter(|life| !life.is_zero())))
            }

            fn visit_i64<E>(self, _negative: i64) -> Result<Seconds, E> {
                Ok(Seconds(None))
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Seconds, E> {
                text.parse().map_or(Ok(Seconds(None)), |seconds| self.visit_f64(seconds))
            }
        }

        from.deserialize_any(Number)
    }
}

impl Requester {
    pub(super) fn new(account: &Account, outbound: &Outbound) -> Self {
        let timeout = outbound.http_timeout;
        let build = || -> Result<reqwest::Client, Box<dyn Error>> {
            let url = Url::parse(&account.credentials.token_url)?;
            let client = outbound.http(&url, account.tls.client_config(outbound)?, 1, timeout)?;
            // A redirect would hand the secret to another server.
            Ok(client.redirect(Policy::none()).build()?)
        };
        let http = build().map_err(|error| error.to_string());
        let budget = outbound.budget.clone();
        Self { credentials: account.credentials.clone(), http, budget, timeout, style: Mutex::new(None) }
    }

    /// One token. The secret goes into the header first; an endpoint that refuses this is asked once more with the
    /// secret in the body, and the way that worked is remembered. Both are in use.
    pub(super) async fn ask(&self) -> Result<Success, ReadError> {
        let known = *self.style.lock();
        let first = known.unwrap_or(Style::Header);
        let answer = match self.ask_with(first).await {
            Err(Refusal { error: _, other_style: true }) if known.is_none() => {
                self.ask_with(Style::Body).await.map(|success| (success, Style::Body))
            }
            answer => answer.map(|success| (success, first)),
        };
        match answer {
            Ok((success, style)) => {
                *self.style.lock() = Some(style);
                Ok(success)
            }
            Err(refusal) => Err(refusal.error),
        }
    }

    async fn ask_with(&self, style: Style) -> Result<Success, Refusal> {
        let ClientCredentials { token_url, client_id, client_secret, .. } = &self.credentials;
        let http = self.http.as_ref().map_err(|cause| self.unreachable(cause.clone()))?;
        let request = http
            .post(token_url)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(ACCEPT, "application/json")
            .body(form(&self.credentials, style));
        let request = match style {
            Style::Header => request.basic_auth(form_encode(client_id), Some(form_encode(client_secret))),
            Style::Body => request,
        };
        let response = exchange::send(request).await.map_err(|error| self.explain(&error))?;
        let status = response.status();
        let body = self.body(response).await?;
        let answer: Answer = serde_json::from_slice(&body.bytes).unwrap_or_default();
        match (status, answer) {
            (StatusCode::OK, Answer { access_token: Some(token), token_type, expires_in, .. })
                if !token.is_empty() && is_header_text(&token) =>
            {
                if token_type.as_ref().is_some_and(|kind| !kind.eq_ignore_ascii_case("bearer")) {
                    return Err(self.refused("the token is not of the type Bearer").into());
                }
                Ok(Success { token, life: expires_in.and_then(|Seconds(life)| life) })
            }
            (StatusCode::OK, Answer { error: None, .. }) => {
                Err(self.refused("the answer holds no access_token").into())
            }
            (status, Answer { error: Some(code), error_description, .. }) => {
                let description = error_description.map(|text| format!(": {text}")).unwrap_or_default();
                let error = self.refused(&format!("{code}{description}"));
                Err(Refusal { error, other_style: matches!(status.as_u16(), 400 | 401) })
            }
            (status, _) => {
                let error = self.refused(&status.to_string());
                Err(Refusal { error, other_style: matches!(status.as_u16(), 400 | 401) })
            }
        }
    }

    async fn body(&self, response: Response) -> Result<Body, Refusal> {
        body::read(response, LARGEST_ANSWER, &self.budget).await.map_err(|fault| match fault {
            body::Fault::TooLong(longest) => self.refused(&format!("the answer is longer than {longest} bytes")).into(),
            body::Fault::NotNow(why) => self.unreachable(why).into(),
            body::Fault::Http(error) => self.explain(&error).into(),
        })
    }

    fn broker(&self) -> String {
        format!("the token endpoint {}", self.credentials.endpoint())
    }

    /// `what` may hold the endpoint's own text: it is cut, and cleaned of the secret should it repeat it.
    fn refused(&self, what: &str) -> ReadError {
        let mut what = what.to_owned();
        for secret in [self.credentials.client_secret.clone(), form_encode(&self.credentials.client_secret)] {
            if !secret.is_empty() {
                what = what.replace(&secret, "***");
            }
        }
        ReadError::Query(format!(
            "no token from {} for client {:?}: {}",
            self.credentials.endpoint(),
            self.credentials.client_id,
            said(what)
        ))
    }

    fn unreachable(&self, cause: String) -> ReadError {
        ReadError::Connect { broker: self.broker(), cause }
    }

    fn explain(&self, error: &reqwest::Error) -> ReadError {
        if error.is_timeout() {
            return ReadError::Timeout { broker: self.broker(), what: "a token".into(), after: self.timeout };
        }
        // reqwest's own text holds the whole address; the reason is at the end of the chain of sources.
        let mut cause: &dyn Error = error;
        while let Some(source) = cause.source() {
            cause = source;
        }
        self.unreachable(said(cause))
    }
}

struct Refusal {
    error: ReadError,
    /// Whether the endpoint may only dislike where the secret was.
    other_style: bool,
}

impl From<ReadError> for Refusal {
    fn from(error: ReadError) -> Self {
        Self { error, other_style: false }
    }
}

fn is_header_text(token: &str) -> bool {
    token.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The request's body. A parameter may set another `grant_type`, which some endpoints need, and nothing else that is
/// set here already.
fn form(credentials: &ClientCredentials, style: Style) -> String {
    let ClientCredentials { client_id, client_secret, scopes, params, .. } = credentials;
    let scope = scopes.join(" ");
    let mut pairs = vec![("grant_type", params.get("grant_type").map_or("client_credentials", String::as_str))];
    if !scope.is_empty() {
        pairs.push(("scope", &scope));
    }
    if style == Style::Body {
        pairs.push(("client_id", client_id));
        pairs.push(("client_secret", client_secret));
    }
    for (key, value) in params {
        if pairs.iter().all(|(taken, _)| taken != key) {
            pairs.push((key, value));
        }
    }
    let encoded: Vec<_> =
        pairs.iter().map(|(key, value)| format!("{}={}", form_encode(key), form_encode(value))).collect();
    encoded.join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_holds_the_secret_only_when_the_header_does_not() {
        let credentials = ClientCredentials {
            token_url: "https://idp/token".into(),
            client_id: "me".into(),
            client_secret: "p&ss w=rd".into(),
            scopes: vec!["a".into(), "b:c".into()],
            params: [("audience", "rabbit mq"), ("scope", "all")].map(|(k, v)| (k.into(), v.into())).into(),
        };
        assert_eq!(form(&credentials, Style::Header), "grant_type=client_credentials&scope=a+b%3Ac&audience=rabbit+mq");
        assert_eq!(
            form(&credentials, Style::Body),
            "grant_type=client_credentials&scope=a+b%3Ac&client_id=me&client_secret=p%26ss+w%3Drd&audience=rabbit+mq"
        );
    }
}
