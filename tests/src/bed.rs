//! The test cluster: control plane and brokers. `ebb-bed`, which `tests/cluster` builds, is started and steered from
//! here.

use std::collections::BTreeMap;
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

/// The file in a test cluster's folder that lists its servers.
const FACTS: &str = "facts.json";

/// The servers to start.
#[derive(Clone, Debug)]
pub struct Options {
    /// The folder for data, logs and kubeconfigs. A start empties it.
    pub dir: PathBuf,
    /// The brokers and servers besides the control plane: `rabbitmq`, `prometheus`, `tokens`, `kafka` (which brings the
    /// tokens), `kafka2` (with a second broker).
    pub with: Vec<&'static str>,
    /// How often the HPA controller looks; Kubernetes' default is 15 s.
    pub hpa_sync_period: Option<Duration>,
    /// How long the HPA controller remembers a higher recommendation; Kubernetes' default is 5 minutes.
    pub hpa_downscale_stabilization: Option<Duration>,
    /// How long a token is valid; none for a minute.
    pub token_lifetime: Option<Duration>,
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
            token_lifetime: None,
            detach: false,
        }
    }
}

/// The servers that `ebb-bed up` has started.
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
    /// The certificate that the aggregator shows to the servers behind it.
    pub front_proxy: FrontProxy,
    /// The authority that vouches for the API server's own clients.
    #[serde(rename = "clientCA")]
    pub client_ca: Authority,
    /// RabbitMQ, if asked for.
    pub rabbitmq: Option<RabbitFacts>,
    /// A second RabbitMQ that keeps no statistics. It runs once [`Bed::start_part`] has started it.
    pub rabbitmq_without_statistics: Option<RabbitFacts>,
    /// Kafka, if asked for.
    pub kafka: Option<KafkaFacts>,
    /// The OAuth 2.0 token server, if asked for.
    pub tokens: Option<TokenFacts>,
    /// The addresses of each TLS proxy in front of a broker (`amqps`, `https`, `amqps-mutual`, `https-mutual`,
    /// `kafka`), separated by commas.
    #[serde(default, rename = "doors")]
    pub tls_proxies: BTreeMap<String, String>,
}

impl Facts {
    /// Those of the latest start in this folder.
    pub fn of(dir: &Path) -> Result<Self> {
        let file = dir.join(FACTS);
        let text = fs::read(&file).with_context(|| format!("{}: was nothing started there?", file.display()))?;
        Ok(serde_json::from_slice(&text)?)
    }

    /// The passwords of all brokers' users, and the secrets of the token server's clients.
    pub fn secrets(&self) -> Vec<&str> {
        let rabbitmq = self.rabbitmq.iter().flat_map(|facts| [&facts.password, &facts.limited_password]);
        let kafka = self.kafka.iter().flat_map(|facts| {
            let users = [&facts.admin, &facts.viewer, &facts.limited, &facts.stranger];
            users.map(|user| &user.password).into_iter().chain([&facts.client_key_password])
        });
        let tokens = self.tokens.iter().flat_map(|facts| [&facts.client_secret, &facts.stranger_secret]);
        rabbitmq.chain(kafka).chain(tokens).map(String::as_str).collect()
    }
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

/// RabbitMQ's addresses and users.
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
    /// The port of AMQP over TLS. A client certificate is verified when one is shown.
    pub amqps_port: u16,
    /// The port of the management API over TLS, with the same rule.
    pub https_port: u16,
    /// The file with the authority of its certificate and of those of clients.
    pub ca: PathBuf,
    /// A client's certificate.
    pub client_cert: PathBuf,
    /// The key of that certificate.
    pub client_key: PathBuf,
    /// The user that may log in with that certificate alone, by SASL EXTERNAL: the name in it.
    pub cert_user: String,
}

/// Kafka's addresses and users. An address names every broker, separated by commas, as clients want it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KafkaFacts {
    /// The listener that asks nobody for a name and lets everybody do everything.
    pub plaintext: String,
    /// SASL over TLS: SCRAM-SHA-256, SCRAM-SHA-512, PLAIN, OAUTHBEARER.
    pub sasl_ssl: String,
    /// The same mechanisms without TLS.
    pub sasl_plaintext: String,
    /// TLS with a client certificate.
    pub mtls: String,
    /// As `sasl_ssl`, through the TLS proxy `kafka`.
    #[serde(rename = "door")]
    pub tls_proxy: String,
    /// The brokers one by one.
    pub brokers: Vec<KafkaBroker>,
    /// The file with the authority of all their certificates.
    pub ca: PathBuf,
    /// The certificate of a user with every right.
    pub client_cert: PathBuf,
    /// The key of that certificate.
    pub client_key: PathBuf,
    /// The same key, encrypted.
    pub encrypted_client_key: PathBuf,
    /// The password of the encrypted key.
    pub client_key_password: String,
    /// The certificate of the user `limited`.
    pub limited_cert: PathBuf,
    /// The key of that certificate.
    pub limited_key: PathBuf,
    /// A user with every right.
    pub admin: KafkaUser,
    /// A user who may describe every topic and group, and read none.
    pub viewer: KafkaUser,
    /// A user who may describe and read topics and groups whose names begin with `limited_prefix`.
    pub limited: KafkaUser,
    /// A user who may log in and do nothing.
    pub stranger: KafkaUser,
    /// The prefix that the limited user is confined to.
    pub limited_prefix: String,
}

/// One broker.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KafkaBroker {
    /// Its number in Kafka.
    pub id: i32,
    /// Its name among the parts of the test cluster: `kafka`, which is also the controller, or `kafka-2`.
    pub part: String,
    /// Its own address of the listener with this name; so are the following.
    pub plaintext: String,
    /// See [`KafkaFacts::sasl_ssl`].
    pub sasl_ssl: String,
    /// See [`KafkaFacts::sasl_plaintext`].
    pub sasl_plaintext: String,
    /// See [`KafkaFacts::mtls`].
    pub mtls: String,
    /// See [`KafkaFacts::tls_proxy`].
    #[serde(rename = "door")]
    pub tls_proxy: String,
}

/// A user of SCRAM and PLAIN.
#[derive(Clone, Debug, Deserialize)]
pub struct KafkaUser {
    /// The name.
    pub name: String,
    /// The password.
    pub password: String,
}

/// Where tokens come from. Kafka accepts them, and RabbitMQ where it was started together with the token server.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TokenFacts {
    /// The token endpoint.
    pub token_url: String,
    /// The statistics of its requests; see [`Bed::token_stats`].
    pub stats_url: String,
    /// A client with every right in Kafka, and one who sees all of RabbitMQ.
    pub client_id: String,
    /// The secret of that client.
    pub client_secret: String,
    /// A client whose tokens are valid and allow nothing.
    pub stranger_id: String,
    /// The secret of that client.
    pub stranger_secret: String,
}

/// The requests of the token server since it was started.
#[derive(Clone, Debug, Deserialize)]
pub struct TokenStats {
    /// How many tokens each client was given.
    pub issued: BTreeMap<String, u64>,
    /// How many requests were answered with an error.
    pub refused: u64,
    /// The last request.
    pub last: Option<TokenRequest>,
}

/// A request for a token.
#[derive(Clone, Debug, Deserialize)]
pub struct TokenRequest {
    /// The client's id.
    pub client: String,
    /// Where id and secret were: `basic` or `body`.
    pub credentials: String,
    /// The form's parameters but for the secret.
    pub parameters: BTreeMap<String, String>,
}

/// Running servers. Dropping this ends them, unless they are detached.
pub struct Bed {
    /// The servers that were started.
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

    /// The addresses of the RabbitMQ that keeps no statistics, once it runs.
    pub async fn rabbitmq_without_statistics(&self) -> Result<&RabbitFacts> {
        let facts = self.facts.rabbitmq_without_statistics.as_ref();
        let facts = facts.context("this control plane was started without RabbitMQ")?;
        self.start_part("rabbitmq-without-statistics").await?;
        Ok(facts)
    }

    /// Kafka's addresses.
    pub fn kafka(&self) -> Result<&KafkaFacts> {
        self.facts.kafka.as_ref().context("this control plane was started without Kafka")
    }

    /// Where tokens come from.
    pub fn tokens(&self) -> Result<&TokenFacts> {
        self.facts.tokens.as_ref().context("this control plane was started without a token server")
    }

    /// The requests of the token server since it was started.
    pub async fn token_stats(&self) -> Result<TokenStats> {
        Ok(reqwest::get(&self.tokens()?.stats_url).await?.error_for_status()?.json().await?)
    }

    /// Makes a user of Kafka's SCRAM, or gives one a new password. `rights` are `none`, `describe` (all topics and
    /// groups), `read` (all of them) or `limited` (as the user of this name).
    pub async fn put_kafka_user(&self, name: &str, password: &str, rights: &str) -> Result<()> {
        let body = serde_json::json!({"password": password, "rights": rights});
        self.kafka_user(reqwest::Method::PUT, name, &body).await
    }

    /// Takes a user of Kafka's SCRAM the password away. Connections that are open end within 15 seconds.
    pub async fn delete_kafka_user(&self, name: &str) -> Result<()> {
        self.kafka_user(reqwest::Method::DELETE, name, &serde_json::Value::Null).await
    }

    /// The address of a TLS proxy.
    pub fn tls_proxy(&self, name: &str) -> Result<&str> {
        let address = self.facts.tls_proxies.get(name).map(String::as_str);
        address.with_context(|| format!("this control plane was started without a TLS proxy {name}"))
    }

    /// Makes a TLS proxy `valid`, `expired` or `mutual`, and cuts its connections.
    pub async fn set_tls_proxy(&self, name: &str, mode: &str) -> Result<()> {
        self.post(&format!("doors/{name}/{mode}")).await
    }

    async fn kafka_user(&self, method: reqwest::Method, name: &str, body: &serde_json::Value) -> Result<()> {
        let url = format!("{}/kafka/users/{name}", self.facts.control);
        let answer = reqwest::Client::new().request(method, url).json(body).send().await?;
        let status = answer.status();
        ensure!(status.is_success(), "Kafka's user {name}: {status} {}", answer.text().await.unwrap_or_default());
        Ok(())
    }

    /// Ends a part (`rabbitmq`, `kube-apiserver`, …) as its supervisor would.
    pub async fn stop_part(&self, part: &str) -> Result<()> {
        self.control(part, "stop").await
    }

    /// Starts a stopped part again, at its old addresses and with its old data.
    pub async fn start_part(&self, part: &str) -> Result<()> {
        self.control(part, "start").await
    }

    /// Kills a part: it can end nothing in order.
    pub async fn kill_part(&self, part: &str) -> Result<()> {
        self.control(part, "kill").await
    }

    /// Freezes a part: its connections stay open, new ones are accepted by the kernel, and nothing answers.
    pub async fn pause_part(&self, part: &str) -> Result<()> {
        self.control(part, "pause").await
    }

    /// Ends a pause.
    pub async fn resume_part(&self, part: &str) -> Result<()> {
        self.control(part, "resume").await
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
        self.post(&format!("parts/{part}/{verb}")).await
    }

    async fn post(&self, path: &str) -> Result<()> {
        let answer = reqwest::Client::new().post(format!("{}/{path}", self.facts.control)).send().await?;
        let status = answer.status();
        ensure!(status.is_success(), "{path}: {status} {}", answer.text().await.unwrap_or_default());
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

/// Ends the servers in a folder, also those of another process; says nothing if there are none.
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
    if let Some(lifetime) = options.token_lifetime {
        command.arg("--token-lifetime").arg(format!("{}s", lifetime.as_secs()));
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
            fs::write(options.dir.join(FACTS), &line)?;
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
