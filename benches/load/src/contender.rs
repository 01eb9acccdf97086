//! An autoscaler that is measured: Ebb or a peer, both started by the same contract (docs/load.md).

use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ebb_tests::bed::{self, Bed};
use ebb_tests::ebb::{self, API_SERVICE, NAMESPACE};
use ebb_tests::pki::Authority;
use ebb_tests::process::{self, Tether};
use ebb_tests::{paths, wait};
use serde_json::json;

use crate::usage::{self, Usage};

/// The Service that the APIService points at.
const SERVICE: &str = "ebb";
/// How long a contender has to end after SIGTERM.
const GRACE: Duration = wait::secs(30);

/// The role in the comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Ebb with the rights of its manifests.
    Ebb,
    /// Another with every right, as nobody knows which it needs.
    Peer,
}

/// One of them. Dropping it ends its process group.
#[derive(Debug)]
pub(crate) struct Contender {
    /// Its role.
    pub(crate) role: Role,
    /// The port of its external metrics API.
    pub(crate) port: u16,
    command: String,
    variables: Vec<(&'static str, String)>,
    log: PathBuf,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    child: Child,
    _tether: Tether,
}

impl Role {
    /// How it is called in the log of a run.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ebb => "ebb",
            Self::Peer => "peer",
        }
    }

    /// The name by which the API server knows it.
    pub(crate) fn user(self) -> String {
        format!("system:serviceaccount:{NAMESPACE}:{}", self.name())
    }
}

impl Contender {
    /// Installs the kinds, the Service, the APIService and the rights on a control plane, and starts nothing.
    pub(crate) async fn install(bed: &Bed, role: Role, command: &str) -> Result<Self> {
        ebb::install(bed).await?;
        let kubectl = bed.kubectl().with(format!("--namespace={NAMESPACE}"));
        if role == Role::Peer {
            let account = format!("--serviceaccount={NAMESPACE}:{}", role.name());
            kubectl.run(&["create", "serviceaccount", role.name()]).await?;
            kubectl
                .run(&["create", "clusterrolebinding", role.name(), "--clusterrole=cluster-admin", &account])
                .await?;
        }
        let (port, webhook) = (process::free_port()?, process::free_port()?);
        let certificates = certificates(bed, role)?;
        trust(bed, &fs::read(certificates.join("ca.crt"))?).await?;
        // `make admission` measures the cost of reviews; here the API server does not call the webhook.
        ebb::admit_from(bed, webhook).await?;
        ebb::admit_where_asked(bed).await?;
        let folder = folder(bed, role, "data")?;
        let text = |path: PathBuf| path.to_string_lossy().into_owned();
        let variables = vec![
            ("KUBECONFIG", text(ebb::service_account_kubeconfig(bed, NAMESPACE, role.name()).await?)),
            ("POD_NAMESPACE", NAMESPACE.to_owned()),
            ("LOAD_NAMESPACE", NAMESPACE.to_owned()),
            ("LOAD_SERVICE", SERVICE.to_owned()),
            ("LOAD_METRICS_API_PORT", port.to_string()),
            ("LOAD_METRICS_PORT", process::free_port()?.to_string()),
            ("LOAD_HEALTH_PORT", process::free_port()?.to_string()),
            ("LOAD_WEBHOOK_PORT", webhook.to_string()),
            ("LOAD_SPARE_PORT", process::free_port()?.to_string()),
            ("LOAD_CERT_DIR", text(certificates)),
            ("LOAD_DIR", text(folder)),
            ("LOAD_EBB", text(paths::bin("ebb")?)),
        ];
        let log = bed.dir.with_extension(format!("{}.log", role.name()));
        File::create(&log)?;
        Ok(Self { role, port, command: command.to_owned(), variables, log, running: None })
    }

    /// The host name that its certificate must be good for.
    pub(crate) fn host() -> String {
        format!("{SERVICE}.{NAMESPACE}.svc")
    }

    /// Starts it, and does not wait for it.
    pub(crate) fn launch(&mut self) -> Result<()> {
        ensure!(self.running.is_none(), "it runs already");
        let log = File::options().append(true).create(true).open(&self.log)?;
        let child = Command::new("sh")
            // The shell becomes the command, so that it is not measured.
            .args(["-c", &format!("exec {}", self.command)])
            .current_dir(paths::root())
            .envs(self.variables.iter().map(|(name, value)| (*name, value)))
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot start {}", self.command))?;
        let tether = Tether::to_group(child.id())?;
        self.running = Some(Running { child, _tether: tether });
        Ok(())
    }

    /// Waits until the aggregator counts its API as available.
    pub(crate) async fn wait_served(&mut self, bed: &Bed) -> Result<()> {
        let served = ebb::serve_from(bed, self.port).await;
        self.check()?;
        served.with_context(|| format!("the end of {}:\n{}", self.log.display(), self.log_tail()))
    }

    /// Fails if it has ended by itself.
    pub(crate) fn check(&mut self) -> Result<()> {
        let ended = self.running.as_mut().and_then(|running| running.child.try_wait().ok()?);
        ensure!(ended.is_none(), "{} ended by itself ({ended:?}):\n{}", self.role.name(), self.log_tail());
        Ok(())
    }

    /// The resources that its processes use.
    pub(crate) fn usage(&self) -> Result<Usage> {
        usage::of_group(self.group()?)
    }

    /// `kill -9` of all its processes.
    pub(crate) fn kill(&mut self) -> Result<()> {
        if let Some(mut running) = self.running.take() {
            process::signal_group(running.child.id(), "KILL")?;
            running.child.wait()?;
        }
        Ok(())
    }

    /// Asks it to end, and kills what has not ended in time.
    pub(crate) async fn stop(&mut self) -> Result<()> {
        let Some(running) = self.running.as_mut() else { return Ok(()) };
        process::signal_group(running.child.id(), "TERM")?;
        let ended = wait::until("it to end after SIGTERM", GRACE, async || {
            running.child.try_wait()?.context("it still runs").map(drop)
        })
        .await;
        // Processes of the group may outlive its first.
        let _ = process::signal_group(running.child.id(), "KILL");
        running.child.wait()?;
        self.running = None;
        ended
    }

    /// The end of its log.
    pub(crate) fn log_tail(&self) -> String {
        bed::tail(&self.log, 20)
    }

    /// How many lines its log has.
    pub(crate) fn log_lines(&self) -> Result<u64> {
        let lines = fs::read_to_string(&self.log).with_context(|| format!("the log {}", self.log.display()))?;
        Ok(lines.lines().count().try_into()?)
    }

    fn group(&self) -> Result<u32> {
        Ok(self.running.as_ref().context("it does not run")?.child.id())
    }
}

impl Drop for Contender {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}

/// A folder of this contender beside the control plane's.
fn folder(bed: &Bed, role: Role, name: &str) -> Result<PathBuf> {
    let folder = bed.dir.with_extension(format!("{}.{name}", role.name()));
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// A folder with a serving certificate for the Service, its key, and the authority of both.
fn certificates(bed: &Bed, role: Role) -> Result<PathBuf> {
    let folder = folder(bed, role, "certs")?;
    let authority = Authority::new("make load")?;
    let names = [format!("{SERVICE}.{NAMESPACE}.svc"), format!("{SERVICE}.{NAMESPACE}"), "localhost".to_owned()];
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let server = authority.server(&names, (2020, 2100))?;
    for (name, text) in [("ca.crt", &authority.certificate), ("tls.crt", &server.certificate), ("tls.key", &server.key)]
    {
        fs::write(folder.join(name), text)?;
    }
    Ok(folder)
}

/// Makes the aggregator trust an authority. A contender that has one of its own writes that into the APIService.
async fn trust(bed: &Bed, authority: &[u8]) -> Result<()> {
    let bundle = json!({"spec": {"caBundle": STANDARD.encode(authority)}}).to_string();
    bed.kubectl().run(&["patch", "apiservice", API_SERVICE, "--type=merge", "-p", &bundle]).await.map(drop)
}
