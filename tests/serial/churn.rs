//! Hundreds of edits in random order, while Ebb is killed again and again, end in the state that a fresh start gives.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use ebb_tests::random::{self, Random};
use ebb_tests::sandbox::Sandbox;
use ebb_tests::wait::{self, secs};
use ebb_tests::workload::{cron, deployment, rabbitmq, scaled_object};
use ebb_tests::world::{Outcome, World};
use futures::future::try_join_all;
use serde_json::{Value, json};

use crate::story;

const APPS: usize = 50;
const EDITS: usize = 500;
/// Ebb is killed once in each.
const ROUNDS: usize = 10;
/// So many edits are under way at once, each of another ScaledObject.
const AT_ONCE: usize = 5;
/// Much longer than the HPA controller's pause of 15 seconds between two looks, which a slow machine stretches, and than
/// Ebb's before it tries again what failed.
const QUIET: Duration = secs(40);

/// What the user wants of one ScaledObject. `spec` holds counts and times as they are written, and beside them which
/// HPA's name is wanted (`hpa`) and whether an idle count, a fallback and a formula are, where they are possible.
struct App {
    name: String,
    spec: Value,
    /// The triggers by what [`trigger`] calls them.
    triggers: Vec<&'static str>,
    labels: BTreeMap<&'static str, Value>,
    annotations: BTreeMap<&'static str, Value>,
    /// Which mistake is in it.
    broken: Option<usize>,
    /// Whether it is deleted and made anew by the edit that is due.
    again: bool,
}

fn trigger(which: &str) -> Value {
    let mut trigger = match which {
        "open" => cron("0 0 1 1 *", "59 23 31 12 *", "3"),
        "closed" => cron("0 0 29 2 *", "1 0 29 2 *", "3"),
        "cpu" => json!({"type": "cpu", "metricType": "AverageValue", "metadata": {"value": "500m"}}),
        queue => rabbitmq(&format!("churn-{queue}")),
    };
    trigger["name"] = json!(which);
    trigger
}

impl App {
    fn new(number: usize, random: &mut Random) -> Self {
        let spec = json!({"pollingInterval": 1 + number % 3, "cooldownPeriod": 1, "maxReplicaCount": 4 + number % 6});
        let name = format!("app-{number}");
        let (labels, annotations) = (BTreeMap::new(), BTreeMap::new());
        let mut app = Self { name, spec, triggers: Vec::new(), labels, annotations, broken: None, again: false };
        app.toggle_trigger(random);
        app.broken = number.is_multiple_of(10).then(|| random.below(5));
        app
    }

    fn toggle_trigger(&mut self, random: &mut Random) {
        let which = ["full", "some", "empty", "missing", "open", "closed", "cpu"][random.below(7)];
        match self.triggers.iter().position(|present| *present == which) {
            Some(place) if self.triggers.len() > 1 => drop(self.triggers.remove(place)),
            Some(_) => {}
            None => self.triggers.insert(random.below(self.triggers.len() + 1), which),
        }
    }

    fn toggle(map: &mut BTreeMap<&'static str, Value>, key: &'static str, value: Value) {
        if map.remove(key).is_none() {
            map.insert(key, value);
        }
    }

    /// One random edit.
    fn edit(&mut self, random: &mut Random) {
        match random.below(15) {
            0 => self.spec["maxReplicaCount"] = json!(4 + random.below(6)),
            1 => self.spec["minReplicaCount"] = json!(random.below(3)),
            2 => self.spec["idle"] = json!(random.below(2) == 0),
            3 => self.spec["pollingInterval"] = json!(1 + random.below(4)),
            4 => self.spec["cooldownPeriod"] = json!(1 + random.below(3)),
            5 | 6 => self.toggle_trigger(random),
            7 => self.triggers.reverse(),
            8 => self.spec["hpa"] = json!(["", "first", "second", "third"][random.below(4)]),
            9 => {
                let (key, value) = [(0, "true"), (1, "2"), (2, "true"), (3, "true"), (4, "true")][random.below(5)];
                Self::toggle(&mut self.annotations, ANNOTATIONS[key], json!(value));
            }
            10 => Self::toggle(&mut self.labels, "team", json!(format!("t{}", random.below(3)))),
            11 => self.broken = if self.broken.is_some() { None } else { Some(random.below(5)) },
            12 => self.again = true,
            13 => self.spec["fallback"] = json!(random.below(2) == 0),
            _ => self.spec["formula"] = json!(random.below(2) == 0),
        }
        // A pause that stays would leave little to look at in the end.
        if random.below(3) == 0 {
            self.annotations.clear();
        }
    }

    fn object(&self) -> Value {
        let has = |key: &str| self.spec[key] == true;
        let externals: Vec<&str> = self.triggers.iter().copied().filter(|which| *which != "cpu").collect();
        let only_cpu = externals.is_empty();
        let least = i64::from(only_cpu);
        let min = self.spec["minReplicaCount"].as_i64().unwrap_or(0).max(least);
        let mut hpa = json!({"behavior": {"scaleDown": {"stabilizationWindowSeconds": 0}}});
        if let Some(name) = self.spec["hpa"].as_str().filter(|name| !name.is_empty()) {
            hpa["name"] = json!(format!("{name}-{}", self.name));
        }
        let mut spec = json!({
            "pollingInterval": self.spec["pollingInterval"], "cooldownPeriod": self.spec["cooldownPeriod"],
            "minReplicaCount": min, "maxReplicaCount": self.spec["maxReplicaCount"],
            "triggers": self.triggers.iter().map(|which| trigger(which)).collect::<Vec<_>>(),
            "advanced": {"horizontalPodAutoscalerConfig": hpa},
        });
        if has("idle") && min > 0 && !only_cpu {
            spec["idleReplicaCount"] = json!(0);
        }
        if has("fallback") && !only_cpu {
            spec["fallback"] = json!({"failureThreshold": 1, "replicas": 2});
        }
        if has("formula") && !only_cpu {
            spec["advanced"]["scalingModifiers"] = json!({"formula": externals.join(" + "), "target": "5"});
        }
        match self.broken {
            None => {}
            Some(0) => spec["triggers"] = json!([{"type": "rabitmq", "metadata": {}}]),
            Some(1) => spec["triggers"] = json!([cron("0 8 * *", "0 18 * * *", "5")]),
            Some(2) => spec["triggers"][0]["authenticationRef"] = json!({"name": "no-such-authentication"}),
            Some(3) => spec["scaleTargetRef"] = json!({"name": "nobody"}),
            Some(_) => spec["triggers"] = json!([trigger("open"), trigger("open")]),
        }
        let mut object = scaled_object(&self.name, spec);
        object["metadata"]["labels"] = json!(self.labels);
        object["metadata"]["annotations"] = json!(self.annotations);
        object
    }

    fn is(&self, annotation: usize) -> bool {
        self.annotations.contains_key(ANNOTATIONS[annotation])
    }

    /// Whether it has an HPA in the end if it never had another specification.
    fn is_served(&self) -> bool {
        self.broken.is_none() && !self.is(0) && !self.is(1)
    }

    /// Whether its replicas depend on what was before: nothing may be changed, or not all can be read.
    fn keeps_replicas(&self) -> bool {
        (0..4).any(|annotation| self.is(annotation))
            || self.triggers.iter().any(|which| ["missing", "cpu"].contains(which))
    }

    async fn apply(&self, user: &Sandbox) -> Result<()> {
        if self.again {
            user.delete("ScaledObject", &self.name).await?;
            user.wait_gone("ScaledObject", &self.name).await?;
        }
        user.apply(&self.object()).await.map(drop)
    }
}

/// By their places here: a pause, a pause at a count, pauses in one direction, a forced activation.
const ANNOTATIONS: [&str; 5] = [
    "autoscaling.keda.sh/paused",
    "autoscaling.keda.sh/paused-replicas",
    "autoscaling.keda.sh/paused-scale-in",
    "autoscaling.keda.sh/paused-scale-out",
    "autoscaling.keda.sh/force-activation",
];

/// What there is of each ScaledObject: its status without times, its HPAs, its replicas.
type State = BTreeMap<String, Value>;

async fn state(user: &Sandbox) -> Result<State> {
    let items = async |kind: &str| {
        let list = user.get(kind, "").await?;
        list["items"].as_array().cloned().context("no list")
    };
    let mut state = State::new();
    for object in items("ScaledObject").await? {
        let mut status = object["status"].clone();
        status["lastActiveTime"].take();
        for condition in status["conditions"].as_array_mut().into_iter().flatten() {
            condition["lastTransitionTime"].take();
        }
        let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        state.insert(name, json!({"status": status, "hpas": []}));
    }
    for hpa in items("HorizontalPodAutoscaler").await? {
        let metadata = &hpa["metadata"];
        let owner = metadata["ownerReferences"][0]["name"].as_str().unwrap_or_default();
        let of = state.get_mut(owner).with_context(|| format!("an HPA of nobody: {metadata}"))?;
        let kept = json!([metadata["name"], metadata["labels"], metadata["annotations"], hpa["spec"]]);
        of["hpas"].as_array_mut().context("no list")?.push(kept);
    }
    for deployment in items("Deployment").await? {
        let name = deployment["metadata"]["name"].as_str().unwrap_or_default();
        if let Some(of) = state.get_mut(name) {
            of["replicas"] = deployment["spec"]["replicas"].clone();
        }
    }
    Ok(state)
}

/// The state of these namespaces once nothing changes any more.
async fn settled(users: &[&Sandbox]) -> Result<Vec<State>> {
    let mut last = Vec::new();
    let mut since = Instant::now();
    let mut change = String::new();
    wait::until("nothing to change any more", secs(240), async || {
        let now = try_join_all(users.iter().map(|user| state(user))).await?;
        if now != last {
            change = difference(&last, &now);
            (last, since) = (now, Instant::now());
        }
        ensure!(since.elapsed() > QUIET, "it changed {:.0?} ago:\n{change}", since.elapsed());
        Ok(())
    })
    .await?;
    Ok(last)
}

/// What has changed between two looks.
fn difference(before: &[State], now: &[State]) -> String {
    let mut lines = Vec::new();
    for (before, now) in before.iter().zip(now) {
        for (name, state) in now {
            let old = before.get(name).unwrap_or(&Value::Null);
            if old != state {
                lines.push(format!("{name} from {old}\nto {state}"));
            }
        }
    }
    lines.join("\n")
}

/// What does not depend on what was before.
fn timeless(app: &App, state: &Value, namespace: &str) -> Value {
    let mut status = state["status"].clone();
    status["originalReplicaCount"].take();
    for condition in status["conditions"].as_array_mut().into_iter().flatten() {
        condition["observedGeneration"].take();
        // Whether it has ever been paused.
        if condition["type"] == "Paused" && condition["status"] == "False" {
            condition["reason"].take();
            condition["message"].take();
        }
        if let Some(text) = condition["message"].as_str() {
            let (path, quoted) = (format!("{namespace}/"), format!("{namespace:?}"));
            condition["message"] = json!(text.replace(&path, "NAMESPACE/").replace(&quoted, "NAMESPACE"));
        }
    }
    if app.is_served() {
        return json!([status, state["hpas"], state["replicas"]]);
    }
    let conditions = status["conditions"].as_array().into_iter().flatten();
    let told = conditions.filter(|one| ["Ready", "Active", "Paused"].iter().any(|kind| one["type"] == *kind));
    json!([told.collect::<Vec<_>>(), status["pausedReplicaCount"]])
}

async fn edit_all(world: &World, user: &Sandbox, apps: &mut [App], random: &mut Random) -> Result<usize> {
    let mut kills = 0;
    for _ in 0..ROUNDS {
        let (before, away) = (random.below(2500), random.below(1500));
        let kill = async {
            tokio::time::sleep(Duration::from_millis(before as u64)).await;
            world.ebb.kill()?;
            tokio::time::sleep(Duration::from_millis(away as u64)).await;
            world.ebb.restart().await
        };
        let edits = async {
            for _ in 0..EDITS / ROUNDS / AT_ONCE {
                let mut chosen = Vec::new();
                while chosen.len() < AT_ONCE {
                    let number = random.below(apps.len());
                    if !chosen.contains(&number) {
                        chosen.push(number);
                        apps[number].edit(random);
                    }
                }
                try_join_all(chosen.iter().map(|number| apps[*number].apply(user))).await?;
                for number in chosen {
                    apps[number].again = false;
                }
                tokio::time::sleep(Duration::from_millis(random.below(400) as u64)).await;
            }
            anyhow::Ok(())
        };
        tokio::try_join!(kill, edits)?;
        kills += 1;
    }
    Ok(kills)
}

async fn deploy(world: &World, user: &Sandbox, apps: &[App], replicas: impl Fn(&App) -> u64) -> Result<()> {
    let url = world.rabbit.url();
    let target = |app: &App| deployment(&app.name, u32::try_from(replicas(app)).unwrap(), &[("RABBITMQ_URL", &url)]);
    let targets: Vec<Value> = apps.iter().map(target).collect();
    try_join_all(targets.iter().map(|target| user.apply(target))).await?;
    try_join_all(apps.iter().map(|app| app.apply(user))).await?;
    Ok(())
}

#[test]
fn five_hundred_edits_and_kills_end_as_a_fresh_start_does() -> Outcome {
    let seed = random::seed("EBB_CHURN_SEED");
    println!("EBB_CHURN_SEED={seed}");
    story(async |world| churn(world, seed).await.with_context(|| format!("with EBB_CHURN_SEED={seed}")))
}

async fn churn(world: &World, seed: u64) -> Result<()> {
    let begin = Instant::now();
    let mut random = Random::new(seed);
    let user = world.sandbox("churn").await?;
    for (queue, messages) in [("churn-full", 25), ("churn-some", 10), ("churn-empty", 0)] {
        world.rabbit.declare(queue).await?;
        world.rabbit.publish(queue, messages).await?;
    }
    let mut apps: Vec<App> = (0..APPS).map(|number| App::new(number, &mut random)).collect();
    deploy(world, &user, &apps, |_| 0).await?;
    let kills = edit_all(world, &user, &mut apps, &mut random).await?;
    println!("{EDITS} edits and {kills} kills took {:.0?}", begin.elapsed());
    let edited = settled(&[&user]).await?.remove(0);
    println!("settled after {:.0?}", begin.elapsed());

    // Once more from nothing: Ebb, and the same ScaledObjects in another namespace.
    world.ebb.stop().await?;
    let fresh = world.sandbox("churn-fresh").await?;
    let replicas = |app: &App| edited[&app.name]["replicas"].as_u64().unwrap_or(0);
    deploy(world, &fresh, &apps, |app| if app.keeps_replicas() { replicas(app) } else { 1 }).await?;
    world.ebb.restart().await?;
    let states = settled(&[&user, &fresh]).await?;
    println!("settled anew after {:.0?}", begin.elapsed());

    let mut differences = Vec::new();
    for app in &apps {
        let (name, object) = (&app.name, app.object());
        let (edited, restarted, fresh) = (&edited[name], &states[0][name], &states[1][name]);
        if edited != restarted {
            differences.push(format!("{name} changed with a restart: {object}\nfrom {edited}\nto   {restarted}"));
        }
        let (one, other) = (timeless(app, restarted, "churn"), timeless(app, fresh, "churn-fresh"));
        if one != other {
            differences.push(format!("{name} is not as a fresh one: {object}\nis    {one}\nfresh {other}"));
        }
        let count = |state: &Value| state["hpas"].as_array().map_or(0, Vec::len);
        let most = if app.broken.is_some() { 1 } else { usize::from(app.is_served()) };
        if count(fresh) != usize::from(app.is_served()) || count(restarted) > most {
            differences.push(format!("{name} has HPAs {} and fresh {}: {object}", restarted["hpas"], fresh["hpas"]));
        }
    }
    let served = apps.iter().filter(|app| app.is_served()).count();
    println!("{served} of {APPS} are served in the end; it took {:.0?}", begin.elapsed());
    if !differences.is_empty() {
        bail!("{} differences:\n\n{}", differences.len(), differences.join("\n\n"));
    }
    for user in [&user, &fresh] {
        user.delete_all("ScaledObject").await?;
        user.delete_all("Deployment").await?;
    }
    Ok(())
}
