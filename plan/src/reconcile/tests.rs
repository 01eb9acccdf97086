use std::sync::Arc;

use ebb_crds::{GroupVersionKindResource, names};
use ebb_params::MetricType;
use serde_json::{Value, json};

use super::*;
use crate::catalog::of_tests;
use crate::events::{self, Change};
use crate::status::{Found, TargetKind, UnknownParameter};

/// A ScaledObject `shop/app` with these metadata, status and additions to its spec.
fn object(metadata: &Value, status: &Value, spec: &Value) -> ScaledObject {
    let mut whole = json!({
        "apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject",
        "metadata": {"name": "app", "namespace": "shop", "uid": "u", "generation": 2, "resourceVersion": "7"},
        "spec": {"scaleTargetRef": {"name": "app"}, "triggers": [{"type": "rabbitmq", "metadata": {}}]},
        "status": status,
    });
    for (place, additions) in [("metadata", metadata), ("spec", spec)] {
        for (key, value) in additions.as_object().unwrap() {
            whole[place][key] = value.clone();
        }
    }
    serde_json::from_value(whole).unwrap()
}

const FINALIZER: &str = names::FINALIZER;

fn marked() -> Value {
    json!({"finalizers": [FINALIZER], "labels": {"scaledobject.keda.sh/name": "app"}})
}

fn annotated(name: &str, value: &str) -> Value {
    let mut metadata = marked();
    metadata["annotations"] = json!({format!("autoscaling.keda.sh/{name}"): value});
    metadata
}

fn deleted() -> Value {
    json!({"finalizers": ["other", FINALIZER], "deletionTimestamp": "2026-01-01T00:00:00Z"})
}

fn restoring() -> Value {
    json!({"advanced": {"restoreToOriginalReplicaCount": true}})
}

fn missing() -> Failure {
    Failure::Target { text: "deployments.apps \"app\" not found".into(), about: Some("Target resource doesn't exist") }
}

fn seen(replicas: i32) -> Observed {
    let kind = TargetKind { display: "apps/v1.Deployment".into(), gvkr: GroupVersionKindResource::default() };
    let metric = MetricSpec {
        name: "s0-rabbitmq-jobs".into(),
        target: 5.0,
        activation: 0.0,
        metric_type: MetricType::AverageValue,
    };
    Observed {
        kind: KindFound::Is(Arc::new(kind)),
        replicas: Some(Ok(replicas)),
        metrics: Some(Ok(vec![metric])),
        vpa_conflicts: Some(Vec::new()),
        ..Observed::default()
    }
}

fn owned(hpas: &[&str], observed: Observed) -> Observed {
    Observed { hpas: hpas.iter().map(|name| (*name).to_owned()).collect(), ..observed }
}

/// A plan as one line: the writes, in order, and the end of the pass.
fn line(object: &ScaledObject, observed: &Observed) -> String {
    let plan = plan(object, &Intent::of(object, of_tests), observed, Options::default());
    let mut words = Vec::new();
    if let Some(Marks { finalizers, label }) = &plan.marks {
        words.push(format!("mark[{}{}]", finalizers.join(","), if label.is_some() { ",label" } else { "" }));
    }
    words.extend(plan.status_first.then(|| "status".to_owned()));
    words.extend(plan.report.stops.then(|| "stop".to_owned()));
    words.extend(plan.hpa.as_ref().map(|hpa| format!("hpa[{}]", hpa.metadata.name.as_deref().unwrap())));
    words.extend(plan.surplus_hpas.iter().map(|name| format!("delete[{name}]")));
    words.extend(plan.replicas.map(|replicas| format!("replicas[{}]", replicas.count)));
    words.extend(plan.release.as_ref().map(|finalizers| format!("release[{}]", finalizers.join(","))));
    words.push(match (&plan.report.check, &plan.outcome) {
        (Checked::Serve(served), Ok(_)) => format!("serve[{}]", served.metric_names.join(",")),
        (Checked::Pause, Ok(_)) => "paused".into(),
        (Checked::Delete { .. }, Ok(_)) => "deleted".into(),
        (Checked::Failed(failure), Err(_)) => format!("failed[{}]", failure.message),
        (Checked::Unknown | Checked::Delete { released: false }, Err(failure)) => format!("again[{failure}]"),
        other => panic!("{other:?}"),
    });
    words.join(" ")
}

fn new() -> ScaledObject {
    object(&json!({}), &Value::Null, &json!({}))
}

fn in_status() -> Value {
    json!({"hpaName": "keda-hpa-app", "originalReplicaCount": 3})
}

fn renamed() -> Value {
    json!({"advanced": {"horizontalPodAutoscalerConfig": {"name": "own"}}})
}

fn api() -> Failure {
    Failure::Api("no answer".into())
}

fn unread(failure: Failure) -> Observed {
    Observed { replicas: Some(Err(failure)), metrics: None, ..seen(0) }
}

fn unbuilt(failure: Failure) -> Observed {
    Observed { metrics: Some(Err(failure)), ..seen(1) }
}

/// A ScaledObject, the observations, and the plan as one line.
type Case = (&'static str, ScaledObject, Observed, &'static str);

fn check_plans(cases: Vec<Case>) {
    for (case, object, observed, expected) in cases {
        assert_eq!(line(&object, &observed), expected, "{case}");
    }
}

#[test]
fn a_served_one_has_its_marks_and_one_hpa() {
    check_plans(vec![
        ("a new one", new(), seen(1), "mark[finalizer.keda.sh,label] hpa[keda-hpa-app] serve[s0-rabbitmq-jobs]"),
        (
            "one that is served",
            object(&marked(), &in_status(), &json!({})),
            owned(&["keda-hpa-app"], seen(1)),
            "hpa[keda-hpa-app] serve[s0-rabbitmq-jobs]",
        ),
        (
            "somebody removed the label",
            object(&json!({"finalizers": [FINALIZER]}), &in_status(), &json!({})),
            seen(1),
            "mark[finalizer.keda.sh,label] hpa[keda-hpa-app] serve[s0-rabbitmq-jobs]",
        ),
        (
            "the HPA got another name",
            object(&marked(), &in_status(), &renamed()),
            owned(&["keda-hpa-app"], seen(1)),
            "hpa[own] delete[keda-hpa-app] serve[s0-rabbitmq-jobs]",
        ),
        (
            "it was renamed twice, and a process died between",
            object(&marked(), &in_status(), &renamed()),
            owned(&["keda-hpa-app", "own", "older"], seen(1)),
            "hpa[own] delete[keda-hpa-app] delete[older] serve[s0-rabbitmq-jobs]",
        ),
        (
            "the HPA got another name, and the watch is behind",
            object(&marked(), &json!({}), &renamed()),
            Observed { applied_hpa: Some("keda-hpa-app".into()), ..seen(1) },
            "hpa[own] delete[keda-hpa-app] serve[s0-rabbitmq-jobs]",
        ),
        (
            "the status names no HPA that could be",
            object(&marked(), &json!({"hpaName": "../pods"}), &json!({})),
            seen(1),
            "hpa[keda-hpa-app] serve[s0-rabbitmq-jobs]",
        ),
        (
            "its count is to be restored and not noted yet",
            object(&marked(), &json!({}), &restoring()),
            seen(4),
            "status hpa[keda-hpa-app] serve[s0-rabbitmq-jobs]",
        ),
        (
            "its count is noted",
            object(&marked(), &in_status(), &restoring()),
            seen(4),
            "hpa[keda-hpa-app] serve[s0-rabbitmq-jobs]",
        ),
        (
            "it has another target",
            object(&marked(), &in_status(), &json!({})),
            Observed { moved: true, ..seen(4) },
            "status hpa[keda-hpa-app] serve[s0-rabbitmq-jobs]",
        ),
    ]);
}

#[test]
fn a_failure_is_reported_and_leaves_in_force_what_is() {
    check_plans(vec![
        (
            "its target is missing",
            object(&marked(), &in_status(), &json!({})),
            unread(missing()),
            "failed[ScaledObject doesn't have correct scaleTargetRef specification: deployments.apps \"app\" not found]",
        ),
        (
            "a new one without a target",
            new(),
            unread(missing()),
            "mark[finalizer.keda.sh,label] failed[ScaledObject doesn't have correct scaleTargetRef specification: deployments.apps \"app\" not found]",
        ),
        (
            "a process died between the writes of a change of the HPA's name",
            object(&marked(), &json!({"hpaName": "keda-hpa-app"}), &renamed()),
            owned(&["keda-hpa-app", "own"], unread(missing())),
            "delete[keda-hpa-app] failed[ScaledObject doesn't have correct scaleTargetRef specification: deployments.apps \"app\" not found]",
        ),
        (
            "the HPA has not got its new name",
            object(&marked(), &json!({"hpaName": "keda-hpa-app"}), &renamed()),
            owned(&["keda-hpa-app"], unbuilt(api())),
            "again[the API server: no answer]",
        ),
        (
            "two HPAs, and an annotation that cannot be understood",
            object(&annotated("paused-replicas", "many"), &json!({"hpaName": "older"}), &renamed()),
            owned(&["keda-hpa-app", "older"], Observed::default()),
            "delete[keda-hpa-app] failed[ScaledObject doesn't have correct annotations: annotation autoscaling.keda.sh/paused-replicas has the value \"many\": it must be a number of replicas, 0 or more]",
        ),
        (
            "the API server does not answer about the target",
            object(&marked(), &in_status(), &json!({})),
            unread(api()),
            "again[the API server: no answer]",
        ),
        (
            "a Secret is missing",
            object(&marked(), &in_status(), &json!({})),
            unbuilt(Failure::Reference("Secret shop/rabbit not found".into())),
            "failed[failed to ensure HPA is correctly created for ScaledObject: Secret shop/rabbit not found]",
        ),
        (
            "the API server does not answer about a Secret",
            object(&marked(), &in_status(), &json!({})),
            unbuilt(api()),
            "again[the API server: no answer]",
        ),
        (
            "a specification that contradicts itself",
            object(&marked(), &in_status(), &json!({"minReplicaCount": 5, "maxReplicaCount": 2})),
            seen(1),
            "failed[ScaledObject doesn't have correct Idle/Min/Max Replica Counts specification: MinReplicaCount=5 must be less than MaxReplicaCount=2]",
        ),
        (
            "an annotation that cannot be understood",
            object(&annotated("paused-replicas", "many"), &in_status(), &json!({})),
            seen(1),
            "failed[ScaledObject doesn't have correct annotations: annotation autoscaling.keda.sh/paused-replicas has the value \"many\": it must be a number of replicas, 0 or more]",
        ),
    ]);
}

/// The rules are there where they can be followed, and the count of replicas is read where it decides something.
#[test]
fn an_intent_says_what_it_needs() {
    let wrong = json!({"minReplicaCount": 5, "maxReplicaCount": 2});
    for (case, object, has_rules, needs_replicas) in [
        ("served", object(&marked(), &Value::Null, &json!({})), true, true),
        ("not to be served", object(&marked(), &Value::Null, &wrong), false, false),
        ("refused", object(&annotated("paused-replicas", "many"), &Value::Null, &json!({})), false, false),
        ("paused", object(&annotated("paused", "true"), &Value::Null, &json!({})), false, false),
        ("paused at a count", object(&annotated("paused-replicas", "2"), &Value::Null, &json!({})), false, true),
        ("deleted", object(&deleted(), &in_status(), &json!({})), false, false),
        ("deleted and restored", object(&deleted(), &in_status(), &restoring()), false, true),
    ] {
        let intent = Intent::of(&object, of_tests);
        assert_eq!((intent.rules().is_some(), intent.needs_replicas(&object)), (has_rules, needs_replicas), "{case}");
    }
}

#[test]
fn a_pause_ends_polling_and_takes_the_hpa_away() {
    check_plans(vec![
        (
            "a pause",
            object(&annotated("paused", "true"), &in_status(), &json!({})),
            owned(&["keda-hpa-app"], Observed { replicas: None, ..seen(0) }),
            "stop delete[keda-hpa-app] paused",
        ),
        (
            "a pause of a new one",
            object(&json!({"annotations": {"autoscaling.keda.sh/paused": "true"}}), &Value::Null, &json!({})),
            Observed::default(),
            "mark[finalizer.keda.sh] stop delete[keda-hpa-app] paused",
        ),
        (
            "a pause at a count",
            object(&annotated("paused-replicas", "2"), &in_status(), &json!({})),
            seen(5),
            "stop delete[keda-hpa-app] replicas[2] paused",
        ),
        (
            "a pause at the count that is there",
            object(&annotated("paused-replicas", "2"), &in_status(), &json!({})),
            seen(2),
            "stop delete[keda-hpa-app] paused",
        ),
        (
            "a pause at a count that is to be restored",
            object(&annotated("paused-replicas", "2"), &json!({}), &restoring()),
            seen(5),
            "status stop delete[keda-hpa-app] replicas[2] paused",
        ),
        (
            "a pause at a count without a target",
            object(&annotated("paused-replicas", "2"), &in_status(), &json!({})),
            unread(missing()),
            "stop delete[keda-hpa-app] failed[ScaledObject doesn't have correct scaleTargetRef specification: deployments.apps \"app\" not found]",
        ),
        (
            "a pause after a change of the HPA's name",
            object(&annotated("paused", "true"), &in_status(), &renamed()),
            owned(&["keda-hpa-app", "own"], seen(1)),
            "stop delete[keda-hpa-app] delete[own] paused",
        ),
    ]);
}

#[test]
fn a_deletion_restores_and_releases() {
    check_plans(vec![
        (
            "a deletion",
            object(&deleted(), &in_status(), &json!({})),
            owned(&["keda-hpa-app"], Observed::default()),
            "stop delete[keda-hpa-app] release[other] deleted",
        ),
        (
            "a deletion that restores",
            object(&deleted(), &in_status(), &restoring()),
            seen(0),
            "stop delete[keda-hpa-app] replicas[3] release[other] deleted",
        ),
        (
            "the count is there already",
            object(&deleted(), &in_status(), &restoring()),
            seen(3),
            "stop delete[keda-hpa-app] release[other] deleted",
        ),
        (
            "there is nothing to restore",
            object(&deleted(), &json!({}), &restoring()),
            seen(1),
            "stop delete[keda-hpa-app] release[other] deleted",
        ),
        (
            "the target has gone",
            object(&deleted(), &in_status(), &restoring()),
            unread(missing()),
            "stop delete[keda-hpa-app] release[other] deleted",
        ),
        (
            "the API server does not answer: the finalizer stays",
            object(&deleted(), &in_status(), &restoring()),
            unread(api()),
            "stop delete[keda-hpa-app] again[the API server: no answer]",
        ),
        (
            "its finalizer has gone",
            object(
                &json!({"finalizers": ["other"], "deletionTimestamp": "2026-01-01T00:00:00Z"}),
                &in_status(),
                &restoring(),
            ),
            seen(0),
            "stop deleted",
        ),
        (
            "a deletion wins over a pause",
            object(
                &json!({"finalizers": [FINALIZER], "deletionTimestamp": "2026-01-01T00:00:00Z",
            "annotations": {"autoscaling.keda.sh/paused-replicas": "many"}}),
                &in_status(),
                &json!({}),
            ),
            Observed::default(),
            "stop delete[keda-hpa-app] release[] deleted",
        ),
    ]);
}

#[test]
fn a_plan_that_is_carried_out_asks_for_nothing_more() {
    let object = object(&marked(), &json!({"hpaName": "keda-hpa-app", "originalReplicaCount": 2}), &restoring());
    let plan = plan(&object, &Intent::of(&object, of_tests), &owned(&["keda-hpa-app"], seen(2)), Options::default());
    assert_eq!((plan.marks, plan.status_first, plan.surplus_hpas.len(), plan.replicas), (None, false, 0, None));
}

#[test]
fn the_next_check_is_due_when_a_token_is_to_be_renewed() {
    let object = object(&marked(), &Value::Null, &json!({}));
    for (renew_in, expected) in [
        (None, RECHECK),
        (Some(Duration::from_secs(90)), Duration::from_secs(90)),
        (Some(Duration::ZERO), RENEWAL),
        (Some(Duration::from_hours(1)), RECHECK),
    ] {
        let observed = Observed { renew_in, ..seen(1) };
        let plan = plan(&object, &Intent::of(&object, of_tests), &observed, Options::default());
        assert_eq!(plan.outcome, Ok(expected), "{renew_in:?}");
    }
    let paused = self::object(&annotated("paused", "true"), &Value::Null, &json!({}));
    for (is_polled, expected) in [(true, SETTLED), (false, RECHECK)] {
        let observed = Observed { is_polled, ..Observed::default() };
        assert_eq!(plan(&paused, &Intent::of(&paused, of_tests), &observed, Options::default()).outcome, Ok(expected));
    }
}

#[test]
fn unknown_parameters_are_reported_where_that_is_asked_for() {
    let spec =
        json!({"triggers": [{"type": "cron", "metadata": {}}, {"type": "rabbitmq", "metadata": {"queueNam": "jobs"}}]});
    let object = object(&marked(), &Value::Null, &spec);
    for unknown_parameters in [None, Some(of_tests as Catalog)] {
        let plan = plan(&object, &Intent::of(&object, of_tests), &seen(1), Options { unknown_parameters });
        let Checked::Serve(served) = plan.report.check else { panic!("{plan:?}") };
        assert_eq!(*served.kinds, ["cron", "rabbitmq"]);
        let expected = UnknownParameter { trigger: 1, kind: "rabbitmq".into(), key: "queueNam".into() };
        assert_eq!(
            served.unknown_parameters.to_vec(),
            if unknown_parameters.is_some() { vec![expected] } else { vec![] }
        );
    }
}

/// A pass reports some facts before its writes, and the rest after them.
#[test]
fn a_report_changes_the_facts_in_two_steps() {
    let object = object(&annotated("paused", "true"), &Value::Null, &json!({}));
    let plan = plan(&object, &Intent::of(&object, of_tests), &Observed::default(), Options::default());
    let running = Facts { found: Found { ready: true, ..Found::default() }, paused: Some(false), ..Facts::default() };
    let mut facts = running.clone();
    plan.report.begin(&mut facts);
    assert_eq!(events::changes(&running, &facts), [Change::Paused]);
    assert_eq!(facts.check, Check::Pending);
    plan.report.end(&mut facts);
    assert_eq!((facts.check, facts.generation), (Check::Paused, Some(2)));
}

#[test]
fn a_deletion_is_reported_once_the_finalizer_is_gone() {
    let object = object(&deleted(), &in_status(), &restoring());
    let mut facts = Facts::default();
    for (observed, released) in [(unread(api()), false), (seen(3), true)] {
        plan(&object, &Intent::of(&object, of_tests), &observed, Options::default()).report.end(&mut facts);
        assert_eq!(facts.released, released);
    }
}

#[test]
fn the_target_and_each_type_are_reported_once() {
    let trigger =
        |kind: &str, authentication: Value| json!({"type": kind, "metadata": {}, "authenticationRef": authentication});
    let [none, rabbit, kafka] = [Value::Null, json!({"name": "rabbit"}), json!({"name": "kafka"})];
    let triggers = json!([
        trigger("cron", none),
        trigger("rabbitmq", rabbit.clone()),
        trigger("cron", kafka),
        trigger("rabbitmq", rabbit)
    ]);
    let object = object(&marked(), &Value::Null, &json!({"triggers": triggers}));
    let observed = Observed { moved: true, ..seen(4) };
    for observed in [observed.clone(), Observed { replicas: Some(Err(missing())), ..observed }] {
        let report = plan(&object, &Intent::of(&object, of_tests), &observed, Options::default()).report;
        let expected = TargetInfo {
            target: observed.kind.clone(),
            replicas: observed.replicas.unwrap().ok(),
            moved: true,
            triggers_types: "cron,rabbitmq".into(),
            authentications_types: "rabbit,kafka".into(),
        };
        assert_eq!(report.target, Some(expected));
    }
}

/// After a failed check an HPA is noted as the one in force only where there was a choice: the watch may be behind.
#[test]
fn one_of_several_hpas_is_noted_as_the_one_that_stays() {
    let object = object(&marked(), &in_status(), &renamed());
    for (hpas, kept) in [(&["keda-hpa-app"][..], None), (&["keda-hpa-app", "own"], Some("own"))] {
        let plan = plan(&object, &Intent::of(&object, of_tests), &owned(hpas, unread(missing())), Options::default());
        assert_eq!(plan.report.kept_hpa.as_deref(), kept, "{hpas:?}");
        let mut facts = Facts::default();
        self::plan(&object, &Intent::of(&object, of_tests), &seen(1), Options::default()).report.end(&mut facts);
        facts.serve(Served { hpa_name: "before".into(), ..facts.served.clone().unwrap() });
        plan.report.end(&mut facts);
        assert_eq!(facts.served.unwrap().hpa_name, kept.unwrap_or("before"), "{hpas:?}");
    }
}

/// A check whose writes failed leaves the former specification in force.
#[test]
fn a_failure_keeps_what_is_in_force() {
    let object = object(&marked(), &Value::Null, &json!({}));
    let plan = plan(&object, &Intent::of(&object, of_tests), &seen(1), Options::default());
    let mut facts = Facts::default();
    plan.report.end(&mut facts);
    let served = facts.served.clone();
    plan.report.clone().failed(&Failure::Api("no answer".into())).end(&mut facts);
    assert_eq!((&facts.check, &facts.served), (&Check::Served, &served), "nothing is known");
    plan.report.failed(&Failure::Hpa("denied".into())).end(&mut facts);
    assert!(matches!(&facts.check, Check::Failed(failure) if failure.message.contains("denied")));
    assert_eq!(facts.served, served);
}

fn only_observed(metadata: &Value, status: &Value) -> ScaledObject {
    let mut object = object(metadata, status, &json!({}));
    let annotations = object.metadata.annotations.get_or_insert_default();
    annotations.insert(ebb_crds::names::MODE_ANNOTATION.into(), "observe".into());
    object
}

/// One that is observed gets nothing. What Ebb has written for it before goes, the finalizer first.
#[test]
fn an_observed_one_is_left_alone_and_given_up_once() {
    let ebbs = |hpas: &[&str], observed: Observed| {
        let ebbs_hpas = hpas.iter().map(|name| (*name).to_owned()).collect();
        Observed { ebbs_hpas, ..owned(&["keda-hpa-app"], observed) }
    };
    check_plans(vec![
        ("new", only_observed(&json!({}), &Value::Null), seen(3), "serve[s0-rabbitmq-jobs]"),
        ("of another", only_observed(&marked(), &in_status()), ebbs(&[], seen(3)), "serve[s0-rabbitmq-jobs]"),
        (
            "served before",
            only_observed(&marked(), &in_status()),
            ebbs(&["keda-hpa-app"], seen(3)),
            "mark[] delete[keda-hpa-app] serve[s0-rabbitmq-jobs]",
        ),
        (
            "half given up",
            only_observed(&json!({}), &Value::Null),
            ebbs(&["keda-hpa-app"], seen(3)),
            "delete[keda-hpa-app] serve[s0-rabbitmq-jobs]",
        ),
        ("deleted", only_observed(&deleted(), &in_status()), ebbs(&[], Observed::default()), "stop deleted"),
        ("paused", only_observed(&annotated("paused-replicas", "7"), &Value::Null), ebbs(&[], seen(3)), "stop paused"),
    ]);
    let object = only_observed(&json!({}), &Value::Null);
    let plan = plan(&object, &Intent::of(&object, of_tests), &seen(3), Options::default());
    assert_eq!((plan.hpa, plan.shadow_hpa.unwrap().metadata.name.as_deref()), (None, Some("keda-hpa-app")));
    assert_eq!(plan.report.observed, Some(true));
}

#[test]
fn another_mode_than_observe_is_an_error_that_names_the_annotation() {
    let mut object = only_observed(&marked(), &Value::Null);
    object.metadata.annotations = Some([("ebb.dev/mode".to_owned(), "look".to_owned())].into());
    let line = line(&object, &seen(3));
    assert!(line.starts_with("failed[") && line.contains("ebb.dev/mode") && line.contains("\"look\""), "{line}");
    object
        .metadata
        .deletion_timestamp
        .clone_from(&self::object(&deleted(), &Value::Null, &json!({})).metadata.deletion_timestamp);
    assert_eq!(Intent::of(&object, of_tests), Intent::Delete);
}

/// Events and a status begin anew where Ebb serves what it has observed.
#[test]
fn the_facts_of_an_observation_do_not_outlive_it() {
    let object = only_observed(&json!({}), &Value::Null);
    let mut facts = Facts::default();
    plan(&object, &Intent::of(&object, of_tests), &seen(3), Options::default()).report.end(&mut facts);
    assert!(facts.observed && facts.served.is_some());
    // A check that timed out says nothing about it.
    Report::default().failed(&Failure::Slow).end(&mut facts);
    assert!(facts.observed);
    let served = self::object(&json!({}), &Value::Null, &json!({}));
    plan(&served, &Intent::of(&served, of_tests), &seen(3), Options::default()).report.begin(&mut facts);
    assert_eq!((facts.observed, facts.served, facts.check), (false, None, Check::Pending));
}
