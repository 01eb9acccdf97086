//! Edits while every write that Ebb makes may be lost, or its answer.

use std::collections::HashMap;

use anyhow::{Result, ensure};
use futures::future::try_join_all;
use serde_json::json;

use super::{Run, Size, compare};
use crate::lossy::{Counts, Faults, Lossy};
use crate::sandbox::Sandbox;
use crate::wait::{self, secs};
use crate::workload::{deployment, rabbitmq, scaled_object};
use crate::world::World;

/// The authentication from which the sleepers get their broker's address.
const AUTHENTICATION: &str = "broker";

/// Half of the writes go wrong.
const FAULTS: Faults = Faults { lost_requests: 0.2, lost_answers: 0.2, hanging: 0.01, late: 0.1, seed: 0 };
/// Workloads that are woken meanwhile.
const SLEEPERS: usize = 8;
/// The writes that come often, so that some are lost. There are a few more: the Lease, deletions of HPAs,
/// Secrets, caBundles, authentications and their status, counts of events. The report has what became of each.
const WRITES: [&str; 6] = [
    "create horizontalpodautoscalers",
    "update horizontalpodautoscalers",
    "patch scaledobjects",
    "patch scaledobjects/status",
    "patch deployments/scale",
    "create events",
];

/// Writes of a kind that are enough for one of them to be lost: the chance that none is, is one in a million.
const ENOUGH: u64 = 20;

/// Runs Ebb behind a proxy that loses writes, while users edit and somebody damages what Ebb keeps. Then nothing is
/// lost any more, and the state has to be that of a fresh start.
pub async fn edit_and_lose(world: &World, namespace: &str, seed: u64, size: Size) -> Result<()> {
    let lossy = Lossy::start(&world.bed).await?;
    world.ebb.stop().await?;
    let path = lossy.kubeconfig.to_string_lossy().into_owned();
    world.ebb.restart_with(&["--leader-elect=true"], &[("KUBECONFIG", &path)]).await?;
    let mut run = Run::begin(world, namespace, seed, size).await?;
    let sleepers = Sleepers::begin(world, &format!("{namespace}-sleepers")).await?;

    let before = lossy.counts().await?;
    lossy.set(Faults { seed, ..FAULTS }).await?;
    sleepers.authenticate(world).await?;
    let per_round = size.edits / size.rounds;
    let mut damaged = HashMap::new();
    for round in 0..size.rounds {
        run.edit(per_round).await?;
        damage(world, &run.user, &mut damaged).await?;
        if round == size.rounds / 2 {
            sleepers.wake(world).await?;
        }
    }
    sleepers.wait_awake().await?;
    let counts = lossy.counts().await?;
    lossy.set(Faults::default()).await?;
    report(&counts);
    for what in WRITES {
        let came = |counts: &Counts| counts.get(what).map_or(0, |fates| fates.values().sum::<u64>());
        let passed = |counts: &Counts| counts.get(what).and_then(|fates| fates.get("passed")).copied().unwrap_or(0);
        let (came, passed) = (came(&counts) - came(&before), passed(&counts) - passed(&before));
        // With half of the writes lost, at least one of this many is.
        ensure!(came < ENOUGH || passed < came, "none of {came} {what} was lost: {counts:?}");
    }
    sleepers.check().await?;
    compare(world, &[run]).await?;
    sleepers.end().await
}

fn report(counts: &Counts) {
    for (what, fates) in counts {
        let fates: Vec<_> = fates.iter().map(|(fate, count)| format!("{fate} {count}")).collect();
        println!("{what}: {}", fates.join(", "));
    }
}

/// Damages what Ebb keeps besides ScaledObjects: its certificates, their place in the `APIService`, and five
/// HPAs. `damaged` counts for each HPA: Ebb leaves a field to another writer for an hour that comes back three
/// times in ten minutes.
async fn damage(world: &World, user: &Sandbox, damaged: &mut HashMap<String, u32>) -> Result<()> {
    let kubectl = world.bed.kubectl();
    kubectl.run(&["delete", "secret", "ebb-certs", "-n", crate::ebb::NAMESPACE, "--ignore-not-found"]).await?;
    let bundle = json!({"spec": {"caBundle": null, "insecureSkipTLSVerify": true}}).to_string();
    kubectl.run(&["patch", "apiservice", crate::ebb::API_SERVICE, "--type=merge", "-p", &bundle]).await?;
    let hpas = user.get("HorizontalPodAutoscaler", "").await?;
    let names = hpas["items"].as_array().into_iter().flatten().filter_map(|hpa| hpa["metadata"]["name"].as_str());
    let mut names: Vec<_> = names.filter(|name| damaged.get(*name).is_none_or(|count| *count < 2)).collect();
    names.sort_by_key(|name| damaged.get(*name).copied());
    for name in names.into_iter().take(5) {
        *damaged.entry(name.to_owned()).or_default() += 1;
        let patch = json!({"spec": {"maxReplicas": 77, "behavior": {"scaleUp": {"selectPolicy": "Disabled"}}}});
        // It may be gone by now.
        user.kubectl.output(&["patch", "hpa", name, "--type=merge", "-p", &patch.to_string()], None).await?;
    }
    Ok(())
}

/// Workloads at zero that messages wake.
struct Sleepers(Sandbox);

impl Sleepers {
    fn names() -> Vec<String> {
        (0..SLEEPERS).map(|number| format!("sleeper-{number}")).collect()
    }

    async fn begin(world: &World, namespace: &str) -> Result<Self> {
        let user = world.sandbox(namespace).await?;
        let url = world.rabbit.url();
        for name in Self::names() {
            world.rabbit.declare(&name).await?;
            world.rabbit.purge(&name).await?;
            user.apply(&deployment(&name, 0, &[("RABBITMQ_URL", &url)])).await?;
            user.apply(&scaled_object(&name, json!({"pollingInterval": 2, "triggers": [rabbitmq(&name)]}))).await?;
        }
        try_join_all(Self::names().iter().map(|name| user.wait_ready(name))).await?;
        Ok(Self(user))
    }

    /// Gives them an authentication, which Ebb marks and in which it lists its users.
    async fn authenticate(&self, world: &World) -> Result<()> {
        self.0.authenticate(AUTHENTICATION, &[("host", &world.rabbit.url())]).await?;
        for name in Self::names() {
            let mut trigger = rabbitmq(&name);
            trigger["authenticationRef"] = json!({"name": AUTHENTICATION});
            self.0.edit(&name, json!({"triggers": [trigger]})).await?;
        }
        Ok(())
    }

    async fn wake(&self, world: &World) -> Result<()> {
        for name in Self::names() {
            world.rabbit.publish(&name, 1).await?;
        }
        Ok(())
    }

    async fn wait_awake(&self) -> Result<()> {
        for name in Self::names() {
            self.0.wait_replicas(&name, "1", secs(60), |replicas| replicas == 1).await?;
        }
        Ok(())
    }

    /// Each was woken once, and its event says so. The API server reaches Ebb, so that its certificates are right, and
    /// the authentication lists all who use it.
    async fn check(&self) -> Result<()> {
        for name in Self::names() {
            wait::until("the event of the activation", secs(60), async || {
                let recorded = self.0.recorded(&name, "KEDAScaleTargetActivated").await?;
                ensure!(recorded == 1, "{name} has {recorded}");
                Ok(())
            })
            .await?;
            self.0.wait_condition(&name, "Active", "True").await?;
            self.0.wait_metric(&name, &format!("s0-rabbitmq-{name}"), 1.0).await?;
        }
        wait::until("the authentication to list its users", secs(30), async || {
            let found = self.0.get("TriggerAuthentication", AUTHENTICATION).await?;
            let listed = found["status"]["scaledobjects"].as_str().unwrap_or_default();
            let all = Self::names().iter().all(|name| listed.split(',').any(|user| user.trim() == name));
            ensure!(all && found["metadata"]["finalizers"] == json!(["finalizer.keda.sh"]), "{found}");
            Ok(())
        })
        .await
    }

    async fn end(&self) -> Result<()> {
        super::clear(&self.0).await
    }
}
