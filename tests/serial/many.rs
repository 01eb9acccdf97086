//! Many `ScaledObjects` on one broker.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use ebb_tests::process;
use ebb_tests::sandbox::Sandbox;
use ebb_tests::wait::{self, secs};
use ebb_tests::workload::{deployment, rabbitmq, scaled_object};
use ebb_tests::world::Outcome;
use futures::{StreamExt, TryStreamExt, stream};
use http::Method;
use serde_json::{Value, json};

use crate::story;

const COUNT: usize = 200;
/// How many requests of this test are under way at once.
const AT_ONCE: usize = 20;

#[test]
fn two_hundred_are_ready_in_five_seconds_over_two_connections() -> Outcome {
    story(async |world| {
        let user = world.sandbox("many").await?;
        // A broker user of their own, by whom the broker's list of connections can be told apart.
        world.rabbit.add_user("many", "many").await?;
        let url = world.rabbit.url_of("many", "many");
        let names: Vec<String> = (0..COUNT).map(|number| format!("many-{number}")).collect();
        for name in &names {
            world.rabbit.declare(name).await?;
        }
        let deployments: Vec<Value> = names.iter().map(|name| deployment(name, 0, &[("RABBITMQ_URL", &url)])).collect();
        apply_all(&user, &deployments).await?;
        wait::until("the Deployment controller to be done", secs(60), async || {
            let done = count(&user, "apps/v1", "deployments", |item| {
                item["status"]["observedGeneration"] == item["metadata"]["generation"]
            });
            ensure!(done.await? == COUNT, "it is not");
            Ok(())
        })
        .await?;

        let spec = |name: &str| json!({"maxReplicaCount": 50, "triggers": [rabbitmq(name)]});
        let objects: Vec<Value> = names.iter().map(|name| scaled_object(name, spec(name))).collect();
        let begin = Instant::now();
        apply_all(&user, &objects).await?;
        let applied = begin.elapsed();
        wait::until("all of them to be Ready", secs(100), async || {
            let ready = count(&user, "keda.sh/v1alpha1", "scaledobjects", is_ready).await?;
            ensure!(ready == COUNT, "{ready} of {COUNT} are");
            Ok(())
        })
        .await?;
        let ready = begin.elapsed();
        println!("{COUNT} ScaledObjects: applied in {applied:.2?}, all Ready after {ready:.2?}");
        ensure!(ready < secs(5), "all Ready only after {ready:.2?} (applied in {applied:.2?})");

        // The broker's statistics are five seconds old: wait for the first connection, then for any more.
        let mut seen = wait::until("the broker to list a connection", secs(20), async || {
            let connections = world.rabbit.connections_of("many").await?;
            ensure!(!connections.is_empty(), "there is none");
            Ok(connections)
        })
        .await?;
        wait::throughout("there are two connections at most", secs(8), async || {
            seen.extend(world.rabbit.connections_of("many").await?);
            ensure!(seen.len() <= 2, "{seen:?}");
            Ok(())
        })
        .await?;

        let last = &names[COUNT - 1];
        world.rabbit.publish(last, 1).await?;
        user.wait_replicas(last, "1", secs(5), |replicas| replicas == 1).await?;
        // The next stories are to have a quiet control plane.
        user.kubectl.run(&["delete", "so", "--all", "--timeout=60s"]).await?;
        user.kubectl.run(&["delete", "deployment", "--all", "--timeout=60s"]).await?;
        Ok(())
    })
}

#[test]
fn two_hundred_over_the_management_api_share_two_connections() -> Outcome {
    story(async |world| {
        let user = world.sandbox("many-http").await?;
        world.rabbit.add_user("many-http", "many-http").await?;
        let facts = world.bed.rabbitmq()?;
        let host = format!("http://many-http:many-http@{}:{}/", facts.host, facts.http_port);
        let names: Vec<String> = (0..COUNT).map(|number| format!("many-http-{number}")).collect();
        for name in &names {
            world.rabbit.declare(name).await?;
        }
        let spec = |name: &str| {
            let metadata = json!({"queueName": name, "mode": "QueueLength", "value": "5", "host": host});
            json!({"pollingInterval": 2, "triggers": [{"type": "rabbitmq", "metadata": metadata}]})
        };
        let deployments: Vec<Value> = names.iter().map(|name| deployment(name, 0, &[])).collect();
        apply_all(&user, &deployments).await?;
        let objects: Vec<Value> = names.iter().map(|name| scaled_object(name, spec(name))).collect();
        apply_all(&user, &objects).await?;
        let pid = world.ebb.pid().context("Ebb does not run")?;
        let few = || {
            let connections = process::connections_to(pid, facts.http_port)?;
            ensure!(connections <= 2, "there are {connections}");
            anyhow::Ok(connections)
        };
        wait::until("all of them to be Ready", secs(100), async || {
            let ready = count(&user, "keda.sh/v1alpha1", "scaledobjects", is_ready).await?;
            few()?;
            ensure!(ready == COUNT, "{ready} of {COUNT} are");
            Ok(())
        })
        .await?;
        wait::throughout("there are two connections at most", secs(8), async || few().map(drop)).await?;

        let last = &names[COUNT - 1];
        world.rabbit.publish(last, 1).await?;
        user.wait_replicas(last, "1", secs(10), |replicas| replicas == 1).await?;
        user.kubectl.run(&["delete", "so", "--all", "--timeout=60s"]).await?;
        user.kubectl.run(&["delete", "deployment", "--all", "--timeout=60s"]).await?;
        Ok(())
    })
}

async fn apply_all(user: &Sandbox, objects: &[Value]) -> Result<()> {
    stream::iter(objects).map(|object| user.apply(object)).buffer_unordered(AT_ONCE).try_collect::<Vec<_>>().await?;
    Ok(())
}

async fn count(user: &Sandbox, group: &str, plural: &str, fits: impl Fn(&Value) -> bool) -> Result<usize> {
    let list = user.send(Method::GET, &format!("/apis/{group}/namespaces/{}/{plural}", user.name), None).await?;
    Ok(list["items"].as_array().context("no list")?.iter().filter(|item| fits(item)).count())
}

fn is_ready(object: &Value) -> bool {
    let conditions = object["status"]["conditions"].as_array();
    conditions.is_some_and(|all| all.iter().any(|one| one["type"] == "Ready" && one["status"] == "True"))
}
