//! The check of the kind in a `scaleTargetRef`, as far as it is possible without a cluster. Kinds are case-sensitive
//! (kubernetes.io, "API Conventions", Types); KEDA's webhook finds them with a RESTMapper, which is.

use ebb_crds::ScaleTarget;

use super::Finding;

/// A kind that KEDA's webhook takes in every API version, without looking it up.
const TAKEN_BY_KEDA: [&str; 2] = ["Deployment", "StatefulSet"];

/// The kinds of the group `apps`, which is served in version v1 alone.
const APPS: [&str; 5] = ["ControllerRevision", "DaemonSet", "Deployment", "ReplicaSet", "StatefulSet"];

/// The kinds of the core group, which is served in version v1 alone.
const CORE: [&str; 16] = [
    "Binding",
    "ComponentStatus",
    "ConfigMap",
    "Endpoints",
    "Event",
    "LimitRange",
    "Namespace",
    "Node",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "Pod",
    "PodTemplate",
    "ReplicationController",
    "ResourceQuota",
    "Secret",
    "Service",
];

/// Kinds of other groups that are often scaled. Their spelling is known; whether the cluster has them is not.
const USUAL: [(&str, &str); 2] = [("argoproj.io", "Rollout"), ("cluster.x-k8s.io", "MachineDeployment")];

/// Groups in which these kinds were once. No version of Kubernetes that is supported serves them there.
const FORMER_GROUP: &str = "extensions";

/// Kinds that have no `/scale`, beside those of the core group.
const NOT_SCALABLE: [(&str, &[&str]); 2] =
    [("apps", &["DaemonSet", "ControllerRevision"]), ("batch", &["Job", "CronJob"])];

const PATH: &str = "spec.scaleTargetRef.kind";
const REASON: &str = "unknown-target-kind";

/// The mistake in the kind of `target`.
pub(super) fn finding(target: &ScaleTarget) -> Option<Finding> {
    let (api_version, kind) = (target.api_version(), target.kind());
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    if version.is_empty() || version.contains('/') {
        let text = format!("scaleTargetRef.apiVersion {api_version:?} is not of the form group/version");
        return Some(Finding::refusal("spec.scaleTargetRef.apiVersion", text).because(REASON));
    }
    if is_never_scaled(group, kind) {
        let hint = if group == "batch" { ": KEDA's ScaledJob runs jobs, which ebb does not" } else { "" };
        let text = format!("{api_version}.{kind} has no /scale subresource, so it cannot be scaled{hint}");
        return Some(Finding::warning(PATH, text));
    }
    let kinds: &[&str] = match group {
        "apps" => &APPS,
        FORMER_GROUP if APPS.contains(&kind) => &[],
        "" => &CORE,
        _ => {
            let usual = USUAL.iter().find(|(of, name)| *of == group && name.eq_ignore_ascii_case(kind));
            return usual.filter(|(_, name)| *name != kind).map(|(_, name)| unknown(target, Some(name)));
        }
    };
    let there = version == "v1" && kinds.contains(&kind);
    if there {
        return None;
    }
    if TAKEN_BY_KEDA.contains(&kind) || group == FORMER_GROUP {
        return Some(Finding::warning("spec.scaleTargetRef.apiVersion", no_matches(target) + ": it is apps/v1"));
    }
    Some(unknown(target, kinds.iter().find(|name| name.eq_ignore_ascii_case(kind)).copied()))
}

/// Whether a kind of Kubernetes cannot be scaled in any cluster.
fn is_never_scaled(group: &str, kind: &str) -> bool {
    let core = group.is_empty() && CORE.contains(&kind) && kind != "ReplicationController";
    core || NOT_SCALABLE.iter().any(|(of, kinds)| *of == group && kinds.contains(&kind))
}

/// The finding that the cluster has no such kind; `instead` is the kind that was most likely meant.
pub fn unknown(target: &ScaleTarget, instead: Option<&str>) -> Finding {
    let hint = match instead {
        Some(name) if name != target.kind() => format!(": kinds are case-sensitive, and this one is written {name}"),
        Some(_) => ": correct scaleTargetRef.apiVersion".to_owned(),
        None => ": correct scaleTargetRef.kind".to_owned(),
    };
    Finding::refusal(PATH, no_matches(target) + &hint).because(REASON)
}

/// Whether KEDA's webhook would refuse a kind that the cluster does not have.
pub fn is_looked_up(target: &ScaleTarget) -> bool {
    !TAKEN_BY_KEDA.contains(&target.kind())
}

/// As a RESTMapper says it.
fn no_matches(target: &ScaleTarget) -> String {
    format!("no matches for kind {:?} in version {:?}", target.kind(), target.api_version())
}

#[cfg(test)]
mod tests {
    use super::super::Severity;
    use super::*;

    #[test]
    fn a_kind_is_known_by_its_exact_name() {
        let (fine, warned, refused) = (None, Some(Severity::Warning), Some(Severity::Refusal));
        for (api_version, kind, expected, says) in [
            ("", "", fine, ""),
            ("apps/v1", "Deployment", fine, ""),
            ("", "StatefulSet", fine, ""),
            ("apps/v1", "ReplicaSet", fine, ""),
            ("apps/v1", "DaemonSet", warned, "has no /scale"),
            ("v1", "Pod", warned, "has no /scale"),
            ("batch/v1", "Job", warned, "ScaledJob"),
            ("extensions/v1beta1", "Deployment", warned, "it is apps/v1"),
            ("extensions/v1beta1", "ReplicaSet", warned, "it is apps/v1"),
            ("v1", "ReplicationController", fine, ""),
            ("argoproj.io/v1alpha1", "Rollout", fine, ""),
            ("example.com/v1", "fleet", fine, ""),
            ("", "deployment", refused, "is written Deployment"),
            ("apps/v1", "DEPLOYMENT", refused, "is written Deployment"),
            ("apps/v1", "statefulset", refused, "is written StatefulSet"),
            ("apps/v1", "Replicaset", refused, "is written ReplicaSet"),
            ("apps/v1", "Deployments", refused, "correct scaleTargetRef.kind"),
            ("apps/v1", "Rollout", refused, "correct scaleTargetRef.kind"),
            ("apps/v1beta1", "ReplicaSet", refused, "correct scaleTargetRef.apiVersion"),
            ("v1", "replicationcontroller", refused, "is written ReplicationController"),
            ("argoproj.io/v1alpha1", "rollout", refused, "is written Rollout"),
            ("cluster.x-k8s.io/v1beta2", "machineDeployment", refused, "is written MachineDeployment"),
            ("custom-api", "custom-kind", refused, "no matches for kind \"custom-kind\" in version \"custom-api\""),
            ("apps/", "Deployment", refused, "form group/version"),
            ("a/b/c", "Deployment", refused, "form group/version"),
            ("apps/v1beta1", "Deployment", warned, "it is apps/v1"),
            ("v1", "Deployment", warned, "it is apps/v1"),
            ("custom-api", "StatefulSet", warned, "it is apps/v1"),
        ] {
            let target = ScaleTarget {
                name: "app".into(),
                api_version: Some(api_version.into()),
                kind: Some(kind.into()),
                ..ScaleTarget::default()
            };
            let found = finding(&target);
            assert_eq!(found.as_ref().map(|found| found.severity), expected, "{api_version} {kind}: {found:?}");
            assert!(found.is_none_or(|found| found.text.contains(says)), "{api_version} {kind}");
        }
    }
}
