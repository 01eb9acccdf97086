//! Many objects in one namespace: how many are as they should be, and waiting until all are.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tokio::time::sleep;

use crate::sandbox::{Sandbox, is_ready};
use crate::wait::{self, secs};

/// The longest pause between two lists.
const LONGEST_PAUSE: Duration = secs(5);

impl Sandbox {
    /// How many objects of a kind fit. A list of many is work for the API server.
    pub async fn count(&self, kind: &str, fits: impl Fn(&Value) -> bool) -> Result<usize> {
        let list = self.get(kind, "").await?;
        Ok(list["items"].as_array().context("no list")?.iter().filter(|item| fits(item)).count())
    }

    /// Waits until `count` objects of a kind fit.
    pub async fn wait_count(
        &self,
        kind: &str,
        what: &str,
        count: usize,
        limit: Duration,
        fits: impl Fn(&Value) -> bool,
    ) -> Result<()> {
        wait::until(&format!("{count} {kind}s to be {what}"), limit, async || {
            let begun = Instant::now();
            let there = self.count(kind, &fits).await?;
            if there != count {
                // A list of thousands keeps the API server from the work that is waited for.
                sleep((2 * begun.elapsed()).min(LONGEST_PAUSE)).await;
            }
            ensure!(there == count, "{there} are");
            Ok(())
        })
        .await
    }

    /// Waits until `count` ScaledObjects are Ready.
    pub async fn wait_all_ready(&self, count: usize, limit: Duration) -> Result<()> {
        self.wait_count("ScaledObject", "Ready", count, limit, is_ready).await
    }

    /// Applies Deployments, and waits until the Deployment controller has come to rest.
    pub async fn deploy_all(&self, deployments: &[Value]) -> Result<()> {
        self.apply_all(deployments).await?;
        let limit = secs(120) + Duration::from_millis(50) * u32::try_from(deployments.len())?;
        self.wait_count("Deployment", "observed", deployments.len(), limit, |item| {
            item["status"]["observedGeneration"] == item["metadata"]["generation"]
        })
        .await
    }
}
