//! Helm 3, Helm 4 and kustomize, as `deploy/helm/tools.sh` installs them; kubeconform, as
//! `tests/release/tools.sh` does.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use anyhow::{Context, Result, bail, ensure};
use ebb_tests::paths;

/// One of the programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tool {
    Helm3,
    Helm4,
    Kustomize,
    Kubeconform,
}

/// How a run of a program ended.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) ok: bool,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Tool {
    /// Both versions of Helm.
    pub(crate) const HELM: [Self; 2] = [Self::Helm3, Self::Helm4];

    fn program(self) -> &'static str {
        match self {
            Self::Helm3 => "helm3",
            Self::Helm4 => "helm4",
            Self::Kustomize => "kustomize",
            Self::Kubeconform => "kubeconform",
        }
    }

    /// The program.
    pub(crate) fn path(self) -> Result<PathBuf> {
        let program = paths::work("tools").join("bin").join(self.program());
        ensure!(program.exists(), "{} is not there: deploy/helm/tools.sh, tests/release/tools.sh", program.display());
        Ok(program)
    }

    /// Runs it at the root of the repository, with `stdin`, to its end. Helm keeps its caches in `target/`.
    pub(crate) fn output(self, arguments: &[&str], stdin: &str, kubeconfig: Option<&Path>) -> Result<Output> {
        let home = paths::work("tools").join("helm-home");
        let mut child = Command::new(self.path()?)
            .args(arguments)
            .current_dir(paths::root())
            .env("HELM_CACHE_HOME", &home)
            .env("HELM_CONFIG_HOME", &home)
            .env("HELM_DATA_HOME", &home)
            // Without a cluster, so that a test that needs none fails where it asks for one.
            .env("KUBECONFIG", kubeconfig.unwrap_or(Path::new("/nowhere")))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut pipe = child.stdin.take().context("no standard input")?;
        let output = thread::scope(|scope| {
            scope.spawn(move || pipe.write_all(stdin.as_bytes()));
            child.wait_with_output()
        })?;
        Ok(Output {
            ok: output.status.success(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// Runs it and gives its standard output; a failure is an error with its standard error.
    pub(crate) fn run(self, arguments: &[&str], stdin: &str, kubeconfig: Option<&Path>) -> Result<String> {
        let output = self.output(arguments, stdin, kubeconfig)?;
        if !output.ok {
            bail!("{} {}: {}", self.program(), arguments.join(" "), output.stderr.trim());
        }
        Ok(output.stdout)
    }
}
