//! Settings of the clients of all triggers: timeouts, authorities, TLS versions, the proxy.

use std::fs;
use std::time::Instant;

use anyhow::ensure;
use ebb_tests::bed::KafkaUser;
use ebb_tests::impostor::{Impostor, Manner};
use ebb_tests::wait::{self, secs};
use ebb_tests::workload::rabbitmq_at;
use ebb_tests::world::Outcome;
use serde_json::{Value, json};

use super::{log, scale, with_settings};
use crate::story;

fn rabbitmq(host: &str, more: Value) -> Value {
    let mut trigger = rabbitmq_at(host, "outbound");
    if let (Some(metadata), Value::Object(more)) = (trigger["metadata"].as_object_mut(), more) {
        metadata.extend(more);
    }
    trigger
}

#[test]
fn timeouts_the_proxy_and_unknown_keys_are_as_set() -> Outcome {
    story(async |world| {
        let user = world.sandbox("settings-outbound").await?;
        world.rabbit.declare("outbound").await?;
        world.rabbit.publish("outbound", 3).await?;
        let silent = Impostor::start(Manner::Silent).await?;
        let facts = world.bed.rabbitmq()?;
        let variables = [
            ("KEDA_HTTP_DEFAULT_TIMEOUT", "500"),
            ("KEDA_CHECK_UNEXPECTED_SCALERS_PARAMS", "true"),
            // Nothing listens there: a connection that does not reach its broker has taken the proxy.
            ("HTTP_PROXY", "http://127.0.0.1:1"),
            ("HTTPS_PROXY", "http://127.0.0.1:1"),
            ("NO_PROXY", "127.0.0.1"),
        ];
        let arguments = ["--http-idle-conn-timeout=5s", "--http-max-idle-conns-per-host=1"];
        with_settings(world, &arguments, &variables, async || {
            let address = |host: &str| format!("http://{}:{}@{host}:{}/", facts.user, facts.password, facts.http_port);
            let slow = format!("http://u:p@{}/", silent.address);
            scale(&user, "slow", 0, rabbitmq(&slow, json!({}))).await?;
            scale(&user, "slower", 0, rabbitmq(&slow, json!({"timeout": "1500ms"}))).await?;
            scale(&user, "by-proxy", 0, rabbitmq(&address("localhost"), json!({}))).await?;
            scale(&user, "direct", 0, rabbitmq(&address("127.0.0.1"), json!({"queueNam": "x"}))).await?;
            user.wait_metric("direct", "s0-rabbitmq-outbound", 3.0).await?;
            user.wait_failing("slow", "within 0.5 s").await?;
            user.wait_failing("slower", "within 1.5 s").await?;
            user.wait_failing("by-proxy", "Connection refused").await?;

            // The key that nothing reads is reported once, in KEDA's words.
            let event = user.wait_event("direct", "KEDAScalerInfo").await?;
            ensure!(event.kind == "Warning", "{event:?}");
            ensure!(event.message.starts_with("Unmatched input property queueNam in scaler ScaledObject"), "{event:?}");
            ensure!(user.events("slow").await?.iter().all(|event| event.reason != "KEDAScalerInfo"), "it has none");
            ensure!(log(world)?.matches("Unmatched input property").count() == 1, "{}", log(world)?);
            Ok(())
        })
        .await?;
        // As ever: three seconds, and no proxy.
        user.wait_failing("slow", "within 3 s").await?;
        user.wait_metric("by-proxy", "s0-rabbitmq-outbound", 3.0).await?;
        user.delete_all("ScaledObject").await
    })
}

#[test]
fn authorities_of_a_folder_are_trusted_by_every_client() -> Outcome {
    story(async |world| {
        let user = world.sandbox("settings-authorities").await?;
        let (facts, kafka) = (world.bed.rabbitmq()?, world.bed.kafka()?);
        let topic = "settings-authorities";
        world.rabbit.declare("outbound").await?;
        world.kafka()?.create_topic(topic, 1).await?;
        world.kafka()?.commit_all(topic, topic).await?;
        world.kafka()?.produce(topic, 3).await?;
        let folder = world.bed.dir.join("authorities");
        fs::create_dir_all(&folder)?;
        fs::copy(&facts.ca, folder.join("rabbitmq.pem"))?;
        fs::copy(&kafka.ca, folder.join("kafka.pem"))?;
        fs::write(folder.join("README"), "nothing to read here")?;
        let folder = format!("--ca-dir={}", folder.display());

        let KafkaUser { name, password } = &kafka.viewer;
        let let_in = [("sasl", "scram_sha512"), ("username", name), ("password", password), ("tls", "enable")];
        user.authenticate("viewer", &let_in).await?;
        let host = |scheme, port| format!("{scheme}://{}:{}@{}:{port}/", facts.user, facts.password, facts.host);
        let with_kafka = json!({
            "type": "kafka", "authenticationRef": {"name": "viewer"},
            "metadata": {"bootstrapServers": kafka.sasl_ssl, "consumerGroup": topic, "topic": topic},
        });
        let apps = [
            ("amqps", rabbitmq(&host("amqps", facts.amqps_port), json!({}))),
            ("https", rabbitmq(&host("https", facts.https_port), json!({}))),
            ("kafka", with_kafka),
        ];
        for (app, trigger) in &apps {
            scale(&user, app, 0, trigger.clone()).await?;
        }
        // Nobody trusts them without the folder.
        user.wait_failing("amqps", "UnknownIssuer").await?;
        user.wait_failing("https", "UnknownIssuer").await?;
        user.wait_condition("kafka", "Ready", "False").await?;
        let missing = "--ca-dir=/there/is/none";
        with_settings(world, &[missing, &folder], &[("KEDA_HTTP_MIN_TLS_VERSION", "TLS13")], async || {
            let begin = Instant::now();
            for (app, _) in &apps {
                user.wait_ready(app).await?;
            }
            println!("all three trust the folder's authorities after {:?}", begin.elapsed());
            let log = log(world)?;
            ensure!(log.contains("README: holds no certificate"), "{log}");
            ensure!(!log.contains("/there/is/none"), "{log}");
            Ok(())
        })
        .await?;
        wait::until("the authorities to be forgotten", secs(30), async || {
            let ready = user.condition("https", "Ready").await?;
            ensure!(ready.status == "False", "{ready:?}");
            Ok(())
        })
        .await?;
        user.delete_all("ScaledObject").await
    })
}
