//! The logins of a rabbitmq trigger that use neither user and password nor a token.

use std::fs;

use anyhow::{Result, ensure};
use ebb_tests::wait::secs;
use ebb_tests::workload::{deployment, scaled_object};
use ebb_tests::world::Outcome;
use serde_json::{Value, json};

use super::{scale, trigger, trigger_as};
use crate::story;

#[test]
fn a_client_certificate_alone_is_a_login() -> Outcome {
    story(async |world| {
        let facts = world.bed.rabbitmq()?;
        let (queue, metric) = ("mails", "s0-rabbitmq-mails");
        let user = world.sandbox("external").await?;
        world.rabbit.declare(queue).await?;
        world.rabbit.publish(queue, 12).await?;
        let [ca, cert, key] =
            [&facts.ca, &facts.client_cert, &facts.client_key].map(|file| fs::read_to_string(file).unwrap());
        let address = format!("{}:{}/", facts.host, facts.amqps_port);
        let host = format!("amqps://{address}");
        let whole = [("tls", "enable"), ("ca", ca.as_str()), ("cert", &cert), ("key", &key)];
        user.authenticate("whole", &whole).await?;
        user.authenticate("with-host", &[&whole[..], &[("host", host.as_str())]].concat()).await?;

        let metadata = json!({"queueName": queue, "mode": "QueueLength", "value": "5"});
        let at = |host: &str| {
            let mut metadata = metadata.clone();
            metadata["host"] = json!(host);
            metadata
        };
        scale(&user, "mailer", trigger_as("with-host", &metadata)).await?;
        scale(&user, "named", trigger_as("whole", &at(&format!("amqps://CN={}@{address}", facts.cert_user)))).await?;
        scale(&user, "asked-for", trigger_as("whole", &at(&format!("{host}?auth_mechanism=external")))).await?;
        for app in ["mailer", "named", "asked-for"] {
            user.wait_metric(app, metric, 12.0).await?;
            user.wait_replicas(app, "3", secs(20), |replicas| replicas == 3).await?;
        }

        // No other login replaces a certificate that is not there or not used.
        user.authenticate("unused", &whole[1..]).await?;
        user.authenticate("empty", &[whole[0], whole[1], ("cert", ""), ("key", "")]).await?;
        user.authenticate("trust", &whole[..2]).await?;
        for (app, authentication, host, says) in [
            ("unused", "unused", host.as_str(), "cert and key are given without tls: enable"),
            ("empty", "empty", &host, "the parameter `cert` of its TriggerAuthentication is empty"),
            ("missing", "trust", &format!("{host}?auth_mechanism=external"), "no client certificate is used"),
            ("half", "trust", &format!("amqps://{}@{address}", facts.user), "host has a user and no password"),
            ("plain", "whole", &format!("amqp://{}:{}/", facts.host, facts.amqp_port), "host is not encrypted"),
        ] {
            scale(&user, app, trigger_as(authentication, &at(host))).await?;
            user.wait_failing(app, says).await?;
        }
        Ok(())
    })
}

#[test]
fn variables_that_point_nowhere_are_named_and_the_default_account_is_for_nothing_given() -> Outcome {
    story(async |world| {
        let facts = world.bed.rabbitmq()?;
        let queue = "nowhere";
        let user = world.sandbox(queue).await?;
        world.rabbit.declare(queue).await?;
        world.rabbit.publish(queue, 1).await?;
        let amqp = format!("amqp://{}:{}/", facts.host, facts.amqp_port);
        let metadata = |host: &str, more: Value| {
            let mut metadata = json!({"queueName": queue, "mode": "QueueLength", "value": "5", "host": host});
            for (key, value) in more.as_object().into_iter().flatten() {
                metadata[key] = value.clone();
            }
            metadata
        };
        let from_env = json!({"usernameFromEnv": "USER", "passwordFromEnv": "PASSWORD"});
        let apply = async |app: &str, env: &[(&str, &str)], metadata: &Value| -> Result<()> {
            user.apply(&deployment(app, 0, env)).await?;
            user.apply(&scaled_object(app, json!({"pollingInterval": 1, "triggers": [trigger(metadata)]}))).await?;
            Ok(())
        };
        let both = [("USER", facts.user.as_str()), ("PASSWORD", facts.password.as_str())];
        apply("there", &both, &metadata(&amqp, from_env.clone())).await?;
        user.wait_metric("there", "s0-rabbitmq-nowhere", 1.0).await?;

        apply("unset", &[], &metadata(&amqp, from_env.clone())).await?;
        let says = user.wait_failing("unset", "usernameFromEnv names the environment variable \"USER\"").await?;
        ensure!(says.contains("which the target's container does not set"), "{says}");
        // The address has another user; it is not the one that was asked for.
        apply("other", &[("USER", ""), ("PASSWORD", "")], &metadata(&world.rabbit.url(), from_env)).await?;
        user.wait_failing("other", "which is empty in the target's container").await?;
        let unread = json!({"username": facts.user, "password": facts.password});
        apply("unread", &[], &metadata(&amqp, unread)).await?;
        let says = user.wait_failing("unread", "`username` in its metadata is not read").await?;
        ensure!(!says.contains(&facts.password), "{says}");

        // This broker has no account guest: that is what an address alone asks for.
        apply("guest", &[], &metadata(&amqp, Value::Null)).await?;
        user.wait_failing("guest", "(as user \"guest\")").await?;
        Ok(())
    })
}
