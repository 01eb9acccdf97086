//! Everything the demo plays on: the servers, Ebb, the user's Secret, queues and manifests.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use ebb_tests::bed::{self, Bed, Options};
use ebb_tests::ebb::Ebb;
use ebb_tests::rabbit::Rabbit;
use ebb_tests::sandbox::Sandbox;
use ebb_tests::wait::secs;
use ebb_tests::{paths, process};

/// The running servers and programs. Dropping it ends them, unless they are kept.
pub(crate) struct Stage {
    pub(crate) rabbit: Rabbit,
    pub(crate) user: Sandbox,
    // Before the servers, so that it ends first.
    pub(crate) ebb: Ebb,
    bed: Bed,
}

impl Stage {
    /// Starts everything and applies the examples.
    pub(crate) async fn set(keep: bool) -> Result<Self> {
        let begin = Instant::now();
        let say = |what: &str| println!("[{:4.1} s] {what}", begin.elapsed().as_secs_f64());
        strike().await?;

        say("starting etcd, kube-apiserver, kube-controller-manager and RabbitMQ on 127.0.0.1");
        let mut options = Options::new("demo");
        options.detach = keep;
        options.hpa_downscale_stabilization = Some(secs(30));
        println!("         (the HPA's downscale stabilization is 30 s here; with Kubernetes' default of 5 minutes you");
        println!("         would wait that long in London's office hours for my-app to come back from its peak to 5)");
        let bed = Bed::start(options).await?;

        say("installing Ebb: deploy/ebb.yaml, run with its own ServiceAccount's token");
        let ebb = Ebb::start(&bed, keep).await?;
        if let Some(pid) = ebb.pid() {
            fs::write(pid_file(), pid.to_string())?;
        }

        say("applying deploy/examples");
        let rabbit = Rabbit::connect(bed.rabbitmq()?).await?;
        for queue in ["tasks", "jobs"] {
            rabbit.declare(queue).await?;
        }
        let user = Sandbox::existing(&bed, "default");
        let secret = format!("--from-literal=url={}", rabbit.url());
        user.kubectl.run(&["create", "secret", "generic", "rabbitmq", &secret]).await?;
        let examples = paths::root().join("deploy/examples");
        user.kubectl.run(&["apply", "--server-side", "-f", &examples.to_string_lossy()]).await?;
        let ready = ["wait", "--for=condition=Ready", "--timeout=30s", "so/jobs-worker", "so/my-app-scaler"];
        user.kubectl.run(&ready).await.context("the ScaledObjects do not get Ready")?;
        say("both ScaledObjects are Ready");
        Ok(Self { rabbit, user, ebb, bed })
    }

    /// The answer of `ebb explain`.
    pub(crate) fn explain(&self, scaled_object: &str) -> Result<String> {
        let output = Command::new(paths::bin("ebb")?)
            .args(["explain", scaled_object, "--kubeconfig"])
            .arg(&self.bed.facts.kubeconfig)
            .output()?;
        ensure!(output.status.success(), "ebb explain: {}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8(output.stdout)?)
    }

    /// The administrator's kubeconfig, for people.
    pub(crate) fn kubeconfig(&self) -> String {
        self.bed.facts.kubeconfig.display().to_string()
    }

    /// The kubectl of the control plane, for people.
    pub(crate) fn kubectl(&self) -> String {
        self.bed.facts.kubectl.display().to_string()
    }
}

/// Ends the servers that an earlier demo left up.
pub(crate) async fn strike() -> Result<()> {
    if let Some(pid) = kept_ebb() {
        process::signal(pid, "TERM")?;
    }
    let _ = fs::remove_file(pid_file());
    let dir = Options::new("demo").dir;
    if dir.exists() {
        tokio::task::spawn_blocking(move || bed::down(&dir)).await??;
    }
    Ok(())
}

/// The pid of an Ebb that an earlier demo left up, unless something else has that number by now.
fn kept_ebb() -> Option<u32> {
    let pid = fs::read_to_string(pid_file()).ok()?.trim().parse().ok()?;
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    (name.trim() == "ebb").then_some(pid)
}

fn pid_file() -> PathBuf {
    Options::new("demo").dir.with_extension("ebb.pid")
}
