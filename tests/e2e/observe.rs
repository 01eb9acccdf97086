//! Ebb beside another autoscaler: a second Ebb observes what the Ebb of these tests scales, as `deploy/observe` installs it. The
//! first one takes KEDA's part: to the second it is an autoscaler with the same objects.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use ebb_tests::audit::{self, Request};
use ebb_tests::bed::Bed;
use ebb_tests::direct::Direct;
use ebb_tests::ebb::{self, Ebb, manifest, service_account_kubeconfig, service_account_token};
use ebb_tests::paths;
use ebb_tests::pki::Authority;
use ebb_tests::sandbox::Sandbox;
use ebb_tests::wait::{self, secs};
use ebb_tests::workload::{deployment, rabbitmq, scaled_object};
use ebb_tests::world::{Outcome, World};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::story;

/// The namespace, the account, the Service and the Deployment of the manifest.
const OBSERVE: &str = "ebb-observe";
const MANIFEST: &str = "deploy/observe/ebb.yaml";
const MODE: &str = "ebb.dev/mode";

/// An Ebb that observes, and the way to its decisions past the aggregator: the APIService is the first one's.
struct Observer {
    ebb: Ebb,
    direct: Direct,
    token: String,
}

/// One for all tests of this file.
static OBSERVER: OnceCell<Observer> = OnceCell::const_new();

async fn observer(world: &'static World) -> Result<&'static Observer> {
    OBSERVER.get_or_try_init(|| Observer::start(&world.bed)).await
}

impl Observer {
    /// Installs the manifest but for its APIService, and starts the program as its Deployment would, but for the addresses.
    async fn start(bed: &Bed) -> Result<Self> {
        let objects = manifest(MANIFEST)?;
        let of_cluster = |object: &&Value| object["kind"] != "APIService" && object["kind"] != "Deployment";
        let installed: Vec<Value> = objects.iter().filter(of_cluster).cloned().collect();
        let file = bed.dir.join("observe.json");
        fs::write(&file, ebb::list(&installed))?;
        bed.kubectl().run(&["apply", "--server-side", "-f", &file.to_string_lossy()]).await?;

        let authority = Authority::new("of the observer")?;
        let name = format!("{OBSERVE}.{OBSERVE}.svc");
        let certificate = authority.server(&[&name], (2024, 2040))?;
        let certs = bed.dir.join("observe-certs");
        fs::create_dir_all(&certs)?;
        for (file, text) in
            [("tls.crt", &certificate.certificate), ("tls.key", &certificate.key), ("ca.crt", &authority.certificate)]
        {
            fs::write(certs.join(file), text)?;
        }
        let mut arguments = arguments(&objects)?;
        // Other tests count the connections of their triggers.
        arguments.push("--watch-namespace=observe-beside,observe-differs".to_owned());
        arguments.push(format!("--cert-dir={}", certs.display()));
        // Those of the test cluster's HPA controller.
        arguments.extend(["--hpa-sync-period=2s", "--hpa-downscale-stabilization=4s"].map(str::to_owned));
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let kubeconfig = service_account_kubeconfig(bed, OBSERVE, OBSERVE).await?;
        let ebb = Ebb::new(bed, "observe", &arguments, false).await?;
        let variables = [("KUBECONFIG", kubeconfig.to_str().unwrap_or_default()), ("POD_NAMESPACE", OBSERVE)];
        ebb.restart_with(&[], &variables).await?;
        let direct = Direct { port: ebb.secure_port, name, authorities: authority.certificate, identity: None };
        Ok(Self { ebb, direct, token: reader(bed).await? })
    }

    /// The answer to a request of the account `reader`.
    async fn get(&self, path: &str) -> Result<Value> {
        let bearer = format!("Bearer {}", self.token);
        let answer = self.direct.ask("GET", path, &[("Authorization", &bearer)]).await?;
        ensure!(answer.code == 200, "{path}: {} {}", answer.code, answer.json());
        Ok(answer.json())
    }

    async fn decisions(&self, user: &Sandbox) -> Result<Vec<Value>> {
        let path = format!("/apis/decisions.ebb.dev/v1alpha1/namespaces/{}/scalingdecisions", user.name);
        let list = self.get(&path).await?;
        Ok(list["items"].as_array().context("no list of decisions")?.clone())
    }

    /// Waits for a decision that fits.
    async fn decided(&self, user: &Sandbox, what: &str, fits: impl Fn(&Value) -> bool) -> Result<Value> {
        wait::until(&format!("the observer to say {what}"), secs(60), async || {
            let decisions = self.decisions(user).await?;
            let found = decisions.iter().rev().find(|one| fits(one)).cloned();
            found.with_context(|| format!("{decisions:#?}"))
        })
        .await
    }
}

/// The arguments of the manifest's container, without those that are about a pod.
fn arguments(objects: &[Value]) -> Result<Vec<String>> {
    let containers = objects.iter().filter_map(|object| object["spec"]["template"]["spec"]["containers"].as_array());
    let container = containers.flatten().next().context("no container")?;
    let all: Vec<String> =
        container["args"].as_array().into_iter().flatten().filter_map(|one| one.as_str().map(str::to_owned)).collect();
    for argument in ["--observe", "--service-name=ebb-observe", "--cert-dir=/certs"] {
        ensure!(all.iter().any(|one| one == argument), "{all:?}");
    }
    let is_of_a_pod =
        |one: &str| one == "run" || one.starts_with("--cert-dir") || one.starts_with("--metrics-bind-address");
    Ok(all.into_iter().filter(|one| !is_of_a_pod(one)).collect())
}

/// The token of an account that may read decisions.
async fn reader(bed: &Bed) -> Result<String> {
    let kubectl = bed.kubectl();
    kubectl.run(&["create", "serviceaccount", "reader", "-n", "default"]).await?;
    kubectl
        .run(&[
            "create",
            "clusterrolebinding",
            "observe-reader",
            "--clusterrole=observe-reader",
            "--serviceaccount=default:reader",
        ])
        .await?;
    let resources = "--resource=scalingdecisions.decisions.ebb.dev,scalingdecisions.decisions.ebb.dev/readings";
    kubectl.run(&["create", "clusterrole", "observe-reader", "--verb=get,list,watch", resources]).await?;
    service_account_token(bed, "default", "reader").await
}

/// Whether the request is a read, or one of the few questions that are asked by a POST.
fn changes_nothing(request: &Request) -> bool {
    let question = [
        ("authentication.k8s.io", "tokenreviews", ""),
        ("authorization.k8s.io", "subjectaccessreviews", ""),
        ("", "serviceaccounts", "token"),
    ];
    let asked = (request.group.as_str(), request.resource.as_str(), request.subresource.as_str());
    !request.is_write() || (request.verb == "create" && question.contains(&asked))
}

fn requests(world: &World) -> Result<Vec<Request>> {
    let own = format!("system:serviceaccount:{OBSERVE}:{OBSERVE}");
    Ok(audit::requests(&world.bed.dir)?.into_iter().filter(|request| request.user == own).collect())
}

#[test]
fn it_watches_another_autoscaler_and_writes_nothing() -> Outcome {
    story(async |world| {
        let observer = observer(world).await?;
        let name = "observe-beside";
        let user =
            world.app(name, 0, 0, json!({"pollingInterval": 1, "cooldownPeriod": 3, "maxReplicaCount": 4})).await?;
        observer.decided(&user, "that it sleeps", |one| one["reason"] == "NoTriggerActive").await?;

        world.rabbit.publish(name, 30).await?;
        // The first Ebb is the autoscaler that does it, and both would.
        let woken = observer
            .decided(&user, "that it was woken up", |one| one["by"] == "Autoscaler" && one["reason"] == "Activated")
            .await?;
        ensure!(
            woken["from"] == 0 && woken["message"].as_str().unwrap_or_default().contains("the other autoscaler"),
            "{woken}"
        );
        let grown = observer.decided(&user, "that the HPA adds", |one| one["by"] == "HPA" && one["to"] == 4).await?;
        ensure!(grown["bounds"] == json!(["MaxReplicas"]), "{grown}");
        let same = |one: &Value| one["to"] == 4 && one["shadow"]["replicas"] == 4;
        let kept = observer.decided(&user, "that Ebb would have the same", same).await?;
        ensure!(kept["shadow"]["by"] == "HPA", "{kept}");

        world.rabbit.purge(name).await?;
        let slept = |one: &Value| one["by"] == "Autoscaler" && one["reason"] == "Deactivated";
        observer.decided(&user, "that it was put to sleep", slept).await?;
        let path = format!("/apis/decisions.ebb.dev/v1alpha1/namespaces/{name}/scalingdecisions/my-app/readings");
        let readings = observer.get(&path).await?;
        let points = readings["points"].as_array().context("no points")?;
        let both = |count: i64| points.iter().any(|point| point["replicas"] == count && point["shadow"] == count);
        ensure!(both(0) && both(4), "{readings}");
        let metrics = observer.ebb.metrics().await?;
        let series = format!("ebb_shadow_replicas{{namespace=\"{name}\",scaledObject=\"my-app\"}}");
        ensure!(metrics.contains(&series), "no {series}");

        // The observer serves no external metrics: an HPA that came to it would get none.
        let path = format!("/apis/external.metrics.k8s.io/v1beta1/namespaces/{name}/s0-rabbitmq-{name}");
        let refused = observer.get(&format!("{path}?labelSelector=scaledobject.keda.sh%2Fname%3Dmy-app")).await;
        ensure!(refused.is_err(), "{refused:?}");

        let all = requests(world)?;
        ensure!(all.iter().any(|request| request.resource == "tokenreviews"), "no review of a token is on record");
        ensure!(all.len() > 50, "the audit log has {} requests only", all.len());
        let writes: Vec<_> = all.iter().filter(|request| !changes_nothing(request)).map(Request::display).collect();
        ensure!(writes.is_empty(), "the observer has sent {writes:#?}");
        let refused: Vec<_> = all.iter().filter(|request| request.code == 403).map(Request::display).collect();
        ensure!(refused.is_empty(), "the manifest lacks rights: {refused:#?}");
        Ok(())
    })
}

#[test]
fn it_says_where_it_would_have_differed() -> Outcome {
    story(async |world| {
        let observer = observer(world).await?;
        let name = "observe-differs";
        // The other autoscaler stops for this one, and the observer goes on.
        let user = world.app(name, 1, 10, json!({"pollingInterval": 1, "minReplicaCount": 1})).await?;
        let settled = |one: &Value| one["to"] == 2 && one["shadow"]["replicas"] == 2;
        observer.decided(&user, "that both have 2", settled).await?;
        user.annotate("my-app", &format!("{MODE}=observe")).await?;
        user.wait_gone("HorizontalPodAutoscaler", "keda-hpa-my-app").await?;
        world.rabbit.publish(name, 10).await?;
        let differs = observer.decided(&user, "that it would differ", |one| one["reason"] == "Differs").await?;
        ensure!(differs["to"] == 2 && differs["from"] == 2 && differs["shadow"]["replicas"] == 4, "{differs}");
        let message = differs["message"].as_str().unwrap_or_default();
        ensure!(message.contains("left it at 2, Ebb would have 4, because"), "{message}");
        ensure!(message.contains("asks for 4 replicas: its value is 20, its target 5"), "{message}");
        user.kubectl.run(&["scale", "deployment/my-app", "--replicas=4"]).await?;
        let scaled =
            observer.decided(&user, "that a user scaled", |one| one["by"] == "Other" && one["to"] == 4).await?;
        ensure!(scaled["message"].as_str().unwrap_or_default().contains("Ebb would have had 4 replicas"), "{scaled}");
        Ok(())
    })
}

#[test]
fn one_object_is_given_up_by_an_annotation_and_taken_again() -> Outcome {
    story(async |world| {
        let name = "observe-one";
        let user = world.app(name, 0, 10, json!({"pollingInterval": 1, "maxReplicaCount": 3})).await?;
        user.wait_replicas("my-app", "2", secs(40), |replicas| replicas == 2).await?;
        user.annotate("my-app", &format!("{MODE}=observe")).await?;
        user.wait_gone("HorizontalPodAutoscaler", "keda-hpa-my-app").await?;
        let object = user.get("ScaledObject", "my-app").await?;
        ensure!(object["metadata"]["finalizers"].is_null(), "{}", object["metadata"]);
        // It goes on deciding, and changes nothing.
        world.rabbit.publish(name, 5).await?;
        let differs = wait::until("a decision of what Ebb would have done", secs(60), async || {
            let decisions = user.decisions("my-app").await?;
            let found = decisions.iter().rev().find(|one| one["shadow"]["replicas"] == 3).cloned();
            found.with_context(|| format!("{decisions:#?}"))
        })
        .await?;
        ensure!(differs["to"] == 2, "{differs}");
        ensure!(user.replicas("my-app").await? == 2, "an observed one was scaled");
        ensure!(user.metric("my-app", &format!("s0-rabbitmq-{name}")).await.is_err(), "it is given a metric");
        let compared = compare(world, &user, &[])?;
        for part in ["observe-one/my-app  scales Deployment my-app", "Ebb        would have 3", "FROM", "Replica hours"]
        {
            ensure!(compared.contains(part), "no {part:?} in:\n{compared}");
        }
        let report: Value = serde_json::from_str(&compare(world, &user, &["-o", "json"])?)?;
        ensure!(report["replicas"] == 2 && report["shadow"]["replicas"] == 3, "{report}");
        let intervals = report["intervals"].as_array().context("no intervals")?;
        ensure!(intervals.iter().any(|one| one["replicas"] == 2 && one["shadow"] == 3), "{report}");

        // Another value is a mistake that names the annotation.
        user.annotate("my-app", &format!("{MODE}=look")).await?;
        let refused = user.wait_failing("my-app", MODE).await?;
        ensure!(refused.contains("observe"), "{refused}");
        user.annotate("my-app", &format!("{MODE}-")).await?;
        user.wait_for("HorizontalPodAutoscaler", "keda-hpa-my-app").await?;
        user.wait_ready("my-app").await?;
        user.wait_replicas("my-app", "3", secs(40), |replicas| replicas == 3).await?;
        let object = user.get("ScaledObject", "my-app").await?;
        ensure!(object["metadata"]["finalizers"] == json!(["finalizer.keda.sh"]), "{}", object["metadata"]);
        Ok(())
    })
}

#[test]
fn one_that_was_never_served_gets_nothing() -> Outcome {
    story(async |world| {
        let name = "observe-new";
        let user = world.sandbox(name).await?;
        world.rabbit.declare(name).await?;
        world.rabbit.publish(name, 10).await?;
        user.apply(&deployment("my-app", 0, &[("RABBITMQ_URL", &world.rabbit.url())])).await?;
        let mut object = scaled_object("my-app", json!({"pollingInterval": 1, "triggers": [rabbitmq(name)]}));
        object["metadata"]["annotations"] = json!({MODE: "observe"});
        user.apply(&object).await?;
        wait::until("a decision that differs", secs(40), async || {
            let decisions = user.decisions("my-app").await?;
            let found = decisions.iter().find(|one| one["reason"] == "Differs" && one["to"] == 0);
            found.map(drop).with_context(|| format!("{decisions:#?}"))
        })
        .await?;
        let object = user.get("ScaledObject", "my-app").await?;
        ensure!(object["metadata"]["finalizers"].is_null() && object["status"].is_null(), "{object}");
        ensure!(user.replicas("my-app").await? == 0, "it was scaled");
        let hpas = user.get("HorizontalPodAutoscaler", "").await?;
        ensure!(hpas["items"] == json!([]), "{hpas}");
        ensure!(user.events("my-app").await?.is_empty(), "{:?}", user.events("my-app").await?);
        // Without a finalizer nothing holds it.
        user.delete("ScaledObject", "my-app").await?;
        user.wait_gone("ScaledObject", "my-app").await
    })
}

/// The answer of `ebb explain --compare` about `my-app`.
fn compare(world: &World, user: &Sandbox, more: &[&str]) -> Result<String> {
    let output = Command::new(paths::bin("ebb")?)
        .args(["explain", "so/my-app", "--compare", "-n", &user.name])
        .args(more)
        .env("KUBECONFIG", &world.bed.facts.kubeconfig)
        .output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}
