//! The measures of a rabbitmq trigger, its queues, and its ways to log in.

mod logins;
mod statistics;
mod vhosts;

use std::fs;

use anyhow::{Result, bail, ensure};
use ebb_tests::rabbit::Rabbit;
use ebb_tests::sandbox::Sandbox;
use ebb_tests::wait::{self, secs};
use ebb_tests::workload::{deployment, scaled_object};
use ebb_tests::world::Outcome;
use futures::future::{join_all, try_join_all};
use serde_json::{Value, json};

use crate::story;

/// A rabbitmq trigger with this metadata.
fn trigger(metadata: &Value) -> Value {
    json!({"type": "rabbitmq", "metadata": metadata})
}

/// The same with the credentials of the TriggerAuthentication of this name.
fn trigger_as(authentication: &str, metadata: &Value) -> Value {
    json!({"type": "rabbitmq", "metadata": metadata, "authenticationRef": {"name": authentication}})
}

/// A Deployment and a ScaledObject of this name with one trigger, in a namespace that is there.
async fn scale(user: &Sandbox, app: &str, trigger: Value) -> Result<()> {
    user.apply(&deployment(app, 0, &[])).await?;
    user.apply(&scaled_object(app, json!({"pollingInterval": 1, "cooldownPeriod": 2, "triggers": [trigger]}))).await?;
    Ok(())
}

/// Waits until the HPA would get a number that fits.
async fn measures(user: &Sandbox, app: &str, metric: &str, what: &str, fits: impl Fn(f64) -> bool) -> Result<f64> {
    // Statistics of a quorum queue may take ten seconds to come.
    wait::until(&format!("{metric} of {app} to be {what}"), secs(30), async || {
        let value = user.metric(app, metric).await?;
        ensure!(fits(value), "it is {value}");
        Ok(value)
    })
    .await
}

#[test]
fn rates_and_ratios_of_a_queue_that_is_filled_and_emptied() -> Outcome {
    story(async |world| {
        let queue = "rates";
        let user = world.sandbox(queue).await?;
        world.rabbit.declare(queue).await?;
        let metric = "s0-rabbitmq-rates";
        let host = world.rabbit.http_url();
        for (app, mode, activation) in [
            ("published", "MessageRate", "1.5"),
            ("delivered", "DeliverGetRate", "1.5"),
            ("ratio", "PublishedToDeliveredRatio", "0.25"),
            ("time", "ExpectedQueueConsumptionTime", "0.25"),
        ] {
            let metadata = json!({
                "queueName": queue, "mode": mode, "value": "0.5", "activationValue": activation, "host": host,
            });
            scale(&user, app, trigger(&metadata)).await?;
        }
        for app in ["published", "delivered", "ratio", "time"] {
            user.wait_metric(app, metric, 0.0).await?;
            ensure!(user.replicas(app).await? == 0, "{app} is awake while nothing happens");
        }

        // Filled and not emptied: nothing is delivered yet, and the two that divide by it wake up all the same.
        let fill = async || -> Result<()> {
            loop {
                world.rabbit.publish(queue, 10).await?;
                tokio::time::sleep(std::time::Duration::from_millis(500)).await;
            }
        };
        let watch = async {
            measures(&user, "published", metric, "about 20 a second", |rate| rate > 5.0 && rate < 40.0).await?;
            for app in ["ratio", "time"] {
                user.wait_metric(app, metric, 0.25).await?;
            }
            for app in ["published", "ratio", "time"] {
                user.wait_replicas(app, "more than 0", secs(10), |replicas| replicas > 0).await?;
            }
            ensure!(user.replicas("delivered").await? == 0, "nothing was delivered");
            anyhow::Ok(())
        };
        tokio::select! { ended = fill() => ended?, watched = watch => watched?, }

        // Filled and emptied as fast.
        let empty = async || -> Result<()> {
            loop {
                world.rabbit.publish(queue, 10).await?;
                world.rabbit.drain(queue).await?;
                tokio::time::sleep(std::time::Duration::from_millis(500)).await;
            }
        };
        let watch = async {
            measures(&user, "delivered", metric, "about 20 a second", |rate| rate > 5.0 && rate < 400.0).await?;
            measures(&user, "ratio", metric, "about 1", |ratio| ratio > 0.6 && ratio < 1.6).await?;
            measures(&user, "time", metric, "next to nothing", |time| time < 3.0).await?;
            user.wait_replicas("delivered", "more than 0", secs(10), |replicas| replicas > 0).await?;
            anyhow::Ok(())
        };
        tokio::select! { ended = empty() => ended?, watched = watch => watched?, }
        Ok(())
    })
}

#[test]
fn a_pattern_is_read_over_all_its_pages_with_every_operation() -> Outcome {
    story(async |world| {
        let user = world.sandbox("pattern").await?;
        try_join_all((1..=7).map(async |number| {
            let queue = format!("pattern-of-{number}");
            world.rabbit.declare(&queue).await?;
            world.rabbit.publish(&queue, number).await
        }))
        .await?;
        world.rabbit.declare("no-pattern-of-1").await?;
        world.rabbit.publish("no-pattern-of-1", 50).await?;
        let metric = "s0-rabbitmq--5Epattern-of--5B0-9-5D-2B-24";
        for (app, operation, page_size, value) in
            [("sum", "sum", "2", 28.0), ("avg", "avg", "1", 4.0), ("max", "max", "1000", 7.0)]
        {
            let metadata = json!({
                "queueName": "^pattern-of-[0-9]+$", "useRegex": "true", "operation": operation, "pageSize": page_size,
                "mode": "QueueLength", "value": "100", "host": world.rabbit.http_url(),
            });
            scale(&user, app, trigger(&metadata)).await?;
            user.wait_metric(app, metric, value).await?;
            user.wait_replicas(app, "1", secs(10), |replicas| replicas == 1).await?;
        }
        // An average may be a fraction.
        world.rabbit.publish("pattern-of-1", 1).await?;
        user.wait_metric("avg", metric, 29.0 / 7.0).await
    })
}

#[test]
fn a_pattern_that_matches_nothing_is_an_error_unless_that_is_allowed() -> Outcome {
    story(async |world| {
        let user = world.sandbox("no-match").await?;
        let metadata = |expression: &str| {
            json!({
                "queueName": expression, "useRegex": "true", "mode": "QueueLength", "value": "5",
                "host": world.rabbit.http_url(),
            })
        };
        scale(&user, "strict", trigger(&metadata("^no-match-.*"))).await?;
        let says = user.wait_failing("strict", "no queue in vhost \"/\"").await?;
        ensure!(says.contains("^no-match-.*") && says.contains("allowNoMatch"), "{says}");

        let mut allowed = metadata("^no-match-.*");
        allowed["allowNoMatch"] = json!("true");
        scale(&user, "lenient", trigger(&allowed)).await?;
        let metric = "s0-rabbitmq--5Eno-match---2A";
        user.wait_ready("lenient").await?;
        user.wait_metric("lenient", metric, 0.0).await?;

        scale(&user, "mistyped", trigger(&metadata("["))).await?;
        user.wait_failing("mistyped", "is queueName a valid regular expression?").await?;

        world.rabbit.declare("no-match-any-more").await?;
        world.rabbit.publish("no-match-any-more", 2).await?;
        for app in ["strict", "lenient"] {
            user.wait_ready(app).await?;
            user.wait_metric(app, metric, 2.0).await?;
        }
        Ok(())
    })
}

#[test]
fn tls_with_a_client_certificate_over_both_protocols() -> Outcome {
    story(async |world| {
        let facts = world.bed.rabbitmq()?;
        let (queue, metric) = ("encrypted", "s0-rabbitmq-encrypted");
        let user = world.sandbox(queue).await?;
        world.rabbit.declare(queue).await?;
        world.rabbit.publish(queue, 3).await?;
        let [ca, cert, key] =
            [&facts.ca, &facts.client_cert, &facts.client_key].map(|file| fs::read_to_string(file).unwrap());
        let kafka = world.bed.kafka()?;
        let encrypted = fs::read_to_string(&kafka.encrypted_client_key)?;
        let other_cert = fs::read_to_string(&kafka.client_cert)?;

        user.authenticate("whole", &[("tls", "enable"), ("ca", &ca), ("cert", &cert), ("key", &key)]).await?;
        let password = kafka.client_key_password.as_str();
        let parameters =
            [("tls", "enable"), ("ca", &ca), ("cert", &other_cert), ("key", &encrypted), ("keyPassword", password)];
        user.authenticate("encrypted", &parameters).await?;
        let wrong = [("tls", "enable"), ("cert", &other_cert), ("key", &encrypted), ("keyPassword", "S3CR3T")];
        user.authenticate("wrong-password", &wrong).await?;

        let stranger = rcgen::generate_simple_self_signed(["stranger".to_owned()])?;
        let (other, other_key) = (stranger.cert.pem(), stranger.signing_key.serialize_pem());
        user.authenticate("stranger", &[("tls", "enable"), ("ca", &ca), ("cert", &other), ("key", &other_key)]).await?;

        for (protocol, host) in [
            ("amqps", format!("amqps://{}:{}@{}:{}/", facts.user, facts.password, facts.host, facts.amqps_port)),
            ("https", format!("https://{}:{}@{}:{}/", facts.user, facts.password, facts.host, facts.https_port)),
        ] {
            let metadata = json!({"queueName": queue, "mode": "QueueLength", "value": "5", "host": host});
            for authentication in ["whole", "encrypted"] {
                let app = format!("{protocol}-{authentication}");
                scale(&user, &app, trigger_as(authentication, &metadata)).await?;
                user.wait_metric(&app, metric, 3.0).await?;
                user.wait_replicas(&app, "1", secs(10), |replicas| replicas == 1).await?;
            }
            let app = format!("{protocol}-wrong-password");
            scale(&user, &app, trigger_as("wrong-password", &metadata)).await?;
            let says = user.wait_failing(&app, "key cannot be decrypted").await?;
            ensure!(!says.contains("S3CR3T"), "{says}");

            // The broker sees the certificate: it refuses one that its own authority has not signed.
            let app = format!("{protocol}-stranger");
            scale(&user, &app, trigger_as("stranger", &metadata)).await?;
            user.wait_failing(&app, "alert").await?;

            // Without its authority the broker's certificate is not trusted, but unsafeSsl skips the check.
            let app = format!("{protocol}-unknown");
            scale(&user, &app, trigger(&metadata)).await?;
            user.wait_failing(&app, "UnknownIssuer").await?;
            let mut unsafe_ssl = metadata.clone();
            unsafe_ssl["unsafeSsl"] = json!("true");
            let app = format!("{protocol}-unsafe");
            scale(&user, &app, trigger(&unsafe_ssl)).await?;
            user.wait_metric(&app, metric, 3.0).await?;
        }
        Ok(())
    })
}

#[test]
fn tokens_open_the_management_api_and_are_shared() -> Outcome {
    story(async |world| {
        let (facts, tokens) = (world.bed.rabbitmq()?, world.bed.tokens()?);
        let user = world.sandbox("tokens").await?;
        let given = [
            ("oauthTokenURI", tokens.token_url.as_str()),
            ("clientID", &tokens.client_id),
            ("clientSecret", &tokens.client_secret),
            ("scopes", "rabbitmq.read:*/*,rabbitmq.tag:monitoring"),
            ("endpointParams", "audience=rabbitmq&lifetime=60"),
        ];
        user.authenticate("tokens", &given).await?;
        let host = format!("http://{}:{}/", facts.host, facts.http_port);
        let metadata =
            |queue: &str| json!({"queueName": queue, "mode": "QueueLength", "value": "5", "host": host.as_str()});
        let before = world.bed.token_stats().await?.issued.get(&tokens.client_id).copied().unwrap_or_default();
        let queues: Vec<String> = (0..10).map(|number| format!("tokens-{number}")).collect();
        for queue in &queues {
            world.rabbit.declare(queue).await?;
            world.rabbit.publish(queue, 2).await?;
            scale(&user, queue, trigger_as("tokens", &metadata(queue))).await?;
        }
        try_join_all(queues.iter().map(async |queue| {
            user.wait_metric(queue, &format!("s0-rabbitmq-{queue}"), 2.0).await?;
            user.wait_replicas(queue, "1", secs(10), |replicas| replicas == 1).await.map(drop)
        }))
        .await?;
        // Other tests ask for tokens too, as the same client; ten triggers on their own would be ten.
        let issued = world.bed.token_stats().await?.issued[&tokens.client_id] - before;
        ensure!(issued < 10, "{issued} tokens for ten triggers");

        let wrong = [given[0], given[1], ("clientSecret", "S3CR3T")];
        user.authenticate("wrong", &wrong).await?;
        scale(&user, "wrong", trigger_as("wrong", &metadata("tokens-0"))).await?;
        let says = user.wait_failing("wrong", "invalid_client").await?;
        ensure!(says.contains(&tokens.token_url) && !says.contains("S3CR3T"), "{says}");

        let stranger = [given[0], ("clientID", &tokens.stranger_id), ("clientSecret", tokens.stranger_secret.as_str())];
        user.authenticate("stranger", &stranger).await?;
        scale(&user, "stranger", trigger_as("stranger", &metadata("tokens-0"))).await?;
        let says = user.wait_failing("stranger", "401 Unauthorized").await?;
        ensure!(!says.contains(&tokens.stranger_secret), "{says}");
        Ok(())
    })
}

#[test]
fn quorum_queues_and_streams_are_counted_over_both_protocols() -> Outcome {
    story(async |world| {
        let user = world.sandbox("queue-types").await?;
        for kind in ["quorum", "stream"] {
            let queue = format!("type-{kind}");
            world.rabbit.declare_as(&queue, kind).await?;
            world.rabbit.publish(&queue, 4).await?;
            for (protocol, host) in [("amqp", world.rabbit.url()), ("http", world.rabbit.http_url())] {
                let app = format!("{kind}-{protocol}");
                let metadata = json!({"queueName": queue, "mode": "QueueLength", "value": "5", "host": host});
                scale(&user, &app, trigger(&metadata)).await?;
                user.wait_metric(&app, &format!("s0-rabbitmq-{queue}"), 4.0).await?;
                user.wait_replicas(&app, "1", secs(10), |replicas| replicas == 1).await?;
            }
        }
        Ok(())
    })
}

#[test]
fn queues_and_vhosts_with_odd_names_are_found_over_both_protocols() -> Outcome {
    story(async |world| {
        let (vhost, queue) = ("odd/vhost 100%+ü", "orders/eu west%2F(ü)+1?#&=");
        let user = world.sandbox("odd-names").await?;
        world.rabbit.add_vhost(vhost).await?;
        let encoded = "odd%2Fvhost%20100%25%2B%C3%BC";
        let there = Rabbit::connect_to(world.bed.rabbitmq()?, encoded).await?;
        there.declare(queue).await?;
        there.publish(queue, 1).await?;
        for (app, host) in [("over-amqp", world.rabbit.url()), ("over-http", world.rabbit.http_url())] {
            let named = json!({
                "queueName": queue, "mode": "QueueLength", "value": "5", "host": host, "vhostName": vhost,
            });
            let in_address = json!({
                "queueName": queue, "mode": "QueueLength", "value": "5", "host": format!("{host}{encoded}"),
            });
            for (suffix, metadata) in [("named", named), ("in-address", in_address)] {
                let app = format!("{app}-{suffix}");
                scale(&user, &app, trigger(&metadata)).await?;
                user.wait_replicas(&app, "1", secs(20), |replicas| replicas == 1).await?;
            }
        }
        let expression = json!({
            "queueName": "^orders/eu west%2F.(ü).[+]1[?]#&=$", "useRegex": "true", "mode": "QueueLength", "value": "5",
            "host": world.rabbit.http_url(), "vhostName": vhost,
        });
        scale(&user, "pattern", trigger(&expression)).await?;
        user.wait_replicas("pattern", "1", secs(20), |replicas| replicas == 1).await?;
        Ok(())
    })
}

#[test]
fn a_queue_that_vanishes_and_comes_back_leaves_the_replicas_where_they_are() -> Outcome {
    story(async |world| {
        let (name, metric) = ("vanishing", "s0-rabbitmq-vanishing");
        let user = world.sandbox(name).await?;
        world.rabbit.add_user(name, name).await?;
        world.rabbit.declare(name).await?;
        world.rabbit.publish(name, 3).await?;
        let facts = world.bed.rabbitmq()?;
        let hosts = [
            ("over-amqp", world.rabbit.url_of(name, name)),
            ("over-http", format!("http://{name}:{name}@{}:{}/", facts.host, facts.http_port)),
        ];
        for (app, host) in &hosts {
            let metadata = json!({"queueName": name, "mode": "QueueLength", "value": "5", "host": host});
            scale(&user, app, trigger(&metadata)).await?;
            user.wait_metric(app, metric, 3.0).await?;
            user.wait_replicas(app, "1", secs(10), |replicas| replicas == 1).await?;
        }
        let connections = wait::until("the broker to list Ebb's connection", secs(15), async || {
            let connections = world.rabbit.connections_of(name).await?;
            ensure!(connections.len() == 1, "{connections:?}");
            Ok(connections)
        })
        .await?;

        world.rabbit.delete(name).await?;
        for (app, _) in &hosts {
            user.wait_failing(app, "queue \"vanishing\"").await?;
        }
        wait::throughout("the replicas stay", secs(5), async || {
            for (app, _) in &hosts {
                ensure!(user.replicas(app).await? == 1, "{app} was scaled");
            }
            Ok(())
        })
        .await?;

        world.rabbit.declare_as(name, "quorum").await?;
        world.rabbit.publish(name, 2).await?;
        for (app, _) in &hosts {
            user.wait_ready(app).await?;
            user.wait_metric(app, metric, 2.0).await?;
        }
        let now = world.rabbit.connections_of(name).await?;
        ensure!(now == connections, "a missing queue cost a connection: {connections:?}, now {now:?}");
        Ok(())
    })
}

#[test]
fn a_queue_without_statistics_is_an_error_and_not_empty() -> Outcome {
    story(async |world| {
        let (name, metric) = ("fresh", "s0-rabbitmq-fresh");
        let user = world.sandbox(name).await?;
        let metadata = json!({
            "queueName": name, "mode": "QueueLength", "value": "5", "host": world.rabbit.http_url(),
        });
        scale(&user, "my-app", trigger(&metadata)).await?;
        user.wait_failing("my-app", "there is no such queue").await?;
        // The statistics come within a second; the HPA's question is asked sooner.
        for _ in 0..20 {
            world.rabbit.declare_as(name, "quorum").await?;
            let answer = user.metric("my-app", metric).await;
            if format!("{answer:?}").contains("the broker has no statistics for it yet") {
                world.rabbit.publish(name, 1).await?;
                return user.wait_metric("my-app", metric, 1.0).await;
            }
            world.rabbit.delete(name).await?;
        }
        bail!("the statistics were there at once, twenty times")
    })
}

#[test]
fn amqp_counts_the_unacknowledged_where_the_management_api_is_known() -> Outcome {
    story(async |world| {
        let (name, metric) = ("in-hand", "s0-rabbitmq-in-hand");
        let user = world.sandbox(name).await?;
        world.rabbit.declare(name).await?;
        world.rabbit.publish(name, 6).await?;
        let in_hand = world.rabbit.take_in_hand(name, 6).await?;
        let facts = world.bed.rabbitmq()?;
        let ready = json!({"queueName": name, "mode": "QueueLength", "value": "5", "host": world.rabbit.url()});
        let mut all = ready.clone();
        all["managementHost"] = json!(format!("http://{}:{}", facts.host, facts.http_port));
        scale(&user, "ready", trigger(&ready)).await?;
        scale(&user, "all", trigger(&all)).await?;
        user.wait_metric("ready", metric, 0.0).await?;
        user.wait_metric("all", metric, 6.0).await?;
        user.wait_replicas("all", "1", secs(10), |replicas| replicas >= 1).await?;
        ensure!(user.replicas("ready").await? == 0, "it counts what is in somebody's hands");
        drop(in_hand);
        Ok(())
    })
}

#[test]
fn no_password_is_ever_repeated() -> Outcome {
    const SECRET: &str = "S3CR3T/p:a@ss#w?rd%";
    const MARK: &str = "S3CR3T";
    story(async |world| {
        let user = world.sandbox("passwords").await?;
        let facts = world.bed.rabbitmq()?;
        let encoded = "S3CR3T%2Fp%3Aa%40ss%23w%3Frd%25";
        let mut apps = Vec::new();
        for (scheme, port) in [
            ("amqp", facts.amqp_port),
            ("http", facts.http_port),
            ("amqps", facts.amqps_port),
            ("https", facts.https_port),
            ("amqp", 1),
            ("http", 1),
        ] {
            for (form, password) in [("whole", encoded), ("raw", SECRET), ("cut", "S3CR3T/1")] {
                let app = format!("{scheme}-{port}-{form}");
                let host = format!("{scheme}://ebb:{password}@{}:{port}/", facts.host);
                let metadata =
                    json!({"queueName": "passwords", "mode": "QueueLength", "value": "5", "hostFromEnv": "URL"});
                user.apply(&deployment(&app, 0, &[("URL", &host)])).await?;
                let spec = json!({"pollingInterval": 1, "triggers": [trigger(&metadata)]});
                user.apply(&scaled_object(&app, spec)).await?;
                apps.push(app);
            }
        }
        for (scheme, port) in [("amqp", facts.amqp_port), ("http", facts.http_port)] {
            let app = format!("{scheme}-authentication");
            user.authenticate(&app, &[("username", "ebb"), ("password", SECRET)]).await?;
            let host = format!("{scheme}://{}:{port}/", facts.host);
            let metadata = json!({"queueName": "passwords", "mode": "QueueLength", "value": "5", "host": host});
            scale(&user, &app, trigger_as(&app, &metadata)).await?;
            apps.push(app);
        }
        let said = join_all(apps.iter().map(async |app| {
            user.wait_condition(app, "Ready", "False").await?;
            let object = user.get("ScaledObject", app).await?["status"].to_string();
            anyhow::Ok(format!("{object} {:?}", user.events(app).await?))
        }))
        .await;
        for (app, said) in apps.iter().zip(said) {
            let said = said?;
            ensure!(!said.contains(MARK) && !said.contains("w?rd"), "{app}: {said}");
        }
        let log = fs::read_to_string(&world.ebb.log)?;
        let line = log.lines().find(|line| line.contains(MARK));
        ensure!(line.is_none(), "the log: {line:?}");
        Ok(())
    })
}
