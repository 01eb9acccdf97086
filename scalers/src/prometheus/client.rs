//! The shared client of one Prometheus server.
//!
//! Triggers with the same server, trust and timeout share its connections, even with different credentials. The same
//! question with the same credentials is asked once at a time.

use std::error::Error;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use chrono::{SecondsFormat, Utc};
use percent_encoding::percent_decode_str;
use reqwest::Response;
use reqwest::header::{AUTHORIZATION, HeaderMap};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};
use url::Url;

use super::answer::{self, Answer, Complaint};
use crate::metric_name::form_encode;
use crate::net::body::{self, Body, LONGEST_REFUSAL};
use crate::net::budget::Budget;
use crate::net::peer::said;
use crate::net::tls::Tls;
use crate::net::{Outbound, exchange};
use crate::pool::{Backoff, Breaker, SingleFlight, jitter};
use crate::scaler::ReadError;

/// Queries that one server is asked at the same time. Others wait for their turn.
const CONNECTIONS: usize = 8;
/// The longest answer that is read. One element with many long labels is shorter.
const LONGEST_ANSWER: usize = 128 << 10;

/// A server and how to reach it. Triggers with equal endpoints share one client.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Endpoint {
    /// The address below which `/api/v1/query` lies. It may hold a user and a password.
    pub(super) base: Url,
    /// The authorities to trust, and the certificate to show.
    pub(super) tls: Tls,
    /// The limit of time for one query; none for that of all HTTP clients.
    pub(super) timeout: Option<Duration>,
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({}, {:?})", self.address(), self.tls)
    }
}

impl Endpoint {
    /// User and password in the address.
    fn login(&self) -> Option<(String, String)> {
        let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let user = Some(self.base.username()).filter(|user| !user.is_empty())?;
        Some((decoded(user), decoded(self.base.password().unwrap_or_default())))
    }

    /// The address without user, password and query, for requests and texts.
    pub(super) fn address(&self) -> String {
        let port = self.base.port().map(|port| format!(":{port}")).unwrap_or_default();
        let path = self.base.path().trim_end_matches('/');
        format!("{}://{}{port}{path}", self.base.scheme(), self.base.host_str().unwrap_or_default())
    }
}

/// A question and its asker.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Query {
    /// In PromQL.
    pub(super) expression: String,
    /// Form-encoded, behind the query and the time. Begins with `&` unless it is empty.
    pub(super) more: String,
    /// Credentials among them. Never printed.
    pub(super) headers: HeaderMap,
    /// User and password.
    pub(super) basic: Option<(String, String)>,
}

impl Hash for Query {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // Headers have no order. Equality distinguishes queries that differ in them alone.
        (&self.expression, &self.more, &self.basic).hash(state);
    }
}

impl fmt::Debug for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Query").field("expression", &self.expression).finish_non_exhaustive()
    }
}

/// A shared client. It connects with the first query.
#[derive(Debug)]
pub(super) struct Client {
    endpoint: Endpoint,
    http: Result<reqwest::Client, String>,
    timeout: Duration,
    budget: Budget,
    /// A permit is one query under way.
    connections: Semaphore,
    /// Open while the server cannot be reached. A query that takes too long says nothing about the others.
    breaker: Breaker,
    queries: SingleFlight<Arc<Query>, Result<Answer, ReadError>>,
}

impl Client {
    /// A client that has not connected yet.
    pub(super) fn new(endpoint: &Endpoint, outbound: &Arc<Outbound>) -> Self {
        let timeout = endpoint.timeout.unwrap_or(outbound.http_timeout);
        let build = || -> Result<reqwest::Client, Box<dyn Error>> {
            let client = outbound.http(&endpoint.base, endpoint.tls.client_config(outbound)?, CONNECTIONS, timeout)?;
            // Another host must not be handed the credentials in the headers.
            let client = client.redirect(outbound.redirects_within(&endpoint.base));
            Ok(client.build()?)
        };
        let http = build().map_err(|error| error.to_string());
        Self {
            endpoint: endpoint.clone(),
            http,
            timeout,
            budget: outbound.budget.clone(),
            connections: Semaphore::new(CONNECTIONS),
            breaker: Breaker::new(Backoff::new(Duration::from_millis(250), Duration::from_secs(10))),
            queries: SingleFlight::default(),
        }
    }

    /// The answer to a query now. Askers of the same at the same time share it.
    ///
    /// # Errors
    /// The server cannot be reached, refuses the query, or its answer has no value of one element.
    pub(super) async fn ask(self: Arc<Self>, query: &Arc<Query>) -> Result<Answer, ReadError> {
        if let Some(error) = self.breaker.open_error(Instant::now()) {
            return Err(error);
        }
        let (client, asked) = (Arc::clone(&self), Arc::clone(query));
        self.queries.join(query, async move { client.ask_now(&asked).await }).await
    }

    async fn ask_now(&self, query: &Query) -> Result<Answer, ReadError> {
        let now = Utc::now().to_rfc3339_opts(SecondsFormat::Secs, true);
        let body = self.fetch(query, "query", &format!("&time={now}"), LONGEST_ANSWER).await?;
        answer::read(&body.bytes, &query.expression).map_err(|text| self.refused(query, &text))
    }

    /// The body of the answer to a question at `path`, whose further parameters begin with `&`. It has
    /// `longest` bytes at most.
    pub(super) async fn fetch(
        &self,
        query: &Query,
        path: &str,
        parameters: &str,
        longest: usize,
    ) -> Result<Body, ReadError> {
        // Others' queries may take long: the wait for a turn counts.
        let turn = timeout(self.timeout, self.connections.acquire()).await;
        let Ok(_permit) = turn else { return Err(self.timed_out(query)) };
        let response = self.send(query, path, parameters).await?;
        let status = response.status();
        let body = self.body(response, query, longest).await?;
        if !status.is_success() {
            let text = format!(
                "prometheus query api returned error. status: {}{}",
                status.as_u16(),
                said(Complaint::words(&body.bytes))
            );
            return Err(self.refused(query, &text));
        }
        Ok(body)
    }

    async fn send(&self, query: &Query, path: &str, parameters: &str) -> Result<Response, ReadError> {
        let http = self.http.as_ref().map_err(|cause| self.unreachable(cause.clone()))?;
        let request = http.get(format!(
            "{}/api/v1/{path}?query={}{parameters}{}",
            self.endpoint.address(),
            form_encode(&query.expression),
            query.more
        ));
        let request = match (&query.basic, self.endpoint.login()) {
            (Some((user, password)), _) => request.basic_auth(user, Some(password)),
            (None, Some((user, password))) if !query.headers.contains_key(AUTHORIZATION) => {
                request.basic_auth(user, Some(password))
            }
            _ => request,
        };
        let answer = exchange::send(request.headers(query.headers.clone())).await;
        match answer {
            Ok(response) => {
                self.breaker.succeeded();
                Ok(response)
            }
            Err(error) => Err(self.explain(query, &error)),
        }
    }

    async fn body(&self, response: Response, query: &Query, longest: usize) -> Result<Body, ReadError> {
        let longest = if response.status().is_success() { longest } else { LONGEST_REFUSAL };
        body::read(response, longest, &self.budget).await.map_err(|fault| match fault {
            body::Fault::TooLong(longest) => self.refused(
                query,
                &format!(
                    "the answer is longer than {longest} bytes: sum(…) around the query makes one element of many"
                ),
            ),
            body::Fault::NotNow(why) => self.unreachable(why),
            body::Fault::Http(error) => self.explain(query, &error),
        })
    }

    fn server(&self) -> String {
        format!("Prometheus at {}", self.endpoint.address())
    }

    /// The server answered, and not with a value.
    pub(super) fn refused(&self, query: &Query, text: &str) -> ReadError {
        let about =
            if text.contains(&query.expression) { String::new() } else { format!(" (query {})", query.expression) };
        ReadError::Query(format!("{}: {text}{about}", self.server()))
    }

    fn timed_out(&self, query: &Query) -> ReadError {
        ReadError::Timeout { broker: self.server(), what: format!("query {}", query.expression), after: self.timeout }
    }

    fn unreachable(&self, cause: String) -> ReadError {
        ReadError::Connect { broker: self.server(), cause }
    }

    fn explain(&self, query: &Query, error: &reqwest::Error) -> ReadError {
        if error.is_timeout() && !error.is_connect() {
            return self.timed_out(query);
        }
        // reqwest's own text holds the whole address; the reason is at the end of the chain of sources.
        let mut cause: &dyn Error = error;
        while let Some(source) = cause.source() {
            cause = source;
        }
        let error = self.unreachable(said(cause));
        self.breaker.failed(Instant::now(), error.clone(), jitter(&self.endpoint));
        error
    }
}
