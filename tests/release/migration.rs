//! The way from KEDA to Ebb and back: the commands of `docs/migrate/from-keda.md`, run with each Helm on a cluster with
//! a hundred ScaledObjects that are as KEDA's release leaves them.

mod guide;
mod keda;
mod scalings;

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use ebb_tests::bed::Bed;
use ebb_tests::ebb::{self, Ebb};
use ebb_tests::rabbit::Rabbit;
use ebb_tests::sandbox::Sandbox;
use ebb_tests::wait::{self, secs};
use ebb_tests::world::Outcome;
use serde_json::{Value, json};

use crate::on_cluster;
use crate::tool::Tool;
use guide::Guide;
use scalings::Scalings;

/// The namespace of both.
const NAMESPACE: &str = "keda";
/// The names that the releases of both list.
const SHARED: [&str; 2] =
    ["apiservice/v1beta1.external.metrics.k8s.io", "validatingwebhookconfiguration/keda-admission"];

/// The parts of a migration that its steps work on.
struct Stage<'a> {
    bed: &'a Bed,
    user: Sandbox,
    rabbit: Rabbit,
    guide: Guide,
    ebb: Option<Ebb>,
    /// UID and specification of each object of the user, and of each HPA.
    before: BTreeMap<String, (Value, Value)>,
}

#[test]
fn a_cluster_moves_from_keda_to_ebb_and_back_with_each_helm() -> Outcome {
    on_cluster(async |bed| {
        // The Helm that has installed KEDA, and the one at hand.
        for (former, tool) in [(Tool::Helm3, Tool::Helm3), (Tool::Helm3, Tool::Helm4), (Tool::Helm4, Tool::Helm4)] {
            let story = async {
                let mut stage = set_up(former, tool, bed).await?;
                let scalings = Scalings::start(bed, &stage.user.name).await?;
                forth(&mut stage, true).await.context("forth")?;
                back(&mut stage, "After step 5 or 6").await.context("back")?;
                forth(&mut stage, false).await.context("forth again")?;
                end_keda(&mut stage).await.context("the end of KEDA's release")?;
                back(&mut stage, "After step 7").await.context("back after the end")?;
                scalings.are_those_of_the_hpa()?;
                tear_down(&stage).await
            };
            story.await.with_context(|| format!("{former:?}, {tool:?}"))?;
        }
        Ok(())
    })
}

/// KEDA's release, and the user's objects.
async fn set_up(former: Tool, tool: Tool, bed: &Bed) -> Result<Stage<'_>> {
    let guide = Guide::new(tool, bed)?;
    bed.kubectl().run(&["create", "namespace", NAMESPACE]).await?;
    former.run(&["install", "keda", guide.chart(), "--namespace", NAMESPACE], "", Some(&bed.facts.kubeconfig))?;
    let kinds = ["wait", "--for=condition=Established", "--timeout=30s", "crd", "--all"];
    bed.kubectl().run(&kinds).await?;
    let user = Sandbox::create(bed, &format!("migration-{former:?}-{tool:?}").to_lowercase()).await?;
    let rabbit = Rabbit::connect(bed.rabbitmq()?).await?;
    keda::leave(bed, &user, &rabbit).await?;
    let before = snapshot(&user).await?;
    ensure!(before.len() > 150, "{} objects", before.len());
    Ok(Stage { bed, user, rabbit, guide, ebb: None, before })
}

/// UID and specification of everything that must not be lost.
async fn snapshot(user: &Sandbox) -> Result<BTreeMap<String, (Value, Value)>> {
    let mut found = BTreeMap::new();
    for kind in ["ScaledObject", "TriggerAuthentication", "HorizontalPodAutoscaler"] {
        let mut list = user.get(kind, "").await?;
        for object in list["items"].as_array_mut().context("no list")? {
            let name = object["metadata"]["name"].as_str().context("no name")?.to_owned();
            if !name.ends_with(keda::LOST) {
                found.insert(format!("{kind}/{name}"), (object["metadata"]["uid"].take(), object["spec"].take()));
            }
        }
    }
    Ok(found)
}

/// Every object of the user is the same one as before, and has KEDA's finalizer.
async fn nothing_is_lost(stage: &Stage<'_>) -> Result<()> {
    let now = snapshot(&stage.user).await?;
    for (object, before) in &stage.before {
        let now = now.get(object).with_context(|| format!("{object} is lost"))?;
        ensure!(now.0 == before.0, "{object} was made anew");
        ensure!(now.1 == before.1, "{object} was changed: {} {}", before.1, now.1);
    }
    ensure!(now.len() == stage.before.len(), "there are {} objects instead of {}", now.len(), stage.before.len());
    let list = stage.user.get("ScaledObject", "").await?;
    for object in list["items"].as_array().context("no list")? {
        let finalizers = &object["metadata"]["finalizers"];
        ensure!(
            finalizers[0] == keda::FINALIZER && finalizers[1].is_null(),
            "{}: {finalizers}",
            object["metadata"]["name"]
        );
    }
    Ok(())
}

/// Steps 1 to 6. Some queues grow meanwhile, the first time.
async fn forth(stage: &mut Stage<'_>, for_the_first_time: bool) -> Result<()> {
    let bed = stage.bed;
    let steps = if for_the_first_time {
        &["1. Back up", "2. Find out what Ebb does not do yet", "3. Protect the definitions", "4. Stop KEDA's operator"]
            [..]
    } else {
        &["4. Stop KEDA's operator"]
    };
    for step in steps {
        stage.guide.run(step).await?;
    }
    let mut install = stage.guide.blocks("5. Install Ebb")?.into_iter();
    stage.guide.run_block(&install.next().context("step 5 installs nothing")?).await?;
    ebb::run_in(bed, NAMESPACE).await?;
    let ebb = Ebb::in_namespace(bed, NAMESPACE, "migration", &["--leader-elect=true"]).await?;
    ebb.launch_again()?;
    if for_the_first_time {
        keda::more_work(&stage.rabbit).await?;
    }
    ebb.wait_ready().await?;
    ebb::admit_from(bed, ebb.webhook_port).await?;
    ebb::serve_from(bed, ebb.secure_port).await?;
    stage.ebb = Some(ebb);
    for block in install {
        stage.guide.run_block(&block).await?;
    }
    let user = &stage.user;
    // Until then, the Lease may be KEDA's.
    wait::until("Ebb to look at all", secs(60), async || {
        let list = user.get("ScaledObject", "").await?;
        let seen = |object: &Value| object["status"]["conditions"][0]["observedGeneration"].is_i64();
        let waiting = list["items"].as_array().context("no list")?.iter().filter(|object| !seen(object)).count();
        ensure!(waiting == 0 || !for_the_first_time, "{waiting} are not looked at");
        Ok(())
    })
    .await?;
    stage.guide.run("6. Wait and compare").await?;
    nothing_is_lost(stage).await?;
    if for_the_first_time {
        restore(stage).await?;
    }
    for name in keda::growing() {
        user.wait_replicas(&name, "the HPA's", secs(90), |replicas| replicas == keda::GROWN).await?;
    }
    for (name, wanted) in keda::steady() {
        ensure!(user.replicas(&name).await? == wanted, "{name} has other replicas");
    }
    Ok(())
}

/// An object that was deleted by mistake comes back from the backup.
async fn restore(stage: &Stage<'_>) -> Result<()> {
    let (user, name) = (&stage.user, keda::LOST);
    user.kubectl.run(&["delete", "scaledobject", name, "--timeout=30s"]).await?;
    user.wait_gone("HorizontalPodAutoscaler", &format!("keda-hpa-{name}")).await?;
    stage.guide.run("If objects were deleted nevertheless").await?;
    user.wait_for("HorizontalPodAutoscaler", &format!("keda-hpa-{name}")).await?;
    user.wait_ready(name).await
}

/// Step 7.
async fn end_keda(stage: &mut Stage<'_>) -> Result<()> {
    let uids = shared(stage.bed, "ebb").await?;
    stage.guide.run("7. End KEDA's release").await?;
    let metadata = json!({"name": "import", "finalizers": [keda::FINALIZER]});
    let job = json!({"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledJob", "metadata": metadata, "spec": {}});
    stage.user.kubectl.apply(&job.to_string()).await?;
    stage.guide.run("What is left over").await?;
    ensure!(shared(stage.bed, "ebb").await? == uids, "a shared object was made anew");
    let left = stage.guide.helm(&["list", "--short", "--namespace", NAMESPACE])?;
    ensure!(left.trim() == "ebb", "{left}");
    // Those that are left belong to Ebb or to nobody's release.
    let kinds = "deployments,services,serviceaccounts,roles,rolebindings,clusterroles,clusterrolebindings,crd";
    let left = stage
        .bed
        .kubectl()
        .run(&["get", kinds, "-A", "-l", "app.kubernetes.io/part-of=keda-operator", "-o", "name"])
        .await?;
    ensure!(left.trim().is_empty(), "these are left: {left}");
    nothing_is_lost(stage).await?;
    let queue = keda::growing().next().context("no queue")?;
    let metric = stage.user.metric(&queue, &format!("s0-rabbitmq-{queue}")).await?;
    ensure!(metric > 0.0, "{queue} has the metric {metric}");
    Ok(())
}

/// The UIDs of the shared objects, which belong to this release.
async fn shared(bed: &Bed, release: &str) -> Result<Vec<Value>> {
    let mut uids = Vec::new();
    for object in SHARED {
        let object: Value = serde_json::from_str(&bed.kubectl().run(&["get", object, "-o", "json"]).await?)?;
        let owner = &object["metadata"]["annotations"]["meta.helm.sh/release-name"];
        ensure!(owner == release, "{} belongs to {owner}", object["metadata"]["name"]);
        uids.push(object["metadata"]["uid"].clone());
    }
    Ok(uids)
}

/// One of the ways back.
async fn back(stage: &mut Stage<'_>, way: &str) -> Result<()> {
    // The pods of its Deployment, which is scaled to zero in this test anyway.
    if let Some(ebb) = stage.ebb.take() {
        ebb.stop().await?;
    }
    stage.guide.run(way).await?;
    shared(stage.bed, "keda").await?;
    let kubectl = stage.bed.kubectl();
    let api = kubectl.run(&["get", SHARED[0], "-o", "jsonpath={.spec.service.name}:{.spec.service.port}"]).await?;
    ensure!(api == "keda-operator-metrics-apiserver:443", "{api}");
    let service = "jsonpath={.webhooks[*].clientConfig.service.name}:{.webhooks[*].clientConfig.service.port}";
    let hook = kubectl.run(&["get", SHARED[1], "-o", service]).await?;
    let name = "keda-admission-webhooks";
    ensure!(hook == format!("{name} {name} {name}:443 443 443"), "{hook}");
    for deployment in ["keda-operator", "keda-operator-metrics-apiserver", name] {
        let get = ["get", "deployment", deployment, "-n", NAMESPACE, "-o", "jsonpath={.spec.replicas}"];
        ensure!(kubectl.run(&get).await? == "1", "{deployment} is not back");
    }
    let left = stage.guide.helm(&["list", "--short", "--namespace", NAMESPACE])?;
    ensure!(left.trim() == "keda", "{left}");
    nothing_is_lost(stage).await
}

async fn tear_down(stage: &Stage<'_>) -> Result<()> {
    let kubeconfig = stage.bed.facts.kubeconfig.to_string_lossy();
    let output = ebb::command(&["uninstall", "--kubeconfig", &kubeconfig, "--namespace", NAMESPACE, "--purge"], b"")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    stage.guide.helm(&["uninstall", "keda", "--namespace", NAMESPACE])?;
    for namespace in [NAMESPACE, &stage.user.name] {
        stage.bed.kubectl().run(&["delete", "namespace", namespace, "--wait", "--timeout=120s"]).await?;
    }
    // The definitions that an upgrade in the meantime has protected.
    let kinds = ["scaledobjects", "scaledjobs", "triggerauthentications", "clustertriggerauthentications"];
    let kinds = kinds.map(|kind| format!("{kind}.keda.sh"));
    let kinds: Vec<&str> = kinds.iter().map(String::as_str).collect();
    stage.bed.kubectl().run(&[&["delete", "crd", "--ignore-not-found"][..], &kinds].concat()).await?;
    Ok(())
}
