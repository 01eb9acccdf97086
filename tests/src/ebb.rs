//! Ebb itself: installed with `deploy/ebb.yaml`, run on this machine under its own `ServiceAccount`'s token.
//!
//! The control plane pulls no images, so the Deployment of the manifest is scaled to zero and the process started here
//! stands in for its pod. The Service becomes an `ExternalName` `localhost`, by which the aggregator finds the process.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::Api;
use kube::api::PostParams;
use serde_json::json;

use crate::bed::{self, Bed};
use crate::process::{self, Tether};
use crate::{paths, wait};

/// The namespace of the manifest.
pub const NAMESPACE: &str = "ebb-system";
/// The `APIService` by which the HPA finds Ebb.
pub const API_SERVICE: &str = "v1beta1.external.metrics.k8s.io";
/// The `APIService` by which kubectl finds Ebb's decisions.
pub const DECISIONS_API_SERVICE: &str = "v1alpha1.decisions.ebb.dev";

/// See [`admit_where_asked`].
pub const ADMISSION_LABEL: &str = "admission";

/// Ebb with its kinds and its rights, as kubectl applies it.
pub const MANIFEST: &str = "deploy/ebb.yaml";

/// Applies the manifest as a user would, and waits until the API server knows the new kinds.
pub async fn install(bed: &Bed) -> Result<()> {
    let kubectl = bed.kubectl();
    let manifest = paths::root().join(MANIFEST);
    kubectl.run(&["apply", "--server-side", "-f", &manifest.to_string_lossy()]).await?;
    kubectl.run(&["wait", "--for=condition=Established", "--timeout=30s", "crd", "--all"]).await?;
    run_here(bed).await
}

/// Replaces the pods and the cluster network of an installed Ebb: no pod runs, and the Service leads to this machine.
pub async fn run_here(bed: &Bed) -> Result<()> {
    run_in(bed, NAMESPACE).await
}

/// Like [`run_here`], for an Ebb that is installed in this namespace.
pub async fn run_in(bed: &Bed, namespace: &str) -> Result<()> {
    let kubectl = bed.kubectl();
    let service = r#"{"spec": {"type": "ExternalName", "externalName": "localhost"}}"#;
    kubectl.run(&["patch", "service", "ebb", "-n", namespace, "--type=merge", "-p", service]).await?;
    kubectl.run(&["scale", "deployment", "ebb", "-n", namespace, "--replicas=0"]).await?;
    Ok(())
}

/// The objects of a file of this project.
pub fn manifest(file: &str) -> Result<Vec<serde_json::Value>> {
    let text = fs::read_to_string(paths::root().join(file))?;
    serde_saphyr::from_multiple(&text).with_context(|| file.to_owned())
}

/// These objects as one, for kubectl.
pub fn list(objects: &[serde_json::Value]) -> String {
    json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string()
}

/// Lets Ebb read targets of any kind, as a user does who scales custom resources.
pub async fn let_read_any_target(bed: &Bed) -> Result<()> {
    let rights = paths::root().join("deploy/components/any-target/rbac.yaml");
    bed.kubectl().run(&["apply", "--server-side", "-f", &rights.to_string_lossy()]).await.map(drop)
}

/// The running program.
#[derive(Debug)]
pub struct Ebb {
    /// Its log.
    pub log: PathBuf,
    /// The port of the external metrics API.
    pub secure_port: u16,
    /// The port of the admission webhook.
    pub webhook_port: u16,
    /// The folder that `filePath` of a ClusterTriggerAuthentication is looked up in.
    pub files: PathBuf,
    namespace: String,
    metrics_port: u16,
    health_port: u16,
    kubeconfig: PathBuf,
    arguments: Vec<String>,
    detached: bool,
    running: Mutex<Option<Running>>,
}

#[derive(Debug)]
struct Running {
    child: Child,
    _tether: Option<Tether>,
}

impl Ebb {
    /// Installs the manifest, starts the program and waits until the aggregator reaches it. A detached one goes on
    /// when this process ends.
    pub async fn start(bed: &Bed, detached: bool) -> Result<Self> {
        install(bed).await?;
        let ebb = Self::new(bed, "ebb", &[], detached).await?;
        ebb.restart().await?;
        admit_from(bed, ebb.webhook_port).await?;
        let served = serve_from(bed, ebb.secure_port).await;
        served.with_context(|| format!("the end of Ebb's log:\n{}", ebb.log_tail()))?;
        Ok(ebb)
    }

    /// One that does not run yet, with a log and a token of its own, and with these arguments besides its own.
    pub async fn new(bed: &Bed, name: &str, arguments: &[&str], detached: bool) -> Result<Self> {
        Self::installed(bed, NAMESPACE, name, arguments, detached).await
    }

    /// One that does not run yet, and that is installed in this namespace.
    pub async fn in_namespace(bed: &Bed, namespace: &str, name: &str, arguments: &[&str]) -> Result<Self> {
        Self::installed(bed, namespace, name, arguments, false).await
    }

    async fn installed(bed: &Bed, namespace: &str, name: &str, arguments: &[&str], detached: bool) -> Result<Self> {
        let ebb = Self {
            namespace: namespace.to_owned(),
            log: bed.dir.with_extension(format!("{name}.log")),
            secure_port: process::free_port()?,
            webhook_port: process::free_port()?,
            files: bed.dir.with_extension("files"),
            metrics_port: process::free_port()?,
            health_port: process::free_port()?,
            kubeconfig: kubeconfig(bed, namespace, "ebb", name).await?,
            arguments: arguments.iter().map(|&argument| argument.to_owned()).collect(),
            detached,
            running: Mutex::new(None),
        };
        File::create(&ebb.log)?;
        fs::create_dir_all(&ebb.files)?;
        Ok(ebb)
    }

    /// Starts it again after [`Ebb::kill`] or [`Ebb::stop`], at the same addresses, and waits until it is ready.
    pub async fn restart(&self) -> Result<()> {
        self.restart_with(&[], &[]).await
    }

    /// Like [`Ebb::restart`], with these arguments and variables besides its own.
    pub async fn restart_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Result<()> {
        self.launch(arguments, variables)?;
        self.wait_ready().await
    }

    /// Starts it again without waiting.
    pub fn launch_again(&self) -> Result<()> {
        self.launch(&[], &[])
    }

    /// `kill -9`.
    pub fn kill(&self) -> Result<()> {
        if let Some(mut running) = self.take() {
            running.child.kill()?;
            running.child.wait()?;
        }
        Ok(())
    }

    /// Asks it to end, as the kubelet does, and waits until it has; gives how long that took.
    pub async fn stop(&self) -> Result<Duration> {
        let begin = std::time::Instant::now();
        if let Some(mut running) = self.take() {
            process::signal(running.child.id(), "TERM")?;
            let ended = wait::until("ebb to end after SIGTERM", wait::secs(30), async || {
                running.child.try_wait()?.context("it still runs")
            })
            .await;
            if ended.is_err() {
                running.child.kill()?;
                running.child.wait()?;
            }
            let status = ended?;
            ensure!(status.success(), "ebb ended with {status}");
        }
        Ok(begin.elapsed())
    }

    /// Its pid, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.running.lock().ok()?.as_ref().map(|running| running.child.id())
    }

    /// Waits until `/readyz` says so.
    pub async fn wait_ready(&self) -> Result<()> {
        let url = self.readiness();
        wait::until("ebb to be ready", wait::secs(30), async || {
            if let Some(status) = self.exit_status() {
                return Ok(Err(anyhow::anyhow!("ebb ended with {status}:\n{}", self.log_tail())));
            }
            let answer = reqwest::get(&url).await?;
            ensure!(answer.status().is_success(), "{}: {}", answer.status(), answer.text().await?);
            Ok(Ok(()))
        })
        .await
        .with_context(|| format!("the end of its log:\n{}", self.log_tail()))?
    }

    /// The URL that says whether it is ready.
    pub fn readiness(&self) -> String {
        format!("http://127.0.0.1:{}/readyz", self.health_port)
    }

    /// The status and the text of one of its plain HTTP pages: `healthz`, `readyz`.
    pub async fn health(&self, page: &str) -> Result<(u16, String)> {
        let answer = reqwest::get(format!("http://127.0.0.1:{}/{page}", self.health_port)).await?;
        Ok((answer.status().as_u16(), answer.text().await?))
    }

    /// The address that Prometheus scrapes.
    pub fn metrics_address(&self) -> String {
        format!("127.0.0.1:{}", self.metrics_port)
    }

    /// The text of `/metrics`.
    pub async fn metrics(&self) -> Result<String> {
        let answer = reqwest::get(format!("http://{}/metrics", self.metrics_address())).await?;
        Ok(answer.error_for_status()?.text().await?)
    }

    /// The end of its log.
    pub fn log_tail(&self) -> String {
        bed::tail(&self.log, 40)
    }

    fn launch(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Result<()> {
        let log = File::options().append(true).create(true).open(&self.log)?;
        let mut command = Command::new(paths::bin("ebb")?);
        if self.detached {
            // Ctrl-C in this terminal is not meant for it.
            command.process_group(0);
        }
        let child = command
            .arg("run")
            .args(["--bind-address", "127.0.0.1"])
            .args(["--secure-port", &self.secure_port.to_string()])
            .args(["--webhook-port", &self.webhook_port.to_string()])
            .args(["--metrics-bind-address", &self.metrics_address()])
            .args(["--health-probe-bind-address", &format!("127.0.0.1:{}", self.health_port)])
            .args(["--service-name", "ebb"])
            .arg("--filepath-auth-root-path")
            .arg(&self.files)
            .args(&self.arguments)
            .args(arguments)
            .env("KUBECONFIG", &self.kubeconfig)
            .env("POD_NAMESPACE", &self.namespace)
            // As the image sets it.
            .env("MALLOC_ARENA_MAX", "1")
            .env("WATCH_NAMESPACE", "")
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .context("cannot start ebb")?;
        let tether = if self.detached { None } else { Some(Tether::to(child.id())?) };
        if let Ok(mut running) = self.running.lock() {
            *running = Some(Running { child, _tether: tether });
        }
        Ok(())
    }

    fn take(&self) -> Option<Running> {
        self.running.lock().ok()?.take()
    }

    /// How it ended, if it has and nobody asked it to.
    pub fn exit_status(&self) -> Option<std::process::ExitStatus> {
        self.running.lock().ok()?.as_mut()?.child.try_wait().ok()?
    }
}

impl Drop for Ebb {
    fn drop(&mut self) {
        if !self.detached {
            let _ = self.kill();
        }
    }
}

/// Makes the aggregator look for Ebb at a port of this machine, and waits until it counts its API as available.
pub async fn serve_from(bed: &Bed, port: u16) -> Result<()> {
    let port = json!({"spec": {"service": {"port": port}}}).to_string();
    bed.kubectl()
        .run(&["patch", "apiservice", API_SERVICE, DECISIONS_API_SERVICE, "--type=merge", "-p", &port])
        .await?;
    let path = format!("/apis/apiregistration.k8s.io/v1/apiservices/{API_SERVICE}");
    wait::until("the APIService to be available", wait::secs(60), async || {
        let request = http::Request::get(&path).body(Vec::new())?;
        let service: serde_json::Value = bed.client.request(request).await?;
        let conditions = service["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let available = conditions.iter().find(|condition| condition["type"] == "Available");
        let available = available.context("it has no condition Available")?;
        ensure!(available["status"] == "True", "{}: {}", available["reason"], available["message"]);
        Ok(())
    })
    .await
}

/// Makes the API server look for Ebb's admission webhook at a port of this machine.
pub async fn admit_from(bed: &Bed, port: u16) -> Result<()> {
    patch_webhooks(bed, &["clientConfig", "service", "port"], &json!(port), "replace", 3).await
}

/// Has the admission webhook asked about objects of namespaces only that have the label `admission: "true"`: most tests
/// are of what is wrong and is there all the same.
pub async fn admit_where_asked(bed: &Bed) -> Result<()> {
    let selector = json!({"matchLabels": {ADMISSION_LABEL: "true"}});
    patch_webhooks(bed, &["namespaceSelector"], &selector, "add", 2).await
}

async fn patch_webhooks(bed: &Bed, path: &[&str], value: &serde_json::Value, op: &str, count: usize) -> Result<()> {
    let place = path.join("/");
    let changes =
        (0..count).map(|index| json!({"op": op, "path": format!("/webhooks/{index}/{place}"), "value": value}));
    let text = changes.collect::<serde_json::Value>().to_string();
    let what = ["patch", "validatingwebhookconfiguration", "keda-admission", "--type=json", "-p"];
    bed.kubectl().run(&[&what[..], &[text.as_str()]].concat()).await.map(drop)
}

/// Whether Ebb's account may do this, as `kubectl auth can-i` says. `deployments.apps:scale` is the subresource,
/// `secrets/x` the one with that name.
pub async fn may(bed: &Bed, verb: &str, resource: &str, namespace: &str) -> Result<bool> {
    let (resource, subresource) = resource.split_once(':').unwrap_or((resource, ""));
    let subresource = format!("--subresource={subresource}");
    let account = format!("--as=system:serviceaccount:{NAMESPACE}:ebb");
    let kubectl = bed.kubectl().with(format!("--namespace={namespace}"));
    let output = kubectl.output(&["auth", "can-i", verb, resource, &subresource, &account], None).await?;
    Ok(output.stdout.trim() == "yes")
}

/// Runs the program itself, with `input` on its standard input, to its end.
pub fn command(arguments: &[&str], input: &[u8]) -> Result<Output> {
    let mut child = Command::new(paths::bin("ebb")?)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut stdin = child.stdin.take().context("no standard input")?;
    std::thread::scope(|scope| {
        // Both ends at once, so that neither waits for the other.
        scope.spawn(move || stdin.write_all(input));
        Ok(child.wait_with_output()?)
    })
}

/// A kubeconfig with nothing but the token of a `ServiceAccount`, so that RBAC applies.
pub async fn service_account_kubeconfig(bed: &Bed, namespace: &str, account: &str) -> Result<PathBuf> {
    kubeconfig(bed, namespace, account, &format!("{namespace}-{account}")).await
}

/// A kubeconfig for Ebb's own account that leads to another address than the API server's own.
pub async fn kubeconfig_through(bed: &Bed, server: &str, ca: &Path) -> Result<PathBuf> {
    write_kubeconfig(bed, (server, ca), (NAMESPACE, "ebb"), "through").await
}

async fn kubeconfig(bed: &Bed, namespace: &str, account: &str, name: &str) -> Result<PathBuf> {
    write_kubeconfig(bed, (&bed.facts.apiserver, &bed.facts.ca), (namespace, account), name).await
}

async fn write_kubeconfig(
    bed: &Bed,
    (server, ca): (&str, &Path),
    (namespace, account): (&str, &str),
    name: &str,
) -> Result<PathBuf> {
    let token = service_account_token(bed, namespace, account).await?;
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "ebb",
        "clusters": [{"name": "bed", "cluster": {"server": server, "certificate-authority": ca}}],
        "users": [{"name": "ebb", "user": {"token": token}}],
        "contexts": [{"name": "ebb", "context": {"cluster": "bed", "user": "ebb", "namespace": namespace}}],
    });
    let path = bed.dir.join(format!("{name}.kubeconfig"));
    fs::write(&path, serde_json::to_vec_pretty(&config)?)?;
    Ok(path)
}

/// A token of a `ServiceAccount`, good for a day.
pub async fn service_account_token(bed: &Bed, namespace: &str, name: &str) -> Result<String> {
    let accounts: Api<ServiceAccount> = Api::namespaced(bed.client.clone(), namespace);
    let wanted = TokenRequest {
        spec: Some(TokenRequestSpec { expiration_seconds: Some(86_400), ..TokenRequestSpec::default() }),
        ..TokenRequest::default()
    };
    let issued = accounts.create_token_request(name, &PostParams::default(), &wanted).await?;
    issued.status.and_then(|status| status.token).context("the API server gave no token")
}
