use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::cluster::{Facts, Other};
use super::report::report;
use super::text::text;

fn now() -> DateTime<Utc> {
    "2026-11-27T21:10:00Z".parse().unwrap()
}

fn object(status: &Value) -> Value {
    json!({
        "apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject",
        "metadata": {"name": "app", "namespace": "shop", "uid": "u"},
        "spec": {
            "scaleTargetRef": {"name": "web"}, "minReplicaCount": 0, "maxReplicaCount": 6,
            "triggers": [
                {"type": "rabbitmq", "name": "orders", "metadata": {"queueName": "orders"}},
                {"type": "cron", "metadata": {
                    "timezone": "Etc/UTC", "start": "0 8 * * *", "end": "0 18 * * *", "desiredReplicas": "2"}},
                {"type": "cpu", "metricType": "Utilization", "metadata": {"value": "60"}},
            ],
        },
        "status": status,
    })
}

fn ready() -> Value {
    json!({"conditions": [{"type": "Ready", "status": "True"}, {"type": "Active", "status": "True"}]})
}

fn decision(reason: &str, from: i32, to: i32, time: &str) -> Value {
    json!({
        "time": time, "scaledObject": "app", "from": from, "to": to, "by": "HPA", "reason": reason,
        "message": format!("because of {reason}"), "triggers": [],
    })
}

fn facts(status: &Value, decisions: &[Value]) -> Facts {
    Facts {
        object: serde_json::from_value(object(status)).unwrap(),
        replicas: Ok(6),
        hpa: Ok(Some(
            serde_json::from_value(json!({
                "metadata": {"name": "keda-hpa-app"},
                "spec": {"maxReplicas": 6, "scaleTargetRef": {"kind": "Deployment", "name": "web"}},
                "status": {"currentReplicas": 6, "desiredReplicas": 6, "conditions": []},
            }))
            .unwrap(),
        )),
        others: Ok(Vec::new()),
        vpa_conflicts: Vec::new(),
        certificates: Vec::new(),
        decisions: Ok((
            decisions.iter().map(|decision| serde_json::from_value(decision.clone()).unwrap()).collect(),
            "2026-11-27T20:00:00.000Z".to_owned(),
        )),
        readings: Ok(serde_json::from_value(json!({
            "since": "2026-11-27T20:00:00.000Z", "thinned": false,
            "triggers": [
                {"index": 0, "type": "rabbitmq", "name": "orders", "metric": "s0-rabbitmq-orders", "target": 20.0, "activation": 5.0},
                {"index": 1, "type": "cron", "metric": "s1-cron", "target": 1.0, "activation": 0.0},
            ],
            "points": [{"time": "2026-11-27T21:09:30.000Z", "seconds": 0, "replicas": 6, "values": [
                {"last": 130.0, "min": 130.0, "max": 130.0}, {"last": 1.0, "min": 1.0, "max": 1.0}]}],
        }))
        .unwrap()),
    }
}

#[test]
fn it_shows_what_is_now_why_and_what_comes_next() {
    let decisions = [
        decision("MetricsAboveTarget", 1, 6, "2026-11-27T21:05:00.000Z"),
        decision("MaxReplicas", 6, 6, "2026-11-27T21:05:15.000Z"),
    ];
    let report = report(&facts(&ready(), &decisions), now());
    assert_eq!(report.driver, "the HPA");
    assert_eq!((report.triggers[0].asks_for, report.triggers[0].active), (Some(7), Some(true)));
    assert!(report.triggers[0].wins && !report.triggers[1].wins);
    assert_eq!(report.triggers[2].metric, None, "the HPA reads cpu by itself");
    assert_eq!(report.decisions[0].reason, "MaxReplicas", "the latest first");
    let text = text(&report);
    for part in [
        "shop/app  scales Deployment web",
        "replicas   6  (min 0, max 6)",
        "because    because of MaxReplicas",
        "trigger orders (rabbitmq): 130 against target 20, activation 5: active, asks for 7 (most)",
        "trigger 2 (cpu): the HPA reads it by itself",
        "2026-11-28T08:00:00Z  the window of trigger 1 (cron) opens",
        "2026-11-27T21:05:00.000Z  1 -> 6    HPA   because of MetricsAboveTarget",
        "decisions before 2026-11-27T20:00:00.000Z are not known",
    ] {
        assert!(text.contains(part), "no {part:?} in:\n{text}");
    }
    assert!(!text.contains("Looks wrong"), "{text}");
}

#[test]
fn the_end_of_a_cooldown_comes_next() {
    let mut cooling = decision("Cooldown", 6, 6, "2026-11-27T21:09:00.000Z");
    cooling["until"] = "2026-11-27T21:14:00Z".into();
    let report = report(&facts(&ready(), &[cooling]), now());
    assert_eq!(report.next[0].at.as_deref(), Some("2026-11-27T21:14:00Z"));
    assert!(report.next[0].what.contains("goes to 0"), "{:?}", report.next);
}

#[test]
fn what_looks_wrong_is_named_with_its_hint() {
    let other =
        |kind: &str, name: &str| Other { what: format!("{kind} x"), target: ("Deployment".into(), name.into()) };
    let condition =
        |type_: &str, status: &str| json!({"conditions": [{"type": type_, "status": status, "message": "bad host"}]});
    let with = |change: &dyn Fn(&mut Facts)| {
        let mut facts = facts(&ready(), &[]);
        change(&mut facts);
        facts
    };
    let max = [decision("MaxReplicas", 6, 6, "2026-11-27T20:30:00.000Z")];
    let mut tolerated = decision("OnTarget", 6, 6, "2026-11-27T21:00:00.000Z");
    tolerated["bounds"] = json!(["Tolerance"]);
    for (facts, part) in [
        (
            with(&|facts| facts.others = Ok(vec![other("ScaledObject", "web")])),
            "ScaledObject x scales the same workload",
        ),
        (with(&|facts| facts.hpa = Ok(None)), "it has no HPA"),
        (with(&|facts| facts.vpa_conflicts = vec!["VPA conflict".into()]), "VPA conflict"),
        (facts(&condition("Ready", "False"), &[]), "bad host"),
        (facts(&json!({}), &[]), "Ebb has not seen it"),
        (facts(&ready(), &max), "maxReplicaCount (6) is reached for 40 minutes"),
        (facts(&ready(), &[tolerated]), "tolerance of 10 %"),
        (
            facts(&ready(), &[decision("ChangedElsewhere", 3, 6, "2026-11-27T21:00:00.000Z")]),
            "another writer sets the replicas",
        ),
    ] {
        let report = report(&facts, now());
        let found = report.findings.iter().find(|finding| finding.what.contains(part));
        assert!(found.is_some_and(|finding| !finding.hint.is_empty()), "no {part:?} in {:?}", report.findings);
    }
    let elsewhere = with(&|facts| facts.others = Ok(vec![other("ScaledObject", "another")]));
    assert_eq!(report(&elsewhere, now()).findings, []);
}

#[test]
fn without_the_trail_it_says_so_and_explains_the_rest() {
    let mut facts = facts(
        &json!({"lastActiveTime": "2026-11-27T21:09:00Z", "conditions": [{"type": "Ready", "status": "True"}]}),
        &[],
    );
    facts.decisions = Err("scalingdecisions is forbidden".to_owned());
    facts.readings = Err("the server could not find the requested resource".to_owned());
    let report = report(&facts, now());
    let text = text(&report);
    assert!(text.contains("the decisions cannot be read: scalingdecisions is forbidden"), "{text}");
    assert_eq!(report.next[0].at.as_deref(), Some("2026-11-27T21:14:00Z"), "from the status: {:?}", report.next);
    assert_eq!(report.triggers[0].value, None);
}
