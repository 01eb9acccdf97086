//! A headless Chromium for the tests of `ebb ui`, driven by `ui/test/drive.ts`, and `ebb ui` itself.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::Mutex;

use crate::{paths, wait};

/// How long one step of the browser may take.
const STEP: Duration = Duration::from_secs(30);

/// A browser with one page.
#[derive(Debug)]
pub struct Browser {
    pipes: Mutex<(ChildStdin, Lines<BufReader<ChildStdout>>)>,
    _child: Child,
}

impl Browser {
    /// Starts it. `ui/test.sh` has built the driver.
    pub fn start() -> Result<Self> {
        let folder = paths::root().join("ui");
        ensure!(folder.join("target/unit/drive.mjs").exists(), "the browser's driver is not built: run make test-ui");
        let mut command = Command::new("node");
        command.arg("target/unit/drive.mjs").current_dir(folder).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.kill_on_drop(true).spawn().context("cannot run node")?;
        let stdin = child.stdin.take().context("no standard input")?;
        let stdout = child.stdout.take().context("no standard output")?;
        Ok(Self { pipes: Mutex::new((stdin, BufReader::new(stdout).lines())), _child: child })
    }

    /// Takes one step and gives its result.
    pub async fn step(&self, step: Value) -> Result<Value> {
        let mut pipes = self.pipes.lock().await;
        let (stdin, stdout) = &mut *pipes;
        stdin.write_all(format!("{step}\n").as_bytes()).await?;
        let line =
            tokio::time::timeout(STEP, stdout.next_line()).await.with_context(|| format!("no answer to {step}"))?;
        let answer: Value = serde_json::from_str(&line?.context("the browser has ended")?)?;
        if let Some(error) = answer["error"].as_str() {
            bail!("{step}: {error}");
        }
        Ok(answer["value"].clone())
    }

    /// Opens an address in a fresh browser profile.
    pub async fn open(&self, url: &str) -> Result<()> {
        self.step(json!({"do": "open", "url": url})).await.map(drop)
    }

    /// The text of the first element that a selector finds.
    pub async fn text(&self, of: &str) -> Result<String> {
        let text = self.step(json!({"do": "text", "of": of})).await?;
        Ok(text.as_str().unwrap_or_default().to_owned())
    }

    /// How many elements a selector finds.
    pub async fn count(&self, of: &str) -> Result<u64> {
        self.step(json!({"do": "count", "of": of})).await?.as_u64().context("no count")
    }

    /// Waits until the text of an element contains this, and gives the text.
    pub async fn wait_text(&self, of: &str, contains: &str, limit: Duration) -> Result<String> {
        wait::until(&format!("{of} to say {contains:?}"), limit, async || {
            let text = self.text(of).await?;
            ensure!(text.contains(contains), "it says {text:?}");
            Ok(text)
        })
        .await
    }

    /// Fails if there was an error of a script, a refusal of the security policy, a dialog or a request to elsewhere.
    /// Errors that contain one of `expected` do not count.
    pub async fn no_complaints(&self, expected: &[&str]) -> Result<()> {
        let all = self.step(json!({"do": "complaints"})).await?;
        let all: Vec<_> = all.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let left: Vec<_> = all.into_iter().filter(|one| !expected.iter().any(|part| one.contains(part))).collect();
        ensure!(left.is_empty(), "{left:#?}");
        Ok(())
    }

    /// Fails if axe finds something.
    pub async fn is_accessible(&self) -> Result<()> {
        let found = self.step(json!({"do": "axe"})).await?;
        ensure!(found.as_array().is_some_and(Vec::is_empty), "axe: {found:#}");
        Ok(())
    }
}

/// A running `ebb ui`.
#[derive(Debug)]
pub struct Ui {
    /// The address with the token, as it was printed.
    pub url: String,
    child: Child,
}

impl Ui {
    /// Starts it with a kubeconfig, and reads its address.
    pub async fn start(kubeconfig: &Path, arguments: &[&str]) -> Result<Self> {
        let mut command = Command::new(paths::bin("ebb")?);
        command.args(["ui", "--kubeconfig"]).arg(kubeconfig).args(arguments).stdout(Stdio::piped());
        let mut child = command.kill_on_drop(true).spawn()?;
        let mut lines = BufReader::new(child.stdout.take().context("no standard output")?).lines();
        loop {
            let line =
                tokio::time::timeout(wait::secs(20), lines.next_line()).await.context("ebb ui prints no address")?;
            let line = line?.context("ebb ui has ended")?;
            if line.starts_with("http://") {
                return Ok(Self { url: line, child });
            }
        }
    }

    /// The address without the token, and the token.
    pub fn parts(&self) -> Result<(&str, &str)> {
        self.url.split_once("/?token=").context("an address without a token")
    }

    /// Ends it.
    pub async fn kill(mut self) -> Result<()> {
        Ok(self.child.kill().await?)
    }
}
