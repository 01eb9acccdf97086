//! A topic of Kafka with the application on both sides of it: records that are written, and offsets that a
//! group commits.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use ebb_tests::kafka::Kafka;
use tokio::sync::Mutex;

/// A topic of one partition, read by a group of the same name.
pub(crate) struct Topic {
    name: String,
    kafka: Arc<Kafka>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    end: usize,
    committed: usize,
    /// Whether the broker has not confirmed the last records.
    unsure: bool,
    /// Records that were written twice for that reason.
    twice: usize,
}

impl Topic {
    /// Makes the topic on one broker.
    pub(crate) async fn new(kafka: Arc<Kafka>, name: &str, broker: i32) -> Result<Self> {
        kafka.create_topic_on(name, &[broker]).await?;
        kafka.commit(name, name, &[(0, 0)]).await?;
        Ok(Self { name: name.to_owned(), kafka, state: Mutex::default() })
    }

    /// Brings records until `wanted` have been brought in all, beside those that were written twice.
    pub(crate) async fn bring(&self, wanted: usize) -> Result<()> {
        let mut state = self.state.lock().await;
        let mut wanted = wanted + state.twice;
        if state.unsure {
            state.end = usize::try_from(self.kafka.log_of(&self.name, 0).await?.1)?;
            let twice = state.end.saturating_sub(wanted);
            state.twice += twice;
            wanted += twice;
            state.unsure = false;
        }
        if state.end < wanted {
            state.unsure = true;
            self.kafka.produce_to(&self.name, 0, wanted - state.end).await?;
            (state.end, state.unsure) = (wanted, false);
        }
        Ok(())
    }

    /// Commits up to `most` records. Gives how many are left.
    pub(crate) async fn work(&self, most: usize) -> Result<usize> {
        let mut state = self.state.lock().await;
        let next = (state.committed + most).min(state.end);
        if next > state.committed {
            self.kafka.commit(&self.name, &self.name, &[(0, i64::try_from(next)?)]).await?;
            state.committed = next;
        }
        Ok(state.end - state.committed)
    }

    /// Fails unless the group has read the whole log, by the broker's own answer.
    pub(crate) async fn all_done(&self) -> Result<()> {
        let end = self.kafka.log_of(&self.name, 0).await?.1;
        let committed = self.kafka.committed(&self.name, &self.name).await?;
        let committed = committed.first().copied().flatten().context("nothing is committed")?;
        let brought = i64::try_from(self.state.lock().await.end)?;
        ensure!(end == committed && end >= brought, "{}: {brought} brought, end {end}, read {committed}", self.name);
        Ok(())
    }

    /// How many records were brought.
    pub(crate) async fn brought(&self) -> usize {
        self.state.lock().await.end
    }
}
