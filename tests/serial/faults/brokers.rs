//! Brokers that are stopped, and brokers that accept connections and say nothing.

use std::time::Instant;

use anyhow::Result;
use ebb_tests::wait;
use ebb_tests::workload::{kafka_at, rabbitmq_at};
use ebb_tests::world::Outcome;
use futures::future::try_join_all;

use super::{App, Sleepers, all_work, busy_queue, busy_topic, leave, nothing_happens};
use crate::story;

/// The brokers that are taken away, and the apps that notice.
struct Fault {
    what: &'static str,
    parts: &'static [&'static str],
    /// Else paused: the kernel accepts connections, and nobody answers.
    stopped: bool,
    hit: &'static [&'static str],
}

const FAULTS: [Fault; 4] = [
    Fault {
        what: "RabbitMQ and one of two Kafka brokers are stopped",
        parts: &["rabbitmq", "kafka-2"],
        stopped: true,
        hit: &["amqp", "http", "on-2"],
    },
    Fault {
        what: "RabbitMQ and one of two Kafka brokers hang",
        parts: &["rabbitmq", "kafka-2"],
        stopped: false,
        hit: &["amqp", "http", "on-2"],
    },
    Fault {
        what: "the Kafka broker hangs that coordinates the groups",
        parts: &["kafka"],
        stopped: false,
        hit: &["on-1", "on-2"],
    },
    // Those that come first are stopped last: broker 1 is the controller.
    Fault {
        what: "all Kafka brokers are stopped",
        parts: &["kafka", "kafka-2"],
        stopped: true,
        hit: &["on-1", "on-2"],
    },
];

#[test]
fn brokers_that_stop_or_hang_hurt_nobody_but_those_who_need_them() -> Outcome {
    story(async |world| {
        let user = world.sandbox("faults-brokers").await?;
        let servers = &world.bed.kafka()?.plaintext;
        busy_queue(world, "faults").await?;
        busy_topic(world, "faults-1", 1).await?;
        busy_topic(world, "faults-2", 2).await?;
        let apps = [
            App::apply(&user, "on-1", "s0-kafka-faults-1", kafka_at(servers, "faults-1")).await?,
            App::apply(&user, "on-2", "s0-kafka-faults-2", kafka_at(servers, "faults-2")).await?,
            App::apply(&user, "amqp", "s0-rabbitmq-faults", rabbitmq_at(&world.rabbit.url(), "faults")).await?,
            App::apply(&user, "http", "s0-rabbitmq-faults", rabbitmq_at(&world.rabbit.http_url(), "faults")).await?,
        ];
        let mut sleepers = Sleepers::new(world, &user, "faults", 2).await?;
        all_work(&user, &apps).await?;

        for fault in &FAULTS {
            let begin = Instant::now();
            let (hit, healthy): (Vec<_>, Vec<_>) = apps.iter().partition(|app| fault.hit.contains(&app.name.as_str()));
            for part in fault.parts.iter().rev() {
                if fault.stopped { world.bed.stop_part(part).await? } else { world.bed.pause_part(part).await? }
            }
            let outcome = async {
                if !fault.parts.contains(&"kafka") {
                    sleepers.wake_one().await?;
                }
                try_join_all(hit.iter().map(|app| user.wait_failing(&app.name, "127.0.0.1"))).await?;
                nothing_happens(&user, &apps, &healthy).await
            };
            let outcome: Result<()> = outcome.await;
            let known = begin.elapsed();
            for part in fault.parts {
                if fault.stopped { world.bed.start_part(part).await? } else { world.bed.resume_part(part).await? }
            }
            outcome.map_err(|error| error.context(fault.what))?;
            let back = Instant::now();
            all_work(&user, &apps).await.map_err(|error| error.context(format!("after {}", fault.what)))?;
            println!("{}: held for {known:.1?}, over {:.1?} after its end", fault.what, back.elapsed());
        }
        wait::throughout("nobody is scaled afterwards", wait::secs(3), async || {
            apps.iter().try_for_each(App::unchanged)
        })
        .await?;
        leave(&user).await
    })
}
