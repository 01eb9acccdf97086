//! `make admission`: the cost of the webhook with 5,000 ScaledObjects and up to 200 creations in a second.
//!
//! The same creations come as fast with the webhook and without it. Most are dry runs, which show its own cost: a
//! creation that stays makes work for Ebb, the HPA controller and the API server. On a small machine the API server has
//! more to do with 200 creations in a second than there are processors, so slower paces are measured too. The report
//! has the API server's own counts of the webhook, and the processor's time that Ebb takes.
//!
//! `PRESENT` (5000) is how many there are before.

#![allow(clippy::print_stdout)] // The terminal is what this program is for.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ebb_tests::bed::Options;
use ebb_tests::direct::ca_bundle;
use ebb_tests::ebb::ADMISSION_LABEL;
use ebb_tests::process;
use ebb_tests::sandbox::{Sandbox, is_ready};
use ebb_tests::wait::{self, secs};
use ebb_tests::workload::{deployment, scaled_object};
use ebb_tests::world::World;
use futures::future::try_join_all;
use http::Method;
use serde_json::{Value, json};
use tokio::time::sleep_until;

/// How many creations are measured each time.
const COUNT: usize = 1500;
/// The series of the API server.
const SERIES: &str = "apiserver_admission_webhook_admission_duration_seconds";

#[tokio::main]
async fn main() -> Result<()> {
    let present = std::env::var("PRESENT").ok().and_then(|text| text.parse().ok()).unwrap_or(5000);
    println!("starting the control plane and Ebb on 127.0.0.1");
    let mut options = Options::new("admission");
    // 5,000 HPAs would be looked at every 15 seconds, which is no work of the webhook's.
    options.hpa_sync_period = Some(secs(3600));
    let world = World::start(options).await?;
    let (plain, reviewed) = (world.sandbox("plain").await?, world.sandbox("reviewed").await?);
    let label = format!("{ADMISSION_LABEL}=true");
    reviewed.kubectl.run(&["label", "namespace", &reviewed.name, &label]).await?;

    let user = world.sandbox("present").await?;
    let made: Vec<_> = (0..COUNT).map(|number| deployment(&format!("made-{number}"), 0, &[])).collect();
    for user in [&plain, &reviewed] {
        user.apply_all(&made).await?;
    }
    println!("making {present} Deployments with a ScaledObject each, which takes minutes");
    let begin = Instant::now();
    let names: Vec<String> = (0..present).map(|number| format!("app-{number}")).collect();
    user.apply_all(&names.iter().map(|name| deployment(name, 0, &[])).collect::<Vec<_>>()).await?;
    user.apply_all(&names.iter().map(|name| object(name)).collect::<Vec<_>>()).await?;
    wait::until("all of them to be Ready", secs(600), async || {
        // The list is long, and so is the API server's work with it.
        tokio::time::sleep(secs(5)).await;
        let list = user.get("ScaledObject", "").await?;
        let ready = list["items"].as_array().into_iter().flatten().filter(|object| is_ready(object)).count();
        ensure!(ready == present, "{ready} of {present} are");
        Ok(())
    })
    .await?;
    println!("all are Ready after {:.0?}; half a minute of rest", begin.elapsed());
    tokio::time::sleep(secs(30)).await;

    println!("{COUNT} each time, from when one was to be sent to its answer:");
    measure_alone(&world, &reviewed.name, 200).await?;
    let dry = "?dryRun=All&fieldManager=user";
    for rate in [20, 50, 100, 200] {
        measure(&world, &plain, rate, dry, "dry runs without the webhook").await?;
        measure(&world, &reviewed, rate, dry, "dry runs, reviewed").await?;
    }
    measure(&world, &plain, 200, "", "without the webhook").await?;
    tokio::time::sleep(secs(30)).await;
    measure(&world, &reviewed, 200, "", "reviewed").await
}

/// Makes creations at `rate` a second, and prints how long they took and how the API server has counted their reviews.
async fn measure(world: &World, user: &Sandbox, rate: u32, how: &str, what: &str) -> Result<()> {
    let path = format!("/apis/keda.sh/v1alpha1/namespaces/{}/scaledobjects{how}", user.name);
    let before = counted(world).await?;
    let create = async |number: usize| {
        let object = object(&format!("made-{number}"));
        user.send(Method::POST, &path, Some(&object)).await.context("a creation failed").map(drop)
    };
    report(world, &format!("{rate} a second, {what}"), paced(rate, create)).await?;
    let shares = counted(world).await?.into_iter().filter_map(|(limit, count)| {
        let known = before.iter().find(|(known, _)| *known == limit).map_or(0, |(_, count)| *count);
        (count > known).then(|| format!("{} within {limit} s", count - known))
    });
    let shares: Vec<_> = shares.collect();
    if !shares.is_empty() {
        println!("    reviews, as the API server has counted them: {}", shares.join(", "));
    }
    Ok(())
}

/// Asks the webhook as the API server does, which has nothing to do meanwhile.
async fn measure_alone(world: &World, namespace: &str, rate: u32) -> Result<()> {
    let authority = reqwest::Certificate::from_pem(ca_bundle(&world.bed).await?.as_bytes())?;
    let client = reqwest::Client::builder().tls_certs_only([authority]).build()?;
    let url = format!("https://localhost:{}/validate-keda-sh-v1alpha1-scaledobject", world.ebb.webhook_port);
    let ask = async |number: usize| {
        let question = json!({
            "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
            "request": {
                "uid": number.to_string(), "operation": "CREATE", "namespace": namespace,
                "object": object(&format!("made-{number}")),
            },
        });
        let answer = client.post(&url).json(&question).send().await?.error_for_status()?;
        let answer: Value = answer.json().await?;
        ensure!(answer["response"]["allowed"] == true, "{answer}");
        Ok(())
    };
    report(world, &format!("{rate} reviews a second, without the API server"), paced(rate, ask)).await
}

/// Waits for it, and prints how long each took, and the processor time that Ebb needed for all.
async fn report(world: &World, what: &str, act: impl Future<Output = Result<Vec<Duration>>>) -> Result<()> {
    let pid = world.ebb.pid().context("Ebb does not run")?;
    let cpu = process::cpu_time(pid)?;
    let mut took = act.await?;
    let cpu = process::cpu_time(pid)?.saturating_sub(cpu);
    took.sort();
    let of = |percent: usize| took[(took.len() - 1) * percent / 100];
    let (half, most, all) = (of(50), of(99), of(100));
    println!("{what}: p50 {half:.1?}, p99 {most:.1?}, slowest {all:.1?}; Ebb took {cpu:.1?} of a processor");
    Ok(())
}

/// Does `rate` acts in a second, whether or not those before are done. Gives how long each took from its planned
/// beginning.
async fn paced(rate: u32, act: impl AsyncFn(usize) -> Result<()>) -> Result<Vec<Duration>> {
    let begin = Instant::now();
    let all = (0_u32..).zip(0..COUNT).map(async |(place, number)| {
        let due = begin + secs(1) * place / rate;
        sleep_until(due.into()).await;
        act(number).await?;
        Ok(due.elapsed())
    });
    try_join_all(all).await
}

/// A ScaledObject as most are: one trigger.
fn object(name: &str) -> Value {
    let window = json!({"timezone": "Europe/London", "start": "0 3 1 1 *", "end": "1 3 1 1 *", "desiredReplicas": "2"});
    scaled_object(name, json!({"maxReplicaCount": 10, "triggers": [{"type": "cron", "metadata": window}]}))
}

/// The number of reviews of creations up to each limit of seconds: the limits, and the counts up to them.
async fn counted(world: &World) -> Result<Vec<(String, u64)>> {
    let text = world.bed.client.request_text(http::Request::get("/metrics").body(Vec::new())?).await?;
    let ours = format!("{SERIES}_bucket{{");
    let lines = text.lines().filter(|line| {
        line.starts_with(&ours) && line.contains("vscaledobject.kb.io") && line.contains("operation=\"CREATE\"")
    });
    let mut counts: Vec<(String, u64)> = Vec::new();
    for line in lines {
        let limit = line.split_once("le=\"").and_then(|(_, rest)| rest.split_once('"')).context("no limit")?.0;
        let count = line.rsplit(' ').next().unwrap_or_default().parse()?;
        match counts.iter_mut().find(|(known, _)| known == limit) {
            Some((_, sum)) => *sum += count,
            None => counts.push((limit.to_owned(), count)),
        }
    }
    Ok(counts)
}
