//! ClientPools that are stopped, and brokers that accept connections and say nothing.

use std::time::Instant;

use anyhow::{Result, ensure};
use ebb_tests::sandbox::{Sandbox, is_ready};
use ebb_tests::wait;
use ebb_tests::workload::{deployment, scaled_object};
use ebb_tests::world::{Outcome, World};
use futures::future::try_join_all;
use serde_json::json;

use super::{App, Sleepers, all_work, busy_queue, busy_topic, kafka, leave, nothing_happens, rabbitmq};
use crate::story;

/// What is taken away, and who notices.
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
            App::apply(&user, "on-1", "s0-kafka-faults-1", kafka(servers, "faults-1")).await?,
            App::apply(&user, "on-2", "s0-kafka-faults-2", kafka(servers, "faults-2")).await?,
            App::apply(&user, "amqp", "s0-rabbitmq-faults", rabbitmq(&world.rabbit.url(), "faults")).await?,
            App::apply(&user, "http", "s0-rabbitmq-faults", rabbitmq(&world.rabbit.http_url(), "faults")).await?,
        ];
        let mut sleepers = Sleepers::new(world, &user, "faults", 2).await?;
        all_work(&user, &apps).await?;

        for fault in &FAULTS {
            let begin = Instant::now();
            let (hit, healthy): (Vec<_>, Vec<_>) = apps.iter().partition(|app| fault.hit.contains(&app.name.as_str()));
            for part in fault.parts.iter().rev() {
                if fault.stopped { world.bed.stop_part(part).await? } else { world.bed.pause_part(part).await? }
            }
            let told = async {
                if !fault.parts.contains(&"kafka") {
                    sleepers.wake_one().await?;
                }
                try_join_all(hit.iter().map(|app| user.wait_failing(&app.name, "127.0.0.1"))).await?;
                nothing_happens(&user, &apps, &healthy).await
            };
            let told: Result<()> = told.await;
            let known = begin.elapsed();
            for part in fault.parts {
                if fault.stopped { world.bed.start_part(part).await? } else { world.bed.resume_part(part).await? }
            }
            told.map_err(|error| error.context(fault.what))?;
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

/// Where Kafka keeps what the groups have committed; who leads a partition of it is the coordinator of its groups.
const OFFSETS: &str = "__consumer_offsets";

/// Workloads that are looked at each second, with a consumer group each.
async fn read_groups(world: &World, user: &Sandbox, count: usize) -> Result<Vec<String>> {
    let (kafka, servers) = (world.kafka()?, &world.bed.kafka()?.plaintext);
    let names: Vec<String> = (0..count).map(|number| format!("{}-{number}", user.name)).collect();
    kafka.create_topics(&names, 1).await?;
    let mut objects = Vec::new();
    for name in &names {
        let metadata = json!({"bootstrapServers": servers, "consumerGroup": name, "topic": name, "lagThreshold": "5"});
        let trigger = json!({"type": "kafka", "metadata": metadata});
        objects.push(deployment(name, 0, &[]));
        objects.push(scaled_object(name, json!({"pollingInterval": 1, "triggers": [trigger]})));
    }
    user.apply_all(&objects).await?;
    are_ready(user, true).await?;
    Ok(names)
}

async fn are_ready(user: &Sandbox, ready: bool) -> Result<()> {
    wait::until(&format!("all to be Ready: {ready}"), wait::secs(60), async || {
        let list = user.get("ScaledObject", "").await?;
        let wrong = list["items"].as_array().into_iter().flatten().filter(|one| is_ready(one) != ready).count();
        ensure!(wrong == 0, "{wrong} are not");
        Ok(())
    })
    .await
}

async fn the_process_is(world: &World, before: Option<u32>) -> Result<()> {
    wait::throughout("the process is the same and answers", wait::secs(5), async || {
        ensure!(world.ebb.pid() == before, "it is another");
        world.ebb.metrics().await.map(drop)
    })
    .await
}

#[test]
fn groups_whose_broker_was_killed_are_read_again_by_the_same_process() -> Outcome {
    story(async |world| {
        let user = world.sandbox("faults-groups").await?;
        read_groups(world, &user, 40).await?;
        let before = world.ebb.pid();
        for _ in 0..2 {
            world.bed.kill_part("kafka").await?;
            let told = are_ready(&user, false).await;
            world.bed.start_part("kafka").await?;
            told?;
            are_ready(&user, true).await?;
        }
        the_process_is(world, before).await?;
        leave(&user).await
    })
}

/// With few groups librdkafka remembers the coordinator of each, with many it asks for them anew.
async fn coordinators_move(world: &World, name: &str, groups: usize) -> Result<()> {
    let user = world.sandbox(name).await?;
    let names = read_groups(world, &user, groups).await?;
    let kafka = world.kafka()?;
    try_join_all(names.iter().map(|name| kafka.commit_all(name, name))).await?;
    let before = world.ebb.pid();
    for (lag, broker) in (1_u8..).zip([2, 1, 2, 1]) {
        kafka.move_topic(OFFSETS, broker).await?;
        let begin = Instant::now();
        try_join_all(names.iter().map(async |name| {
            kafka.produce(name, 1).await?;
            user.wait_metric(name, &format!("s0-kafka-{name}"), lag.into()).await
        }))
        .await?;
        println!("{groups} groups whose coordinators are on broker {broker}: read after {:?}", begin.elapsed());
        the_process_is(world, before).await?;
        are_ready(&user, true).await?;
    }
    leave(&user).await
}

#[test]
fn groups_whose_coordinator_moves_to_another_broker_are_read_on() -> Outcome {
    story(async |world| {
        coordinators_move(world, "faults-coordinator-few", 6).await?;
        coordinators_move(world, "faults-coordinator-many", 40).await
    })
}
