//! Addresses that no trigger may lead Ebb to.

use anyhow::{Context as _, Result, ensure};
use ebb_tests::impostor::{Impostor, Manner};
use ebb_tests::sandbox::Sandbox;
use ebb_tests::wait::{self, secs};
use ebb_tests::workload::{kafka_at, rabbitmq_at};
use ebb_tests::world::Outcome;
use serde_json::Value;

use super::{scale, with_settings};
use crate::story;

fn rabbitmq(host: &str) -> Value {
    rabbitmq_at(host, "denied")
}

fn kafka(servers: &str) -> Value {
    kafka_at(servers, "denied")
}

async fn scale_all(user: &Sandbox, apps: &[(&str, Value)]) -> Result<()> {
    for (app, trigger) in apps {
        scale(user, app, 1, trigger.clone()).await?;
    }
    Ok(())
}

#[test]
fn denied_addresses_are_not_reached_by_any_way() -> Outcome {
    story(async |world| {
        let user = world.sandbox("settings-denied").await?;
        world.rabbit.declare("denied").await?;
        world.rabbit.publish("denied", 3).await?;
        let topic = world.kafka()?;
        topic.create_topic("denied", 1).await?;
        topic.commit_all("denied", "denied").await?;
        let facts = world.bed.rabbitmq()?;

        // An address that must not be reached, and the way to the real brokers by an address that may be.
        let forbidden = Impostor::start(Manner::Silent).await?;
        let to_rabbitmq =
            Impostor::start_at("127.0.0.2", Manner::Honest(format!("{}:{}", facts.host, facts.amqp_port))).await?;
        let broker = world.bed.kafka()?.brokers.first().context("no broker")?.plaintext.clone();
        let to_kafka = Impostor::start_at("127.0.0.2", Manner::Honest(broker)).await?;
        let by_name = forbidden.address.replace("127.0.0.1", "localhost");

        let denied = [
            ("amqp-address", rabbitmq(&format!("amqp://u:p@{}/", forbidden.address))),
            ("amqp-name", rabbitmq(&format!("amqp://u:p@{by_name}/"))),
            ("amqps-name", rabbitmq(&format!("amqps://u:p@{by_name}/"))),
            ("http-address", rabbitmq(&format!("http://u:p@{}/", forbidden.address))),
            (
                "http-decimal",
                rabbitmq(&format!("http://u:p@{}/", forbidden.address.replace("127.0.0.1", "2130706433"))),
            ),
            ("http-name", rabbitmq(&format!("http://u:p@{by_name}/"))),
            ("kafka-address", kafka(&forbidden.address)),
            ("kafka-name", kafka(&by_name)),
            // The way to this broker is free, and it sends its clients on to an address that is not.
            ("kafka-sent-on", kafka(&to_kafka.address)),
        ];
        let allowed =
            [("allowed", rabbitmq(&format!("amqp://{}:{}@{}/", facts.user, facts.password, to_rabbitmq.address)))];
        with_settings(world, &["--denied-addresses=127.0.0.1,::1"], &[], async || {
            scale_all(&user, &denied).await?;
            scale_all(&user, &allowed).await?;
            for (app, _) in &denied {
                let says = user.wait_failing(app, "is among its --denied-addresses").await?;
                println!("{app}: {says}");
            }
            user.wait_metric("allowed", "s0-rabbitmq-denied", 3.0).await?;
            ensure!(forbidden.came() == 0, "{} connections were made", forbidden.came());
            ensure!(to_kafka.came() > 0, "the way to Kafka was not taken");
            for (app, _) in &denied {
                ensure!(user.replicas(app).await? == 1, "{app} was scaled");
            }
            Ok(())
        })
        .await?;
        // By default that is a place like others.
        wait::until("it to be reached", secs(20), async || {
            ensure!(forbidden.came() > 0, "nobody has come");
            Ok(())
        })
        .await?;
        user.delete_all("ScaledObject").await
    })
}

#[test]
fn metadata_services_are_denied_by_default() -> Outcome {
    story(async |world| {
        let user = world.sandbox("settings-metadata").await?;
        let apps = [
            ("amqp", rabbitmq("amqp://u:p@169.254.169.254:80/")),
            ("http", rabbitmq("http://u:p@169.254.169.254/")),
            ("kafka", kafka("169.254.169.254:80")),
        ];
        scale_all(&user, &apps).await?;
        for (app, _) in &apps {
            user.wait_failing(app, "Ebb does not connect to 169.254.169.254").await?;
        }
        user.delete_all("ScaledObject").await
    })
}
