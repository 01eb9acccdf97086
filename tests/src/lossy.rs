//! A proxy before the API server that loses writes, or their answers, at random (`ebb-bed lossy`).

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use crate::bed::Bed;
use crate::{ebb, paths, process};

/// The shares of writes that are lost in each way.
#[derive(Clone, Copy, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Faults {
    /// The request never reaches the API server.
    pub lost_requests: f64,
    /// It is done, and its connection is cut then.
    pub lost_answers: f64,
    /// It is done, and never answered.
    pub hanging: f64,
    /// It is done up to three seconds after its connection was cut.
    pub late: f64,
    /// The seed of the faults.
    pub seed: u64,
}

/// The writes that came, by what they write (`patch scaledobjects/status`) and what became of them.
pub type Counts = BTreeMap<String, BTreeMap<String, u64>>;

/// The running proxy. Dropping it ends it.
#[derive(Debug)]
pub struct Lossy {
    /// For Ebb's account, by way of the proxy.
    pub kubeconfig: PathBuf,
    control: String,
    child: Child,
}

#[derive(Deserialize)]
struct Info {
    url: String,
    ca: PathBuf,
    control: String,
}

impl Lossy {
    /// Starts one that loses nothing yet.
    pub async fn start(bed: &Bed) -> Result<Self> {
        let log = std::fs::File::create(bed.dir.with_extension("lossy.log"))?;
        let mut child = Command::new(paths::bed_program()?)
            .arg("lossy")
            .args(["--upstream", &bed.facts.apiserver])
            .arg("--upstream-ca")
            .arg(&bed.facts.ca)
            .arg("--dir")
            .arg(bed.dir.join("lossy"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()?;
        let stdout = child.stdout.take().context("no standard output")?;
        let info: Info = tokio::task::spawn_blocking(move || {
            let mut line = String::new();
            BufReader::new(stdout).read_line(&mut line)?;
            serde_json::from_str(&line).with_context(|| format!("the proxy says {line:?}"))
        })
        .await??;
        let kubeconfig = ebb::kubeconfig_through(bed, &info.url, &info.ca).await?;
        Ok(Self { kubeconfig, control: info.control, child })
    }

    /// Changes the faults from now on.
    pub async fn set(&self, faults: Faults) -> Result<()> {
        let answer = reqwest::Client::new().post(format!("{}/faults", self.control)).json(&faults).send().await?;
        ensure!(answer.status().is_success(), "{}", answer.status());
        Ok(())
    }

    /// The writes so far, counted by kind and by fate.
    pub async fn counts(&self) -> Result<Counts> {
        Ok(reqwest::get(format!("{}/counts", self.control)).await?.error_for_status()?.json().await?)
    }
}

impl Drop for Lossy {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = process::signal(self.child.id(), "TERM");
        let _ = self.child.wait();
    }
}
