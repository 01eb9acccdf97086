//! One open librdkafka client with the tasks that serve it.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::ClientConfig;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::admin::{Admin, AdminError, Answer, BearerToken};
use super::context::Context;
use super::endpoint::{Endpoint, Sasl};
use crate::oauth::{Token, TokenSource};
use crate::scaler::ReadError;

/// How long a broker may take to answer one question.
pub(super) const ANSWER: Duration = Duration::from_secs(3);
/// How long a question to a group's coordinator is left with librdkafka, which is not to end it by itself: where it has done so
/// while it waited for the coordinator, it uses freed memory when the coordinator is back
/// (github.com/confluentinc/librdkafka/issues/4605). It takes an hour at most.
const COORDINATOR: Duration = Duration::from_hours(1);
/// When such a question is given up, by a close of the client, which is safe. Less than half of [`COORDINATOR`]: others were
/// asked on the same client as late as when the first was given up.
const GIVE_UP: Duration = Duration::from_mins(10);
/// librdkafka's events are looked for at least this often, should it not ring.
const LOOK: Duration = Duration::from_secs(1);
/// The shortest pause between two attempts to renew a token.
const TOKEN_RETRY: Duration = Duration::from_secs(2);

/// An open client. Its connections are librdkafka's to open and to keep.
#[derive(Debug)]
pub(super) struct Link {
    shared: Arc<Shared>,
    tasks: Vec<JoinHandle<()>>,
}

/// The part that the tasks hold too.
#[derive(Debug)]
struct Shared(Option<Admin>);

impl Drop for Shared {
    fn drop(&mut self) {
        // librdkafka waits for its threads when a client is destroyed.
        let admin = self.0.take();
        std::thread::spawn(move || drop(admin));
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Link {
    /// Opens a client with the endpoint's `config`, whose connections are as `context` lets them. `tokens` are what it is let in with, if anything but a password.
    ///
    /// # Errors
    /// The configuration is wrong, or there is no token.
    pub(super) async fn open(
        endpoint: &Endpoint,
        config: ClientConfig,
        context: Context,
        tokens: Option<Arc<TokenSource>>,
    ) -> Result<Self, ReadError> {
        let broken = |cause: String| ReadError::Connect { broker: endpoint.broker(), cause };
        let first = match &tokens {
            Some(tokens) => Some(tokens.token().await?),
            None => None,
        };
        let opened = tokio::task::spawn_blocking(move || open_admin(config, context)).await;
        let admin = opened.map_err(|error| broken(error.to_string()))?.map_err(broken)?;
        let shared = Arc::new(Shared(Some(admin)));
        let mut tasks = vec![tokio::spawn(serve(Arc::clone(&shared)))];
        if let (Some(tokens), Some(first), Some(Sasl::Bearer { account, extensions })) = (tokens, first, &endpoint.sasl)
        {
            let (principal, extensions) = (account.credentials.client_id.clone(), extensions.clone());
            show(&shared, &first, &principal, &extensions).map_err(broken)?;
            tasks.push(tokio::spawn(keep_token(Arc::clone(&shared), tokens, first, principal, extensions)));
        }
        Ok(Self { shared, tasks })
    }

    /// Asks, and waits for the answer.
    ///
    /// # Errors
    /// librdkafka's or a broker's.
    pub(super) async fn ask<T>(&self, question: impl FnOnce(&Admin) -> Answer<T>) -> Result<T, AdminError> {
        self.ask_and_check(question, Ok).await
    }

    /// Asks, waits for the answer and has it checked: only one that holds what was asked for shows that a broker answers.
    ///
    /// # Errors
    /// librdkafka's, a broker's, or the check's.
    pub(super) async fn ask_and_check<T>(
        &self,
        question: impl FnOnce(&Admin) -> Answer<T>,
        check: impl FnOnce(T) -> Result<T, AdminError>,
    ) -> Result<T, AdminError> {
        // librdkafka keeps the time; this is for the case that it does not.
        self.ask_within(ANSWER + LOOK, question, check).await
    }

    /// Asks a group's coordinator, which may be away for long; whoever waits must have a limit of their own, and not ask
    /// the same again meanwhile. An error may be that it was not answered at all: the client is to be closed then.
    ///
    /// # Errors
    /// librdkafka's or a broker's.
    pub(super) async fn ask_coordinator<T>(
        &self,
        question: impl FnOnce(&Admin, Duration) -> Answer<T>,
    ) -> Result<T, AdminError> {
        self.ask_within(GIVE_UP, |admin| question(admin, COORDINATOR), Ok).await
    }

    async fn ask_within<T>(
        &self,
        limit: Duration,
        question: impl FnOnce(&Admin) -> Answer<T>,
        check: impl FnOnce(T) -> Result<T, AdminError>,
    ) -> Result<T, AdminError> {
        let Some(admin) = &self.shared.0 else { return Err(AdminError::lost("the client is closed")) };
        match timeout(limit, question(admin)).await {
            Ok(Ok(answer)) => {
                let answer = check(answer?)?;
                admin.context().forget_trouble();
                Ok(answer)
            }
            Ok(Err(_)) | Err(_) => Err(AdminError::lost("librdkafka gave no answer")),
        }
    }

    /// Why the last connection failed, if one has since the last answer.
    pub(super) fn trouble(&self) -> Option<String> {
        self.shared.0.as_ref().and_then(|admin| admin.context().trouble())
    }
}

/// A client that takes no part in its own group.
fn open_admin(config: ClientConfig, context: Context) -> Result<Admin, String> {
    let admin = Admin::open(config, context)?;
    admin.close_group().map_err(|error| error.to_string())?;
    Ok(admin)
}

async fn serve(shared: Arc<Shared>) {
    let Some(admin) = &shared.0 else { return };
    loop {
        let _ = timeout(LOOK, admin.signalled()).await;
        admin.dispatch();
    }
}

/// Shows a new token well before the old one ends.
async fn keep_token(
    shared: Arc<Shared>,
    tokens: Arc<TokenSource>,
    mut shown: Token,
    principal: String,
    extensions: Vec<(String, String)>,
) {
    loop {
        // The source renews a token in the last part of its life: looking now and then is enough.
        let left = shown.expires_at.saturating_duration_since(tokio::time::Instant::now());
        sleep((left / 8).max(TOKEN_RETRY)).await;
        match tokens.token().await {
            Ok(token) if token.value() != shown.value() => {
                if let Err(error) = show(&shared, &token, &principal, &extensions) {
                    tracing::warn!(error, "librdkafka did not take a new token");
                }
                shown = token;
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "no new token for Kafka; it will be tried again"),
        }
    }
}

fn show(shared: &Shared, token: &Token, principal: &str, extensions: &[(String, String)]) -> Result<(), String> {
    let Some(admin) = &shared.0 else { return Ok(()) };
    admin.set_token(&BearerToken { value: token.value(), principal, expires_ms: token.expires_at_unix_ms, extensions })
}
