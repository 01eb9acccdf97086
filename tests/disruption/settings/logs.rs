//! The most talkative log: every library that has credentials in hand is set to log everything.

use anyhow::{Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use ebb_tests::direct::{API, Direct};
use ebb_tests::ebb::{NAMESPACE, service_account_token};
use ebb_tests::world::{Outcome, World};
use serde_json::json;

use super::{log, scale, with_settings};
use crate::story;

/// The beginning of a token, of the API server's as of the token server's.
const TOKEN: &str = "eyJhbGciOi";

#[test]
fn no_credential_is_logged_at_any_level() -> Outcome {
    story(async |world| {
        let user = world.sandbox("settings-logs").await?;
        let rabbitmq = world.bed.rabbitmq()?;
        let kafka = world.bed.kafka()?;
        let tokens = world.bed.tokens()?;
        world.rabbit.declare("logs").await?;
        world.rabbit.publish("logs", 3).await?;
        world.kafka()?.create_topic("logs", 1).await?;
        world.kafka()?.commit_all("logs", "logs").await?;
        world.kafka()?.produce("logs", 3).await?;

        let by_password = [("username", rabbitmq.user.as_str()), ("password", &rabbitmq.password)];
        let by_token = [
            ("oauthTokenURI", tokens.token_url.as_str()),
            ("clientID", &tokens.client_id),
            ("clientSecret", &tokens.client_secret),
            ("scopes", "rabbitmq.read:*/*,rabbitmq.tag:monitoring"),
            ("endpointParams", "audience=rabbitmq"),
        ];
        let scram =
            [("sasl", "scram_sha256"), ("username", kafka.viewer.name.as_str()), ("password", &kafka.viewer.password)];
        let oauthbearer = [
            ("sasl", "oauthbearer"),
            ("oauthTokenEndpointUri", &tokens.token_url),
            ("username", &tokens.client_id),
            ("password", &tokens.client_secret),
            ("scopes", "kafka"),
        ];
        let queue = |host: String| json!({"queueName": "logs", "mode": "QueueLength", "value": "5", "host": host});
        let topic = json!({
            "bootstrapServers": kafka.sasl_plaintext, "consumerGroup": "logs", "topic": "logs", "lagThreshold": "5",
        });
        let amqp = queue(format!("amqp://{}:{}/", rabbitmq.host, rabbitmq.amqp_port));
        let http = queue(format!("http://{}:{}/", rabbitmq.host, rabbitmq.http_port));
        let triggers = [
            ("amqp", "rabbitmq", &by_password[..], &amqp),
            ("http", "rabbitmq", &by_password, &http),
            ("token", "rabbitmq", &by_token, &http),
            ("scram", "kafka", &scram, &topic),
            ("oauthbearer", "kafka", &oauthbearer, &topic),
        ];
        with_settings(world, &["--log-level=trace"], &[], async || {
            for (app, kind, let_in, metadata) in &triggers {
                user.authenticate(app, let_in).await?;
                let trigger = json!({"type": kind, "metadata": metadata, "authenticationRef": {"name": app}});
                scale(&user, app, 0, trigger).await?;
            }
            for (app, kind, ..) in &triggers {
                let metric = if *kind == "kafka" { "s0-kafka-logs" } else { "s0-rabbitmq-logs" };
                user.wait_metric(app, metric, 3.0).await?;
            }
            // A client that shows a token.
            let token = service_account_token(&world.bed, NAMESPACE, "ebb").await?;
            let stranger = Direct::as_aggregator(world).await?.showing(None);
            let shown = [("Authorization", &*format!("Bearer {token}"))];
            let metric = format!("{API}/namespaces/settings-logs/s0-rabbitmq-logs");
            let (metric, discovery) =
                (stranger.ask("GET", &metric, &shown).await?, stranger.ask("GET", API, &shown).await?);
            // Every user of the cluster may read what there is, and Ebb's own account no more than that.
            ensure!(metric.code == 403 && discovery.code == 200, "{metric:?} {discovery:?}");
            ensure!(token.starts_with(TOKEN), "{token:.10} is no token");
            let log = log(world)?;
            // It is as talkative as it was asked to be.
            for part in ["TRACE", " hyper_util::", " h2::", " kube_client::"] {
                ensure!(log.contains(part), "the log says nothing of {part}");
            }
            for secret in secrets(world)? {
                let shown: Vec<_> = log.lines().filter(|line| line.contains(&secret)).collect();
                ensure!(shown.is_empty(), "{secret} is in\n{}", shown.join("\n"));
            }
            Ok(())
        })
        .await?;
        user.delete_all("ScaledObject").await
    })
}

/// The secrets that must not be seen, in every form in which they go over a wire.
fn secrets(world: &World) -> Result<Vec<String>> {
    let rabbitmq = world.bed.rabbitmq()?;
    let basic = STANDARD.encode(format!("{}:{}", rabbitmq.user, rabbitmq.password));
    let mut secrets = vec![basic, TOKEN.to_owned(), "PRIVATE KEY".to_owned()];
    for secret in world.bed.facts.secrets() {
        let escaped: String =
            percent_encoding::utf8_percent_encode(secret, percent_encoding::NON_ALPHANUMERIC).collect();
        // The form in which bytes are printed.
        let bytes = format!("{:?}", secret.as_bytes()).trim_matches(['[', ']']).to_owned();
        secrets.extend([secret.to_owned(), STANDARD_NO_PAD.encode(secret), escaped, bytes]);
    }
    Ok(secrets)
}
