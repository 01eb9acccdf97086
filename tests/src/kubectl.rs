//! The real kubectl, as a user runs it.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// The output of a run of kubectl.
#[derive(Debug)]
pub struct Output {
    /// Whether its exit code was 0.
    pub ok: bool,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

/// kubectl against one control plane, perhaps within one namespace.
#[derive(Clone, Debug)]
pub struct Kubectl {
    program: PathBuf,
    options: Vec<String>,
}

impl Kubectl {
    /// kubectl as the administrator of the control plane.
    pub fn new(program: &Path) -> Self {
        Self { program: program.to_path_buf(), options: Vec::new() }
    }

    /// The same with one more option on every call, as `--namespace=x`.
    #[must_use]
    pub fn with(&self, option: String) -> Self {
        let mut other = self.clone();
        other.options.push(option);
        other
    }

    /// Runs it, with `stdin` if given, and reports how it went.
    pub async fn output(&self, args: &[&str], stdin: Option<&str>) -> Result<Output> {
        let mut child = Command::new(&self.program)
            .args(&self.options)
            .args(args)
            .stdin(if stdin.is_some() { Stdio::piped() } else { Stdio::null() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot run {}", self.program.display()))?;
        if let (Some(text), Some(mut pipe)) = (stdin, child.stdin.take()) {
            pipe.write_all(text.as_bytes()).await?;
        }
        let output = child.wait_with_output().await?;
        Ok(Output {
            ok: output.status.success(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// Runs it and gives its standard output; a failure is an error with its standard error.
    pub async fn run(&self, args: &[&str]) -> Result<String> {
        self.run_with(args, None).await
    }

    /// `kubectl apply --server-side -f -` with this YAML or JSON.
    pub async fn apply(&self, manifest: &str) -> Result<String> {
        self.run_with(&["apply", "--server-side", "-f", "-"], Some(manifest)).await
    }

    async fn run_with(&self, args: &[&str], stdin: Option<&str>) -> Result<String> {
        let output = self.output(args, stdin).await?;
        if !output.ok {
            bail!("kubectl {} failed: {}", args.join(" "), output.stderr.trim());
        }
        Ok(output.stdout)
    }
}
