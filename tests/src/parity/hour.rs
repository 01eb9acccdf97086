//! KEDA's results as they would be at another hour.
//!
//! KEDA was watched early on a Monday morning, and a cron trigger that was closed then may be open now. `ebb cron` says
//! which of them are; tests elsewhere prove its windows (`scalers/tests/data`).

use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use super::{Case, NAMESPACE};
use crate::paths;

/// When KEDA was watched.
const WATCHED: &str = "2026-11-23T05:37:45Z";

/// A cron trigger then and now.
struct Window {
    /// The trigger's place.
    index: usize,
    replicas: i64,
    was_open: bool,
    is_open: bool,
}

/// KEDA's result of a case as it would be at `now`.
pub(super) async fn at(case: &Case, now: DateTime<Utc>) -> Result<Value> {
    let mut observation = case.observed().clone();
    let windows = windows(case, now).await?;
    if observation["scaledObject"]["status"]["triggersActivity"].is_null()
        || windows.iter().all(|window| window.was_open == window.is_open)
    {
        return Ok(observation);
    }
    for window in &windows {
        let prefix = format!("s{}-cron-", window.index);
        let activity = observation["scaledObject"]["status"]["triggersActivity"].as_object_mut();
        for (metric, activity) in activity.into_iter().flatten() {
            if metric.starts_with(&prefix) {
                activity["isActive"] = json!(window.is_open);
            }
        }
    }
    let activity = observation["scaledObject"]["status"]["triggersActivity"].as_object();
    let is_active = activity.is_some_and(|all| all.values().any(|one| one["isActive"] == true));
    let was_active = windows.iter().any(|window| window.was_open);
    let spec = &case.item("ScaledObject")["spec"];
    let (min, max) = (spec["minReplicaCount"].as_i64().unwrap_or(0), spec["maxReplicaCount"].as_i64().unwrap_or(100));
    let asked = windows.iter().filter(|window| window.is_open).map(|window| window.replicas).max();
    observation["replicas"] = json!(if is_active { asked.unwrap_or(1).clamp(min.max(1), max) } else { min });
    if is_active != was_active {
        conditions(&mut observation, is_active, min);
        events(case, &mut observation, is_active, min);
    }
    Ok(observation)
}

async fn windows(case: &Case, now: DateTime<Utc>) -> Result<Vec<Window>> {
    let crons: Vec<_> = case.triggers().enumerate().filter(|(_, trigger)| trigger["type"] == "cron").collect();
    if crons.is_empty() {
        return Ok(Vec::new());
    }
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let questions = crons.iter().flat_map(|(_, trigger)| {
        let metadata = &trigger["metadata"];
        let window = [&metadata["timezone"], &metadata["start"], &metadata["end"]].map(text).join("\t");
        [WATCHED.to_owned(), now.to_rfc3339()].map(|instant| format!("{window}\t{instant}\n"))
    });
    let mut program = Command::new(paths::bin("ebb")?);
    let program = program.args(["cron", "--batch"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = program.spawn().context("ebb cron")?;
    let mut input = child.stdin.take().context("ebb cron takes no questions")?;
    input.write_all(questions.collect::<String>().as_bytes()).await?;
    drop(input);
    let output = child.wait_with_output().await?;
    let answers: Vec<bool> = String::from_utf8(output.stdout)?.lines().map(|line| line.ends_with("\ttrue")).collect();
    ensure!(answers.len() == 2 * crons.len(), "ebb cron gave {} answers", answers.len());
    let window = |((index, trigger), answers): (&(usize, &Value), &[bool])| Window {
        index: *index,
        replicas: text(&trigger["metadata"]["desiredReplicas"]).parse().unwrap_or(0),
        was_open: answers[0],
        is_open: answers[1],
    };
    Ok(crons.iter().zip(answers.chunks(2)).map(window).collect())
}

/// Sets what the conditions say of an active or an inactive ScaledObject, in KEDA's words.
fn conditions(observation: &mut Value, is_active: bool, min: i64) {
    let status = &mut observation["scaledObject"]["status"];
    let active = if is_active {
        ["True", "ScalerActive", "Scaling is performed because triggers are active"]
    } else {
        ["False", "ScalerNotActive", "Scaling is not performed because triggers are not active"]
    };
    let hpa = if is_active || min > 0 {
        ["HPAActive", "HPA is actively scaling"]
    } else {
        ["ScalingDisabled", "scaling is disabled since the replica count of the target is zero"]
    };
    for condition in status["conditions"].as_array_mut().into_iter().flatten() {
        if condition["type"] == "Active" {
            *condition = json!({"type": "Active", "status": active[0], "reason": active[1], "message": active[2]});
        } else if condition["type"] == "HPAActive" {
            *condition = json!({"type": "HPAActive", "status": "True", "reason": hpa[0], "message": hpa[1]});
        }
    }
    status["lastActiveTime"] = if is_active { json!(WATCHED) } else { Value::Null };
}

/// One that is active is not put to sleep, and one that is not is.
fn events(case: &Case, observation: &mut Value, is_active: bool, min: i64) {
    let Some(events) = observation["events"].as_array_mut() else { return };
    events.retain(|event| event[1] != "KEDAScaleTargetDeactivated" && event[1] != "KEDAScaleTargetActivated");
    let deployment = case.item("Deployment");
    let from = deployment["spec"]["replicas"].as_i64().unwrap_or(1);
    let target = format!("apps/v1.Deployment {NAMESPACE}/{}", case.scaled_object);
    if is_active && from == 0 {
        let note = format!("Scaled {target} from 0 to {}, triggered by cronScaler", min.max(1));
        events.push(json!(["Normal", "KEDAScaleTargetActivated", note]));
    } else if !is_active && from > min && min == 0 {
        events.push(json!(["Normal", "KEDAScaleTargetDeactivated", format!("Deactivated {target} from {from} to 0")]));
    }
}
