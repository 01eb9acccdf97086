//! Decisions of several replicas: the leader's are shown, whichever replica is asked, and end with its term.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use ebb_tests::ebb;
use ebb_tests::replicas::Replicas;
use ebb_tests::sandbox::Sandbox;
use ebb_tests::wait::{self, secs};
use ebb_tests::world::{Outcome, World};
use http::Method;
use serde_json::json;

use crate::leadership::{leader, next_leader, with_replicas};
use crate::story;

const NAME: &str = "decisions-replicas";
const PATH: &str = "/apis/decisions.ebb.dev/v1alpha1/namespaces/decisions-replicas/scalingdecisions";

#[test]
fn any_replica_shows_the_leaders_decisions() -> Outcome {
    story(async |world| with_replicas(world, 2, from_any_replica).await)
}

async fn wait_activated(user: &Sandbox) -> Result<()> {
    wait::until("the activation to be shown", secs(20), async || {
        let decisions = user.decisions("my-app").await?;
        ensure!(decisions.iter().any(|one| one["reason"] == "Activated" && one["by"] == "Ebb"), "{decisions:?}");
        Ok(())
    })
    .await
}

async fn from_any_replica(world: &World, replicas: &Replicas) -> Result<()> {
    let user = world.app(NAME, 0, 1, json!({"pollingInterval": 1, "maxReplicaCount": 1})).await?;
    user.wait_replicas("my-app", "1", secs(20), |replicas| replicas == 1).await?;
    let first = leader(replicas).await?;
    let standby = 1 - first;
    let mut versions = Vec::new();
    for replica in [first, standby] {
        ebb::serve_from(&world.bed, replicas.get(replica).secure_port).await?;
        wait_activated(&user).await?;
        let list = user.send(Method::GET, PATH, None).await?;
        versions.push(list["metadata"]["resourceVersion"].as_str().context("no version")?.to_owned());
    }
    let epoch = |version: &str| version.parse::<u64>().map(|version| version >> 32);
    ensure!(epoch(&versions[0])? == epoch(&versions[1])?, "the standby has a history of its own: {versions:?}");

    // A watch through the standby, which asks the leader, ends when the leader does.
    let watch = user.kubectl.output(&["get", "scalingdecisions", "-w", "--request-timeout=60s"], None);
    let killed = async {
        tokio::time::sleep(secs(2)).await;
        let begin = Instant::now();
        replicas.kill(first)?;
        // 503 until another leads: clients of Kubernetes ask again, as Retry-After says.
        let later = wait::until("an answer of the next leader", secs(20), async || {
            let list = user.send(Method::GET, PATH, None).await?;
            Ok(list["metadata"]["resourceVersion"].as_str().unwrap_or_default().to_owned())
        })
        .await?;
        ensure!(epoch(&later)? > epoch(&versions[0])?, "the standby answers for a leader that is gone: {later}");
        next_leader(replicas, first, begin).await
    };
    let (shown, killed) = tokio::join!(watch, killed);
    killed?;
    let shown = shown?;
    ensure!(shown.stdout.contains("is active: 1 is above 0"), "{shown:?}");

    // The new leader knows the decisions that it saw as a standby, and no version of the term before.
    let list = user.send(Method::GET, PATH, None).await?;
    let since = list["since"].as_str().context("it does not say since when it knows")?;
    ensure!(!since.is_empty(), "{list}");
    let stale = user.send(Method::GET, &format!("{PATH}?resourceVersion={}", versions[0]), None).await;
    let stale = stale.err().map(|error| format!("{error:#}")).context("a version of the term before is taken")?;
    ensure!(stale.contains("Expired") || stale.contains("410"), "{stale}");
    let event = user.send(Method::GET, &format!("{PATH}?watch=true&resourceVersion={}", versions[0]), None).await?;
    ensure!(event["object"]["reason"] == "Expired", "{event}");
    world.rabbit.purge(NAME).await?;
    user.delete_all("ScaledObject").await?;
    user.delete_all("Deployment").await?;
    replicas.restart(first).await
}
