//! The limit of one namespace on the clients that all namespaces share.

use anyhow::ensure;
use ebb_tests::wait::{self, secs};
use ebb_tests::workload::rabbitmq_at;
use ebb_tests::world::Outcome;
use serde_json::Value;

use super::{scale, with_settings};
use crate::story;

#[test]
fn a_namespace_gets_no_more_clients_than_its_share() -> Outcome {
    story(async |world| {
        let (user, other) = (world.sandbox("settings-shares").await?, world.sandbox("settings-shares-2").await?);
        world.rabbit.declare("shares").await?;
        world.rabbit.publish("shares", 3).await?;
        let (amqp, http) = (world.rabbit.url(), world.rabbit.http_url());
        let facts = world.bed.rabbitmq()?;
        let third = format!("amqp://{}:{}@localhost:{}/", facts.user, facts.password, facts.amqp_port);
        with_settings(world, &["--clients-per-namespace=2"], &[], async || {
            scale(&user, "first", 1, rabbitmq_at(&amqp, "shares")).await?;
            scale(&user, "second", 1, rabbitmq_at(&http, "shares")).await?;
            for app in ["first", "second"] {
                user.wait_metric(app, "s0-rabbitmq-shares", 3.0).await?;
            }
            scale(&user, "third", 1, rabbitmq_at(&third, "shares")).await?;
            let says = user.wait_failing("third", "use 2 clients of brokers, which is all it may have").await?;
            ensure!(says.contains("--clients-per-namespace"), "{says}");
            // A user of a shared client needs no other, and other namespaces have limits of their own.
            scale(&user, "as-first", 1, rabbitmq_at(&amqp, "shares")).await?;
            scale(&other, "third", 1, rabbitmq_at(&third, "shares")).await?;
            user.wait_metric("as-first", "s0-rabbitmq-shares", 3.0).await?;
            other.wait_metric("third", "s0-rabbitmq-shares", 3.0).await?;
            ensure!(user.replicas("third").await? == 1, "it was scaled");

            // A client that is given up may be used.
            user.delete("ScaledObject", "second").await?;
            wait::until("the third to be served", secs(45), async || {
                let ready: Value = user.get("ScaledObject", "third").await?;
                ensure!(ebb_tests::sandbox::is_ready(&ready), "{}", ready["status"]["conditions"]);
                Ok(())
            })
            .await
        })
        .await?;
        user.delete_all("ScaledObject").await?;
        other.delete_all("ScaledObject").await
    })
}
