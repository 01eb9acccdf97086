//! Install, upgrade and uninstall with Helm, on a cluster where Ebb runs and scales.

use std::fs;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use ebb_tests::bed::Bed;
use ebb_tests::direct::ca_bundle;
use ebb_tests::ebb::{self, Ebb, NAMESPACE};
use ebb_tests::paths;
use ebb_tests::sandbox::Sandbox;
use ebb_tests::wait::secs;
use ebb_tests::workload::{cron, deployment, scaled_object};
use ebb_tests::world::Outcome;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::apply::restricted;
use crate::chart::{CHART, find, render};
use crate::on_cluster;
use crate::tool::Tool;

/// Helm with the administrator's rights, for the release `ebb`.
fn helm(tool: Tool, bed: &Bed, command: &[&str]) -> Result<String> {
    let arguments = [command, &["--namespace", NAMESPACE]].concat();
    tool.run(&arguments, "", Some(&bed.facts.kubeconfig))
}

async fn get(bed: &Bed, object: &str) -> Result<Option<Value>> {
    let get = ["get", object, "--ignore-not-found", "-n", NAMESPACE, "-o", "json"];
    let text = bed.kubectl().run(&get).await?;
    if text.is_empty() { Ok(None) } else { Ok(Some(serde_json::from_str(&text)?)) }
}

async fn generation(bed: &Bed) -> Result<Value> {
    Ok(get(bed, "deployment/ebb").await?.context("no Deployment")?["metadata"]["generation"].clone())
}

/// Installs the release, starts Ebb and creates a ScaledObject. Gives Ebb and the user's namespace.
async fn install(tool: Tool, bed: &Bed) -> Result<(Ebb, Sandbox)> {
    let kubectl = bed.kubectl();
    kubectl.apply(&restricted(NAMESPACE).to_string()).await?;
    let begin = Instant::now();
    let printed = helm(tool, bed, &["install", "ebb", CHART])?;
    ensure!(!printed.contains("have no effect"), "{printed}");
    kubectl.run(&["rollout", "status", "deployment", "ebb", "-n", NAMESPACE, "--timeout=60s"]).await?;
    ebb::run_here(bed).await?;
    let ebb = Ebb::new(bed, "release", &["--leader-elect=true"], false).await?;
    ebb.restart().await?;
    ebb::admit_from(bed, ebb.webhook_port).await?;
    ebb::serve_from(bed, ebb.secure_port).await?;

    let user = Sandbox::create(bed, &format!("release-{tool:?}").to_lowercase()).await?;
    user.apply(&deployment("shop", 1, &[])).await?;
    let open = json!({"maxReplicaCount": 3, "triggers": [cron("0 0 * * *", "59 23 * * *", "2")]});
    user.apply(&scaled_object("shop", open)).await?;
    user.wait_ready("shop").await?;
    let until_ready = begin.elapsed();
    // Of a pod, its image would still have to be pulled.
    ensure!(until_ready < secs(15), "the first ScaledObject was Ready {until_ready:?} after the installation began");
    Ok((ebb, user))
}

/// An upgrade keeps what Ebb has written into the objects of the release.
async fn upgrade(tool: Tool, bed: &Bed, user: &Sandbox) -> Result<()> {
    let (bundle, before) = (ca_bundle(bed).await?, generation(bed).await?);
    ensure!(!bundle.is_empty(), "Ebb wrote no authority into the APIService");
    // As the release has it, but for what `run_here` changed, which Helm 4 would count as a conflict.
    let same = ["upgrade", "ebb", CHART, "--reset-then-reuse-values", "--set", "operator.replicaCount=0"];
    let force = if tool == Tool::Helm4 { vec!["--force-conflicts"] } else { vec![] };
    helm(tool, bed, &[&same[..], &force].concat())?;
    ensure!(ca_bundle(bed).await? == bundle, "the upgrade removed the authority from the APIService");
    let after = generation(bed).await?;
    ensure!(before == after, "the pods of Ebb were replaced without a reason: {before} {after}");
    helm(tool, bed, &[&same[..], &force, &["--set", "logging.operator.level=debug"]].concat())?;
    ensure!(generation(bed).await? != after, "the upgrade changed nothing");
    let webhook = get(bed, "validatingwebhookconfiguration/keda-admission").await?.context("no webhook")?;
    ensure!(webhook["webhooks"][0]["clientConfig"]["caBundle"].is_string(), "{webhook}");
    user.wait_ready("shop").await
}

/// After an uninstallation there is nothing that refuses requests, and nothing of the users is lost.
async fn uninstall(tool: Tool, bed: &Bed, ebb: &Ebb, user: &Sandbox) -> Result<()> {
    // No pod runs here, so that the hook would wait for one; `clean` does its work.
    helm(tool, bed, &["uninstall", "ebb", "--no-hooks"])?;
    ebb.stop().await?;
    for gone in [
        "apiservice/v1beta1.external.metrics.k8s.io",
        "validatingwebhookconfiguration/keda-admission",
        "deployment/ebb",
        "clusterrole/ebb",
        "clusterrolebinding/ebb",
        "priorityclass/ebb",
        "serviceaccount/ebb",
    ] {
        ensure!(get(bed, gone).await?.is_none(), "{gone} is still there");
    }
    let left = helm(tool, bed, &["list", "--short"])?;
    ensure!(left.trim().is_empty(), "{left}");
    user.get("ScaledObject", "shop").await.context("the ScaledObject is lost")?;
    user.get("HorizontalPodAutoscaler", "keda-hpa-shop").await.context("the HPA is lost")?;
    ensure!(user.replicas("shop").await? > 0, "the workload was scaled to zero");
    if tool == Tool::Helm3 {
        clean(bed, &json!({})).await?;
        user.get("HorizontalPodAutoscaler", "keda-hpa-shop").await.context("the HPA is lost")?;
    } else {
        remove_finalizers(bed).await?;
        clean(bed, &json!({"uninstall": {"purge": true}})).await?;
        ensure!(user.get("HorizontalPodAutoscaler", "keda-hpa-shop").await.is_err(), "the HPA is still there");
    }
    let object = user.get("ScaledObject", "shop").await?;
    ensure!(object["metadata"]["finalizers"].is_null(), "{}", object["metadata"]);
    ensure!(user.replicas("shop").await? > 0, "the workload was scaled to zero");
    user.kubectl.run(&["delete", "scaledobject", "shop", "--timeout=20s"]).await?;
    // With it goes the Lease, which an Ebb that has lost its rights cannot release.
    bed.kubectl().run(&["delete", "namespace", NAMESPACE, "--wait", "--timeout=60s"]).await.map(drop)
}

/// Runs the command of the chart's hook after an uninstallation: the same command, with the rights of the same account.
async fn clean(bed: &Bed, values: &Value) -> Result<()> {
    let name = "ebb-uninstall";
    let mut hooks = render(Tool::Helm3, values)?;
    hooks.retain(|object| object["metadata"]["annotations"]["helm.sh/hook"] == "post-delete");
    let job = find(&hooks, "Job/ebb-uninstall").context("no Job")?.clone();
    hooks.retain(|object| object["kind"] != "Job");
    bed.kubectl().apply(&ebb::list(&hooks)).await?;
    let kubeconfig = ebb::service_account_kubeconfig(bed, NAMESPACE, name).await?;
    let container = &job["spec"]["template"]["spec"]["containers"][0];
    let arguments = container["args"].as_array().context("no arguments")?.iter().filter_map(Value::as_str);
    let mut command = Command::new(paths::bin("ebb")?);
    command.args(arguments).env("KUBECONFIG", kubeconfig).env("POD_NAMESPACE", NAMESPACE);
    for variable in container["env"].as_array().into_iter().flatten() {
        if let (Some(name), Some(value)) = (variable["name"].as_str(), variable["value"].as_str()) {
            command.env(name, value);
        }
    }
    let output = command.output().await?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let roles = ["clusterrole", "clusterrolebinding"];
    for role in roles {
        bed.kubectl().run(&["delete", role, name]).await?;
    }
    Ok(())
}

/// Runs the loop that `docs/install.md` gives for a cluster without Ebb and KEDA.
async fn remove_finalizers(bed: &Bed) -> Result<()> {
    let page = fs::read_to_string(paths::root().join("docs/install.md"))?;
    let begin = page.find("    for kind in ").context("docs/install.md has no such loop")?;
    let lines = page[begin..].lines().take_while(|line| line.starts_with("    "));
    let script: Vec<_> = lines.map(|line| line.replace("kubectl ", "\"$KUBECTL\" ")).collect();
    let run =
        Command::new("bash").args(["-euc", &script.join("\n")]).env("KUBECTL", &bed.facts.kubectl).output().await?;
    ensure!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    Ok(())
}

#[test]
fn a_release_is_installed_upgraded_and_uninstalled_and_installed_again_with_each_helm() -> Outcome {
    on_cluster(async |bed| {
        for tool in Tool::HELM {
            let story = async {
                let (ebb, user) = install(tool, bed).await?;
                upgrade(tool, bed, &user).await?;
                uninstall(tool, bed, &ebb, &user).await
            };
            story.await.with_context(|| format!("{tool:?}"))?;
        }
        Ok(())
    })
}
