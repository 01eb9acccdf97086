//! Problems of a ScaledObject, as far as they are visible from outside. Pure.

mod backlog;

use chrono::{DateTime, TimeDelta, Utc};
use ebb_crds::Condition;
use ebb_plan::trail::object::ScalingDecision;
use serde::Serialize;

use super::cluster::Facts;
use super::credentials;
use super::report::conditions;

/// The time at its maximum after which a workload is reported.
const LONG_AT_MAXIMUM: TimeDelta = TimeDelta::minutes(10);

/// Something that looks wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The problem.
    pub what: String,
    /// The advice.
    pub hint: String,
}

pub(super) fn finding(what: impl Into<String>, hint: impl Into<String>) -> Finding {
    Finding { what: what.into(), hint: hint.into() }
}

/// The findings, the gravest first. `holds` is the last decision.
pub(super) fn findings(facts: &Facts, holds: Option<&ScalingDecision>, now: DateTime<Utc>) -> Vec<Finding> {
    let mut found = Vec::new();
    found.extend(not_ready(facts));
    found.extend(others(facts));
    found.extend(facts.vpa_conflicts.iter().map(|text| finding(text, "see docs/triggers/cpu-memory.md")));
    found.extend(hpa(facts));
    found.extend(holds.and_then(|holds| held(facts, holds, now)));
    found.extend(by_condition(facts));
    found.extend(facts.readings.iter().flat_map(|readings| backlog::findings(readings, now)));
    found.extend(credentials::findings(&facts.certificates, now));
    found
}

fn condition<'a>(facts: &'a Facts, type_: &str) -> Option<&'a Condition> {
    conditions(&facts.object).iter().find(|condition| condition.type_ == type_)
}

fn not_ready(facts: &Facts) -> Option<Finding> {
    let Some(ready) = condition(facts, Condition::READY) else {
        return Some(finding(
            "it has no Ready condition: Ebb has not seen it",
            "run ebb doctor; see --watch-namespace and --watch-label-selector",
        ));
    };
    (!ready.is_true()).then(|| finding(ready.message.clone().unwrap_or_default(), "the message names the change"))
}

fn by_condition(facts: &Facts) -> Vec<Finding> {
    let holds = |type_| condition(facts, type_).filter(|condition| condition.is_true());
    let fallback = holds(Condition::FALLBACK).map(|_| {
        finding(
            "the fallback is in effect: its count takes the place of a trigger's value",
            "mend the trigger that cannot be read",
        )
    });
    let paused = holds(Condition::PAUSED).map(|_| {
        finding("scaling is paused by an annotation", "remove autoscaling.keda.sh/paused and paused-replicas")
    });
    fallback.into_iter().chain(paused).collect()
}

fn others(facts: &Facts) -> Vec<Finding> {
    let own = &facts.object.spec.scale_target_ref;
    let same = |target: &(String, String)| target.0 == own.kind() && target.1 == own.name;
    let others = facts.others.iter().flatten().filter(|other| same(&other.target));
    others
        .map(|other| {
            finding(format!("{} scales the same workload, so that the two fight", other.what), "delete one of the two")
        })
        .collect()
}

fn hpa(facts: &Facts) -> Option<Finding> {
    let is_paused = condition(facts, Condition::PAUSED).is_some_and(Condition::is_true);
    let is_ready = condition(facts, Condition::READY).is_some_and(Condition::is_true);
    let hpa = match &facts.hpa {
        Ok(Some(hpa)) => hpa,
        Ok(None) if is_ready && !is_paused => {
            return Some(finding(
                "it has no HPA",
                "Ebb makes it anew within seconds; see the events of the ScaledObject",
            ));
        }
        _ => return None,
    };
    let conditions = hpa.status.as_ref()?.conditions.as_deref()?;
    let failed = conditions.iter().find(|condition| {
        condition.type_ == "ScalingActive"
            && condition.status == "False"
            && condition.reason.as_deref() != Some("ScalingDisabled")
    })?;
    let message = failed.message.as_deref().unwrap_or_default();
    let hint = match failed.reason.as_deref() {
        Some("FailedGetResourceMetric" | "FailedGetContainerResourceMetric") => {
            "the container needs resources.requests, and the cluster a metrics server"
        }
        _ => "run ebb doctor: the HPA asks Ebb through the APIService",
    };
    Some(finding(format!("the HPA cannot read a metric: {message}"), hint))
}

fn held(facts: &Facts, holds: &ScalingDecision, now: DateTime<Utc>) -> Option<Finding> {
    let since = DateTime::parse_from_rfc3339(&holds.time).ok()?.to_utc();
    match holds.reason.as_str() {
        "MaxReplicas" if now - since >= LONG_AT_MAXIMUM => {
            let minutes = (now - since).num_minutes();
            let max = facts.object.spec.max_replica_count();
            Some(finding(
                format!("maxReplicaCount ({max}) is reached for {minutes} minutes, and the triggers ask for more"),
                "raise maxReplicaCount, or let each replica bear more",
            ))
        }
        "OnTarget" if holds.bounds.iter().any(|bound| bound == "Tolerance") => Some(finding(
            "the HPA's tolerance of 10 % keeps the workload off the count that the triggers ask for",
            "set a smaller tolerance in behavior.scaleUp and scaleDown (Kubernetes 1.33 and later), or accept it",
        )),
        "ChangedElsewhere" => Some(finding(
            "another writer sets the replicas: a user, a deployment tool, or another autoscaler",
            "leave spec.replicas out of the manifest that is applied",
        )),
        "TargetFailed" => Some(finding(holds.message.clone(), "check scaleTargetRef, and the rights of Ebb's account")),
        _ => None,
    }
}
