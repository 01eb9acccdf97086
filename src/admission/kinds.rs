//! Checks that the cluster has the kind that a `scaleTargetRef` names. [`crate::review`] knows Kubernetes' own kinds.
//! This module asks the API server about the others, as KEDA's webhook does with its RESTMapper.

use std::time::Duration;

use ebb_crds::ScaleTarget;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::APIResourceList;
use kube::Client;
use tokio::time::timeout;

use crate::review::{self, Finding};

/// The time limit of the request. The API server itself waits for the review meanwhile.
const LIMIT: Duration = Duration::from_secs(2);

/// Finds a kind that the cluster does not have. Without an answer of the API server there is no finding.
pub(super) async fn unknown(client: &Client, target: &ScaleTarget) -> Option<Finding> {
    let api_version = target.api_version();
    let (group, _) = api_version.split_once('/')?;
    if group == "apps" || !review::is_looked_up(target) {
        return None;
    }
    match timeout(LIMIT, client.list_api_group_resources(api_version)).await {
        Ok(Ok(list)) => judge(target, Some(&list)),
        Ok(Err(kube::Error::Api(status))) if status.code == 404 => judge(target, None),
        Ok(Err(error)) => {
            tracing::debug!(%error, api_version, "cannot read the kinds of the group");
            None
        }
        Err(_) => None,
    }
}

/// Checks a kind against `list`, the kinds of its API version if the cluster serves that version.
fn judge(target: &ScaleTarget, list: Option<&APIResourceList>) -> Option<Finding> {
    let Some(list) = list else {
        let text = format!(
            "no matches for kind {:?} in version {:?}: its custom resource definition is not installed yet",
            target.kind(),
            target.api_version()
        );
        return Some(Finding::warning("spec.scaleTargetRef.apiVersion", text));
    };
    let kinds = || list.resources.iter().filter(|resource| !resource.name.contains('/'));
    let Some(found) = kinds().find(|resource| resource.kind == target.kind()) else {
        let spelled = kinds().find(|resource| resource.kind.eq_ignore_ascii_case(target.kind()));
        return Some(review::unknown(target, spelled.map(|resource| resource.kind.as_str())));
    };
    let scale = format!("{}/scale", found.name);
    let scalable = list.resources.iter().any(|resource| resource.name == scale);
    (!scalable).then(|| {
        let text =
            format!("{}.{} has no /scale subresource, so it cannot be scaled", target.api_version(), target.kind());
        Finding::warning("spec.scaleTargetRef.kind", text)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::review::Severity;

    #[test]
    fn a_kind_is_there_by_its_exact_name() {
        let resource = |name: &str, kind: &str| json!({"name": name, "singularName": "", "namespaced": true, "kind": kind, "verbs": ["get"]});
        let list: APIResourceList = serde_json::from_value(json!({"groupVersion": "example.com/v1", "resources": [
            resource("fleets", "Fleet"), resource("fleets/scale", "Scale"), resource("notes", "Note"),
        ]}))
        .unwrap();
        for (kind, there, severity, says) in [
            ("Fleet", true, None, ""),
            ("fleet", true, Some(Severity::Refusal), "is written Fleet"),
            ("Scale", true, Some(Severity::Refusal), "correct scaleTargetRef.kind"),
            ("Flet", true, Some(Severity::Refusal), "correct scaleTargetRef.kind"),
            ("Note", true, Some(Severity::Warning), "has no /scale subresource"),
            ("Fleet", false, Some(Severity::Warning), "is not installed yet"),
        ] {
            let target = ScaleTarget {
                name: "app".into(),
                api_version: Some("example.com/v1".into()),
                kind: Some(kind.into()),
                ..ScaleTarget::default()
            };
            let found = judge(&target, there.then_some(&list));
            assert_eq!(found.as_ref().map(|found| found.severity), severity, "{kind}: {found:?}");
            assert!(found.is_none_or(|found| found.text.contains(says)), "{kind}");
        }
    }
}
