//! Addresses at which there is no broker: names that do not resolve, listeners that say nothing, listeners that say
//! anything.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use ebb_tests::process;
use ebb_tests::wait;
use ebb_tests::workload::{kafka_at, rabbitmq_at};
use ebb_tests::world::Outcome;
use futures::future::try_join_all;

use super::{App, HOLD, Sleepers, all_work, busy_queue, busy_topic, leave, nothing_happens};
use crate::story;
use ebb_tests::impostor::{Impostor, Manner};

/// The beginning of a long answer in each protocol.
const KAFKA: &[u8] = &[0x05, 0xf0, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01];
const AMQP: &[u8] = &[0x01, 0x00, 0x00, 0x7f, 0xff, 0xff, 0xff, 0x00, 0x0a];
const HTTP: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{\"messages\": \"";
/// A name that no resolver knows (RFC 2606).
const NOWHERE: &str = "no-such-host.invalid:5672";
/// The most memory that Ebb may take besides while it talks to them. Most of it is the part of an endless answer that
/// it reads before it has enough.
const MEMORY_KB: u64 = 48 << 10;
const PROCESSOR: f64 = 0.3;

#[test]
fn what_is_no_broker_is_named_and_costs_little() -> Outcome {
    story(async |world| {
        let user = world.sandbox("faults-impostors").await?;
        let (rabbit, facts) = (world.bed.rabbitmq()?, world.bed.kafka()?);
        busy_topic(world, "faults-impostors", 1).await?;
        busy_queue(world, "faults-impostors").await?;
        let (topic, queue) = ("s0-kafka-faults-impostors", "s0-rabbitmq-faults-impostors");
        let healthy = [
            App::apply(&user, "kafka", topic, kafka_at(&facts.plaintext, "faults-impostors")).await?,
            App::apply(&user, "amqp", queue, rabbitmq_at(&world.rabbit.url(), "faults-impostors")).await?,
            App::apply(&user, "http", queue, rabbitmq_at(&world.rabbit.http_url(), "faults-impostors")).await?,
        ];
        all_work(&user, &healthy).await?;
        let mut sleepers = Sleepers::new(world, &user, "faults-impostors", 1).await?;

        let pid = world.ebb.pid().context("Ebb does not run")?;
        let memory = process::resident_kb(pid)?;
        let at = |protocol: &str, address: &str| match protocol {
            "kafka" => kafka_at(address, "faults-impostors"),
            _ => {
                rabbitmq_at(&format!("{protocol}://{}:{}@{address}/", rabbit.user, rabbit.password), "faults-impostors")
            }
        };
        let brokers = [
            ("kafka", topic, KAFKA, facts.brokers[0].plaintext.clone()),
            ("amqp", queue, AMQP, format!("{}:{}", rabbit.host, rabbit.amqp_port)),
            ("http", queue, HTTP, format!("{}:{}", rabbit.host, rabbit.http_port)),
        ];
        let (mut apps, mut lost, mut impostors) = (Vec::new(), Vec::new(), Vec::new());
        for (protocol, metric, beginning, broker) in brokers {
            for (way, manner) in
                [("silent", Manner::Silent), ("rubbish", Manner::Rubbish(b"")), ("endless", Manner::Rubbish(beginning))]
            {
                let impostor = Impostor::start(manner).await?;
                let name = format!("{protocol}-{way}");
                apps.push(App::apply(&user, &name, metric, at(protocol, &impostor.address)).await?);
                impostors.push((impostor, broker.clone()));
            }
            lost.push(App::apply(&user, &format!("{protocol}-nowhere"), metric, at(protocol, NOWHERE)).await?);
        }
        let begin = (Instant::now(), process::cpu_time(pid)?);
        try_join_all(
            apps.iter()
                .zip(&impostors)
                .map(async |(app, (impostor, _))| user.wait_failing(&app.name, &impostor.address).await),
        )
        .await?;
        try_join_all(lost.iter().map(|app| user.wait_failing(&app.name, "no-such-host.invalid"))).await?;

        sleepers.wake_one().await?;
        nothing_happens(&user, &apps, &healthy.each_ref()).await?;
        let mut most = 0;
        wait::throughout("Ebb keeps its size", HOLD, async || {
            most = most.max(process::resident_kb(pid)?.saturating_sub(memory));
            ensure!(most < MEMORY_KB, "it has grown by {most} kB");
            Ok(())
        })
        .await?;
        let busy = share(begin, process::cpu_time(pid)?);
        println!("twelve addresses without a broker: {most} kB more memory, {:.0} % of a processor", busy * 100.0);
        ensure!(busy < PROCESSOR, "{:.0} % of a processor", busy * 100.0);
        for apps in [&apps, &lost] {
            apps.iter().try_for_each(App::unchanged)?;
        }

        // The brokers come back to where they should be.
        for (impostor, broker) in &impostors {
            impostor.give_way_to(broker.clone());
        }
        all_work(&user, &apps).await?;
        all_work(&user, &healthy).await?;
        leave(&user).await
    })
}

fn share((begin, before): (Instant, Duration), now: Duration) -> f64 {
    now.saturating_sub(before).as_secs_f64() / begin.elapsed().as_secs_f64()
}
