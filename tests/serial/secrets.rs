//! Many `ScaledObjects` whose parameters come from Secrets: one for all of them, then one for each.

use std::collections::HashSet;
use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ebb_tests::sandbox::Sandbox;
use ebb_tests::wait::{self, secs};
use ebb_tests::workload::{deployment, scaled_object};
use ebb_tests::world::{Outcome, World};
use serde_json::{Value, json};

use crate::story;

const COUNT: usize = 200;
/// The promised time for a change to take effect.
const SOON: Duration = secs(2);

fn secret(name: &str, url: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": {"url": url}})
}

fn authentication(name: &str, secret: &str) -> Value {
    json!({
        "apiVersion": "keda.sh/v1alpha1", "kind": "TriggerAuthentication", "metadata": {"name": name},
        "spec": {"secretTargetRef": [{"parameter": "host", "name": secret, "key": "url"}]},
    })
}

fn user_of(name: &str, queue: &str, authentication: &str) -> Value {
    let trigger = json!({
        "type": "rabbitmq", "metadata": {"queueName": queue, "mode": "QueueLength", "value": "5"},
        "authenticationRef": {"name": authentication},
    });
    scaled_object(name, json!({"pollingInterval": 1, "triggers": [trigger]}))
}

/// The samples of a series of a namespace.
async fn samples(world: &World, series: &str, namespace: &str) -> Result<Vec<f64>> {
    let metrics = world.ebb.metrics().await?;
    let label = format!("namespace=\"{namespace}\"");
    let lines = metrics.lines().filter(|line| line.starts_with(&format!("{series}{{")) && line.contains(&label));
    lines.map(|line| Ok(line.rsplit(' ').next().unwrap_or_default().parse()?)).collect()
}

async fn wait_all_read(world: &World, namespace: &str, wanted: f64) -> Result<()> {
    wait::until("all triggers to be read", secs(60), async || {
        let values = samples(world, "keda_scaler_metrics_value", namespace).await?;
        let right = values.iter().filter(|value| (**value - wanted).abs() < 1e-9).count();
        ensure!(right == COUNT, "{right} of {} read {wanted}", values.len());
        Ok(())
    })
    .await
}

/// Resident memory of Ebb, in KiB.
fn memory(world: &World) -> Result<u64> {
    let pid = world.ebb.pid().context("ebb does not run")?;
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

/// Connections that Ebb has open to the API server.
fn connections(world: &World) -> Result<usize> {
    let pid = world.ebb.pid().context("ebb does not run")?;
    let mut own = HashSet::new();
    for descriptor in fs::read_dir(format!("/proc/{pid}/fd"))? {
        if let Ok(link) = fs::read_link(descriptor?.path()) {
            own.insert(link.to_string_lossy().into_owned());
        }
    }
    let port: u16 = world.bed.facts.apiserver.rsplit(':').next().unwrap_or_default().trim_end_matches('/').parse()?;
    let to = format!(":{port:04X}");
    let table = fs::read_to_string(format!("/proc/{pid}/net/tcp"))?;
    let established = table.lines().skip(1).filter(|line| {
        let columns: Vec<_> = line.split_whitespace().collect();
        columns.len() > 9
            && columns[2].ends_with(&to)
            && columns[3] == "01"
            && own.contains(&format!("socket:[{}]", columns[9]))
    });
    Ok(established.count())
}

#[test]
fn two_hundred_users_of_one_secret_follow_its_change_in_two_seconds() -> Outcome {
    story(async |world| {
        let name = "one-secret";
        let user = world.sandbox(name).await?;
        world.rabbit.declare(name).await?;
        for broker_user in ["one-secret-old", "one-secret-new"] {
            world.rabbit.add_user(broker_user, "secret").await?;
        }
        user.apply(&secret(name, &world.rabbit.url_of("one-secret-old", "secret"))).await?;
        user.apply(&authentication(name, name)).await?;
        user.apply(&deployment("my-app", 0, &[])).await?;
        let names: Vec<String> = (0..COUNT).map(|number| format!("one-secret-{number}")).collect();
        user.apply_all(&names.iter().map(|name| deployment(name, 0, &[])).collect::<Vec<_>>()).await?;
        user.apply_all(&names.iter().map(|app| user_of(app, name, name)).collect::<Vec<_>>()).await?;
        wait_all_read(world, name, 0.0).await?;

        user.apply(&secret(name, &world.rabbit.url_of("one-secret-new", "secret"))).await?;
        // The old user stays for the promised time. Readings with it fail afterwards.
        tokio::time::sleep(SOON).await;
        world.rabbit.remove_user("one-secret-old").await?;
        world.rabbit.publish(name, 2).await?;
        wait_all_read(world, name, 2.0).await?;
        let failed: f64 = samples(world, "keda_scaler_detail_errors_total", name).await?.iter().sum();
        ensure!(failed < 0.5, "{failed} readings failed");
        let authentication = user.get("TriggerAuthentication", name).await?;
        let listed = authentication["status"]["scaledobjects"].as_str().unwrap_or_default().split(',').count();
        ensure!(listed == COUNT, "{listed} users are listed");
        clear(&user).await
    })
}

#[test]
fn two_hundred_secrets_are_watched_over_a_few_connections() -> Outcome {
    story(async |world| {
        let name = "many-secrets";
        let user = world.sandbox(name).await?;
        world.rabbit.declare(name).await?;
        let (before, memory_before) = (connections(world)?, memory(world)?);
        let names: Vec<String> = (0..COUNT).map(|number| format!("many-secrets-{number}")).collect();
        let (old, new) = (world.rabbit.url(), world.rabbit.url_of("many-secrets", "secret"));
        world.rabbit.add_user("many-secrets", "secret").await?;
        user.apply_all(&names.iter().map(|name| deployment(name, 0, &[])).collect::<Vec<_>>()).await?;
        user.apply_all(&names.iter().map(|name| secret(name, &old)).collect::<Vec<_>>()).await?;
        user.apply_all(&names.iter().map(|name| authentication(name, name)).collect::<Vec<_>>()).await?;
        user.apply_all(&names.iter().map(|app| user_of(app, name, app)).collect::<Vec<_>>()).await?;
        wait_all_read(world, name, 0.0).await?;
        // The controller's own calls come and go over up to as many connections as there are checks at the same time.
        let open = wait::until("the API server's connections to settle", secs(120), async || {
            let open = connections(world)?;
            ensure!(open <= before + 8, "{open} connections, {before} before");
            Ok(open)
        })
        .await?;
        let grown = memory(world)?.saturating_sub(memory_before);
        println!("{COUNT} Secrets are watched over {open} connections ({before} before); {grown} KiB more");

        // Each is watched: the last one's change is seen, and the broker sees the other user.
        user.apply(&secret(&names[COUNT - 1], &new)).await?;
        wait::until("the connection of the new user", secs(20), async || {
            let connections = world.rabbit.connections_of("many-secrets").await?;
            ensure!(!connections.is_empty(), "there is none");
            Ok(())
        })
        .await?;
        clear(&user).await
    })
}

/// The next tests are to have a quiet control plane.
async fn clear(user: &Sandbox) -> Result<()> {
    user.delete_all("ScaledObject").await?;
    user.delete_all("Deployment").await
}
