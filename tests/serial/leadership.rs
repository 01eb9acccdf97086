//! Several replicas of Ebb: one writes, all answer, and nobody notices when one goes.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ebb_tests::audit::{self, Request};
use ebb_tests::dashboard::{check_ebbs, check_kedas, timed};
use ebb_tests::ebb;
use ebb_tests::prometheus::{Prometheus, Scraping};
use ebb_tests::replicas::Replicas;
use ebb_tests::sandbox::Sandbox;
use ebb_tests::wait::{self, secs};
use ebb_tests::workload::{deployment, rabbitmq, scaled_object};
use ebb_tests::world::{Outcome, World};
use serde_json::{Value, json};

use crate::story;

/// How long the lease holds, in seconds.
const LEASE: u64 = 4;
const TIMES: &[&str] = &[
    "--leader-elect=true",
    "--leader-election-lease-duration=4s",
    "--leader-election-renew-deadline=2500ms",
    "--leader-election-retry-period=500ms",
];
const METRIC: &str = "s0-rabbitmq-leadership";

/// The replica that says that it writes.
pub(crate) async fn leader(replicas: &Replicas) -> Result<usize> {
    let mut leaders = Vec::new();
    for (number, replica) in replicas.all().iter().enumerate() {
        // A replica that does not run, or is frozen, gives no answer.
        let text = tokio::time::timeout(Duration::from_millis(300), replica.metrics()).await;
        if text.is_ok_and(|text| text.is_ok_and(|text| text.contains("\nebb_leader 1\n"))) {
            leaders.push(number);
        }
    }
    ensure!(leaders.len() == 1, "{leaders:?} say that they write");
    Ok(leaders[0])
}

/// The next leader after one that is gone, and how long that took.
pub(crate) async fn next_leader(replicas: &Replicas, gone: usize, begin: Instant) -> Result<(usize, Duration)> {
    let next = wait::until("another replica to lead", secs(LEASE + 4), async || {
        let next = leader(replicas).await?;
        ensure!(next != gone, "it is still {gone}");
        Ok(next)
    })
    .await?;
    Ok((next, begin.elapsed()))
}

/// The tokens by which writes have come since `since`, without the writes that every replica may do.
fn writers(world: &World, since: usize) -> Result<BTreeSet<String>> {
    let writes = audit::writes(&world.bed)?.into_iter().skip(since);
    Ok(writes.filter(Request::is_the_holders).map(|write| write.who).collect())
}

/// Brings messages or takes them away until the replicas have changed: the leader writes.
async fn wake_and_rest(world: &World, user: &Sandbox) -> Result<()> {
    world.rabbit.publish("leadership", 1).await?;
    user.wait_replicas("my-app", "1", secs(10), |replicas| replicas == 1).await?;
    world.rabbit.purge("leadership").await?;
    user.wait_replicas("my-app", "0", secs(20), |replicas| replicas == 0).await.map(drop)
}

/// Asks for the metric through the aggregator until `end` is set; every answer counts.
async fn ask(user: Sandbox, end: std::sync::Arc<std::sync::atomic::AtomicBool>) -> (usize, Vec<String>) {
    let (mut asked, mut failed) = (0, Vec::new());
    while !end.load(std::sync::atomic::Ordering::Relaxed) {
        asked += 1;
        if let Err(error) = user.metric("my-app", METRIC).await {
            failed.push(format!("{error:#}"));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    (asked, failed)
}

#[test]
fn one_of_three_writes_and_another_takes_its_place() -> Outcome {
    story(async |world| with_replicas(world, 3, one_after_the_other).await)
}

#[test]
fn one_that_went_while_a_standby_was_cut_off_is_forgotten_by_it() -> Outcome {
    story(async |world| with_replicas(world, 2, cut_off).await)
}

/// The tests that follow have one replica again, also after a failure of this one.
pub(crate) async fn with_replicas(
    world: &World,
    count: usize,
    test: impl AsyncFnOnce(&World, &Replicas) -> Result<()>,
) -> Result<()> {
    world.ebb.stop().await?;
    let replicas = Replicas::start(&world.bed, count, TIMES).await?;
    let outcome = test(world, &replicas).await;
    for number in 0..count {
        // One that was left frozen ends too.
        let _ = replicas.thaw(number);
        replicas.stop(number).await?;
    }
    world.ebb.restart().await?;
    ebb::serve_from(&world.bed, world.ebb.secure_port).await?;
    outcome.with_context(|| {
        let logs: Vec<_> = replicas.all().iter().map(ebb::Ebb::log_tail).collect();
        format!("logs:\n{}", logs.join("\n---\n"))
    })
}

#[test]
fn a_sum_over_two_replicas_counts_each_trigger_once() -> Outcome {
    story(async |world| with_replicas(world, 2, counted_once).await)
}

async fn cut_off(world: &World, replicas: &Replicas) -> Result<()> {
    let name = "leadership-cut-off";
    let user = world.app(name, 0, 0, json!({"pollingInterval": 1})).await?;
    let first = leader(replicas).await?;
    let standby = 1 - first;
    // A standby has no series of it, but answers for it.
    let metric = format!("s0-rabbitmq-{name}");
    ebb::serve_from(&world.bed, replicas.get(standby).secure_port).await?;
    user.wait_metric("my-app", &metric, 0.0).await?;
    // A control plane that comes back knows of no change before its start: a client that was not there gets the present
    // state.
    replicas.freeze(standby)?;
    world.bed.stop_part("kube-apiserver").await?;
    world.bed.start_part("kube-apiserver").await?;
    wait::until("the leader to be back", secs(30), async || user.delete_all("ScaledObject").await).await?;
    replicas.thaw(standby)?;
    ebb::serve_from(&world.bed, replicas.get(standby).secure_port).await?;
    wait::until("the standby to have forgotten it", secs(30), async || {
        let answer = user.metric("my-app", &metric).await.map_err(|error| format!("{error:#}"));
        ensure!(answer.as_ref().is_err_and(|error| error.contains("NotFound")), "it is served yet: {answer:?}");
        Ok(())
    })
    .await?;
    user.delete_all("Deployment").await
}

async fn one_after_the_other(world: &World, replicas: &Replicas) -> Result<()> {
    let spec = json!({"pollingInterval": 1, "cooldownPeriod": 1, "maxReplicaCount": 1});
    let user = world.app("leadership", 0, 0, spec).await?;
    let first = leader(replicas).await?;
    let lease =
        world.bed.kubectl().run(&["get", "lease", "operator.keda.sh", "-n", ebb::NAMESPACE, "-o", "json"]).await?;
    let lease: Value = serde_json::from_str(&lease)?;
    let holder = lease["spec"]["holderIdentity"].as_str().unwrap_or_default().to_owned();
    ensure!(!holder.is_empty() && lease["spec"]["leaseDurationSeconds"] == LEASE, "{lease}");

    // All of them answer.
    for replica in replicas.all() {
        ebb::serve_from(&world.bed, replica.secure_port).await?;
        user.wait_metric("my-app", METRIC, 0.0).await?;
    }
    replicas.serve(&world.bed).await?;
    wake_and_rest(world, &user).await?;

    // Killed: the lease has to run out.
    let begin = Instant::now();
    replicas.kill(first)?;
    let (second, took) = next_leader(replicas, first, begin).await?;
    println!("after kill -9 another replica led after {took:.2?}; the lease is {LEASE} s");
    wake_and_rest(world, &user).await?;
    replicas.restart(first).await?;

    // Asked to end: the lease is given back.
    let begin = Instant::now();
    let (stopped, next) = tokio::join!(replicas.stop(second), next_leader(replicas, second, begin));
    let (third, took) = next?;
    println!("after SIGTERM another replica led after {took:.2?}; the process ended after {:.2?}", stopped?);
    ensure!(took < secs(1), "the lease was handed over after {took:.2?}");
    wake_and_rest(world, &user).await?;
    replicas.restart(second).await?;

    // Frozen for longer than its lease: it does not finish its writes any more.
    world.rabbit.publish("leadership", 1).await?;
    user.wait_replicas("my-app", "1", secs(10), |replicas| replicas == 1).await?;
    world.rabbit.purge("leadership").await?;
    let begin = Instant::now();
    replicas.freeze(third)?;
    let (fourth, _) = next_leader(replicas, third, begin).await?;
    user.wait_replicas("my-app", "0", secs(20), |replicas| replicas == 0).await?;
    let since = audit::writes(&world.bed)?.len();
    replicas.thaw(third)?;
    for _ in 0..3 {
        wake_and_rest(world, &user).await?;
    }
    let writers = writers(world, since)?;
    ensure!(writers.len() == 1 && !writers.contains(""), "after it went on there were the writers {writers:?}");
    ensure!(leader(replicas).await? == fourth, "the lease went on to another");

    // One after the other anew, with questions all the while, and a workload that must stay awake.
    world.rabbit.publish("leadership", 5).await?;
    user.wait_replicas("my-app", "1", secs(10), |replicas| replicas == 1).await?;
    let watch = user.watch_replicas("my-app").await?;
    let (begin, end) = (Instant::now(), std::sync::Arc::default());
    let asking: Vec<_> = (0..4).map(|_| tokio::spawn(ask(user.clone(), std::sync::Arc::clone(&end)))).collect();
    for number in 0..3 {
        replicas.stop(number).await?;
        replicas.restart(number).await?;
    }
    tokio::time::sleep(secs(1)).await;
    end.store(true, std::sync::atomic::Ordering::Relaxed);
    let (mut asked, mut failed) = (0, Vec::new());
    for task in asking {
        let (more, errors) = task.await?;
        asked += more;
        failed.extend(errors);
    }
    println!(
        "three replicas were restarted one by one in {:.1?}: {asked} questions, {} failed",
        begin.elapsed(),
        failed.len()
    );
    ensure!(failed.is_empty(), "{} of {asked} failed: {:?}", failed.len(), failed.first());
    watch.never_since(begin, "other than 1", |replicas| replicas != 1)?;
    user.delete_all("ScaledObject").await?;
    user.delete_all("Deployment").await
}

/// Two replicas, scraped as by a ServiceMonitor, with a ScaledObject that can be read and one that cannot.
async fn counted_once(world: &World, replicas: &Replicas) -> Result<()> {
    let name = "leadership-counted";
    let spec = json!({"pollingInterval": 1, "minReplicaCount": 1, "maxReplicaCount": 1});
    let user = world.app(name, 1, 40, spec.clone()).await?;
    user.apply(&deployment("broken", 1, &[("RABBITMQ_URL", &world.rabbit.url())])).await?;
    let mut broken = spec;
    broken["triggers"] = json!([rabbitmq("leadership-counted-no-such-queue")]);
    user.apply(&scaled_object("broken", broken)).await?;
    timed(&user, &world.rabbit.http_url(), name).await?;
    let prometheus = Prometheus::start(Scraping::ServiceMonitor, replicas.all(), name).await?;
    let first = leader(replicas).await?;
    let second = 1 - first;
    dashboards(&prometheus, name).await?;
    ensure!(prometheus.query("sum(ebb_leader)").await?[0].1.total_cmp(&1.0).is_eq(), "one of two leads");
    let text = replicas.get(second).metrics().await?;
    ensure!(text.contains("\nebb_leader 0\n") && text.contains("\nkeda_build_info{"), "{text}");
    ensure!(!text.contains(name), "a standby has series of ScaledObjects: {text}");

    // Frozen until another leads: its first answer after that is that it is a standby.
    replicas.freeze(first)?;
    next_leader(replicas, first, Instant::now()).await?;
    replicas.thaw(first)?;
    let text = replicas.get(first).metrics().await?;
    ensure!(text.contains("\nebb_leader 0\n") && !text.contains(name), "the lease was lost: {text}");
    dashboards(&prometheus, name).await?;

    // It fails to read the queue each second, and that is the other's to count. Then it leads again.
    let before = errors(&prometheus, name, first, "max_over_time", "[5m]").await?;
    tokio::time::sleep(secs(10)).await;
    let (stopped, counted) = tokio::join!(
        replicas.stop(second),
        wait::until("the first count of its next term", secs(10), async || {
            errors(&prometheus, name, first, "", "").await
        })
    );
    let (_, counted) = (stopped?, counted?);
    ensure!((before..before + 5.0).contains(&counted), "{counted} errors after {before} in its first term");
    wait::until("it to go on counting", secs(10), async || {
        let now = errors(&prometheus, name, first, "", "").await?;
        ensure!(now > counted, "{now} errors");
        Ok(())
    })
    .await?;
    let resets = errors(&prometheus, name, first, "resets", "[5m]").await?;
    ensure!(resets < 0.5, "{resets} resets");
    replicas.restart(second).await?;
    dashboards(&prometheus, name).await?;
    user.delete_all("ScaledObject").await?;
    user.delete_all("Deployment").await
}

/// Both dashboards show the same of two replicas as of one: 40 messages and not 80.
async fn dashboards(prometheus: &Prometheus, name: &str) -> Result<()> {
    check_ebbs(prometheus, name, 40.0).await?;
    check_kedas(prometheus, name, name, 40.0).await
}

/// The errors of the broken trigger in the series of one replica.
async fn errors(prometheus: &Prometheus, name: &str, replica: usize, over: &str, range: &str) -> Result<f64> {
    let labels = format!("exported_namespace=\"{name}\", scaledObject=\"broken\", pod=\"ebb-{replica}\"");
    let found = prometheus.query(&format!("{over}(keda_scaler_detail_errors_total{{{labels}}}{range})")).await?;
    ensure!(found.len() == 1, "{found:?}");
    Ok(found[0].1)
}
