//! The HorizontalPodAutoscaler of a ScaledObject, the same as KEDA's but for the rows of `docs/keda-differences.md`.

pub mod behavior;
pub mod contest;
pub mod fingerprint;
pub(crate) mod limits;
pub mod proposal;
pub mod replacement;
pub mod write;

use std::collections::BTreeMap;

use ebb_crds::{ScaledObject, names};
use ebb_params::{MetricSpec, MetricType};
use k8s_openapi::api::autoscaling::v2::{
    CrossVersionObjectReference, ExternalMetricSource, HorizontalPodAutoscaler, HorizontalPodAutoscalerSpec,
    HorizontalPodAutoscalerStatus, MetricIdentifier, MetricSpec as HpaMetric, MetricTarget,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta, OwnerReference};
use kube::{Resource as _, ResourceExt as _};

use super::modifiers::COMPOSITE_METRIC;
use super::names::label_value;
use super::pause;
use super::resource::ResourceMetric;

/// Value of the HPA's label `app.kubernetes.io/version`. KEDA puts its release there, so that each upgrade rewrites
/// every HPA of the cluster; this stays.
const VERSION_LABEL: &str = "v1alpha1";

/// Annotations and labels by which `kubectl apply` and the GitOps tools mark their objects. A copy of them would claim
/// the HPA for a tool that does not know it. The tool would then prune the HPA or fight for it.
const OWNERSHIP_MARKS: &[&str] = &[
    "kubectl.kubernetes.io/last-applied-configuration",
    "app.kubernetes.io/instance",
    "argocd.argoproj.io/",
    "kustomize.toolkit.fluxcd.io/",
    "helm.toolkit.fluxcd.io/",
    "meta.helm.sh/",
    "kapp.k14s.io/",
    "config.k8s.io/owning-inventory",
    "config.kubernetes.io/",
    "objectset.rio.cattle.io/",
];

/// The name under which the API server records Ebb's fields.
pub const FIELD_MANAGER: &str = "ebb";

/// The prefix of an HPA's name where the ScaledObject does not name the HPA.
pub const DEFAULT_PREFIX: &str = "keda-hpa-";

/// The name of the HPA of `object`: `keda-hpa-<name>` unless
/// `advanced.horizontalPodAutoscalerConfig.name` says otherwise.
pub fn name(object: &ScaledObject) -> String {
    let configured = object.spec.hpa_config().and_then(|config| config.name());
    configured.map_or_else(|| format!("{DEFAULT_PREFIX}{}", object.name_any()), str::to_owned)
}

/// Builds the HPA for the external `metrics` and the resources that it reads by itself.
pub fn build(object: &ScaledObject, metrics: &[&MetricSpec], resources: &[ResourceMetric]) -> HorizontalPodAutoscaler {
    let name = name(object);
    let spec = &object.spec;
    let externals = metrics.iter().map(|metric| external(metric, &object.name_any()));
    let mut all: Vec<_> = externals.chain(resources.iter().map(ResourceMetric::spec)).collect();
    // KEDA's order: ContainerResource, External, Resource.
    all.sort_by(|one, other| one.type_.cmp(&other.type_));
    let behavior = spec.hpa_config().and_then(|config| config.behavior.clone());
    let behavior = behavior.map(behavior::without_empty_policies);
    let behavior = pause::hold(behavior, object.metadata.annotations.as_ref());
    HorizontalPodAutoscaler {
        metadata: ObjectMeta {
            name: Some(name.clone()),
            namespace: object.namespace(),
            labels: Some(labels(object, &name)),
            annotations: Some(annotations(object)).filter(|annotations| !annotations.is_empty()),
            owner_references: object
                .controller_owner_ref(&())
                .map(|owner| vec![OwnerReference { block_owner_deletion: Some(true), ..owner }]),
            ..ObjectMeta::default()
        },
        spec: HorizontalPodAutoscalerSpec {
            min_replicas: Some(spec.min_replica_count().max(1)),
            max_replicas: spec.max_replica_count(),
            metrics: Some(all),
            behavior,
            scale_target_ref: CrossVersionObjectReference {
                api_version: Some(spec.scale_target_ref.api_version().to_owned()),
                kind: spec.scale_target_ref.kind().to_owned(),
                name: spec.scale_target_ref.name.clone(),
            },
        },
        status: None,
    }
}

/// The target's count as an HPA's status reports it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetReport {
    /// It has this count.
    Count(i32),
    /// The HPA controller cannot read it: it may have gone.
    Unreadable,
    /// Nothing: the HPA controller has not read it yet.
    None,
}

/// Reads the target's count from an HPA's status.
///
/// The API leaves out a count of zero (`omitempty`). The HPA controller gives the condition `ScalingActive` the reason
/// `ScalingDisabled` where it has read that count, and `AbleToScale` the reason `FailedGetScale` where it cannot read
/// one.
pub fn target_report(status: &HorizontalPodAutoscalerStatus) -> TargetReport {
    let has = |reason| {
        let mut conditions = status.conditions.iter().flatten();
        conditions.any(|condition| condition.reason.as_deref() == Some(reason))
    };
    match status.current_replicas {
        _ if has("FailedGetScale") => TargetReport::Unreadable,
        Some(count) if count > 0 => TargetReport::Count(count),
        _ if has("ScalingDisabled") => TargetReport::Count(0),
        _ => TargetReport::None,
    }
}

/// The value of a metric as the HPA gets it. The HPA takes a value below zero for a sum that has overflowed, and would
/// ask for `maxReplicas`.
pub fn metric_value(value: f64) -> f64 {
    value.max(0.0)
}

fn external(metric: &MetricSpec, scaled_object: &str) -> HpaMetric {
    let target =
        Some(if metric.name == COMPOSITE_METRIC { thousandths(metric.target) } else { quantity(metric.target) });
    let (average_value, value) = match metric.metric_type {
        MetricType::AverageValue => (target, None),
        MetricType::Value => (None, target),
    };
    let selector = LabelSelector {
        match_labels: Some([(names::SCALED_OBJECT_NAME_LABEL.to_owned(), scaled_object.to_owned())].into()),
        ..LabelSelector::default()
    };
    HpaMetric {
        type_: "External".into(),
        external: Some(ExternalMetricSource {
            metric: MetricIdentifier { name: metric.name.clone(), selector: Some(selector) },
            target: MetricTarget {
                type_: metric.metric_type.as_str().into(),
                average_value,
                value,
                ..MetricTarget::default()
            },
        }),
        ..HpaMetric::default()
    }
}

/// A target as KEDA writes it: whole, or with three decimals.
fn quantity(value: f64) -> Quantity {
    Quantity(if value.fract() == 0.0 { format!("{value:.0}") } else { format!("{value:.3}") })
}

/// A formula's target as KEDA writes it: whole, or in thousandths.
fn thousandths(value: f64) -> Quantity {
    let thousandths = (value * 1000.0).round();
    Quantity(if thousandths % 1000.0 == 0.0 {
        format!("{:.0}", thousandths / 1000.0)
    } else {
        format!("{thousandths:.0}m")
    })
}

/// KEDA's labels, over them the ScaledObject's own, and over these the one by which Ebb finds its HPAs.
fn labels(object: &ScaledObject, hpa: &str) -> BTreeMap<String, String> {
    let name = object.name_any();
    let excluded = object.annotations().get(names::HPA_EXCLUDED_LABELS_ANNOTATION).map_or("", String::as_str);
    let excluded: Vec<_> = excluded.split(',').map(str::trim).collect();
    let defaults = [
        ("app.kubernetes.io/name", label_value(hpa)),
        ("app.kubernetes.io/part-of", label_value(&name)),
        ("app.kubernetes.io/managed-by", "keda-operator"),
        ("app.kubernetes.io/version", VERSION_LABEL),
    ];
    let own = object.labels().iter().map(|(key, value)| (key.as_str(), value.as_str()));
    let own = own.filter(|(key, _)| !marks_ownership(key) && !excluded.contains(key));
    let found_by = [(names::SCALED_OBJECT_NAME_LABEL, label_value(&name))];
    let all = defaults.into_iter().chain(own).chain(found_by);
    all.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

fn annotations(object: &ScaledObject) -> BTreeMap<String, String> {
    object
        .annotations()
        .iter()
        .filter(|(key, _)| !marks_ownership(key))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

fn marks_ownership(key: &str) -> bool {
    OWNERSHIP_MARKS.iter().any(|mark| if mark.ends_with('/') { key.starts_with(mark) } else { key == *mark })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Statuses as the HPA controller of Kubernetes 1.37 writes them.
    #[test]
    fn an_hpa_reports_zero_by_its_condition() {
        let condition = |reason| json!([{"type": "ScalingActive", "status": "False", "reason": reason}]);
        for (status, report) in [
            (json!({"desiredReplicas": 0, "currentMetrics": null}), TargetReport::None),
            (json!({"desiredReplicas": 3, "currentReplicas": 2}), TargetReport::Count(2)),
            (json!({"desiredReplicas": 0, "conditions": condition("ScalingDisabled")}), TargetReport::Count(0)),
            (json!({"desiredReplicas": 0, "conditions": condition("FailedGetScale")}), TargetReport::Unreadable),
            // The condition of the last look stays beside the one of this.
            (
                json!({"desiredReplicas": 0, "conditions": [
                    {"type": "AbleToScale", "status": "False", "reason": "FailedGetScale"},
                    {"type": "ScalingActive", "status": "False", "reason": "ScalingDisabled"},
                ]}),
                TargetReport::Unreadable,
            ),
            (
                json!({"desiredReplicas": 2, "currentReplicas": 2, "conditions": condition("FailedGetExternalMetric")}),
                TargetReport::Count(2),
            ),
        ] {
            assert_eq!(target_report(&serde_json::from_value(status.clone()).unwrap()), report, "{status}");
        }
    }

    fn object(metadata: &serde_json::Value, spec: &serde_json::Value) -> ScaledObject {
        let mut whole = json!({
            "apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "metadata": {"name": "app", "namespace": "ns", "uid": "u"},
            "spec": {"scaleTargetRef": {"name": "app"}, "triggers": [{"type": "cron", "metadata": {}}]},
        });
        for (part, changes) in [("metadata", metadata), ("spec", spec)] {
            for (key, value) in changes.as_object().unwrap() {
                whole[part][key] = value.clone();
            }
        }
        serde_json::from_value(whole).unwrap()
    }

    fn metric(target: f64, metric_type: MetricType) -> MetricSpec {
        MetricSpec { name: "s0-rabbitmq-jobs".into(), target, activation: 0.0, metric_type }
    }

    #[test]
    fn the_hpa_is_kedas() {
        let object = object(&json!({}), &json!({"maxReplicaCount": 50}));
        let hpa = build(&object, &[&metric(5.0, MetricType::AverageValue)], &[]);
        let hpa = serde_json::to_value(hpa).unwrap();
        assert_eq!(hpa["metadata"]["name"], "keda-hpa-app");
        assert_eq!(
            hpa["metadata"]["ownerReferences"][0],
            json!({"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "name": "app", "uid": "u", "controller": true, "blockOwnerDeletion": true})
        );
        assert_eq!(
            hpa["spec"],
            json!({
                "minReplicas": 1, "maxReplicas": 50,
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "app"},
                "metrics": [{"type": "External", "external": {
                    "metric": {"name": "s0-rabbitmq-jobs", "selector": {"matchLabels": {"scaledobject.keda.sh/name": "app"}}},
                    "target": {"type": "AverageValue", "averageValue": "5"},
                }}],
            })
        );
    }

    #[test]
    fn targets_are_written_as_keda_writes_them() {
        for (value, text) in [(5.0, "5"), (7.5, "7.500"), (0.25, "0.250"), (1e6, "1000000")] {
            assert_eq!(quantity(value).0, text);
        }
        for (value, text) in [(2.0, "2"), (2.5, "2500m"), (0.001, "1m")] {
            assert_eq!(thousandths(value).0, text);
        }
        let composite = MetricSpec { name: COMPOSITE_METRIC.into(), ..metric(2.5, MetricType::AverageValue) };
        for (metric, text) in [(metric(2.5, MetricType::AverageValue), "2.500"), (composite, "2500m")] {
            let target = external(&metric, "app").external.unwrap().target;
            assert_eq!(target.average_value, Some(Quantity(text.into())), "{}", metric.name);
        }
        let hpa = build(&object(&json!({}), &json!({})), &[&metric(3.0, MetricType::Value)], &[]);
        let target = serde_json::to_value(&hpa.spec.metrics.unwrap()[0].external.as_ref().unwrap().target).unwrap();
        assert_eq!(target, json!({"type": "Value", "value": "3"}));
    }

    #[test]
    fn the_hpa_gets_no_value_below_zero() {
        let values = [-0.5, 0.0, 2.5].map(metric_value);
        assert_eq!(values.map(f64::to_bits), [0.0, 0.0, 2.5_f64].map(f64::to_bits));
    }

    #[test]
    fn marks_of_ownership_and_excluded_labels_are_not_copied() {
        let object = object(
            &json!({
                "labels": {"team": "a", "app.kubernetes.io/instance": "argo", "noise": "x"},
                "annotations": {
                    "kubectl.kubernetes.io/last-applied-configuration": "{}",
                    "argocd.argoproj.io/tracking-id": "x",
                    "scaledobject.keda.sh/hpa-excluded-labels": "noise, other",
                    "mine": "yes",
                },
            }),
            &json!({}),
        );
        let hpa = build(&object, &[&metric(1.0, MetricType::AverageValue)], &[]);
        let labels = hpa.labels();
        assert_eq!(labels.get("team").map(String::as_str), Some("a"));
        assert!(!labels.contains_key("app.kubernetes.io/instance") && !labels.contains_key("noise"));
        let kept: Vec<_> = hpa.annotations().keys().collect();
        assert_eq!(kept, ["mine", "scaledobject.keda.sh/hpa-excluded-labels"]);
    }

    #[test]
    fn the_labels_are_kedas_unless_the_scaled_object_has_its_own() {
        let name = "customer-notification-dispatcher-consumer-scaler-production1";
        let cut = "keda-hpa-customer-notification-dispatcher-consumer-scaler-produ";
        for (own, annotations, part, expected) in [
            (json!({}), json!({}), "name", cut),
            (json!({}), json!({}), "part-of", name),
            (json!({}), json!({}), "managed-by", "keda-operator"),
            (json!({}), json!({}), "version", "v1alpha1"),
            (json!({"app.kubernetes.io/name": "cart"}), json!({}), "name", "cart"),
            (json!({"app.kubernetes.io/part-of": "webshop"}), json!({}), "part-of", "webshop"),
            (json!({"app.kubernetes.io/managed-by": "Helm"}), json!({}), "managed-by", "Helm"),
            (json!({"app.kubernetes.io/version": "4.2.0"}), json!({}), "version", "4.2.0"),
            (json!({"app.kubernetes.io/component": "worker"}), json!({}), "component", "worker"),
            (
                json!({"app.kubernetes.io/version": "4.2.0"}),
                json!({"scaledobject.keda.sh/hpa-excluded-labels": "app.kubernetes.io/version"}),
                "version",
                "v1alpha1",
            ),
        ] {
            let object = object(&json!({"name": name, "labels": own, "annotations": annotations}), &json!({}));
            let hpa = build(&object, &[], &[]);
            let found = hpa.labels().get(&format!("app.kubernetes.io/{part}")).map(String::as_str);
            assert_eq!(found, Some(expected), "{own} {annotations}");
        }
        let claimed = object(&json!({"labels": {"scaledobject.keda.sh/name": "another"}}), &json!({}));
        assert_eq!(build(&claimed, &[], &[]).labels()["scaledobject.keda.sh/name"], "app", "Ebb looks for it");
    }

    #[test]
    fn a_long_name_makes_a_long_hpa() {
        let name = "a".repeat(60);
        let hpa = build(&object(&json!({"name": name}), &json!({})), &[&metric(1.0, MetricType::AverageValue)], &[]);
        assert_eq!(hpa.name_any(), format!("keda-hpa-{name}"));
        let metric = serde_json::to_value(&hpa.spec.metrics.unwrap()[0].external.as_ref().unwrap().metric).unwrap();
        assert_eq!(metric["selector"]["matchLabels"]["scaledobject.keda.sh/name"], name, "the metrics API finds it");
    }

    #[test]
    fn metrics_are_in_kedas_order() {
        let triggers = json!([
            {"type": "memory", "metricType": "Utilization", "metadata": {"value": "60"}},
            {"type": "rabbitmq", "metadata": {}},
            {"type": "cpu", "metricType": "AverageValue", "metadata": {"value": "500m", "containerName": "app"}},
        ]);
        let object = object(&json!({}), &json!({"triggers": triggers}));
        let resources = super::super::resource::metrics(&object.spec).unwrap();
        let hpa = build(&object, &[&metric(1.0, MetricType::AverageValue)], &resources);
        let types: Vec<_> = hpa.spec.metrics.unwrap().into_iter().map(|metric| metric.type_).collect();
        assert_eq!(types, ["ContainerResource", "External", "Resource"]);
    }
}
