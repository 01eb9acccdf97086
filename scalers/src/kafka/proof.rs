//! A look into the log: whether a consumer would get anything from an offset on.
//!
//! A `read_committed` consumer is put at the offset and reads until its first record or the log's end. It commits nothing
//! and joins no group. Those who ask the same at the same time share a look: what is new in a log is new to every group that
//! had read all of it. A few looks at a time for each cluster; whoever would have to wait for long does without.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use tokio::time::timeout;

use super::admin::{Admin, BearerToken, Told};
use super::client::Client;
use super::context::Context;
use super::endpoint::Sasl;
use super::standing::Found;
use crate::oauth::Token;

/// How long a look may take. A lag that could not be looked into counts as it is.
const LOOK: Duration = Duration::from_secs(2);
/// How many looks there may be at a time: each is a client of its own.
pub(super) const LOOKS: usize = 4;
/// The code of the Kafka protocol for a topic that may not be read.
const TOPIC_AUTHORIZATION_FAILED: i32 = 29;
/// How long to wait for a turn. A new record is not to wake a workload any later for others' sake.
const TURN: Duration = Duration::from_millis(300);

/// From where to look, and up to where the log was known to reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Question {
    pub(super) partition: i32,
    pub(super) from: i64,
    pub(super) end: i64,
}

/// What a look has found, by partition.
pub(super) type Answers = Arc<HashMap<i32, Found>>;

impl Client {
    /// Looks into partitions of one topic. What is missing in the answer is not known.
    pub(super) async fn look_into(self: &Arc<Self>, topic: &Arc<str>, questions: Vec<Question>) -> Answers {
        let question = (Arc::clone(topic), questions);
        let (client, (topic, questions)) = (Arc::clone(self), question.clone());
        self.looks.join(&question, async move { Arc::new(client.take_a_look(topic, questions).await) }).await
    }

    async fn take_a_look(&self, topic: Arc<str>, questions: Vec<Question>) -> HashMap<i32, Found> {
        let Ok(Ok(_turn)) = timeout(TURN, self.looking.acquire()).await else { return HashMap::new() };
        let Ok(token) = self.token().await else { return HashMap::new() };
        let mut config = self.config();
        config
            .set("isolation.level", "read_committed")
            .set("enable.partition.eof", "true")
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "earliest")
            .set("fetch.wait.max.ms", "20")
            // A record is sent whole, however long it is: librdkafka's own limit.
            .set("receive.message.max.bytes", "100000000")
            // The first record of each partition is all that is wanted.
            .set("fetch.message.max.bytes", "1024")
            .set("queued.min.messages", "1");
        let extensions = match &self.endpoint().sasl {
            Some(Sasl::Bearer { extensions, .. }) => extensions.clone(),
            _ => Vec::new(),
        };
        let context = self.context();
        let look =
            tokio::task::spawn_blocking(move || look(config, context, token.as_ref(), &extensions, &topic, &questions));
        match look.await {
            Ok(Ok(found)) => found,
            Ok(Err(error)) => {
                tracing::debug!(error, "cannot look into a topic");
                HashMap::new()
            }
            Err(_) => HashMap::new(),
        }
    }
}

fn look(
    config: ClientConfig,
    context: Context,
    token: Option<&(Token, String)>,
    extensions: &[(String, String)],
    topic: &str,
    questions: &[Question],
) -> Result<HashMap<i32, Found>, String> {
    let admin = Admin::open(config, context)?;
    if let Some((token, principal)) = token {
        let expires_ms = token.expires_at_unix_ms;
        admin.set_token(&BearerToken { value: token.value(), principal, expires_ms, extensions })?;
    }
    let mut list = TopicPartitionList::new();
    for Question { partition, from, .. } in questions {
        list.add_partition_offset(topic, *partition, Offset::Offset(*from)).map_err(|error| error.to_string())?;
    }
    admin.assign(&list).map_err(|error| error.to_string())?;
    let until = Instant::now() + LOOK;
    let mut found = HashMap::new();
    while found.len() < questions.len() && Instant::now() < until {
        match admin.poll(Duration::from_millis(50)) {
            Some(Told::Record(partition, offset)) => {
                found.entry(partition).or_insert(Found::Record(offset));
            }
            Some(Told::End(partition)) => {
                if let Some(question) = questions.iter().find(|question| question.partition == partition) {
                    found.entry(partition).or_insert(Found::NothingBefore(question.end));
                }
            }
            // Who may not read the topic has no proof that there is nothing: the lag counts, and is not asked about again.
            Some(Told::Failed(error)) if error.code == TOPIC_AUTHORIZATION_FAILED => {
                return Ok(questions
                    .iter()
                    .map(|question| (question.partition, Found::Record(question.from)))
                    .collect());
            }
            // Errors of connections come by here too; what lasts ends with the time.
            Some(_) | None => {}
        }
    }
    Ok(found)
}
