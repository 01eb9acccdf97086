//! The state of the ScaledObjects of a namespace, and its parts that may depend on earlier states.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures::future::try_join_all;
use serde_json::{Value, json};

use super::app::App;
use crate::sandbox::Sandbox;
use crate::wait::{self, secs};

/// Much longer than the HPA controller's pause of 15 seconds between two looks, which a slow machine stretches, and
/// than Ebb's before it tries again what failed.
const QUIET: Duration = secs(40);
/// The status of what the last valid specification left in force, which ends with the process.
const IN_FORCE: [&str; 5] =
    ["externalMetricNames", "resourceMetricNames", "compositeScalerName", "triggersActivity", "health"];

/// The state of each ScaledObject: its status without times, its HPAs, its replicas.
pub type State = BTreeMap<String, Value>;

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
pub async fn settled(users: &[&Sandbox]) -> Result<Vec<State>> {
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

/// The difference between two looks.
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

/// The parts that are the same before and after a restart. The HPA of the former specification has no metrics after it.
pub(super) fn lasting(app: &App, state: &Value) -> Value {
    let mut state = state.clone();
    if app.broken.is_some() && !app.is_paused() {
        for field in IN_FORCE {
            state["status"][field].take();
        }
        without_hpa_active(&mut state["status"]);
    }
    state
}

fn without_hpa_active(status: &mut Value) {
    if let Some(conditions) = status["conditions"].as_array_mut() {
        conditions.retain(|condition| condition["type"] != "HPAActive");
    }
}

/// The parts that are the same as in a namespace that never had another specification. History are, by their meaning,
/// the time of the last activity and of each transition (which [`State`] leaves out), the original count of replicas,
/// the generation, and whether there has ever been a pause. A ScaledObject that cannot be served keeps the HPA and the
/// replicas of its last specification that could be.
pub(super) fn timeless(app: &App, state: &Value, namespace: &str) -> Value {
    let mut status = state["status"].clone();
    status["originalReplicaCount"].take();
    let left_behind = app.broken.is_some() && !app.is_paused();
    if left_behind {
        status["hpaName"].take();
        without_hpa_active(&mut status);
    }
    for condition in status["conditions"].as_array_mut().into_iter().flatten() {
        condition["observedGeneration"].take();
        if condition["type"] == "Paused" && condition["status"] == "False" {
            condition["reason"].take();
            condition["message"].take();
        }
        if let Some(text) = condition["message"].as_str() {
            let (path, quoted) = (format!("{namespace}/"), format!("{namespace:?}"));
            condition["message"] = json!(text.replace(&path, "NAMESPACE/").replace(&quoted, "NAMESPACE"));
        }
    }
    if left_behind { json!([status]) } else { json!([status, state["hpas"], state["replicas"]]) }
}
