//! Two Ebbs in one cluster, as `deploy/components/second` installs the second: each serves what the other leaves.

use std::time::Instant;

use anyhow::{Result, ensure};
use ebb_tests::audit;
use ebb_tests::direct::ca_bundle;
use ebb_tests::ebb::{self, Ebb, manifest, service_account_kubeconfig};
use ebb_tests::paths;
use ebb_tests::sandbox::Sandbox;
use ebb_tests::wait::{self, secs};
use ebb_tests::workload::{deployment, rabbitmq, scaled_object};
use ebb_tests::world::{Outcome, World};
use serde_json::{Value, json};

use super::with_settings;
use crate::story;

/// The namespace and the account of the second.
const BESIDE: &str = "ebb-beside";
const SECOND: &str = "deploy/components/second/ebb.yaml";
const METRIC: &str = "s0-rabbitmq-two";

#[test]
fn two_divide_the_scaled_objects_between_them() -> Outcome {
    story(async |world| {
        let user = world.sandbox("settings-two").await?;
        world.rabbit.declare("two").await?;
        let manifest = paths::root().join(SECOND);
        world.bed.kubectl().run(&["apply", "--server-side", "-f", &manifest.to_string_lossy()]).await?;
        world.bed.kubectl().run(&["scale", "deployment", BESIDE, "-n", BESIDE, "--replicas=0"]).await?;
        let bundle = ca_bundle(&world.bed).await?;
        with_settings(world, &["--leader-elect=true"], &[("WATCH_LABEL_SELECTOR", "ebb!=beside")], async || {
            let second = second(world).await?;
            let outcome = divide(world, &user, &second).await;
            second.stop().await?;
            outcome
        })
        .await?;
        ensure!(ca_bundle(&world.bed).await? == bundle, "the APIService has another authority");
        user.delete_all("ScaledObject").await
    })
}

/// Starts the second as its Deployment would, but for the addresses, which are those of this machine.
async fn second(world: &World) -> Result<Ebb> {
    let objects = manifest(SECOND)?;
    let containers = objects.iter().filter_map(|object| object["spec"]["template"]["spec"]["containers"].as_array());
    let container = containers.flatten().next().cloned().unwrap_or_default();
    let arguments: Vec<&str> = container["args"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let own = |argument: &&&str| **argument != "run" && !argument.contains("-bind-address=");
    let arguments: Vec<&str> = arguments.iter().filter(own).copied().collect();
    for argument in ["--leader-elect=true", "--webhook-port=0", "--enable-apiservice-patching=false"] {
        ensure!(arguments.contains(&argument), "{arguments:?}");
    }
    let selector = container["env"].as_array().into_iter().flatten().find(|one| one["name"] == "WATCH_LABEL_SELECTOR");
    let selector = selector.and_then(|one| one["value"].as_str()).unwrap_or_default().to_owned();

    let kubeconfig = service_account_kubeconfig(&world.bed, BESIDE, BESIDE).await?;
    let second = Ebb::new(&world.bed, "beside", &arguments, false).await?;
    let variables = [
        ("KUBECONFIG", kubeconfig.to_str().unwrap_or_default()),
        ("POD_NAMESPACE", BESIDE),
        ("WATCH_LABEL_SELECTOR", &selector),
    ];
    second.restart_with(&[], &variables).await?;
    Ok(second)
}

async fn divide(world: &World, user: &Sandbox, second: &Ebb) -> Result<()> {
    let since = audit::writes(&world.bed)?.len();
    app(world, user, "of-the-first", json!({})).await?;
    app(world, user, "of-the-second", json!({"ebb": "beside"})).await?;
    for app in ["of-the-first", "of-the-second"] {
        user.wait_ready(app).await?;
        user.wait_condition(app, "Active", "False").await?;
    }
    // Both Ebbs scale theirs.
    world.rabbit.publish("two", 3).await?;
    for app in ["of-the-first", "of-the-second"] {
        user.wait_replicas(app, "1", secs(10), |replicas| replicas == 1).await?;
        user.wait_condition(app, "Active", "True").await?;
    }
    // The API has the first one's metrics only, and each one's /metrics has its own.
    user.wait_metric("of-the-first", METRIC, 3.0).await?;
    let refused =
        user.metric("of-the-second", METRIC).await.err().map(|error| format!("{error:#}")).unwrap_or_default();
    ensure!(refused.contains("of-the-second"), "the API does not refuse the metric of the second one's: {refused:?}");
    ensure!(serves(&world.ebb).await? == ["of-the-first"], "the first serves {:?}", serves(&world.ebb).await?);
    ensure!(serves(second).await? == ["of-the-second"], "the second serves {:?}", serves(second).await?);
    // Nothing was written by the other one.
    let accounts = [format!("{}:ebb", ebb::NAMESPACE), format!("{BESIDE}:{BESIDE}")];
    for (app, account) in ["of-the-first", "of-the-second"].iter().zip(accounts) {
        let writes = audit::writes(&world.bed)?.into_iter().skip(since);
        let writes: Vec<_> = writes.filter(|write| write.namespace == user.name && write.name.contains(app)).collect();
        ensure!(writes.len() > 3, "{app}: {writes:#?}");
        let others = writes.iter().find(|write| write.user != format!("system:serviceaccount:{account}"));
        ensure!(others.is_none(), "{app}: {others:#?}");
    }

    // A label is all it takes to go from one to the other; the workload notices nothing.
    let watch = user.watch_replicas("of-the-second").await?;
    let begin = Instant::now();
    user.kubectl.run(&["label", "scaledobject", "of-the-second", "ebb-"]).await?;
    user.wait_metric("of-the-second", METRIC, 3.0).await?;
    wait::until("the second to serve nothing", secs(10), async || {
        let serves = serves(second).await?;
        ensure!(serves.is_empty(), "it serves {serves:?}");
        Ok(())
    })
    .await?;
    watch.never_since(begin, "another count", |replicas| replicas != 1)
}

/// A ScaledObject with these labels on the queue `two`.
async fn app(world: &World, user: &Sandbox, name: &str, labels: Value) -> Result<()> {
    user.apply(&deployment(name, 0, &[("RABBITMQ_URL", &world.rabbit.url())])).await?;
    let mut object = scaled_object(name, json!({"pollingInterval": 1, "triggers": [rabbitmq("two")]}));
    object["metadata"]["labels"] = labels;
    user.apply(&object).await?;
    Ok(())
}

/// The ScaledObjects of this test whose triggers it shows on /metrics.
async fn serves(ebb: &Ebb) -> Result<Vec<String>> {
    let metrics = ebb.metrics().await?;
    let values = metrics.lines().filter(|line| line.starts_with("keda_scaler_metrics_value{"));
    let ours = values.filter(|line| line.contains("namespace=\"settings-two\""));
    let name = |line: &str| Some(line.split_once("scaledObject=\"")?.1.split_once('"')?.0.to_owned());
    Ok(ours.filter_map(name).collect())
}
