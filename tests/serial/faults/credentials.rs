//! Passwords that are taken away and given back, certificates that expire and are renewed.

use std::fs;

use anyhow::ensure;
use ebb_tests::bed::KafkaUser;
use ebb_tests::workload::{kafka_at, rabbitmq_at};
use ebb_tests::world::Outcome;
use futures::future::try_join_all;

use super::{App, all_work, busy_queue, busy_topic, leave, nothing_happens, with_authentication};
use crate::story;

/// The user whose password is taken away, and the password.
const USER: &str = "faults-user";
const PASSWORD: &str = "S3CR3T-of-faults";

#[test]
fn credentials_revoked_and_certificates_expired_until_they_are_put_right() -> Outcome {
    story(async |world| {
        let user = world.sandbox("faults-credentials").await?;
        let (bed, rabbit, facts) = (&world.bed, world.bed.rabbitmq()?, world.bed.kafka()?);
        bed.put_kafka_user(USER, PASSWORD, "describe").await?;
        world.rabbit.add_user(USER, PASSWORD).await?;
        busy_topic(world, "faults-user", 1).await?;
        busy_queue(world, "faults-user").await?;
        user.authenticate("kafka-user", &[("sasl", "scram_sha256"), ("username", USER), ("password", PASSWORD)])
            .await?;
        user.authenticate("rabbitmq-user", &[("username", USER), ("password", PASSWORD)]).await?;
        let (kafka_ca, rabbit_ca) = (fs::read_to_string(&facts.ca)?, fs::read_to_string(&rabbit.ca)?);
        let KafkaUser { name, password } = &facts.admin;
        let trusted =
            [("tls", "enable"), ("ca", &kafka_ca), ("sasl", "plaintext"), ("username", name), ("password", password)];
        user.authenticate("kafka-proxy", &trusted).await?;
        let administrator =
            [("tls", "enable"), ("ca", &rabbit_ca), ("username", &rabbit.user), ("password", &rabbit.password)];
        user.authenticate("rabbitmq-proxy", &administrator).await?;

        let (topic, queue) = ("s0-kafka-faults-user", "s0-rabbitmq-faults-user");
        let amqp = format!("amqp://{}:{}/", rabbit.host, rabbit.amqp_port);
        let http = format!("http://{}:{}/", rabbit.host, rabbit.http_port);
        let (amqps, https) =
            (format!("amqps://{}/", bed.tls_proxy("amqps")?), format!("https://{}/", bed.tls_proxy("https")?));
        let by = |who, trigger| with_authentication(who, trigger);
        let named = [
            App::apply(&user, "kafka-user", topic, by("kafka-user", kafka_at(&facts.sasl_plaintext, USER))).await?,
            App::apply(&user, "amqp-user", queue, by("rabbitmq-user", rabbitmq_at(&amqp, USER))).await?,
            App::apply(&user, "http-user", queue, by("rabbitmq-user", rabbitmq_at(&http, USER))).await?,
        ];
        let behind_proxies = [
            App::apply(&user, "kafka-proxy", topic, by("kafka-proxy", kafka_at(&facts.tls_proxy, USER))).await?,
            App::apply(&user, "amqps-proxy", queue, by("rabbitmq-proxy", rabbitmq_at(&amqps, USER))).await?,
            App::apply(&user, "https-proxy", queue, by("rabbitmq-proxy", rabbitmq_at(&https, USER))).await?,
        ];
        let servers = &facts.plaintext;
        let bystander = [App::apply(&user, "bystander", topic, kafka_at(servers, USER)).await?];
        for apps in [&named[..], &behind_proxies, &bystander] {
            all_work(&user, apps).await?;
        }

        bed.delete_kafka_user(USER).await?;
        // The broker ends the connections of a user that is gone, not those of one whose password has changed.
        world.rabbit.remove_user(USER).await?;
        world.rabbit.add_user(USER, "another password").await?;
        for proxy in ["kafka", "amqps", "https"] {
            bed.set_tls_proxy(proxy, "expired").await?;
        }
        let outcome = async {
            for app in &behind_proxies {
                let says = user.wait_failing(&app.name, "ertificate").await?;
                let names_it = says.contains("127.0.0.1") && says.to_lowercase().contains("expired");
                ensure!(names_it, "{}: {says}", app.name);
            }
            let messages = try_join_all(named.iter().map(|app| user.wait_failing(&app.name, "127.0.0.1"))).await?;
            for (app, says) in named.iter().zip(messages) {
                let says = says.to_lowercase();
                let refused = ["authentication", "access_refused", "unauthorized"];
                ensure!(refused.iter().any(|word| says.contains(word)), "{}: {says}", app.name);
            }
            for apps in [&named[..], &behind_proxies] {
                nothing_happens(&user, apps, &[&bystander[0]]).await?;
            }
            let log = fs::read_to_string(&world.ebb.log)?;
            ensure!(!log.contains(PASSWORD), "the password is in the log");
            for app in named.iter().chain(&behind_proxies) {
                let status = user.get("ScaledObject", &app.name).await?["status"].to_string();
                let shown = format!("{status} {:?}", user.events(&app.name).await?);
                ensure!(!shown.contains(PASSWORD) && !shown.contains(password.as_str()), "{}: {shown}", app.name);
            }
            Ok(())
        };
        let outcome = outcome.await;
        for proxy in ["kafka", "amqps", "https"] {
            bed.set_tls_proxy(proxy, "valid").await?;
        }
        bed.put_kafka_user(USER, PASSWORD, "describe").await?;
        world.rabbit.add_user(USER, PASSWORD).await?;
        outcome?;
        for apps in [&named[..], &behind_proxies, &bystander] {
            all_work(&user, apps).await?;
        }
        leave(&user).await
    })
}
