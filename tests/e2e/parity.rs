//! The manifests of `tests/parity/in`, and whether Ebb makes of them what KEDA made.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context, Result, bail, ensure};
use chrono::{DateTime, Datelike, Timelike, Utc};
use chrono_tz::America::Argentina::Buenos_Aires;
use ebb_tests::sandbox::{Event, Sandbox};
use ebb_tests::wait::{self, secs};
use ebb_tests::world::Outcome;
use ebb_tests::{office_hours, paths};
use futures::future::join_all;
use http::Method;
use serde_json::{Value, json};

use crate::story;

/// The namespace of the manifests.
const NAMESPACE: &str = "parity";
/// RabbitMQ's address in the manifests.
const RABBITMQ: &str = "amqp://admin:admin-pass@127.0.0.1:5682/";
/// Kafka's address in the manifests.
const KAFKA: &str = "127.0.0.1:19092";

#[test]
fn the_same_manifests_give_the_same_objects() -> Outcome {
    story(async |world| {
        let user = world.sandbox(NAMESPACE).await?;
        world.rabbit.declare("jobs").await?;
        world.kafka()?.create_topic("t1", 3).await?;
        let cases = ["seed", "bad-missing-host", "cron-two", "behavior", "bad-cron", "paused", "kafka", "modifiers"];
        for case in cases {
            let manifest = read("in", case)?.replace(RABBITMQ, &world.rabbit.url());
            let manifest = manifest.replace(KAFKA, &world.bed.kafka()?.plaintext);
            // Client-side, as when KEDA was watched: the annotation it leaves is part of the comparison.
            let applied = user.kubectl.output(&["apply", "-f", "-"], Some(&manifest)).await?;
            ensure!(applied.ok, "{applied:?}");
        }
        let same = async |case: &str| -> Result<()> {
            let observed: Value = serde_json::from_str(&read("observed", case)?)?;
            let name = if case == "seed" { "my-app-scaler" } else { case };
            wait::until(&format!("{case} to be as KEDA has it"), secs(60), async || {
                let mut expected = observed.clone();
                at_this_moment(case, &mut expected, Utc::now());
                let differences = compare(&expected, &seen(&user, name).await?)?;
                ensure!(differences.is_empty(), "\n  {}", differences.join("\n  "));
                Ok(())
            })
            .await
        };
        let results = join_all(cases.iter().map(|case| same(case))).await;
        let failures: Vec<String> =
            results.into_iter().filter_map(|same| same.err().map(|error| format!("{error:#}"))).collect();
        if !failures.is_empty() {
            bail!("{} of {} cases:\n{}", failures.len(), cases.len(), failures.join("\n"));
        }
        Ok(())
    })
}

/// What Ebb does otherwise, on purpose. Both sides are brought to the same form before they are compared.
fn without_known_differences(observation: &mut Value) {
    let drop = |object: &mut Value, key: &str| {
        if let Some(map) = object.as_object_mut() {
            map.remove(key);
        }
    };
    for hpa in observation["hpas"].as_array_mut().into_iter().flatten() {
        // Ebb does not copy kubectl's own notes to the HPA: GitOps tools would take it for theirs.
        drop(&mut hpa["annotations"], "kubectl.kubernetes.io/last-applied-configuration");
        if hpa["annotations"].as_object().is_none_or(serde_json::Map::is_empty) {
            hpa["annotations"] = Value::Null;
        }
        // The version of the program: another one, and no reason to rewrite every HPA with each release.
        drop(&mut hpa["labels"], "app.kubernetes.io/version");
        // Of this run.
        for owner in hpa["ownerReferences"].as_array_mut().into_iter().flatten() {
            drop(owner, "uid");
        }
    }
    let status = &mut observation["scaledObject"]["status"];
    for condition in status["conditions"].as_array_mut().into_iter().flatten() {
        // Ebb says since when, and for which generation of the object; KEDA does not.
        drop(condition, "lastTransitionTime");
        drop(condition, "observedGeneration");
    }
    // Of one that is paused from its first moment KEDA's status tells neither triggers nor target.
    if status["pausedReplicaCount"].is_number() {
        for key in
            ["triggersTypes", "authenticationsTypes", "scaleTargetKind", "scaleTargetGVKR", "originalReplicaCount"]
        {
            drop(status, key);
        }
    }
    // An instant of this run; that it is there is what counts.
    if status["lastActiveTime"].is_string() {
        status["lastActiveTime"] = json!("some instant");
    }
}

/// Messages begin as KEDA's do. Ebb adds how to mend it.
fn same_text(keda: &str, ebb: &str) -> bool {
    ebb.starts_with(keda)
}

/// KEDA writes `Scaler <type> is built` for every trigger, but events with one reason that come at once are folded
/// into the last one, so which of them stay is chance. They are not compared.
fn is_chance(event: &Event) -> bool {
    event.message.starts_with("Scaler ") && event.message.ends_with(" is built")
}

fn compare(keda: &Value, ebb: &Value) -> Result<Vec<String>> {
    let (mut keda, mut ebb) = (keda.clone(), ebb.clone());
    let events = |observation: &Value| -> Result<BTreeSet<Event>> {
        let all: Vec<[String; 3]> = serde_json::from_value(observation["events"].clone())?;
        let event = |[kind, reason, message]: [String; 3]| Event { kind, reason, message };
        Ok(all.into_iter().map(event).filter(|event| !is_chance(event)).collect())
    };
    let mut differences = compare_events(&events(&keda)?, &events(&ebb)?);
    for observation in [&mut keda, &mut ebb] {
        without_known_differences(observation);
        observation["events"] = Value::Null;
    }
    compare_values("", &keda, &ebb, &mut differences);
    Ok(differences)
}

fn compare_events(keda: &BTreeSet<Event>, ebb: &BTreeSet<Event>) -> Vec<String> {
    let same = |keda: &Event, ebb: &Event| {
        keda.kind == ebb.kind && keda.reason == ebb.reason && same_text(&keda.message, &ebb.message)
    };
    let missing = keda.iter().filter(|event| !ebb.iter().any(|other| same(event, other)));
    let more = ebb.iter().filter(|event| !keda.iter().any(|other| same(other, event)));
    missing
        .map(|event| format!("events: only KEDA has {event:?}"))
        .chain(more.map(|event| format!("events: only Ebb has {event:?}")))
        .collect()
}

fn compare_values(path: &str, keda: &Value, ebb: &Value, differences: &mut Vec<String>) {
    match (keda, ebb) {
        (Value::Object(left), Value::Object(right)) => {
            let keys: BTreeSet<&String> = left.keys().chain(right.keys()).collect();
            for key in keys {
                compare_values(&format!("{path}.{key}"), &keda[key], &ebb[key], differences);
            }
        }
        (Value::Array(left), Value::Array(right)) if left.len() == right.len() => {
            for (index, (keda, ebb)) in left.iter().zip(right).enumerate() {
                compare_values(&format!("{path}[{index}]"), keda, ebb, differences);
            }
        }
        (Value::String(left), Value::String(right)) if path.ends_with(".message") && same_text(left, right) => {}
        _ if keda == ebb => {}
        _ => differences.push(format!("{path}: KEDA has {keda}, Ebb has {ebb}")),
    }
}

/// What is there now, in the form of the files in `observed`.
async fn seen(user: &Sandbox, name: &str) -> Result<Value> {
    let object = user.get("ScaledObject", name).await?;
    let list = format!("/apis/autoscaling/v2/namespaces/{NAMESPACE}/horizontalpodautoscalers");
    let hpas = user.send(Method::GET, &list, None).await?;
    let owned = |hpa: &&Value| hpa["metadata"]["ownerReferences"][0]["name"] == name;
    let hpa = |hpa: &Value| {
        json!({
            "annotations": hpa["metadata"]["annotations"], "labels": hpa["metadata"]["labels"],
            "name": hpa["metadata"]["name"], "ownerReferences": hpa["metadata"]["ownerReferences"],
            "spec": hpa["spec"],
        })
    };
    let hpas: Vec<Value> = hpas["items"].as_array().context("no list")?.iter().filter(owned).map(hpa).collect();
    let events = user.events(name).await?;
    let events: Vec<[String; 3]> =
        events.into_iter().map(|Event { kind, reason, message }| [kind, reason, message]).collect();
    Ok(json!({
        "events": events,
        "hpas": hpas,
        "replicas": user.replicas(name).await?,
        "scaledObject": {
            "finalizers": object["metadata"]["finalizers"], "labels": object["metadata"]["labels"],
            "status": object["status"],
        },
    }))
}

/// KEDA was watched early on a Monday morning. This makes of it what it would have shown at `now`.
fn at_this_moment(case: &str, observation: &mut Value, now: DateTime<Utc>) {
    let office = office_hours::replicas(now) > 0;
    let other = buenos_aires(now);
    let london = "s0-cron-Europe-London-08xx1-5-018xx1-5";
    match case {
        "seed" if office => {
            activity(observation, "s1-cron-Europe-London-08xx1-5-018xx1-5", true);
            active(observation, true);
            observation["replicas"] = json!(5);
            let events = observation["events"].as_array_mut().expect("events");
            events.retain(|event| event[1] != "KEDAScaleTargetDeactivated");
        }
        "cron-two" => {
            activity(observation, london, office);
            activity(observation, "s1-cron-America-Argentina-Buenos_Aires-xSl501Cm15xx-3023Qmxx", other);
            active(observation, office || other);
            observation["replicas"] = json!(if other { 10 } else { 5 * u8::from(office) });
            if !(office || other) {
                let event = [
                    "Normal",
                    "KEDAScaleTargetDeactivated",
                    "Deactivated apps/v1.Deployment parity/cron-two from 1 to 0",
                ];
                observation["events"].as_array_mut().expect("events").push(json!(event));
            }
        }
        _ => {}
    }
}

/// The second trigger of `cron-two`: from `*/5 0 1,15 * *` to `30 23 ? * *`. It is active when the next end comes
/// before the next start, which is always but in the night before the first and the fifteenth.
fn buenos_aires(now: DateTime<Utc>) -> bool {
    let there = now.with_timezone(&Buenos_Aires);
    let starts_on = |day: u32| day == 1 || day == 15;
    let (hour, minute) = (there.hour(), there.minute());
    let starts_again_today = starts_on(there.day()) && hour == 0 && minute < 55;
    let starts_tonight = starts_on((there + chrono::Duration::days(1)).day()) && hour == 23 && minute >= 30;
    !starts_again_today && !starts_tonight
}

fn activity(observation: &mut Value, trigger: &str, is_active: bool) {
    observation["scaledObject"]["status"]["triggersActivity"][trigger]["isActive"] = json!(is_active);
}

/// Sets what the conditions say of an active or an inactive ScaledObject, in KEDA's words.
fn active(observation: &mut Value, is_active: bool) {
    let status = &mut observation["scaledObject"]["status"];
    let (active, hpa) = if is_active {
        (
            ["True", "ScalerActive", "Scaling is performed because triggers are active"],
            ["HPAActive", "HPA is actively scaling"],
        )
    } else {
        (
            ["False", "ScalerNotActive", "Scaling is not performed because triggers are not active"],
            ["ScalingDisabled", "scaling is disabled since the replica count of the target is zero"],
        )
    };
    for condition in status["conditions"].as_array_mut().expect("conditions") {
        if condition["type"] == "Active" {
            *condition = json!({"type": "Active", "status": active[0], "reason": active[1], "message": active[2]});
        } else if condition["type"] == "HPAActive" {
            *condition = json!({"type": "HPAActive", "status": "True", "reason": hpa[0], "message": hpa[1]});
        }
    }
    status["lastActiveTime"] = if is_active { json!("2026-11-23T05:37:43Z") } else { Value::Null };
}

fn read(folder: &str, case: &str) -> Result<String> {
    let path = paths::root().join("tests/parity").join(folder).join(format!("{case}.json"));
    fs::read_to_string(&path).with_context(|| path.display().to_string())
}
