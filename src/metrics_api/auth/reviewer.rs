//! The two questions that only the API server can answer, as a trait, so that tests can answer them.

use async_trait::async_trait;

use super::User;

/// Knows tokens and permissions.
#[async_trait]
pub trait Reviewer: Send + Sync + 'static {
    /// The user a bearer token belongs to; none when the token is not valid.
    async fn token(&self, token: &str) -> Result<Option<User>, ReviewError>;

    /// Whether `user` may do `action`.
    async fn access(&self, user: &User, action: &Action) -> Result<Access, ReviewError>;
}

/// Something that needs a permission.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Reading one metric, which is verb `list` on a resource of the metric's name. An empty namespace means all of
    /// them, and the metric `*` means every one, as in a `SubjectAccessReview`.
    List {
        /// Where the ScaledObject is.
        namespace: String,
        /// The metric's name.
        metric: String,
    },
    /// Anything else that is done to a resource of whatever group.
    Resource(Box<Resource>),
    /// A path that is no resource's.
    Path {
        /// The method in lower case.
        verb: String,
        /// The path.
        path: String,
    },
}

/// A verb and what it is used on, as in a `SubjectAccessReview`. What does not apply is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Resource {
    /// The verb.
    pub verb: String,
    /// The API group.
    pub group: String,
    /// Its version.
    pub version: String,
    /// The namespace.
    pub namespace: String,
    /// The resource.
    pub resource: String,
    /// The part of it.
    pub subresource: String,
    /// One object's name.
    pub name: String,
}

impl Action {
    /// Reading whatever metric wherever.
    pub fn every_metric() -> Self {
        Self::List { namespace: String::new(), metric: "*".to_owned() }
    }
}

/// The answer to a question for a permission.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// Whether it is given.
    pub allowed: bool,
    /// Why or why not; often empty.
    pub reason: String,
}

/// The API server gave no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the API server could not be asked who may read metrics: {0}")]
pub struct ReviewError(String);

impl ReviewError {
    /// With the reason, in words.
    pub fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}
