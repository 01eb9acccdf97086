//! A queue of RabbitMQ with the application on both sides of it: it brings messages, and works them off.

use std::collections::HashSet;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ebb_tests::bed::RabbitFacts;
use ebb_tests::rabbit::Rabbit;
use tokio::sync::Mutex;
use tokio::time::timeout;

/// How long the application waits for the broker before it connects anew.
const WAIT_LIMIT: Duration = Duration::from_secs(8);

/// A queue whose messages are numbered.
pub(crate) struct Queue {
    name: String,
    /// The queue in which real workers report finished messages; without it this program does the work.
    results: Option<String>,
    facts: RabbitFacts,
    /// None after trouble.
    rabbit: Mutex<Option<Rabbit>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The broker has confirmed the messages below this number.
    brought: usize,
    /// The numbers that were worked off.
    done: HashSet<usize>,
}

impl Queue {
    /// Declares the queue, and the one for the results of real workers.
    pub(crate) async fn new(facts: &RabbitFacts, name: &str, workers: bool) -> Result<Self> {
        let rabbit = Rabbit::connect(facts).await?;
        rabbit.declare(name).await?;
        let results = workers.then(|| format!("{name}-results"));
        if let Some(results) = &results {
            rabbit.declare(results).await?;
        }
        let (rabbit, state) = (Mutex::new(Some(rabbit)), Mutex::default());
        Ok(Self { name: name.to_owned(), results, facts: facts.clone(), rabbit, state })
    }

    /// Brings messages until this many have been brought in all. A message that the broker has not confirmed comes
    /// again.
    pub(crate) async fn bring(&self, wanted: usize) -> Result<()> {
        let brought = self.state.lock().await.brought;
        if brought < wanted {
            self.with(async |rabbit| rabbit.publish_numbers(&self.name, brought..wanted).await).await?;
            self.state.lock().await.brought = wanted;
        }
        Ok(())
    }

    /// Works off up to `most` messages, or counts the workers' results. Gives how many messages are left.
    pub(crate) async fn work(&self, most: usize) -> Result<usize> {
        let (queue, most) = match &self.results {
            Some(results) => (results, usize::MAX),
            None => (&self.name, most),
        };
        let mut done = Vec::new();
        let worked =
            self.with(async |rabbit| rabbit.work_off(queue, most, |body| done.push(body.to_owned())).await).await;
        let mut state = self.state.lock().await;
        for number in done {
            state.done.insert(number.parse().context("a message without a number")?);
        }
        worked?;
        Ok(state.brought - state.done.len().min(state.brought))
    }

    /// Fails unless every message that the broker took has been worked off.
    pub(crate) async fn all_done(&self) -> Result<()> {
        let state = self.state.lock().await;
        let missing: Vec<_> = (0..state.brought).filter(|number| !state.done.contains(number)).take(5).collect();
        ensure!(missing.is_empty(), "{}: messages are lost, {missing:?} among them", self.name);
        Ok(())
    }

    /// How many messages were brought.
    pub(crate) async fn brought(&self) -> usize {
        self.state.lock().await.brought
    }

    async fn with<T>(&self, act: impl AsyncFnOnce(&Rabbit) -> Result<T>) -> Result<T> {
        let mut rabbit = self.rabbit.lock().await;
        let connected = match rabbit.take() {
            Some(connected) => connected,
            None => timeout(WAIT_LIMIT, Rabbit::connect(&self.facts)).await.context("no connection in time")??,
        };
        let done = timeout(WAIT_LIMIT, act(&connected)).await.context("no answer in time")??;
        *rabbit = Some(connected);
        Ok(done)
    }
}
