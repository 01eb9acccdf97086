//! A user's objects as KEDA leaves them: finalizers, labels, statuses, HPAs, its Lease and its certificates.
//! `tests/parity/observed` has the results of KEDA's own release for such objects.

use anyhow::Result;
use chrono::{SecondsFormat, Utc};
use ebb_tests::bed::Bed;
use ebb_tests::ebb::list;
use ebb_tests::rabbit::Rabbit;
use ebb_tests::sandbox::Sandbox;
use ebb_tests::workload::{cron, deployment, rabbitmq_at, scaled_object};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::{Value, json};

use super::{NAMESPACE, SHARED};

pub(super) const FINALIZER: &str = "finalizer.keda.sh";
/// A ScaledObject that is deleted by mistake.
pub(super) const LOST: &str = "lost";
/// The replicas of those with more work.
pub(super) const GROWN: i64 = 4;
/// How many requests are under way at once.
const AT_ONCE: usize = 10;

/// Why a workload has its replicas.
#[derive(Clone, Copy, PartialEq)]
enum Work {
    /// Two replicas for ten messages.
    Queue,
    /// The same, and the queue grows.
    Growing,
    /// One replica for five messages, with the host from a TriggerAuthentication.
    Authenticated,
    /// An empty queue, and no replicas.
    Idle,
    /// An open window, and three replicas.
    Window,
    /// Paused with two replicas.
    Paused,
}

struct App {
    name: String,
    work: Work,
    replicas: u32,
}

/// A hundred, and one that gets lost.
fn apps() -> Vec<App> {
    let kinds = [
        ("queue", Work::Queue, 45, 2),
        ("growing", Work::Growing, 10, 2),
        ("authenticated", Work::Authenticated, 10, 1),
        ("idle", Work::Idle, 15, 0),
        ("window", Work::Window, 15, 3),
        ("paused", Work::Paused, 5, 2),
    ];
    let apps = kinds.into_iter().flat_map(|(word, work, count, replicas)| {
        (0..count).map(move |number| App { name: format!("{word}-{number}"), work, replicas })
    });
    apps.chain([App { name: LOST.to_owned(), work: Work::Window, replicas: 3 }]).collect()
}

/// The Deployments whose queues grow.
pub(super) fn growing() -> impl Iterator<Item = String> {
    apps().into_iter().filter(|app| app.work == Work::Growing).map(|app| app.name)
}

/// The others with their replicas.
pub(super) fn steady() -> impl Iterator<Item = (String, i64)> {
    apps().into_iter().filter(|app| app.work != Work::Growing).map(|app| (app.name, app.replicas.into()))
}

/// Ten more messages for each queue that grows.
pub(super) async fn more_work(rabbit: &Rabbit) -> Result<()> {
    for queue in growing() {
        rabbit.publish(&queue, 10).await?;
    }
    Ok(())
}

/// Makes all of it.
pub(super) async fn leave(bed: &Bed, user: &Sandbox, rabbit: &Rabbit) -> Result<()> {
    user.authenticate("broker", &[("host", &rabbit.url())]).await?;
    let finalizer = json!({"metadata": {"finalizers": [FINALIZER]}}).to_string();
    user.kubectl.run(&["patch", "triggerauthentication", "broker", "--type=merge", "-p", &finalizer]).await?;
    let apps = apps();
    for app in &apps {
        rabbit.declare(&app.name).await?;
        rabbit.purge(&app.name).await?;
        let messages = match app.work {
            Work::Queue | Work::Growing => 10,
            Work::Authenticated => 5,
            Work::Idle | Work::Window | Work::Paused => 0,
        };
        rabbit.publish(&app.name, messages).await?;
    }
    let (host, now) = (rabbit.url(), Utc::now().to_rfc3339_opts(SecondsFormat::Secs, true));
    let left = stream::iter(&apps).map(|app| app.leave(user, &host, &now));
    left.buffer_unordered(AT_ONCE).try_collect::<Vec<_>>().await?;
    operator(bed, &now).await
}

/// The objects that KEDA's operator itself has written: Lease, certificates and authorities.
async fn operator(bed: &Bed, now: &str) -> Result<()> {
    let lease = json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "operator.keda.sh", "namespace": NAMESPACE},
        "spec": {
            "holderIdentity": "keda-operator-7d5f6c8b9-abcde_0b2f", "leaseDurationSeconds": 15, "leaseTransitions": 3,
            "renewTime": now.replace('Z', ".000000Z"), "acquireTime": now.replace('Z', ".000000Z"),
        },
    });
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "kedaorg-certs", "namespace": NAMESPACE},
        "data": {"ca.crt": "S0VEQQ==", "ca.key": "S0VEQQ==", "tls.crt": "S0VEQQ==", "tls.key": "S0VEQQ=="},
    });
    let kubectl = bed.kubectl();
    kubectl.apply(&list(&[lease, secret])).await?;
    // An authority that the API server can read, and that Ebb's certificate is not from.
    let authority = authority()?;
    let bundle = json!({"spec": {"caBundle": authority}}).to_string();
    kubectl.run(&["patch", SHARED[0], "--type=merge", "--field-manager=keda", "-p", &bundle]).await?;
    let place =
        |index| json!({"op": "add", "path": format!("/webhooks/{index}/clientConfig/caBundle"), "value": authority});
    let bundles = json!([place(0), place(1), place(2)]).to_string();
    kubectl.run(&["patch", SHARED[1], "--type=json", "--field-manager=keda", "-p", &bundles]).await.map(drop)
}

fn authority() -> Result<String> {
    use base64::Engine as _;
    let made = rcgen::generate_simple_self_signed(["keda".to_owned()])?;
    Ok(base64::engine::general_purpose::STANDARD.encode(made.cert.pem()))
}

impl App {
    async fn leave(&self, user: &Sandbox, host: &str, now: &str) -> Result<()> {
        let name = &self.name;
        user.apply(&deployment(name, self.replicas, &[])).await?;
        let mut object = scaled_object(name, json!({"maxReplicaCount": 6, "triggers": [self.trigger(host)]}));
        if self.work == Work::Paused {
            object["metadata"]["annotations"] = json!({"autoscaling.keda.sh/paused": "true"});
        }
        let uid = user.apply(&object).await?["metadata"]["uid"].clone();
        let metadata = json!({"finalizers": [FINALIZER], "labels": {"scaledobject.keda.sh/name": name}});
        let patch = ["patch", "scaledobject", name, "--type=merge", "--field-manager=keda", "-p"];
        user.kubectl.run(&[&patch[..], &[&json!({"metadata": metadata}).to_string()]].concat()).await?;
        let status = json!({"status": self.status(now)}).to_string();
        user.kubectl.run(&[&patch[..], &[&status, "--subresource=status"]].concat()).await?;
        if self.work != Work::Paused {
            user.kubectl.apply(&self.hpa(&uid).to_string()).await?;
        }
        Ok(())
    }

    fn trigger(&self, host: &str) -> Value {
        match self.work {
            Work::Window => cron("0 0 * * *", "59 23 * * *", "3"),
            Work::Authenticated => json!({
                "type": "rabbitmq", "authenticationRef": {"name": "broker"},
                "metadata": {"queueName": self.name, "mode": "QueueLength", "value": "5"},
            }),
            _ => rabbitmq_at(host, &self.name),
        }
    }

    fn metric(&self) -> String {
        match self.work {
            Work::Window => "s0-cron-Europe-London-00xxx-5923xxx".to_owned(),
            _ => format!("s0-rabbitmq-{}", self.name),
        }
    }

    fn hpa(&self, uid: &Value) -> Value {
        let Self { name, .. } = self;
        let owner = json!({
            "apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "name": name, "uid": uid,
            "controller": true, "blockOwnerDeletion": true,
        });
        let labels = json!({
            "app.kubernetes.io/managed-by": "keda-operator", "app.kubernetes.io/name": format!("keda-hpa-{name}"),
            "app.kubernetes.io/part-of": name, "app.kubernetes.io/version": "2.20.2", "scaledobject.keda.sh/name": name,
        });
        let target = if self.work == Work::Window { "1" } else { "5" };
        json!({
            "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": format!("keda-hpa-{name}"), "labels": labels, "ownerReferences": [owner]},
            "spec": {
                "minReplicas": 1, "maxReplicas": 6,
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
                "metrics": [{"type": "External", "external": {
                    "metric": {"name": self.metric(), "selector": {"matchLabels": {"scaledobject.keda.sh/name": name}}},
                    "target": {"type": "AverageValue", "averageValue": target},
                }}],
            },
        })
    }

    fn status(&self, now: &str) -> Value {
        let condition = |kind: &str, status: &str, reason: &str, message: &str| json!({"type": kind, "status": status, "reason": reason, "message": message});
        let no_fallback =
            condition("Fallback", "False", "NoFallbackFound", "No fallbacks are active on this scaled object");
        if self.work == Work::Paused {
            let paused = "ScaledObject is paused";
            return json!({"pausedReplicaCount": self.replicas, "conditions": [
                condition("Ready", "True", "ScaledObjectReady", paused), {"type": "Active", "status": "Unknown"}, no_fallback,
                condition("Paused", "True", "ScaledObjectPaused", paused),
            ]});
        }
        let active = self.work != Work::Idle;
        let ready = "ScaledObject is defined correctly and is ready for scaling";
        let mut status = json!({
            "conditions": [
                condition("Ready", "True", "ScaledObjectReady", ready),
                if active {
                    condition("Active", "True", "ScalerActive", "Scaling is performed because triggers are active")
                } else {
                    condition("Active", "False", "ScalerNotActive", "Scaling is not performed because triggers are not active")
                },
                no_fallback, {"type": "Paused", "status": "False"},
            ],
            "externalMetricNames": [self.metric()], "hpaName": format!("keda-hpa-{}", self.name), "originalReplicaCount": 1,
            "scaleTargetGVKR": {"group": "apps", "kind": "Deployment", "resource": "deployments", "version": "v1"},
            "scaleTargetKind": "apps/v1.Deployment", "triggersActivity": {self.metric(): {"isActive": active}},
            "triggersTypes": if self.work == Work::Window { "cron" } else { "rabbitmq" }, "authenticationsTypes": "",
        });
        if active {
            status["lastActiveTime"] = json!(now);
        }
        status
    }
}
