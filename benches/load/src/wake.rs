//! From zero to one: how long the first message waits for the first replica.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use ebb_tests::wait::{self, secs};
use futures::future::try_join_all;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use tokio::time::sleep_until;

use crate::stage::Stage;
use crate::workloads::{AT_ONCE, Workload};

/// How long a workload may take to be woken. KEDA's default interval is 30 s.
const LIMIT: Duration = secs(120);

/// Wakes workloads one after the other, `apart` from each other, and gives how long each took from when its message was
/// to be sent to its first replica.
pub(crate) async fn one_by_one(stage: &Stage, workloads: &[Workload], apart: Duration) -> Result<Vec<Duration>> {
    let watches = try_join_all(workloads.iter().map(|one| stage.user.watch_replicas(&one.name))).await?;
    for (watch, workload) in watches.iter().zip(workloads) {
        ensure!(watch.now() == 0, "{} is not at zero: {}", workload.name, watch.story());
    }
    let begin = Instant::now();
    let all = (0..).zip(workloads).zip(&watches).map(async |((place, workload), watch)| {
        sleep_until((begin + apart * place).into()).await;
        let begin = Instant::now();
        stage.wake(workload).await?;
        let woken = watch.wait_since(begin, "1 or more", LIMIT, |replicas| replicas > 0).await?;
        Ok(woken.at - begin)
    });
    try_join_all(all).await
}

/// Wakes workloads all at once, and waits until `active` of all have a replica.
pub(crate) async fn at_once(stage: &Stage, workloads: &[Workload], active: usize) -> Result<Duration> {
    let begin = Instant::now();
    let all = workloads.iter().map(|workload| stage.wake(workload));
    stream::iter(all).buffer_unordered(AT_ONCE).try_collect::<()>().await?;
    let awake = |item: &serde_json::Value| item["spec"]["replicas"].as_u64().is_some_and(|replicas| replicas > 0);
    stage.user.wait_count("Deployment", "awake", active, LIMIT, awake).await?;
    Ok(begin.elapsed())
}

/// Wakes one, however long its autoscaler takes to begin; gives when it had a replica.
pub(crate) async fn whenever(stage: &Stage, workload: &Workload, limit: Duration) -> Result<Instant> {
    let watch = stage.user.watch_replicas(&workload.name).await?;
    let begin = Instant::now();
    stage.wake(workload).await?;
    let what = format!("{} to be awake", workload.name);
    wait::until(&what, limit, async || watch.first_since(begin, |replicas| replicas > 0).context("it is not"))
        .await
        .map(|woken| woken.at)
}
