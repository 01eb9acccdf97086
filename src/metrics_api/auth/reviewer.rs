//! The two questions that only the API server can answer, as a trait, so that tests can provide the answers.

use async_trait::async_trait;

use super::User;

/// Reviews tokens and rights.
#[async_trait]
pub trait Reviewer: Send + Sync + 'static {
    /// The user of a bearer token; none if the token is not valid.
    async fn token(&self, token: &str) -> Result<Option<User>, ReviewError>;

    /// Whether `user` has the right to do `action`.
    async fn access(&self, user: &User, action: &Action) -> Result<Access, ReviewError>;
}

/// An action that needs a right.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Reading one metric: the verb `list` on a resource with the metric's name. As in a `SubjectAccessReview`, an
    /// empty namespace means all namespaces, and the metric `*` means every metric.
    List {
        /// The namespace of the ScaledObject.
        namespace: String,
        /// The metric's name.
        metric: String,
    },
    /// Any other action on a resource of any group.
    Resource(Box<Resource>),
    /// A request for a path that is not a resource.
    Path {
        /// The method in lower case.
        verb: String,
        /// The path.
        path: String,
    },
}

/// A verb and its object, as in a `SubjectAccessReview`. Fields that do not apply are empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Resource {
    /// The verb.
    pub verb: String,
    /// The API group.
    pub group: String,
    /// The version of the group.
    pub version: String,
    /// The namespace.
    pub namespace: String,
    /// The resource.
    pub resource: String,
    /// The subresource.
    pub subresource: String,
    /// The name of the object.
    pub name: String,
}

impl Action {
    /// Reading any metric in any namespace.
    pub fn every_metric() -> Self {
        Self::List { namespace: String::new(), metric: "*".to_owned() }
    }
}

/// The answer about a right.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// Whether the user has the right.
    pub allowed: bool,
    /// The reason; often empty.
    pub reason: String,
}

/// The API server gave no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the API server could not be asked for the right to read metrics: {0}")]
pub struct ReviewError(String);

impl ReviewError {
    /// The error with its reason.
    pub fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}
