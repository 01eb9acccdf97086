//! The two workloads of the demo and their visible state.

use anyhow::{Context, Result, ensure};
use chrono::{DateTime, Utc};
use ebb_tests::watch::ReplicaWatch;
use ebb_tests::{office_hours, wait};
use futures::future::join_all;

use crate::stage::Stage;

/// How many messages each queue gets.
pub(crate) const MESSAGES: usize = 200;

/// One Deployment, its queue and its ScaledObject.
pub(crate) struct Workload<'a> {
    pub(crate) deployment: &'static str,
    pub(crate) replicas: ReplicaWatch,
    scaled_object: &'static str,
    queue: &'static str,
    floor: fn(DateTime<Utc>) -> i64,
    stage: &'a Stage,
}

/// The visible state of a workload at one moment; `None` where nothing was seen.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) name: &'static str,
    pub(crate) depth: Option<u32>,
    pub(crate) metric: Option<f64>,
    pub(crate) hpa_desired: Option<i64>,
    pub(crate) hpa_current: Option<i64>,
    pub(crate) replicas: i32,
}

impl<'a> Workload<'a> {
    /// The two workloads of `deploy/examples/`.
    pub(crate) async fn both(stage: &'a Stage) -> Result<[Self; 2]> {
        let workload = async |deployment, scaled_object, queue, floor| {
            let replicas = stage.user.watch_replicas(deployment).await?;
            anyhow::Ok(Self { deployment, replicas, scaled_object, queue, floor, stage })
        };
        Ok([
            workload("jobs-worker", "jobs-worker", "tasks", |_| 0).await?,
            workload("my-app", "my-app-scaler", "jobs", office_hours::replicas).await?,
        ])
    }

    /// The count that it should have without messages at this instant.
    pub(crate) fn floor(&self, now: DateTime<Utc>) -> i64 {
        (self.floor)(now)
    }

    /// Fails unless it has what it should have without messages.
    pub(crate) async fn at_floor(&self) -> Result<()> {
        let replicas = self.stage.user.replicas(self.deployment).await?;
        let floor = self.floor(Utc::now());
        ensure!(replicas == floor, "{replicas} replicas instead of {floor}");
        Ok(())
    }

    /// Puts the messages into its queue.
    pub(crate) async fn publish(&self) -> Result<()> {
        self.stage.rabbit.publish(self.queue, MESSAGES).await
    }

    /// Waits until the broker has counted an acknowledgement for every message.
    pub(crate) async fn all_consumed(&self) -> Result<()> {
        let what = format!("{MESSAGES} acknowledged messages in {}", self.queue);
        wait::until(&what, wait::secs(30), async || {
            let counts = self.stage.rabbit.counts(self.queue).await?;
            let all = counts.acknowledged == MESSAGES as u64 && counts.waiting == 0 && counts.in_hand == 0;
            ensure!(all, "{counts:?}");
            Ok(())
        })
        .await
    }

    async fn sample(&self) -> Sample {
        let user = &self.stage.user;
        let metric = format!("s0-rabbitmq-{}", self.queue);
        let hpa = async || user.get("HorizontalPodAutoscaler", &format!("keda-hpa-{}", self.scaled_object)).await;
        let depth = self.stage.rabbit.depth(self.queue);
        let (depth, metric, hpa) = tokio::join!(depth, user.metric(self.scaled_object, &metric), hpa());
        let status = hpa.context("no HPA").map(|hpa| hpa["status"].clone()).unwrap_or_default();
        Sample {
            name: self.deployment,
            depth: depth.ok(),
            metric: metric.ok(),
            hpa_desired: status["desiredReplicas"].as_i64(),
            hpa_current: status["currentReplicas"].as_i64(),
            replicas: self.replicas.now(),
        }
    }
}

/// The present state of all of them.
pub(crate) async fn sample(workloads: &[Workload<'_>]) -> Vec<Sample> {
    join_all(workloads.iter().map(Workload::sample)).await
}
