//! The limiter of concurrent requests to the API server: as many as it can bear.
//!
//! Requests beyond the [`window`] wait in a [`queue`], the most urgent first. An overloaded API server is a fact about
//! Ebb, not about thousands of ScaledObjects: one log line when it begins and one when it ends, and a metric.

mod queue;
mod window;

use std::sync::Arc;
use std::time::Duration;

use http::{Method, Request, Response};
use kube::Client;
use kube::client::Body;
use parking_lot::Mutex;
use tokio::time::{Instant, sleep_until};

use self::queue::{Queue, Urgency};
use self::window::{Outcome, Turn, Window};
use super::errors;
use crate::leader::NotLeading;
use crate::telemetry::metrics::ApiServerMetrics;

/// The longest wait of a request before it is given up.
const LONGEST_WAIT: Duration = Duration::from_mins(1);
/// A request that its caller gives up after this time counts as one without an answer.
const GIVEN_UP: Duration = Duration::from_secs(2);

/// A request was not sent, as too many others wait.
#[derive(Debug, thiserror::Error)]
#[error("the API server cannot keep up: the request waited for {} s", LONGEST_WAIT.as_secs())]
pub struct CannotKeepUp;

/// The limiter of one API server. Clients share it.
#[derive(Debug)]
pub struct Limiter {
    begun: Instant,
    state: Mutex<State>,
    metrics: ApiServerMetrics,
}

#[derive(Debug, Default)]
struct State {
    window: Window,
    queue: Queue<Permit>,
    /// Requests that are out.
    out: usize,
}

/// The right to send one request. Dropping it without an outcome means that the caller gave up.
#[derive(Debug)]
struct Permit {
    limiter: Option<Arc<Limiter>>,
    begun: Instant,
}

impl Limiter {
    /// A limiter that has seen no answer yet.
    pub fn new(metrics: ApiServerMetrics) -> Arc<Self> {
        Arc::new(Self { begun: Instant::now(), state: Mutex::default(), metrics })
    }

    fn now(&self) -> Duration {
        self.begun.elapsed()
    }

    /// Waits until a request of this urgency may be sent.
    async fn admit(self: &Arc<Self>, urgency: Urgency) -> Result<Permit, CannotKeepUp> {
        let mut waiting = {
            let mut state = self.state.lock();
            let is_paused = urgency != Urgency::Scale && self.now() < state.window.pause_until();
            if state.out < state.window.size() && state.queue.is_free_for(urgency) && !is_paused {
                state.out += 1;
                return Ok(self.permit());
            }
            let waiting = state.queue.add(urgency);
            // Those before it may have been given up.
            self.dispatch(&mut state);
            waiting
        };
        let give_up = Instant::now() + LONGEST_WAIT;
        loop {
            let pause_ends = self.begun + self.state.lock().window.pause_until();
            tokio::select! {
                permit = &mut waiting => return permit.map_err(|_| CannotKeepUp),
                () = sleep_until(pause_ends), if pause_ends > Instant::now() => self.dispatch(&mut self.state.lock()),
                () = sleep_until(give_up) => return Err(CannotKeepUp),
            }
        }
    }

    fn permit(self: &Arc<Self>) -> Permit {
        Permit { limiter: Some(Arc::clone(self)), begun: Instant::now() }
    }

    /// Sends waiting requests, as many as the window has room for.
    fn dispatch(self: &Arc<Self>, state: &mut State) {
        let only_urgent = self.now() < state.window.pause_until();
        while state.out < state.window.size() {
            if let Err(mut unused) = state.queue.wake_next(self.permit(), only_urgent) {
                // It is not to come back here, where the state is locked.
                unused.limiter = None;
                break;
            }
            state.out += 1;
        }
        self.show(state);
    }

    fn ended(self: &Arc<Self>, outcome: Outcome, took: Duration) {
        let (turn, size) = {
            let mut state = self.state.lock();
            let is_full = state.out >= state.window.size();
            state.out -= 1;
            let now = self.now();
            let turn = state.window.ended(outcome, took, is_full, now);
            self.dispatch(&mut state);
            (turn, state.window.size())
        };
        if outcome != Outcome::Answered {
            self.metrics.overloads.inc();
        }
        match turn {
            Some(Turn::Begins) => {
                tracing::warn!(
                    at_once = size,
                    "the API server cannot keep up: requests wait, the most urgent go first"
                );
            }
            Some(Turn::Ends { overloaded, lasted }) => {
                let lasted = lasted.as_secs();
                tracing::info!(overloaded, lasted_seconds = lasted, "the API server keeps up again");
            }
            None => {}
        }
    }

    fn show(&self, state: &State) {
        self.metrics.overloaded.set(i64::from(state.window.is_overloaded()));
        self.metrics.limit.set(i64::try_from(state.window.size()).unwrap_or(i64::MAX));
        for (gauge, waiting) in self.metrics.waiting.iter().zip(state.queue.lengths()) {
            gauge.set(i64::try_from(waiting).unwrap_or(i64::MAX));
        }
    }
}

impl Permit {
    fn end(mut self, outcome: Outcome) {
        if let Some(limiter) = self.limiter.take() {
            limiter.ended(outcome, self.begun.elapsed());
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(limiter) = self.limiter.take() {
            let took = self.begun.elapsed();
            let lost = took >= GIVEN_UP;
            limiter.ended(if lost { Outcome::Overloaded { retry_after: None } } else { Outcome::Answered }, took);
        }
    }
}

/// The same client of the API server; requests wait for their turn.
pub fn limited(client: &Client, limiter: &Arc<Limiter>) -> Client {
    let (inner, limiter) = (client.clone(), Arc::clone(limiter));
    let send = tower::service_fn(move |request: Request<Body>| {
        let (client, limiter) = (inner.clone(), Arc::clone(&limiter));
        async move {
            let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
            let urgency = Urgency::of(is_read, request.uri().path());
            let permit = limiter.admit(urgency).await?;
            let answer = client.send(request).await;
            permit.end(outcome(&answer));
            answer.map_err(tower::BoxError::from)
        }
    });
    Client::new(send, client.default_namespace())
}

fn outcome<B>(answer: &Result<Response<B>, kube::Error>) -> Outcome {
    match answer {
        Ok(answer) => {
            let retry_after = answer.headers().get(http::header::RETRY_AFTER).and_then(|value| value.to_str().ok());
            let retry_after = retry_after.and_then(|seconds| seconds.trim().parse().ok()).map(Duration::from_secs);
            // An aggregated API that is down gives 503 too, without a time.
            let code = answer.status().as_u16();
            if errors::is_overload(code) || (code == 503 && retry_after.is_some()) {
                Outcome::Overloaded { retry_after }
            } else {
                Outcome::Answered
            }
        }
        // The request did not go out.
        Err(kube::Error::Service(error)) if error.is::<NotLeading>() => Outcome::Answered,
        Err(error) if errors::is_unanswered(error) => Outcome::Overloaded { retry_after: None },
        Err(_) => Outcome::Answered,
    }
}

#[cfg(test)]
mod tests;
