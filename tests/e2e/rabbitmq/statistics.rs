//! A broker that keeps no statistics.

use anyhow::ensure;
use ebb_tests::rabbit::Rabbit;
use ebb_tests::wait::{secs, throughout};
use ebb_tests::world::Outcome;
use serde_json::{Value, json};

use super::{scale, trigger};
use crate::story;

#[test]
fn without_statistics_one_queue_reads_as_many_do_and_rates_are_refused() -> Outcome {
    story(async |world| {
        let facts = world.bed.rabbitmq_without_statistics().await?;
        let rabbit = Rabbit::connect(facts).await?;
        let user = world.sandbox("no-statistics").await?;
        let queues = [("jobs", 6_u8, 2), ("jobs2", 4, 1), ("jobs3", 4, 1)];
        for (queue, messages, _) in queues {
            rabbit.declare(queue).await?;
            rabbit.publish(queue, messages.into()).await?;
        }
        let of = |queue: &str, mode: &str, more: Value| {
            let mut metadata = json!({"queueName": queue, "mode": mode, "value": "5", "host": rabbit.http_url()});
            for (key, value) in more.as_object().into_iter().flatten() {
                metadata[key] = value.clone();
            }
            trigger(&metadata)
        };

        // The first is alone, the second makes two, and the third makes a list of all the cheaper question.
        for (count, (queue, ..)) in queues.iter().enumerate() {
            scale(&user, queue, of(queue, "QueueLength", Value::Null)).await?;
            for (queue, messages, replicas) in &queues[..=count] {
                user.wait_ready(queue).await?;
                user.wait_metric(queue, &format!("s0-rabbitmq-{queue}"), f64::from(*messages)).await?;
                user.wait_replicas(queue, "as many", secs(20), |now| now == *replicas).await?;
            }
        }
        throughout("every reading is the same", secs(3), async || {
            for (queue, messages, _) in queues {
                let value = user.metric(queue, &format!("s0-rabbitmq-{queue}")).await?;
                ensure!((value - f64::from(messages)).abs() < 1e-3, "{queue}: {value}");
            }
            Ok(())
        })
        .await?;

        let pattern = json!({"useRegex": "true"});
        scale(&user, "pattern", of("^jobs", "QueueLength", pattern.clone())).await?;
        user.wait_metric("pattern", "s0-rabbitmq--5Ejobs", 14.0).await?;
        rabbit.declare_as("picks", "quorum").await?;
        rabbit.publish("picks", 3).await?;
        scale(&user, "quorum", of("picks", "QueueLength", Value::Null)).await?;
        user.wait_metric("quorum", "s0-rabbitmq-picks", 3.0).await?;

        rabbit.declare_as("trail", "stream").await?;
        for (app, trigger, says) in [
            ("rate", of("jobs", "MessageRate", Value::Null), "and so no rates"),
            ("rates", of("^jobs", "DeliverGetRate", pattern.clone()), "and so no rates"),
            ("stream", of("trail", "QueueLength", Value::Null), "no number of messages for it without them"),
            ("some", of("^(jobs|trail)", "QueueLength", pattern), "1 have no figures"),
        ] {
            scale(&user, app, trigger).await?;
            let says = user.wait_failing(app, says).await?;
            ensure!(says.contains("management.disable_stats"), "{says}");
        }
        scale(&user, "missing", of("nobody", "QueueLength", Value::Null)).await?;
        user.wait_failing("missing", "there is no such queue").await.map(drop)
    })
}
