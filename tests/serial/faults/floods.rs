//! Brokers that answer as much as they may, fifty at once, and an Ebb with half the memory of its container.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use ebb_tests::process;
use ebb_tests::sandbox::Sandbox;
use ebb_tests::wait::{self, secs};
use ebb_tests::workload::{deployment, kafka_at, rabbitmq_at, scaled_object};
use ebb_tests::world::{Outcome, World};
use serde_json::{Value, json};

use super::flood::{Flood, Flooder, TOPIC};
use super::{App, all_work, busy_queue, busy_topic, leave, with_authentication};
use crate::story;

/// The most memory that Ebb may take, in kilobytes: half of its container's.
const MEMORY_KB: u64 = 128 << 10;
/// How soon the others are served: the floods take the machine's time too, and the HPA asks every 15 s.
const SERVED: Duration = secs(5);
/// How long they answer, unless the variable says more.
const LONG: u64 = 30;
/// The longest message of a condition. Ebb's own text and the address are in it besides a broker's text.
const LONGEST_MESSAGE: usize = 800;
/// The longest line of the log.
const LONGEST_LINE: usize = 2_000;

/// The floods of the fifty.
const FLOODS: [(Flood, usize); 14] = [
    (Flood::Partitions(10_000), 10),
    (Flood::Partitions(500), 4),
    (Flood::Partitions(60_000), 4),
    (Flood::Topics, 4),
    (Flood::Versions, 4),
    (Flood::Words, 4),
    (Flood::Drops, 4),
    (Flood::Tables, 3),
    (Flood::Frame, 3),
    (Flood::Reason, 2),
    (Flood::Body, 3),
    (Flood::Fields, 3),
    (Flood::Lists, 1),
    (Flood::Refusal, 1),
];

#[test]
fn fifty_brokers_that_answer_as_much_as_they_may_do_not_use_up_the_memory() -> Outcome {
    story(async |world| {
        let user = world.sandbox("faults-floods").await?;
        let facts = world.bed.kafka()?;
        let name = "faults-floods-good";
        busy_topic(world, name, 1).await?;
        busy_queue(world, name).await?;
        let (topic, queue) = ("s0-kafka-faults-floods-good", "s0-rabbitmq-faults-floods-good");
        let healthy = [
            App::apply(&user, "good-kafka", topic, kafka_at(&facts.plaintext, name)).await?,
            App::apply(&user, "good-amqp", queue, rabbitmq_at(&world.rabbit.url(), name)).await?,
            App::apply(&user, "good-http", queue, rabbitmq_at(&world.rabbit.http_url(), name)).await?,
        ];
        // Memory that other tests have left behind must not count.
        world.ebb.stop().await?;
        world.ebb.restart().await?;
        all_work(&user, &healthy).await?;
        let pid = world.ebb.pid().context("Ebb does not run")?;
        let before = process::resident_kb(pid)?;

        let (hostile, flooders) = hostile(&user).await?;
        let begin = Instant::now();
        let long = std::env::var("EBB_FLOODS_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(LONG);
        let mut most = 0;
        wait::throughout("the others are served", secs(long), async || {
            for app in &healthy {
                app.serves_within(&user, SERVED).await?;
            }
            ensure!(world.ebb.pid() == Some(pid) && world.ebb.exit_status().is_none(), "Ebb has ended");
            most = most.max(process::peak_kb(pid)?);
            ensure!(most < MEMORY_KB, "Ebb takes {most} kB after {:.1?}", begin.elapsed());
            Ok(())
        })
        .await?;
        println!("{} hostile brokers for {long} s: {before} kB before, {most} kB at the most", flooders.len());
        for (name, flood) in &hostile {
            said_briefly(&user, name, *flood).await?;
        }
        short_lines(world)?;
        all_work(&user, &healthy).await?;
        leave(&user).await
    })
}

/// Fifty triggers, each at a broker of its own, and the flood of each broker.
async fn hostile(user: &Sandbox) -> Result<(Vec<(String, Flood)>, Vec<Flooder>)> {
    let sasl = [("sasl", "plaintext"), ("username", "u"), ("password", "p"), ("tls", "disable")];
    user.authenticate("floods", &sasl).await?;
    let (mut names, mut flooders, mut objects) = (Vec::new(), Vec::new(), Vec::new());
    for (flood, count) in FLOODS {
        for _ in 0..count {
            let flooder = Flooder::start(flood).await?;
            let name = format!("hostile-{}", names.len());
            objects.push((name.clone(), trigger(flood, &flooder.address)));
            names.push((name, flood));
            flooders.push(flooder);
        }
    }
    ensure!(flooders.len() == 50, "{} brokers", flooders.len());
    let targets: Vec<_> = objects.iter().map(|(name, _)| deployment(name, 1, &[])).collect();
    user.apply_all(&targets).await?;
    let spec = |trigger: &Value| json!({"pollingInterval": 1, "triggers": [trigger]});
    let objects: Vec<_> = objects.iter().map(|(name, trigger)| scaled_object(name, spec(trigger))).collect();
    user.apply_all(&objects).await?;
    Ok((names, flooders))
}

fn trigger(flood: Flood, address: &str) -> Value {
    match flood {
        Flood::Words => with_authentication("floods", kafka_at(address, TOPIC)),
        _ if flood.is_kafka() => kafka_at(address, TOPIC),
        _ if flood.is_amqp() => rabbitmq_at(&format!("amqp://guest:guest@{address}/"), TOPIC),
        _ => rabbitmq_at(&format!("http://guest:guest@{address}/"), TOPIC),
    }
}

/// A trigger that cannot be read has a short error without characters that act. So have its events.
async fn said_briefly(user: &Sandbox, name: &str, flood: Flood) -> Result<()> {
    let few = matches!(flood, Flood::Partitions(500 | 10_000));
    let mut texts: Vec<String> = user.events(name).await?.into_iter().map(|event| event.message).collect();
    if !few {
        texts.push(user.wait_condition(name, "Ready", "False").await?.message);
    }
    for text in texts {
        // Ebb's own words begin a line for each trigger.
        let brief = text.chars().count() < LONGEST_MESSAGE && !text.lines().any(|line| line.contains(char::is_control));
        ensure!(brief, "{name} ({flood:?}) says {} characters: {text:?}", text.chars().count());
    }
    Ok(())
}

fn short_lines(world: &World) -> Result<()> {
    let log = std::fs::read_to_string(&world.ebb.log)?;
    match log.lines().find(|line| line.len() > LONGEST_LINE) {
        Some(line) => bail!("a line of {} bytes: {line:.200}", line.len()),
        None => Ok(()),
    }
}
