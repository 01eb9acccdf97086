//! The virtual host in an address.

use ebb_tests::rabbit::Rabbit;
use ebb_tests::wait::secs;
use ebb_tests::world::Outcome;
use serde_json::json;

use super::{scale, trigger};
use crate::story;

#[test]
fn a_slash_before_the_name_of_a_virtual_host_is_a_part_of_it() -> Outcome {
    story(async |world| {
        let facts = world.bed.rabbitmq()?;
        let (queue, metric) = ("invoices", "s0-rabbitmq-invoices");
        let user = world.sandbox("slash").await?;
        for (vhost, encoded, messages) in [("/staging", "%2Fstaging", 7), ("staging", "staging", 0)] {
            world.rabbit.add_vhost(vhost).await?;
            let there = Rabbit::connect_to(facts, encoded).await?;
            there.declare(queue).await?;
            there.publish(queue, messages).await?;
        }
        let (amqp, http) = (world.rabbit.url(), world.rabbit.http_url());
        for (app, host, vhost, messages) in [
            ("billing-plain", format!("{amqp}/staging"), None, 7.0),
            ("billing-encoded", format!("{amqp}%2Fstaging"), None, 7.0),
            ("billing-named", format!("{amqp}staging"), Some("/staging"), 7.0),
            ("billing-http", format!("{http}%2Fstaging"), None, 7.0),
            ("billing-http-named", http.clone(), Some("/staging"), 7.0),
            ("other", format!("{amqp}staging"), None, 0.0),
            ("other-http", format!("{http}staging"), None, 0.0),
        ] {
            let mut metadata = json!({"queueName": queue, "mode": "QueueLength", "value": "5", "host": host});
            if let Some(vhost) = vhost {
                metadata["vhostName"] = json!(vhost);
            }
            scale(&user, app, trigger(&metadata)).await?;
            user.wait_ready(app).await?;
            user.wait_metric(app, metric, messages).await?;
            let replicas = if messages > 0.0 { 2 } else { 0 };
            user.wait_replicas(app, &replicas.to_string(), secs(20), |now| now == replicas).await?;
        }
        Ok(())
    })
}
