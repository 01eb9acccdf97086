//! RabbitMQ's management API: one client with at most two connections for each (address, identity).
//!
//! A queue is asked about by its name. Once more than a few are asked about within a second, one paged list answers for
//! all of them. A queue that is missing in the list is asked about by name, so that the error is precise. The broker
//! searches for queues that match a pattern, over as many pages as there are. A broker without statistics counts
//! messages in lists alone; see [`statistics`].

mod about;
mod answer;
mod endpoint;
mod failure;
mod queue_stats_cache;
mod statistics;
mod waiting;

use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Response, StatusCode};
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

use super::queue_stats::{Matches, QueueStats};
use crate::net::body::{self, Body, LONGEST_REFUSAL};
use crate::net::budget::Budget;
use crate::net::exchange;
use crate::net::oauth::TokenSource;
use crate::net::outbound::Outbound;
use crate::net::peer::said;
use crate::pool::{Backoff, Breaker, SingleFlight, jitter};
use crate::scaler::ReadError;
pub(super) use about::About;
#[cfg(fuzzing)]
pub use answer::figures;
use answer::{COLUMNS, Complaint, OrEmpty, Page, Row};
pub use endpoint::{Endpoint, Identity};
use failure::Failure;
use queue_stats_cache::QueueStatsCache;
use statistics::Statistics;
use waiting::Waiting;

/// Everything but RFC 3986's unreserved characters: the broker decodes `+` as itself, so a space must be `%20`.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// Connections to one management API.
const CONNECTIONS: usize = 2;
/// The most queues that the broker gives on one page.
pub(super) const LARGEST_PAGE: u32 = 500;
/// No page of [`LARGEST_PAGE`] queues with the columns that are asked for is longer: four kilobytes are left
/// for a name.
const LARGEST_ANSWER: usize = 2 << 20;
/// How long all pages of a list may take together.
const LIST_TIMEOUT: Duration = Duration::from_secs(10);

/// The queues of a virtual host that a pattern means.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pattern {
    /// The regular expression, as the broker understands it.
    pub expression: Arc<str>,
    /// Queues on a page, 1 to [`LARGEST_PAGE`].
    pub page_size: u32,
}

/// A shared client of one management API.
#[derive(Debug)]
pub struct Client {
    endpoint: Endpoint,
    http: Result<reqwest::Client, String>,
    timeout: Duration,
    tokens: Option<Arc<TokenSource>>,
    budget: Budget,
    /// A permit is one request under way.
    connections: Semaphore,
    /// Questions about one queue that are under way or wait for a permit.
    waiting: AtomicUsize,
    breaker: Breaker,
    statistics: Statistics,
    caches: Mutex<HashMap<Arc<str>, QueueStatsCache>>,
    queues: SingleFlight<(Arc<str>, Arc<str>), Result<QueueStats, ReadError>>,
    lists: SingleFlight<Arc<str>, Result<(), ReadError>>,
    patterns: SingleFlight<(Arc<str>, Pattern), Result<Matches, ReadError>>,
}

impl Client {
    /// A client that has not connected yet. `tokens` is needed for [`Identity::Bearer`].
    pub fn new(endpoint: &Endpoint, tokens: Option<Arc<TokenSource>>, outbound: &Outbound) -> Self {
        let timeout = endpoint.timeout.unwrap_or(outbound.http_timeout);
        let build = || -> Result<reqwest::Client, Box<dyn Error>> {
            let client = outbound.http(&endpoint.base, endpoint.tls.client_config(outbound)?, CONNECTIONS, timeout)?;
            Ok(client.build()?)
        };
        let http = build().map_err(|error| error.to_string());
        Self {
            endpoint: endpoint.clone(),
            http,
            timeout,
            tokens,
            budget: outbound.budget.clone(),
            connections: Semaphore::new(CONNECTIONS),
            waiting: AtomicUsize::new(0),
            breaker: Breaker::new(Backoff::new(Duration::from_millis(250), Duration::from_secs(10))),
            statistics: Statistics::default(),
            caches: Mutex::default(),
            queues: SingleFlight::default(),
            lists: SingleFlight::default(),
            patterns: SingleFlight::default(),
        }
    }

    /// The figures of `queue`, at most a second older than the broker's own.
    ///
    /// # Errors
    /// The broker cannot be asked, has no such queue, or has no statistics for it yet.
    pub async fn figures(self: Arc<Self>, vhost: &Arc<str>, queue: &Arc<str>) -> Result<QueueStats, ReadError> {
        let list_pays = {
            let mut caches = self.caches.lock();
            let cache = caches.entry(Arc::clone(vhost)).or_default();
            if let Some(figures) = cache.ask(queue, Instant::now()) {
                return Ok(figures);
            }
            cache.list_pays(self.waiting.load(Ordering::Relaxed), Instant::now())
        };
        if list_pays {
            let (client, listed) = (Arc::clone(&self), Arc::clone(vhost));
            self.lists.join(vhost, async move { client.list(&listed).await }).await?;
            if let Some(figures) = self.heard(vhost, queue) {
                return Ok(figures);
            }
        }
        let client = Arc::clone(&self);
        let key = (Arc::clone(vhost), Arc::clone(queue));
        let (asked_vhost, asked_queue) = key.clone();
        self.queues.join(&key, async move { client.ask(&asked_vhost, &asked_queue).await }).await
    }

    /// The queues that a pattern matches. Askers for the same at the same time share one search.
    ///
    /// # Errors
    /// The broker cannot be asked, or does not understand the pattern. No match is no error here.
    pub async fn matches(self: Arc<Self>, vhost: &Arc<str>, pattern: &Pattern) -> Result<Matches, ReadError> {
        let client = Arc::clone(&self);
        let key = (Arc::clone(vhost), pattern.clone());
        let (vhost, pattern) = key.clone();
        self.patterns.join(&key, async move { client.search(&vhost, &pattern).await }).await
    }

    /// The API's address, for errors.
    pub fn address(&self) -> &str {
        self.endpoint.base.as_str()
    }

    async fn ask(self: &Arc<Self>, vhost: &str, queue: &str) -> Result<QueueStats, ReadError> {
        let _waiting = Waiting::new(&self.waiting);
        let permit = self.connections.acquire().await;
        // A list may have been read while this one waited.
        if let Some(figures) = self.heard(vhost, queue) {
            return Ok(figures);
        }
        let about = About::Queue { vhost, queue };
        let begun = Instant::now();
        let mut figures = None;
        if !self.statistics.are_off() {
            let path = format!("queues/{}/{}?columns={COLUMNS}", encoded(vhost), encoded(queue));
            let row: OrEmpty<Row> = self.get(&path, about).await.map_err(|failure| self.note(failure))?;
            figures = row.object().and_then(Row::figures);
        }
        drop(permit);
        let figures = match figures {
            Some(figures) => figures,
            None if self.keeps_no_statistics().await? => self.total(vhost, queue).await?,
            None => return Err(self.refused(about, "the broker has no statistics for it yet")),
        };
        if let Some(cache) = self.caches.lock().get_mut(vhost) {
            cache.asked_singly(begun.elapsed());
            cache.keep(queue, figures, Instant::now());
        }
        Ok(figures)
    }

    fn heard(&self, vhost: &str, queue: &str) -> Option<QueueStats> {
        self.caches.lock().get(vhost)?.heard(queue, Instant::now())
    }

    /// Asks for all queues of a virtual host and keeps those that triggers ask about. `Ok` also when the broker gives
    /// no list: the queues are then asked about one by one.
    async fn list(&self, vhost: &Arc<str>) -> Result<(), ReadError> {
        let begun = Instant::now();
        let listed = self.pages(About::List { vhost }, vhost, LARGEST_PAGE, "", |row| {
            if let Some(figures) = row.figures()
                && let Some(cache) = self.caches.lock().get_mut(vhost)
            {
                cache.keep(&row.name, figures, Instant::now());
            }
        });
        let outcome = listed.await;
        let mut caches = self.caches.lock();
        let cache = caches.entry(Arc::clone(vhost)).or_default();
        match outcome {
            Ok(_) => cache.listed(begun, Instant::now()),
            Err(failure @ (Failure::Resting(_) | Failure::Broker(ReadError::Connect { .. }))) => {
                return Err(self.note(failure));
            }
            Err(failure) => {
                tracing::warn!(error = %failure.error(), "no list of queues; they are asked about one by one");
                cache.list_failed(Instant::now());
            }
        }
        Ok(())
    }

    async fn search(
        self: &Arc<Self>,
        vhost: &str,
        Pattern { expression, page_size }: &Pattern,
    ) -> Result<Matches, ReadError> {
        let about = About::Pattern { vhost, expression };
        let filter = format!("&use_regex=true&name={}", encoded(expression));
        loop {
            let mut matches = Matches::default();
            let listed = self.pages(about, vhost, *page_size, &filter, |row| matches.add(row.figures())).await;
            let were_off = listed.map_err(|failure| self.note(failure))?;
            // Figures that are missing for lack of statistics are in a list without statistics.
            if were_off || matches.counts().1 == 0 || !self.keeps_no_statistics().await? {
                return Ok(matches);
            }
        }
    }

    /// Goes through all pages. Says whether they were asked for without statistics.
    async fn pages(
        &self,
        about: About<'_>,
        vhost: &str,
        page_size: u32,
        filter: &str,
        mut each: impl FnMut(&Row) + Send,
    ) -> Result<bool, Failure> {
        let limit = LIST_TIMEOUT.max(self.timeout);
        // The same for all pages, or some queues would have figures and others none.
        let statistics = self.statistics.filter();
        let all = async {
            let mut page = 1;
            loop {
                let path = format!(
                    "queues/{}?page={page}&page_size={page_size}&pagination=true{filter}{statistics}&columns={COLUMNS}",
                    encoded(vhost),
                );
                let permit = self.connections.acquire().await;
                let Page { page_count, items } = match self.get(&path, about).await {
                    // Queues have gone since the first page was read.
                    Err(Failure::PageOutOfRange) if page > 1 => return Ok(!statistics.is_empty()),
                    answer => answer?,
                };
                drop(permit);
                items.iter().filter_map(OrEmpty::object).for_each(&mut each);
                if page >= page_count {
                    return Ok(!statistics.is_empty());
                }
                page += 1;
            }
        };
        timeout(limit, all).await.unwrap_or_else(|_| Err(Failure::Broker(self.timed_out(about, limit))))
    }

    /// One request; the caller holds a permit.
    async fn get<T: DeserializeOwned>(&self, path: &str, about: About<'_>) -> Result<T, Failure> {
        if let Some(error) = self.breaker.open_error(Instant::now()) {
            return Err(Failure::Resting(error));
        }
        let mut response = self.send(path, about).await?;
        // A token may have been revoked before its end.
        if response.status() == StatusCode::UNAUTHORIZED && self.tokens.is_some() {
            response = self.send(path, about).await?;
        }
        let status = response.status();
        let body = self.body(response, about).await?;
        let complaint = || Complaint::read(&body.bytes).words();
        match status {
            StatusCode::OK => {
                self.breaker.succeeded();
                serde_json::from_slice(&body.bytes)
                    .map_err(|_| Failure::Refused(self.refused(about, "the answer is not the management API's")))
            }
            StatusCode::NOT_FOUND => {
                self.breaker.succeeded();
                let what = if matches!(about, About::Queue { .. }) {
                    "there is no such queue"
                } else {
                    "there is no such vhost"
                };
                Err(Failure::Refused(self.refused(about, what)))
            }
            // Wrong credentials, or right ones of a user who may not look into this virtual host.
            StatusCode::UNAUTHORIZED => {
                let what = format!("401 Unauthorized for {:?}{}", self.endpoint.identity, complaint());
                Err(Failure::Refused(self.refused(about, &what)))
            }
            StatusCode::BAD_REQUEST if complaint().contains("page_out_of_range") => Err(Failure::PageOutOfRange),
            StatusCode::BAD_REQUEST if matches!(about, About::Pattern { .. }) => {
                let what = format!("{status}{}; is queueName a valid regular expression?", complaint());
                Err(Failure::Refused(self.refused(about, &what)))
            }
            status if status.is_server_error() => {
                Err(Failure::Broker(self.refused(about, &format!("{status}{}", complaint()))))
            }
            status => Err(Failure::Refused(self.refused(about, &format!("{status}{}", complaint())))),
        }
    }

    async fn send(&self, path: &str, about: About<'_>) -> Result<Response, Failure> {
        let http = self.http.as_ref().map_err(|cause| Failure::Broker(self.unreachable(cause.clone())))?;
        let request = http.get(format!("{}/api/{path}", self.endpoint.base.as_str().trim_end_matches('/')));
        let (request, token) = match (&self.endpoint.identity, &self.tokens) {
            (Identity::Basic(user, password), _) => (request.basic_auth(user, Some(password)), None),
            (Identity::Bearer(_), Some(tokens)) => {
                let token = tokens.token().await.map_err(Failure::Broker)?;
                (request.bearer_auth(token.value()), Some((tokens, token)))
            }
            _ => (request, None),
        };
        let response = exchange::send(request).await.map_err(|error| Failure::Broker(self.explain(about, &error)))?;
        if let Some((tokens, token)) = token
            && response.status() == StatusCode::UNAUTHORIZED
        {
            tokens.refused(&token);
        }
        Ok(response)
    }

    async fn body(&self, response: Response, about: About<'_>) -> Result<Body, Failure> {
        let longest = if response.status() == StatusCode::OK { LARGEST_ANSWER } else { LONGEST_REFUSAL };
        body::read(response, longest, &self.budget).await.map_err(|fault| match fault {
            body::Fault::TooLong(longest) => {
                Failure::Refused(self.refused(about, &format!("the answer is longer than {longest} bytes")))
            }
            body::Fault::NotNow(why) => Failure::Broker(self.unreachable(why)),
            body::Fault::Http(error) => Failure::Broker(self.explain(about, &error)),
        })
    }

    /// Leaves the broker alone for a while if it is the broker that failed.
    fn note(&self, failure: Failure) -> ReadError {
        if let Failure::Broker(error) = &failure {
            self.breaker.failed(Instant::now(), error.clone(), jitter(&self.endpoint));
        }
        failure.error()
    }

    fn broker(&self) -> String {
        format!("RabbitMQ's management API at {}", self.endpoint.base)
    }

    fn refused(&self, about: About<'_>, what: &str) -> ReadError {
        ReadError::Query(format!("error inspecting RabbitMQ: {about} at {}: {what}", self.endpoint.base))
    }

    fn timed_out(&self, about: About<'_>, after: Duration) -> ReadError {
        ReadError::Timeout { broker: self.broker(), what: about.to_string(), after }
    }

    fn unreachable(&self, cause: String) -> ReadError {
        ReadError::Connect { broker: self.broker(), cause }
    }

    fn explain(&self, about: About<'_>, error: &reqwest::Error) -> ReadError {
        if error.is_timeout() {
            return self.timed_out(about, self.timeout);
        }
        // reqwest's own text is general; the reason is at the end of the chain of sources.
        let mut cause: &dyn Error = error;
        while let Some(source) = cause.source() {
            cause = source;
        }
        self.unreachable(said(cause))
    }
}

fn encoded(text: &str) -> impl fmt::Display {
    utf8_percent_encode(text, ENCODED)
}
