//! One user's namespace: what they apply, and everything they can see of it afterwards.

use anyhow::{Context, Result, bail, ensure};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use http::{Method, Request, Uri};
use kube::Client;
use serde_json::{Map, Value, json};

use crate::bed::Bed;
use crate::kubectl::Kubectl;
use crate::wait;
use crate::watch::ReplicaWatch;

/// How many requests of one test are under way at once.
const AT_ONCE: usize = 20;

/// A namespace with clients for it.
#[derive(Clone)]
pub struct Sandbox {
    /// The name of the namespace.
    pub name: String,
    /// The administrator's client.
    pub client: Client,
    /// kubectl as the administrator, within the namespace.
    pub kubectl: Kubectl,
}

/// One condition of an object's status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// The reason, empty if there is none.
    pub reason: String,
    /// The message, empty if there is none.
    pub message: String,
}

/// One event.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Event {
    /// `Normal` or `Warning`.
    pub kind: String,
    /// The reason.
    pub reason: String,
    /// The message.
    pub message: String,
}

impl Sandbox {
    /// Makes the namespace.
    pub async fn create(bed: &Bed, name: &str) -> Result<Self> {
        let sandbox = Self::existing(bed, name);
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        sandbox.send(Method::POST, "/api/v1/namespaces", Some(&namespace)).await?;
        Ok(sandbox)
    }

    /// A namespace that is there.
    pub fn existing(bed: &Bed, name: &str) -> Self {
        let kubectl = bed.kubectl().with(format!("--namespace={name}"));
        Self { name: name.to_owned(), client: bed.client.clone(), kubectl }
    }

    /// Applies an object, server-side, as `kubectl apply --server-side` does.
    pub async fn apply(&self, object: &Value) -> Result<Value> {
        let kind = object["kind"].as_str().context("the object has no kind")?;
        let name = object["metadata"]["name"].as_str().context("the object has no name")?;
        let path = format!("{}?fieldManager=user&force=true", self.path(kind, name)?);
        self.send(Method::PATCH, &path, Some(object)).await.with_context(|| format!("cannot apply {kind} {name}"))
    }

    /// Applies many objects, some of them at the same time.
    pub async fn apply_all(&self, objects: &[Value]) -> Result<()> {
        let applied = stream::iter(objects).map(|object| async move { self.apply(object).await.map(drop) });
        applied.buffer_unordered(AT_ONCE).try_collect().await
    }

    /// Reads an object, or with an empty name the list of all.
    pub async fn get(&self, kind: &str, name: &str) -> Result<Value> {
        self.send(Method::GET, self.path(kind, name)?.trim_end_matches('/'), None).await
    }

    /// Deletes an object, or asks for it: one with a finalizer may stay a while.
    pub async fn delete(&self, kind: &str, name: &str) -> Result<()> {
        self.send(Method::DELETE, &self.path(kind, name)?, None).await?;
        Ok(())
    }

    /// Deletes all objects of a kind in the namespace, and waits until they are gone.
    pub async fn delete_all(&self, kind: &str) -> Result<()> {
        let path = self.path(kind, "")?;
        let path = path.trim_end_matches('/');
        self.send(Method::DELETE, path, None).await?;
        wait::until(&format!("all {kind}s to be gone"), wait::secs(120), async || {
            // The count of the rest comes with the first of them.
            let first = self.send(Method::GET, &format!("{path}?limit=1"), None).await?;
            let left = first["items"].as_array().map_or(0, Vec::len);
            let more = &first["metadata"]["remainingItemCount"];
            ensure!(left == 0, "there are more: {more}");
            Ok(())
        })
        .await
    }

    /// Waits until an object is there, and gives it.
    pub async fn wait_for(&self, kind: &str, name: &str) -> Result<Value> {
        wait::until(&format!("{kind} {name}"), wait::secs(20), async || self.get(kind, name).await).await
    }

    /// Waits until an object is gone.
    pub async fn wait_gone(&self, kind: &str, name: &str) -> Result<()> {
        wait::until(&format!("{kind} {name} to be gone"), wait::secs(30), async || match self.get(kind, name).await {
            Ok(object) => bail!("it is there: {}", object["metadata"]),
            Err(error) => {
                let gone = matches!(error.downcast_ref(), Some(kube::Error::Api(status)) if status.code == 404);
                ensure!(gone, "{error:#}");
                Ok(())
            }
        })
        .await
    }

    /// `spec.replicas` of a Deployment.
    pub async fn replicas(&self, deployment: &str) -> Result<i64> {
        let object = self.get("Deployment", deployment).await?;
        object["spec"]["replicas"].as_i64().context("it has no spec.replicas")
    }

    /// `spec.replicas` of the `/scale` of anything that has one.
    pub async fn scale(&self, kind: &str, name: &str) -> Result<i64> {
        let scale = self.send(Method::GET, &format!("{}/scale", self.path(kind, name)?), None).await?;
        // Zero is left out.
        Ok(scale["spec"]["replicas"].as_i64().unwrap_or(0))
    }

    /// Waits until the `/scale` of anything has this count.
    pub async fn wait_scale(&self, kind: &str, name: &str, wanted: i64) -> Result<()> {
        wait::until(&format!("{wanted} replicas of {kind} {name}"), wait::secs(40), async || {
            let replicas = self.scale(kind, name).await?;
            ensure!(replicas == wanted, "there are {replicas}");
            Ok(())
        })
        .await
    }

    /// Waits until `spec.replicas` of a Deployment fits, and gives it.
    pub async fn wait_replicas(
        &self,
        deployment: &str,
        what: &str,
        limit: std::time::Duration,
        fits: impl Fn(i64) -> bool,
    ) -> Result<i64> {
        wait::until(&format!("the replicas of {deployment} to be {what}"), limit, async || {
            let replicas = self.replicas(deployment).await?;
            ensure!(fits(replicas), "there are {replicas}");
            Ok(replicas)
        })
        .await
    }

    /// Records every change of a Deployment's `spec.replicas` from now on.
    pub async fn watch_replicas(&self, deployment: &str) -> Result<ReplicaWatch> {
        ReplicaWatch::start(self.client.clone(), &self.name, deployment).await
    }

    /// A condition of a ScaledObject.
    pub async fn condition(&self, scaled_object: &str, kind: &str) -> Result<Condition> {
        let object = self.get("ScaledObject", scaled_object).await?;
        let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let condition = conditions.iter().find(|condition| condition["type"] == kind);
        let condition = condition.with_context(|| format!("no condition {kind} in {}", object["status"]))?;
        let text = |key: &str| condition[key].as_str().unwrap_or_default().to_owned();
        Ok(Condition { status: text("status"), reason: text("reason"), message: text("message") })
    }

    /// Waits until a condition of a ScaledObject has a status, and gives it.
    pub async fn wait_condition(&self, scaled_object: &str, kind: &str, status: &str) -> Result<Condition> {
        let what = format!("{kind}={status} of {scaled_object}");
        wait::until(&what, wait::secs(60), async || {
            let condition = self.condition(scaled_object, kind).await?;
            ensure!(condition.status == status, "{condition:?}");
            Ok(condition)
        })
        .await
    }

    /// Waits until a ScaledObject is Ready.
    pub async fn wait_ready(&self, scaled_object: &str) -> Result<()> {
        self.wait_condition(scaled_object, "Ready", "True").await.map(drop)
    }

    /// Waits until Ready of a ScaledObject is False with a message that says this, and gives the message.
    pub async fn wait_failing(&self, scaled_object: &str, says: &str) -> Result<String> {
        wait::until(&format!("Ready of {scaled_object} to say {says:?}"), wait::secs(40), async || {
            let ready = self.condition(scaled_object, "Ready").await?;
            ensure!(ready.status == "False" && ready.message.contains(says), "{ready:?}");
            Ok(ready.message)
        })
        .await
    }

    /// Makes a Secret with these parameters and a TriggerAuthentication of the same name that hands them on.
    pub async fn authenticate(&self, name: &str, parameters: &[(&str, &str)]) -> Result<()> {
        let data: Map<String, Value> =
            parameters.iter().map(|(key, value)| ((*key).to_owned(), json!(value))).collect();
        self.apply(&json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data,
        }))
        .await?;
        let references: Vec<Value> =
            parameters.iter().map(|(key, _)| json!({"parameter": key, "name": name, "key": key})).collect();
        self.apply(&json!({
            "apiVersion": "keda.sh/v1alpha1", "kind": "TriggerAuthentication", "metadata": {"name": name},
            "spec": {"secretTargetRef": references},
        }))
        .await?;
        Ok(())
    }

    /// The events about a `ScaledObject`.
    pub async fn events(&self, scaled_object: &str) -> Result<Vec<Event>> {
        self.events_about(&self.name, "ScaledObject", scaled_object).await
    }

    /// The events about an object that are in a namespace: those about an object without one are in `default`.
    pub async fn events_about(&self, namespace: &str, kind: &str, name: &str) -> Result<Vec<Event>> {
        let selector = format!("involvedObject.kind%3D{kind}%2CinvolvedObject.name%3D{name}");
        let path = format!("/api/v1/namespaces/{namespace}/events?fieldSelector={selector}");
        let list = self.send(Method::GET, &path, None).await?;
        let items = list["items"].as_array().context("no list of events")?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let event = |item: &Value| Event {
            kind: text(&item["type"]),
            reason: text(&item["reason"]),
            message: text(&item["message"]),
        };
        Ok(items.iter().map(event).collect())
    }

    /// The decisions about a `ScaledObject`, the oldest first.
    pub async fn decisions(&self, scaled_object: &str) -> Result<Vec<Value>> {
        let selector = format!("fieldSelector=scaledObject%3D{scaled_object}");
        let base = format!("/apis/decisions.ebb.dev/v1alpha1/namespaces/{}", self.name);
        let list = self.send(Method::GET, &format!("{base}/scalingdecisions?{selector}"), None).await?;
        Ok(list["items"].as_array().context("no list of decisions")?.clone())
    }

    /// The readings behind them.
    pub async fn readings(&self, scaled_object: &str) -> Result<Value> {
        let base = format!("/apis/decisions.ebb.dev/v1alpha1/namespaces/{}", self.name);
        self.send(Method::GET, &format!("{base}/scalingdecisions/{scaled_object}/readings"), None).await
    }

    /// How often an event with this reason was sent about a `ScaledObject`.
    pub async fn recorded(&self, scaled_object: &str, reason: &str) -> Result<u64> {
        let selector = format!("involvedObject.name%3D{scaled_object}%2Creason%3D{reason}");
        let path = format!("/api/v1/namespaces/{}/events?fieldSelector={selector}", self.name);
        let list = self.send(Method::GET, &path, None).await?;
        let items = list["items"].as_array().context("no list of events")?;
        Ok(items.iter().map(|item| item["count"].as_u64().unwrap_or(1)).sum())
    }

    /// Sets an annotation of a `ScaledObject` (`name=value`) or takes it away (`name-`), as `kubectl annotate` does.
    pub async fn annotate(&self, scaled_object: &str, annotation: &str) -> Result<()> {
        self.kubectl.run(&["annotate", "--overwrite", "so", scaled_object, annotation]).await.map(drop)
    }

    /// Changes a `ScaledObject`'s specification by a JSON merge patch.
    pub async fn edit(&self, scaled_object: &str, spec: Value) -> Result<()> {
        let patch = json!({"spec": spec}).to_string();
        self.kubectl.run(&["patch", "so", scaled_object, "--type=merge", "-p", &patch]).await.map(drop)
    }

    /// Waits until there is an event with this reason about a `ScaledObject`, and gives it.
    pub async fn wait_event(&self, scaled_object: &str, reason: &str) -> Result<Event> {
        wait::until(&format!("an event {reason} about {scaled_object}"), wait::secs(20), async || {
            let events = self.events(scaled_object).await?;
            let found = events.iter().find(|event| event.reason == reason).cloned();
            found.with_context(|| format!("{events:?}"))
        })
        .await
    }

    /// The external metric that the HPA asks for, through the API server and its aggregator.
    pub async fn metric(&self, scaled_object: &str, metric: &str) -> Result<f64> {
        let selector = format!("scaledobject.keda.sh%2Fname%3D{scaled_object}");
        let base = format!("/apis/external.metrics.k8s.io/v1beta1/namespaces/{}", self.name);
        let list = self.send(Method::GET, &format!("{base}/{metric}?labelSelector={selector}"), None).await?;
        let items = list["items"].as_array().context("no list of values")?;
        ensure!(items.len() == 1, "{} values for {metric}: {list}", items.len());
        quantity(items[0]["value"].as_str().unwrap_or_default())
    }

    /// Waits until the HPA would get this number, to a thousandth, as exactly as the API can express it. The statistics
    /// of a queue may take ten seconds to come.
    pub async fn wait_metric(&self, scaled_object: &str, metric: &str, wanted: f64) -> Result<()> {
        wait::until(&format!("{metric} of {scaled_object} to be {wanted}"), wait::secs(30), async || {
            let value = self.metric(scaled_object, metric).await?;
            ensure!((value - wanted).abs() < 1e-3, "it is {value}");
            Ok(())
        })
        .await
    }

    /// Sends a request to the API server as the administrator and gives the JSON it answers.
    pub async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value> {
        let content = if method == Method::PATCH { "application/apply-patch+yaml" } else { "application/json" };
        let body = body.map(serde_json::to_vec).transpose()?.unwrap_or_default();
        let request = Request::builder().method(method).uri(path.parse::<Uri>()?);
        Ok(self.client.request(request.header("content-type", content).body(body)?).await?)
    }

    fn path(&self, kind: &str, name: &str) -> Result<String> {
        let resource = match kind {
            "ClusterTriggerAuthentication" => {
                return Ok(format!("/apis/keda.sh/v1alpha1/clustertriggerauthentications/{name}"));
            }
            "ConfigMap" => "api/v1/configmaps",
            "Deployment" => "apis/apps/v1/deployments",
            "HorizontalPodAutoscaler" => "apis/autoscaling/v2/horizontalpodautoscalers",
            "Role" => "apis/rbac.authorization.k8s.io/v1/roles",
            "RoleBinding" => "apis/rbac.authorization.k8s.io/v1/rolebindings",
            "ScaledObject" => "apis/keda.sh/v1alpha1/scaledobjects",
            "Secret" => "api/v1/secrets",
            "ServiceAccount" => "api/v1/serviceaccounts",
            "StatefulSet" => "apis/apps/v1/statefulsets",
            "TriggerAuthentication" => "apis/keda.sh/v1alpha1/triggerauthentications",
            "VerticalPodAutoscaler" => "apis/autoscaling.k8s.io/v1/verticalpodautoscalers",
            "Workload" => "apis/tests.ebb.dev/v1/workloads",
            // `group/version/plural`, as the API server knows a kind that only one test needs.
            _ if kind.contains('/') => return Ok(format!("/apis/{}/{name}", namespaced(kind, &self.name)?)),
            _ => bail!("the sandbox does not know where a {kind} is kept"),
        };
        let (group, plural) = resource.rsplit_once('/').unwrap_or_default();
        Ok(format!("/{group}/namespaces/{}/{plural}/{name}", self.name))
    }
}

fn namespaced(kind: &str, namespace: &str) -> Result<String> {
    let (group_version, plural) = kind.rsplit_once('/').context("no group, version and plural")?;
    Ok(format!("{group_version}/namespaces/{namespace}/{plural}"))
}

/// Reads a Kubernetes quantity: `5`, `2500m`, `1k`, `12e3`.
pub fn quantity(text: &str) -> Result<f64> {
    let suffixes = [("m", 1e-3), ("k", 1e3), ("M", 1e6), ("G", 1e9)];
    let (number, factor) =
        suffixes.iter().find_map(|(suffix, factor)| Some((text.strip_suffix(suffix)?, *factor))).unwrap_or((text, 1.0));
    let number: f64 = number.parse().with_context(|| format!("{text:?} is no quantity"))?;
    Ok(number * factor)
}

/// Whether a ScaledObject says that it is Ready.
pub fn is_ready(scaled_object: &Value) -> bool {
    let conditions = scaled_object["status"]["conditions"].as_array();
    conditions.is_some_and(|all| all.iter().any(|one| one["type"] == "Ready" && one["status"] == "True"))
}

#[cfg(test)]
mod tests {
    use super::quantity;

    #[test]
    fn quantities() {
        let read = |text| format!("{:.3}", quantity(text).unwrap());
        assert_eq!(read("5"), "5.000");
        assert_eq!(read("2500m"), "2.500");
        assert_eq!(read("1k"), "1000.000");
        assert_eq!(read("12e3"), "12000.000");
        assert!(quantity("many").is_err());
    }
}
