//! Broken `ScaledObjects` beside good ones.

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use ebb_tests::impostor::{Impostor, Manner};
use ebb_tests::sandbox::Sandbox;
use ebb_tests::size;
use ebb_tests::wait::{self, secs};
use ebb_tests::workload::{cron, deployment, rabbitmq, scaled_object};
use ebb_tests::world::{Outcome, World};
use futures::future::try_join_all;
use serde_json::{Value, json};

use crate::story;

/// How many there are.
#[derive(Clone, Copy)]
struct Size {
    /// Good ones.
    good: usize,
    /// Good ones that have messages, and a replica for them.
    busy: usize,
    /// Broken ones for each mistake.
    of_each: usize,
}

const SMALL: Size = Size { good: 30, busy: 5, of_each: 1 };
const FULL: Size = Size { good: 100, busy: 10, of_each: 2 };

/// One kind of mistake: a ScaledObject's specification, and what its Ready condition must say.
struct Mistake {
    name: &'static str,
    spec: Value,
    says: String,
}

fn mistakes(world: &World, silent: &str) -> Vec<Mistake> {
    let at = |host: &str| {
        let metadata = json!({"queueName": "beside-0", "mode": "QueueLength", "value": "5", "host": host});
        json!({"pollingInterval": 2, "triggers": [{"type": "rabbitmq", "metadata": metadata}]})
    };
    let triggers = |trigger: Value| json!({"pollingInterval": 2, "triggers": [trigger]});
    let mut no_secret = rabbitmq("beside-0");
    no_secret["metadata"] = json!({"queueName": "beside-0", "mode": "QueueLength", "value": "5"});
    no_secret["authenticationRef"] = json!({"name": "points-to-nothing"});
    let mut named = rabbitmq("beside-0");
    named["name"] = json!("q");
    let good = || json!([rabbitmq("beside-0")]);
    let mistake = |name, spec, says: &str| Mistake { name, spec, says: says.to_owned() };
    vec![
        mistake("unknown-type", triggers(json!({"type": "rabitmq", "metadata": {}})), "rabitmq"),
        mistake("no-queue", triggers(rabbitmq("beside-nowhere")), "beside-nowhere"),
        mistake("no-secret", triggers(no_secret), "no-such-secret"),
        mistake("unreachable", at("amqp://guest:guest@127.0.0.1:1/"), "127.0.0.1:1"),
        mistake("silent-broker", at(&format!("amqp://guest:guest@{silent}/")), silent),
        mistake("wrong-password", at(&world.rabbit.url_of("ebb", "wrong")), "ACCESS_REFUSED"),
        mistake("bad-cron", triggers(cron("0 8 * *", "0 18 * * *", "5")), "expected exactly 5 fields"),
        mistake(
            "bad-formula",
            json!({"triggers": [named], "advanced": {"scalingModifiers": {"formula": "q + (", "target": "2"}}}),
            "formula",
        ),
        mistake("no-target", json!({"scaleTargetRef": {"name": "nobody"}, "triggers": good()}), "nobody"),
        mistake(
            "no-scale",
            json!({
                "scaleTargetRef": {"apiVersion": "v1", "kind": "ConfigMap", "name": "kube-root-ca.crt"},
                "triggers": good(),
            }),
            "ConfigMap",
        ),
        mistake(
            "foreign-hpa",
            json!({
                "triggers": good(), "advanced": {"horizontalPodAutoscalerConfig": {"name": "somebodys"}},
            }),
            "somebodys",
        ),
    ]
}

/// The state that must not change: the ScaledObject's version, which each write of its status changes, the count that
/// its HPA asks for, and the replicas.
type State = BTreeMap<String, Value>;

async fn state(user: &Sandbox, names: &[String]) -> Result<State> {
    let (objects, hpas, deployments) = (
        user.get("ScaledObject", "").await?,
        user.get("HorizontalPodAutoscaler", "").await?,
        user.get("Deployment", "").await?,
    );
    let by_name = |list: &Value, name: &str| {
        let items = list["items"].as_array();
        items.and_then(|items| items.iter().find(|item| item["metadata"]["name"] == name)).cloned()
    };
    let one = |name: &String| {
        let object = by_name(&objects, name).context("it is gone")?;
        let hpa = by_name(&hpas, &format!("keda-hpa-{name}")).with_context(|| format!("{name} has no HPA"))?;
        let deployment = by_name(&deployments, name).context("its Deployment is gone")?;
        let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
        ensure!(
            conditions.iter().any(|one| one["type"] == "Ready" && one["status"] == "True"),
            "{name}: {conditions:?}"
        );
        // The HPA has found the metric, or its workload at zero. A look that came too early for that is reported, too.
        let looked = conditions.iter().any(|one| one["type"] == "HPAActive" && one["status"] == "True");
        ensure!(looked, "{name}: {conditions:?}");
        let state = json!({
            "version": object["metadata"]["resourceVersion"], "status": object["status"],
            "hpa": [hpa["metadata"]["uid"], hpa["metadata"]["labels"], hpa["spec"]],
            "replicas": deployment["spec"]["replicas"],
        });
        Ok((name.clone(), state))
    };
    names.iter().map(one).collect()
}

/// They are as they were.
async fn ensure_same(user: &Sandbox, names: &[String], before: &State) -> Result<()> {
    let now = state(user, names).await?;
    for name in names {
        ensure!(now[name] == before[name], "{name} was {}\nand is {}", before[name], now[name]);
    }
    Ok(())
}

/// The good ones, when nothing is under way any more.
async fn good_ones(world: &World, user: &Sandbox, Size { good, busy, .. }: Size) -> Result<(Vec<String>, State)> {
    let names: Vec<String> = (0..good).map(|number| format!("beside-{number}")).collect();
    let url = world.rabbit.url();
    for (number, name) in names.iter().enumerate() {
        world.rabbit.declare(name).await?;
        world.rabbit.publish(name, if number < busy { 5 } else { 0 }).await?;
    }
    let replicas = |number| u32::from(number < busy);
    let targets = names.iter().enumerate().map(|(n, name)| deployment(name, replicas(n), &[("RABBITMQ_URL", &url)]));
    user.apply_all(&targets.collect::<Vec<_>>()).await?;
    let spec = |name| json!({"pollingInterval": 5, "maxReplicaCount": 10, "triggers": [rabbitmq(name)]});
    user.apply_all(&names.iter().map(|name| scaled_object(name, spec(name))).collect::<Vec<_>>()).await?;
    let mut before = wait::until("all to be Ready", secs(60), async || state(user, &names).await).await?;
    let mut since = Instant::now();
    wait::until("nothing to change any more", secs(90), async || {
        let now = state(user, &names).await?;
        if now != before {
            (before, since) = (now, Instant::now());
        }
        // The HPA controller has looked again.
        ensure!(since.elapsed() > secs(18), "it changed {:.1?} ago", since.elapsed());
        Ok(())
    })
    .await?;
    Ok((names, before))
}

#[test]
fn broken_ones_change_nothing_for_good_ones() -> Outcome {
    let size = size::choose(SMALL, FULL);
    let Size { good, busy, of_each } = size;
    story(async |world| {
        let begin = Instant::now();
        let user = world.sandbox("beside").await?;
        let (names, before) = good_ones(world, &user, size).await?;
        println!("{good} are Ready and quiet after {:.1?}", begin.elapsed());

        let silent = Impostor::start(Manner::Silent).await?;
        user.apply(&json!({
            "apiVersion": "keda.sh/v1alpha1", "kind": "TriggerAuthentication", "metadata": {"name": "points-to-nothing"},
            "spec": {"secretTargetRef": [{"parameter": "host", "name": "no-such-secret", "key": "url"}]},
        }))
        .await?;
        user.apply(&json!({
            "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "somebodys"},
            "spec": {"maxReplicas": 3, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "other"}},
        }))
        .await?;
        let mistakes = mistakes(world, &silent.address);
        let each = |mistake: &Mistake| (0..of_each).map(|n| format!("{}-{n}", mistake.name)).collect::<Vec<_>>();
        let (mut targets, mut objects) = (Vec::new(), Vec::new());
        for mistake in &mistakes {
            for name in each(mistake) {
                targets.push(deployment(&name, 2, &[("RABBITMQ_URL", &world.rabbit.url())]));
                objects.push(scaled_object(&name, mistake.spec.clone()));
            }
        }
        user.apply_all(&targets).await?;
        let broken = Instant::now();
        user.apply_all(&objects).await?;

        // Each reports its mistake, while the good ones stay as they are and wake as ever.
        let reported = async {
            let of_kind = async |mistake: &Mistake| {
                for name in each(mistake) {
                    user.wait_failing(&name, &mistake.says).await?;
                }
                anyhow::Ok(())
            };
            try_join_all(mistakes.iter().map(of_kind)).await?;
            println!(
                "{} broken ones of {} kinds say why after {:.1?}",
                objects.len(),
                mistakes.len(),
                broken.elapsed()
            );
            Ok(())
        };
        let mut asleep = names[busy..].to_vec();
        let mut slowest = std::time::Duration::ZERO;
        let woken = async {
            while broken.elapsed() < secs(25) {
                let name = asleep.pop().context("all are awake")?;
                let quiet = [&names[..busy], &asleep[..]].concat();
                let watch = user.watch_replicas(&name).await?;
                let begin = Instant::now();
                world.rabbit.publish(&name, 1).await?;
                let awake = watch.wait_since(begin, "1", secs(20), |replicas| replicas == 1).await?;
                slowest = slowest.max(awake.at - begin);
                ensure!(awake.at - begin < secs(3), "{name} woke only after {:.2?}", awake.at - begin);
                wait::throughout("the good ones are as they were", secs(3), async || {
                    ensure_same(&user, &quiet, &before).await
                })
                .await?;
            }
            anyhow::Ok(())
        };
        tokio::try_join!(reported, woken)?;
        println!("the slowest of {} woke after {slowest:.2?}", good - busy - asleep.len());
        for target in &targets {
            let name = target["metadata"]["name"].as_str().context("no name")?;
            ensure!(user.replicas(name).await? == 2, "the target of {name} was scaled");
        }
        user.delete_all("ScaledObject").await?;
        user.delete_all("Deployment").await
    })
}
