//! RabbitMQ's management API: one keep-alive HTTP client for each (address, credentials).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::StatusCode;
use serde::Deserialize;
use url::Url;

use crate::broker::Flights;
use crate::scaler::ReadError;

/// Everything but RFC 3986's unreserved characters: the broker decodes `+` as itself, so a space must be `%20`.
const PATH_SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Where the management API is and as whom to ask.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Address {
    /// The URL below which `/api` lies, without credentials.
    pub base: Url,
    /// User; empty for none.
    pub username: String,
    /// Password: never printed.
    pub password: String,
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({} as {:?})", self.base, self.username)
    }
}

/// An address and how to talk to it. Triggers with equal endpoints share one client.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// Where.
    pub url: Address,
    /// Accept any server certificate.
    pub unsafe_ssl: bool,
    /// How long a whole exchange may take.
    pub timeout: Duration,
}

/// How many messages a queue holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Depth {
    /// Ready and unacknowledged.
    pub messages: f64,
    /// Ready only.
    pub ready: f64,
}

/// The API's answer about a queue.
#[derive(Deserialize)]
#[serde(untagged)]
enum Answer {
    Queue {
        messages: Option<f64>,
        messages_ready: Option<f64>,
    },
    /// With `columns`, a queue without any of them is an empty list.
    Nothing([(); 0]),
}

impl Answer {
    /// The figures, once the broker has them: a queue declared a moment ago is not the same as an empty one.
    fn depth(&self) -> Option<Depth> {
        match self {
            Self::Queue { messages: Some(messages), messages_ready: Some(ready) }
                if *messages >= 0.0 && *ready >= 0.0 =>
            {
                Some(Depth { messages: *messages, ready: *ready })
            }
            Self::Queue { .. } | Self::Nothing(_) => None,
        }
    }
}

/// A shared client of one management API.
#[derive(Debug)]
pub struct Client {
    endpoint: Endpoint,
    http: Result<reqwest::Client, String>,
    flights: Flights<(String, String), Result<Depth, ReadError>>,
}

impl Client {
    /// A client that has not connected yet.
    pub fn new(endpoint: &Endpoint) -> Self {
        let http = reqwest::Client::builder()
            .timeout(endpoint.timeout)
            .connect_timeout(endpoint.timeout)
            .danger_accept_invalid_certs(endpoint.unsafe_ssl)
            .pool_max_idle_per_host(4)
            .user_agent(concat!("ebb/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| error.to_string());
        Self { endpoint: endpoint.clone(), http, flights: Flights::default() }
    }

    /// How many messages `queue` holds. Askers for the same queue at the same time share one request.
    pub async fn depth(self: Arc<Self>, vhost: &str, queue: &str) -> Result<Depth, ReadError> {
        let key = (vhost.to_owned(), queue.to_owned());
        let client = Arc::clone(&self);
        let (asked_vhost, asked_queue) = key.clone();
        self.flights.join(&key, async move { client.ask(&asked_vhost, &asked_queue).await }).await
    }

    async fn ask(&self, vhost: &str, queue: &str) -> Result<Depth, ReadError> {
        let Address { base, username, password } = &self.endpoint.url;
        let http = self.http.as_ref().map_err(|cause| self.unreachable(cause.clone()))?;
        let url = format!(
            "{}/api/queues/{}/{}?columns=messages,messages_ready",
            base.as_str().trim_end_matches('/'),
            utf8_percent_encode(vhost, PATH_SEGMENT),
            utf8_percent_encode(queue, PATH_SEGMENT)
        );
        let mut request = http.get(url);
        if !username.is_empty() {
            request = request.basic_auth(username, Some(password));
        }
        let response = request.send().await.map_err(|error| self.explain(queue, &error))?;
        match response.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => return Err(self.query(vhost, queue, "there is no such queue")),
            StatusCode::UNAUTHORIZED => {
                return Err(self.query(
                    vhost,
                    queue,
                    &format!("401 Unauthorized: wrong credentials for user {username:?}"),
                ));
            }
            status => return Err(self.query(vhost, queue, &status.to_string())),
        }
        let answer: Answer = response.json().await.map_err(|error| self.explain(queue, &error))?;
        answer.depth().ok_or_else(|| self.query(vhost, queue, "the broker has no statistics for it yet"))
    }

    fn broker(&self) -> String {
        format!("RabbitMQ's management API at {}", self.endpoint.url.base)
    }

    fn query(&self, vhost: &str, queue: &str, what: &str) -> ReadError {
        ReadError::Query(format!(
            "error inspecting rabbitMQ: queue {queue:?} in vhost {vhost:?} at {}: {what}",
            self.endpoint.url.base
        ))
    }

    fn unreachable(&self, cause: String) -> ReadError {
        ReadError::Connect { broker: self.broker(), cause }
    }

    fn explain(&self, queue: &str, error: &reqwest::Error) -> ReadError {
        if error.is_timeout() {
            return ReadError::Timeout {
                broker: self.broker(),
                what: format!("queue {queue:?}"),
                after: self.endpoint.timeout,
            };
        }
        // reqwest's own text is general; the reason is at the end of the chain of sources.
        let mut cause: &dyn std::error::Error = error;
        while let Some(source) = cause.source() {
            cause = source;
        }
        self.unreachable(cause.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_figures_yet_is_not_the_same_as_an_empty_queue() {
        for (answer, depth) in [
            (r#"{"messages": 7, "messages_ready": 5}"#, Some(Depth { messages: 7.0, ready: 5.0 })),
            (r#"{"messages": 0, "messages_ready": 0}"#, Some(Depth { messages: 0.0, ready: 0.0 })),
            (r#"{"messages": 0}"#, None),
            ("{}", None),
            ("[]", None),
        ] {
            assert_eq!(serde_json::from_str::<Answer>(answer).unwrap().depth(), depth, "{answer}");
        }
    }
}
