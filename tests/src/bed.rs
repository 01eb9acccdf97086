//! The control plane and the brokers: `ebb-bed`, which `tests/cluster` builds, started and steered from here.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde::Deserialize;

use crate::kubectl::Kubectl;
use crate::{paths, process, wait};

/// A cold machine reads 150 MB of programs from disk first.
const START_LIMIT: Duration = Duration::from_mins(3);

/// What to start.
#[derive(Clone, Debug)]
pub struct Options {
    /// The folder for data, logs and kubeconfigs; what an earlier start left in it goes.
    pub dir: PathBuf,
    /// The brokers and servers besides the control plane: `rabbitmq`, `prometheus`.
    pub with: Vec<&'static str>,
    /// How often the HPA controller looks; Kubernetes' default is 15 s.
    pub hpa_sync_period: Option<Duration>,
    /// How long the HPA controller remembers a higher recommendation; Kubernetes' default is 5 minutes.
    pub hpa_downscale_stabilization: Option<Duration>,
    /// Whether it goes on when this process ends.
    pub detach: bool,
}

impl Options {
    /// The control plane with RabbitMQ and Kubernetes' own defaults, with its data in `target/beds/<name>`.
    pub fn new(name: &str) -> Self {
        Self {
            dir: paths::work("beds").join(name),
            with: vec!["rabbitmq"],
            hpa_sync_period: None,
            hpa_downscale_stabilization: None,
            detach: false,
        }
    }
}

/// What `ebb-bed up` says about the servers it started.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Facts {
    /// The process that started the others.
    pub pid: u32,
    /// The URL of its control API.
    pub control: String,
    /// The administrator's kubeconfig.
    pub kubeconfig: PathBuf,
    /// The URL of the API server.
    pub apiserver: String,
    /// The file with the certificate authority of the API server.
    pub ca: PathBuf,
    /// A kubectl that is the administrator.
    pub kubectl: PathBuf,
    /// What the aggregator shows to the servers behind it.
    pub front_proxy: FrontProxy,
    /// The authority that vouches for the API server's own clients.
    #[serde(rename = "clientCA")]
    pub client_ca: Authority,
    /// RabbitMQ, if asked for.
    pub rabbitmq: Option<RabbitFacts>,
    /// Prometheus, if asked for.
    pub prometheus: Option<PrometheusFacts>,
}

/// The files of the aggregator's identity.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FrontProxy {
    /// The authority's certificate.
    pub ca: PathBuf,
    /// The authority's key.
    pub ca_key: PathBuf,
    /// The aggregator's certificate.
    pub cert: PathBuf,
    /// The aggregator's key.
    pub key: PathBuf,
}

/// The files of a certificate authority.
#[derive(Clone, Debug, Deserialize)]
pub struct Authority {
    /// Its certificate.
    pub ca: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

/// Where RabbitMQ is and who may use it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RabbitFacts {
    /// The host name.
    pub host: String,
    /// The port of AMQP.
    pub amqp_port: u16,
    /// The port of the management API.
    pub http_port: u16,
    /// The administrator.
    pub user: String,
    /// The administrator's password.
    pub password: String,
    /// A user who sees the vhost `tenant` only.
    pub limited_user: String,
    /// The password of that user.
    pub limited_password: String,
}

/// Where Prometheus is.
#[derive(Clone, Debug, Deserialize)]
pub struct PrometheusFacts {
    /// Its URL.
    pub url: String,
    /// Its configuration file, read when it starts.
    pub config: PathBuf,
}

/// Running servers. Dropping this ends them, unless they are detached.
pub struct Bed {
    /// What was started.
    pub facts: Facts,
    /// The folder of the servers.
    pub dir: PathBuf,
    /// The administrator's client.
    pub client: Client,
    /// `None` when detached. Its standard input is the pipe that keeps it alive: end of file ends it.
    child: Option<Child>,
}

impl Bed {
    /// Starts the servers and waits until they answer.
    pub async fn start(options: Options) -> Result<Self> {
        crate::init_tls();
        let (facts, child) = tokio::task::spawn_blocking({
            let options = options.clone();
            move || launch(&options)
        })
        .await??;
        let client = client_of(&facts.kubeconfig).await?;
        Ok(Self { facts, dir: options.dir, client, child: (!options.detach).then_some(child) })
    }

    /// kubectl as the administrator.
    pub fn kubectl(&self) -> Kubectl {
        Kubectl::new(&self.facts.kubectl)
    }

    /// RabbitMQ's addresses.
    pub fn rabbitmq(&self) -> Result<&RabbitFacts> {
        self.facts.rabbitmq.as_ref().context("this control plane was started without RabbitMQ")
    }

    /// Ends a part (`rabbitmq`, `kube-apiserver`, …) as its supervisor would.
    pub async fn stop_part(&self, part: &str) -> Result<()> {
        self.control(part, "stop").await
    }

    /// Starts a stopped part again, at its old addresses and with its old data.
    pub async fn start_part(&self, part: &str) -> Result<()> {
        self.control(part, "start").await
    }

    /// Waits until the API server answers again.
    pub async fn wait_api(&self) -> Result<()> {
        wait::until("the API server to answer", wait::secs(60), async || {
            let ready = self.client.request_text(http::Request::get("/readyz").body(Vec::new())?).await?;
            ensure!(ready == "ok", "{ready}");
            Ok(())
        })
        .await
    }

    async fn control(&self, part: &str, verb: &str) -> Result<()> {
        let url = format!("{}/parts/{part}/{verb}", self.facts.control);
        let answer = reqwest::Client::new().post(url).send().await?;
        let status = answer.status();
        ensure!(status.is_success(), "{verb} {part}: {status} {}", answer.text().await.unwrap_or_default());
        Ok(())
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            drop(child.stdin.take());
            let _ = process::signal(child.id(), "TERM");
            let _ = child.wait();
        }
    }
}

/// Ends the servers in a folder, whoever started them; says nothing if there are none.
pub fn down(dir: &Path) -> Result<()> {
    let status = Command::new(paths::bed_program()?).arg("down").arg("--dir").arg(dir).status()?;
    ensure!(status.success(), "ebb-bed down: {status}");
    Ok(())
}

/// A client for a kubeconfig file.
pub async fn client_of(kubeconfig: &Path) -> Result<Client> {
    let file = Kubeconfig::read_from(kubeconfig)?;
    let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await?;
    Ok(Client::try_from(config)?)
}

fn launch(options: &Options) -> Result<(Facts, Child)> {
    let program = paths::bed_program()?;
    if let Some(parent) = options.dir.parent() {
        fs::create_dir_all(parent)?;
    }
    let log = options.dir.with_extension("log");

    let mut command = Command::new(program);
    command.arg("up").arg("--dir").arg(&options.dir).arg("--bin-path").arg(paths::bin_dir()?);
    if !options.with.is_empty() {
        command.arg("--with").arg(options.with.join(","));
    }
    if let Some(period) = options.hpa_sync_period {
        command.arg("--hpa-sync-period").arg(format!("{}s", period.as_secs()));
    }
    if let Some(window) = options.hpa_downscale_stabilization {
        command.arg("--hpa-downscale-stabilization").arg(format!("{}s", window.as_secs()));
    }
    if options.detach {
        command.arg("--detach").stdin(Stdio::null());
    } else {
        command.stdin(Stdio::piped());
    }
    let mut child =
        command.stdout(Stdio::piped()).stderr(File::create(&log)?).spawn().context("cannot start ebb-bed")?;

    let stdout = child.stdout.take().context("ebb-bed has no standard output")?;
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut reader = BufReader::new(stdout);
        let mut line = String::new();
        let read = reader.read_line(&mut line).map(|_| line);
        let _ = sender.send(read);
        // Kept open, so that it never writes into a closed pipe.
        let _ = reader.read_to_end(&mut Vec::new());
    });
    let line = receiver.recv_timeout(START_LIMIT).map_err(anyhow::Error::from).and_then(|read| Ok(read?));
    match line {
        Ok(line) if !line.trim().is_empty() => {
            let facts = serde_json::from_str(&line).with_context(|| format!("ebb-bed says: {line}"))?;
            Ok((facts, child))
        }
        _ => {
            let _ = process::signal(child.id(), "TERM");
            bail!("the control plane did not start; the end of {}:\n{}", log.display(), tail(&log, 30))
        }
    }
}

/// The last lines of a file.
pub fn tail(file: &Path, lines: usize) -> String {
    let text = fs::read(file).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}
