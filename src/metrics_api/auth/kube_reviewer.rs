//! Asks the API server with `TokenReview` and `SubjectAccessReview`, without a cache.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec, UserInfo};
use k8s_openapi::api::authorization::v1::{
    NonResourceAttributes, ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec,
};
use kube::api::PostParams;
use kube::{Api, Client};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::{Access, Action, ReviewError, Reviewer, User};
use crate::metrics_api::{GROUP, VERSION};

/// The time limit of a review. It is shorter than that of a request, so that the client gets a Status that
/// names the reason.
const LIMIT: Duration = Duration::from_secs(4);

/// The maximum of reviews of one kind at the same time. It keeps a client that sends many invalid tokens from flooding
/// the API server, and from delaying reviews of the other kind.
const AT_ONCE: usize = 32;

/// The API server as a [`Reviewer`].
pub struct KubeReviewer {
    client: Client,
    tokens: Semaphore,
    permissions: Semaphore,
}

impl KubeReviewer {
    /// A reviewer that uses `client`, which needs the rights of the `ClusterRole` `system:auth-delegator`.
    pub fn new(client: Client) -> Self {
        Self { client, tokens: Semaphore::new(AT_ONCE), permissions: Semaphore::new(AT_ONCE) }
    }
}

#[async_trait]
impl Reviewer for KubeReviewer {
    async fn token(&self, token: &str) -> Result<Option<User>, ReviewError> {
        let spec = TokenReviewSpec { token: token.to_owned(), ..TokenReviewSpec::default() };
        let review = TokenReview { spec, ..TokenReview::default() };
        let api: Api<TokenReview> = Api::all(self.client.clone());
        let answer = limited(&self.tokens, api.create(&PostParams::default(), &review)).await?;
        let status = answer.status.unwrap_or_default();
        Ok(if status.authenticated == Some(true) { status.user.and_then(user) } else { None })
    }

    async fn access(&self, user: &User, action: &Action) -> Result<Access, ReviewError> {
        let review = SubjectAccessReview { spec: spec(user, action), ..SubjectAccessReview::default() };
        let api: Api<SubjectAccessReview> = Api::all(self.client.clone());
        let answer = limited(&self.permissions, api.create(&PostParams::default(), &review)).await?;
        let status = answer.status.unwrap_or_default();
        let allowed = status.allowed && status.denied != Some(true);
        Ok(Access { allowed, reason: status.reason.unwrap_or_default() })
    }
}

async fn limited<T>(places: &Semaphore, question: impl Future<Output = kube::Result<T>>) -> Result<T, ReviewError> {
    let ask = async {
        // The semaphore is never closed.
        let _place = places.acquire().await;
        question.await
    };
    match timeout(LIMIT, ask).await {
        Ok(answer) => answer.map_err(|error| ReviewError::new(error.to_string())),
        Err(_) => Err(ReviewError::new(format!("no answer within {} s", LIMIT.as_secs()))),
    }
}

fn user(info: UserInfo) -> Option<User> {
    let name = info.username.filter(|name| !name.is_empty())?;
    let user = User {
        name,
        uid: info.uid.unwrap_or_default(),
        groups: info.groups.unwrap_or_default(),
        extra: info.extra.unwrap_or_default(),
    };
    Some(user.authenticated())
}

fn spec(user: &User, action: &Action) -> SubjectAccessReviewSpec {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let (resource_attributes, non_resource_attributes) = match action {
        Action::List { namespace, metric } => {
            let attributes = ResourceAttributes {
                group: Some(GROUP.to_owned()),
                version: Some(VERSION.to_owned()),
                verb: Some("list".to_owned()),
                namespace: Some(namespace.clone()),
                resource: Some(metric.clone()),
                ..ResourceAttributes::default()
            };
            (Some(attributes), None)
        }
        Action::Resource(asked) => {
            let attributes = ResourceAttributes {
                group: some(&asked.group),
                version: some(&asked.version),
                verb: some(&asked.verb),
                namespace: some(&asked.namespace),
                resource: some(&asked.resource),
                subresource: some(&asked.subresource),
                name: some(&asked.name),
                ..ResourceAttributes::default()
            };
            (Some(attributes), None)
        }
        Action::Path { verb, path } => {
            (None, Some(NonResourceAttributes { path: Some(path.clone()), verb: Some(verb.clone()) }))
        }
    };
    let extra: BTreeMap<String, Vec<String>> = user.extra.clone();
    SubjectAccessReviewSpec {
        user: some(&user.name),
        uid: some(&user.uid),
        groups: Some(user.groups.clone()),
        extra: (!extra.is_empty()).then_some(extra),
        resource_attributes,
        non_resource_attributes,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn asks_as_the_api_server_itself_would() {
        let user = User { name: "joe".into(), groups: vec!["dev".into()], ..User::default() };
        let action = Action::List { namespace: "shop".into(), metric: "s0-x".into() };
        assert_eq!(
            serde_json::to_value(spec(&user, &action)).unwrap(),
            json!({
                "user": "joe",
                "groups": ["dev"],
                "resourceAttributes": {
                    "group": "external.metrics.k8s.io", "version": "v1beta1", "verb": "list", "namespace": "shop",
                    "resource": "s0-x",
                },
            })
        );
        assert_eq!(
            serde_json::to_value(spec(&user, &Action::Path { verb: "get".into(), path: "/apis".into() })).unwrap(),
            json!({"user": "joe", "groups": ["dev"], "nonResourceAttributes": {"path": "/apis", "verb": "get"}})
        );
    }

    #[test]
    fn a_token_without_a_name_is_nobody() {
        assert_eq!(user(UserInfo::default()), None);
        let info = UserInfo { username: Some("joe".into()), ..UserInfo::default() };
        assert_eq!(user(info).unwrap().groups, ["system:authenticated"]);
    }
}
