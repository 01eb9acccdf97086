//! The brokers themselves, without Ebb: the assumptions of the other tests about them.

use anyhow::{Result, ensure};
use ebb_tests::process;
use ebb_tests::wait::{self, secs};
use ebb_tests::world::{Outcome, World};
use reqwest::{Certificate, Client, Identity, StatusCode};
use serde_json::Value;

use crate::story;

#[test]
fn kafka_keeps_records_where_they_were_written_and_offsets_as_committed() -> Outcome {
    story(async |world| {
        let kafka = world.kafka()?;
        kafka.create_topic_on("brokers-records", &[1, 2, 1]).await?;
        ensure!(kafka.leaders("brokers-records").await? == [1, 2, 1]);
        kafka.produce("brokers-records", 10).await?;
        kafka.produce_to("brokers-records", 2, 5).await?;
        ensure!(kafka.log_of("brokers-records", 0).await? == (0, 4));
        ensure!(kafka.log_of("brokers-records", 2).await? == (0, 8));

        kafka.commit("brokers-group", "brokers-records", &[(0, 1), (2, 8)]).await?;
        ensure!(kafka.committed("brokers-group", "brokers-records").await? == [Some(1), None, Some(8)]);
        kafka.commit_all("brokers-group", "brokers-records").await?;
        ensure!(kafka.committed("brokers-group", "brokers-records").await? == [Some(4), Some(3), Some(8)]);

        kafka.delete_before("brokers-records", 2, 6).await?;
        ensure!(kafka.log_of("brokers-records", 2).await? == (6, 8));
        kafka.add_partitions("brokers-records", 4).await?;
        ensure!(kafka.committed("brokers-group", "brokers-records").await?[3].is_none());

        kafka.delete_group("brokers-group").await?;
        ensure!(kafka.committed("brokers-group", "brokers-records").await? == [None; 4]);
        kafka.delete_topic("brokers-records").await?;
        kafka.create_topic("brokers-records", 1).await?;
        ensure!(kafka.log_of("brokers-records", 0).await? == (0, 0), "the topic is not a new one");
        Ok(())
    })
}

#[test]
fn kafka_holds_readers_back_at_an_open_transaction() -> Outcome {
    story(async |world| {
        let (kafka, topic) = (world.kafka()?, "brokers-transactions");
        kafka.create_topic(topic, 1).await?;
        kafka.produce(topic, 2).await?;
        let ends = async || anyhow::Ok((kafka.stable_end_of(topic, 0).await?, kafka.log_of(topic, 0).await?.1));

        drop(kafka.begin("brokers-left-open", topic, 0, 3).await?);
        kafka.produce(topic, 1).await?;
        ensure!(ends().await? == (2, 6), "{:?}", ends().await?);

        // The same application comes back: its old transaction is aborted, with a marker in the log.
        let again = kafka.begin("brokers-left-open", topic, 0, 1).await?;
        ensure!(ends().await? == (7, 8), "{:?}", ends().await?);
        again.abort().await?;
        wait_ends(&ends, (9, 9)).await?;

        kafka.begin("brokers-committed", topic, 0, 4).await?.commit().await?;
        wait_ends(&ends, (14, 14)).await
    })
}

/// The marker of a transaction's end may come a moment after the answer.
async fn wait_ends(ends: &impl AsyncFn() -> Result<(i64, i64)>, wanted: (i64, i64)) -> Result<()> {
    wait::until("the end of the transaction", secs(10), async || {
        let ends = ends().await?;
        ensure!(ends == wanted, "stable end and end are {ends:?}");
        Ok(())
    })
    .await
}

#[test]
fn connections_of_a_process_to_a_broker_are_counted() -> Outcome {
    story(async |world| {
        let port = world.bed.kafka()?.brokers[0].plaintext.rsplit_once(':').unwrap().1.parse()?;
        let kafka = world.kafka()?;
        kafka.create_topic_on("brokers-connections", &[1]).await?;
        kafka.produce("brokers-connections", 1).await?; // Only broker 1 takes it.
        let mine = process::connections_to(std::process::id(), port)?;
        ensure!(mine >= 1, "the application has {mine} connections");
        Ok(())
    })
}

#[test]
fn rabbitmq_takes_tokens_and_certificates() -> Outcome {
    story(async |world| {
        let (rabbit, tokens) = (world.bed.rabbitmq()?, world.bed.tokens()?);
        let plain = format!("http://{}:{}/api/overview", rabbit.host, rabbit.http_port);
        let status =
            async |token: String| anyhow::Ok(Client::new().get(&plain).bearer_auth(token).send().await?.status());
        ensure!(status(token(world, &tokens.client_id, &tokens.client_secret).await?).await? == StatusCode::OK);
        let strange = token(world, &tokens.stranger_id, &tokens.stranger_secret).await?;
        ensure!(status(strange).await? == StatusCode::UNAUTHORIZED, "a stranger's token is accepted");
        ensure!(world.bed.token_stats().await?.issued[&tokens.client_id] > 0);

        let secure = format!("https://{}:{}/api/overview", rabbit.host, rabbit.https_port);
        let authority = Certificate::from_pem(&std::fs::read(&rabbit.ca)?)?;
        let identity = [std::fs::read(&rabbit.client_cert)?, std::fs::read(&rabbit.client_key)?].concat();
        let trusting = || Client::builder().tls_certs_only([authority.clone()]);
        for client in [trusting().build()?, trusting().identity(Identity::from_pem(&identity)?).build()?] {
            let answer = client.get(&secure).basic_auth(&rabbit.user, Some(&rabbit.password)).send().await?;
            ensure!(answer.status() == StatusCode::OK, "{}", answer.status());
        }
        ensure!(Client::new().get(&secure).send().await.is_err(), "the certificate is trusted without its authority");

        let mutual = format!("https://{}/api/overview", world.bed.tls_proxy("https-mutual")?);
        let named = trusting().identity(Identity::from_pem(&identity)?).build()?;
        let answer = named.get(&mutual).basic_auth(&rabbit.user, Some(&rabbit.password)).send().await?;
        ensure!(answer.status() == StatusCode::OK, "{}", answer.status());
        ensure!(trusting().build()?.get(&mutual).send().await.is_err(), "nobody's certificate is accepted");
        Ok(())
    })
}

async fn token(world: &World, id: &str, secret: &str) -> Result<String> {
    let request = Client::new().post(&world.bed.tokens()?.token_url).basic_auth(id, Some(secret));
    let form = "grant_type=client_credentials";
    let request = request.header("content-type", "application/x-www-form-urlencoded").body(form);
    let answer: Value = request.send().await?.error_for_status()?.json().await?;
    Ok(answer["access_token"].as_str().unwrap_or_default().to_owned())
}
