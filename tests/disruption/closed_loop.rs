//! The whole loop with real workers: messages bring replicas, replicas consume messages, no messages, no replicas.

use std::time::Instant;

use anyhow::{Result, ensure};
use ebb_tests::size;
use ebb_tests::wait::{self, secs};
use ebb_tests::workload::{rabbitmq, scaled_object, worker};
use ebb_tests::world::Outcome;
use serde_json::json;

use crate::story;

/// How much work there is.
#[derive(Clone, Copy)]
struct Size {
    messages: usize,
    /// The replicas pass this count while there is work. The trigger asks for one per five messages.
    past: i32,
}

const SMALL: Size = Size { messages: 80, past: 4 };
const FULL: Size = Size { messages: 200, past: 10 };
const COOLDOWN: u64 = 10;

#[test]
fn messages_are_consumed_exactly_once_and_the_replicas_return_to_zero() -> Outcome {
    let Size { messages, past } = size::choose(SMALL, FULL);
    story(async |world| {
        let user = world.sandbox("closed-loop").await?;
        let (queue, results) = ("closed-loop", "closed-loop-results");
        world.rabbit.declare(queue).await?;
        world.rabbit.declare(results).await?;
        let url = world.rabbit.url();
        let env = [("RABBITMQ_URL", url.as_str()), ("QUEUE", queue), ("RESULTS_QUEUE", results)];
        user.apply(&worker("worker", 0, &env)).await?;
        let spec = json!({"pollingInterval": 5, "cooldownPeriod": COOLDOWN, "triggers": [rabbitmq(queue)]});
        user.apply(&scaled_object("worker", spec)).await?;
        user.wait_ready("worker").await?;
        let watch = user.watch_replicas("worker").await?;

        let begin = Instant::now();
        world.rabbit.publish(queue, messages).await?;
        let first = watch.wait_since(begin, "1 or more", secs(10), |replicas| replicas > 0).await?;
        watch.wait_since(begin, &format!("past {past}"), secs(90), |replicas| replicas > past).await?;
        wait::until("every message to be consumed", secs(120), async || {
            let done = world.rabbit.depth(results).await?;
            ensure!(done as usize >= messages, "{done} are; replicas: {}", watch.story());
            Ok(())
        })
        .await?;
        let consumed = Instant::now();
        watch.never_since(first.at, "0 while there is work", |replicas| replicas == 0)?;

        let asleep = watch.wait_since(consumed, "0", secs(60), |replicas| replicas == 0).await?;
        // The cooldown begins with the last look that found a message, which is up to a pollingInterval before the
        // queue is empty. The last workers then have two seconds of work in hand.
        ensure!(asleep.at - consumed >= secs(COOLDOWN - 8), "before the cooldown: {}", watch.story());
        let most = i32::try_from(messages / 5)?;
        watch.never_since(begin, &format!("more than {most}"), |replicas| replicas > most)?;

        let mut ids: Vec<usize> =
            world.rabbit.drain(results).await?.iter().map(|id| id.parse()).collect::<Result<_, _>>()?;
        ids.sort_unstable();
        ensure!(ids == (0..messages).collect::<Vec<_>>(), "not each exactly once: {ids:?}");
        ensure!(world.rabbit.depth(queue).await? == 0, "messages went back to the queue");
        Ok(())
    })
}
