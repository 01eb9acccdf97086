//! Delegated authentication and authorization, as `k8s.io/apiserver` calls it.
//!
//! - [`trust`](Trust): the trusted authorities, from the `ConfigMap` `extension-apiserver-authentication`.
//! - `Peer`: the certificate of one connection, verified against them.
//! - [`Reviewer`]: the API server's answers about bearer tokens and rights, through a short cache.
//!
//! Everything here fails closed: an identity that cannot be verified is refused, and so is a request that the API
//! server gives no answer about. The error says so.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, header};
use tokio::sync::watch;

mod cache;
mod front_proxy;
mod kube_reviewer;
mod peer;
mod reviewer;
mod trust;
mod trust_watch;
mod user;

pub use kube_reviewer::KubeReviewer;
pub(super) use peer::Peer;
pub use reviewer::{Access, Action, Resource, ReviewError, Reviewer};
pub use trust::{Trust, TrustError};
pub use trust_watch::watch_trust;
pub use user::User;

use cache::Cache;

/// How long an answer of the API server is valid.
const ANSWER_LIFE: Duration = Duration::from_secs(10);
/// The maximum of kept answers of each kind.
const ANSWERS: usize = 8192;
/// The longest token that is reviewed, in bytes.
const LONGEST_TOKEN: usize = 16 * 1024;

/// The reason why a request is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The user is unknown.
    Unknown,
    /// The user is known and lacks the right; with the authorizer's reason, if it gave one.
    Forbidden { why: String },
    /// The API server did not answer.
    Unavailable(ReviewError),
}

impl From<ReviewError> for Refusal {
    fn from(error: ReviewError) -> Self {
        Self::Unavailable(error)
    }
}

/// Authenticates and authorizes every request.
pub(super) struct Gate {
    trust: watch::Receiver<Arc<Trust>>,
    reviewer: Arc<dyn Reviewer>,
    tokens: Cache<String, Option<Arc<User>>>,
    permissions: Cache<(Arc<User>, Question), Access>,
}

/// The key of the cache of rights.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Question {
    EveryMetric,
    One(Action),
}

impl Gate {
    pub(super) fn new(trust: watch::Receiver<Arc<Trust>>, reviewer: Arc<dyn Reviewer>) -> Self {
        let (tokens, permissions) = (Cache::new(ANSWER_LIFE, ANSWERS), Cache::new(ANSWER_LIFE, ANSWERS));
        Self { trust, reviewer, tokens, permissions }
    }

    /// The user of a request: the user that a front proxy names, or that of the client certificate, or that of
    /// the token.
    pub(super) async fn who(&self, peer: &Peer, headers: &HeaderMap) -> Result<Arc<User>, Refusal> {
        let trust = Arc::clone(&self.trust.borrow());
        let verdict = peer.judged_by(&trust);
        let known = match (verdict.front_proxy, trust.front_proxy()) {
            (true, Some(proxy)) => proxy.user(headers).map(Arc::new),
            _ => None,
        };
        let user = match known.or_else(|| verdict.user.clone()) {
            Some(user) => user,
            None => self.bearer(headers).await?.ok_or(Refusal::Unknown)?,
        };
        if user.is_anonymous() { Err(Refusal::Unknown) } else { Ok(user) }
    }

    async fn bearer(&self, headers: &HeaderMap) -> Result<Option<Arc<User>>, Refusal> {
        let Some(token) = bearer_token(headers).map(str::to_owned) else { return Ok(None) };
        let reviewer = Arc::clone(&self.reviewer);
        let ask = {
            let token = token.clone();
            async move { Ok(reviewer.token(&token).await?.map(Arc::new)) }
        };
        Ok(self.tokens.get_or_ask(token, ask).await?)
    }

    /// Whether `user` may do `action`.
    ///
    /// For a metric, the first question is whether the user may list all metrics in all namespaces. The HPA controller
    /// may, so that its thousands of metrics cost one question every ten seconds.
    pub(super) async fn may(&self, user: &Arc<User>, action: &Action) -> Result<(), Refusal> {
        if user.is_master() {
            return Ok(());
        }
        if matches!(action, Action::List { .. }) {
            let everything = self.permission(user, Question::EveryMetric, Action::every_metric()).await?;
            if everything.allowed {
                return Ok(());
            }
        }
        let access = self.permission(user, Question::One(action.clone()), action.clone()).await?;
        if access.allowed { Ok(()) } else { Err(Refusal::Forbidden { why: access.reason }) }
    }

    async fn permission(&self, user: &Arc<User>, question: Question, action: Action) -> Result<Access, ReviewError> {
        let (reviewer, asked_for) = (Arc::clone(&self.reviewer), Arc::clone(user));
        let ask = async move { reviewer.access(&asked_for, &action).await };
        self.permissions.get_or_ask((Arc::clone(user), question), ask).await
    }
}

fn bearer_token(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?.trim();
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    let usable = scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() && token.len() <= LONGEST_TOKEN;
    usable.then_some(token)
}
