//! The next write of an HPA: none, a creation, or a replacement of the present one.

use chrono::{DateTime, Utc};
use ebb_crds::{ScaledObject, names};
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::ResourceExt as _;

use super::FIELD_MANAGER;
use super::contest::{self, Contest, Path};
use super::replacement;
use crate::names::label_value;

/// The next write of an HPA.
#[derive(Debug, Clone, PartialEq)]
pub enum Write {
    /// There is none.
    Create,
    /// It is as it should be.
    Keep,
    /// It differs in fields only that another writer sets again and again. They are left alone until then.
    LeaveAlone(DateTime<Utc>),
    /// This takes its place.
    Replace(Box<HorizontalPodAutoscaler>),
    /// It belongs to something else.
    Refuse,
}

impl Write {
    /// The write for the HPA `present`, which should be `desired`. `contest` has the fields that others have set
    /// recently.
    pub fn next(
        object: &ScaledObject,
        present: Option<&HorizontalPodAutoscaler>,
        desired: &HorizontalPodAutoscaler,
        contest: Option<&Contest>,
        now: DateTime<Utc>,
    ) -> Self {
        let Some(present) = present else { return Self::Create };
        if !is_own(object, present) && !may_take(object) {
            return Self::Refuse;
        }
        let next = replacement::replacement(present, desired);
        if replacement::is_same(present, &next) {
            return Self::Keep;
        }
        let (found, wanted) = (replacement::parts(present), replacement::parts(&next));
        match contest.and_then(|contest| contest.is_left_alone(&found, &wanted, now)) {
            Some(until) => Self::LeaveAlone(until),
            None => Self::Replace(Box::new(next)),
        }
    }
}

/// Whether an HPA belongs to a ScaledObject: it names it as its controller, or it names none and has the label of this
/// ScaledObject, which KEDA and Ebb put on their HPAs.
pub fn is_own(object: &ScaledObject, present: &HorizontalPodAutoscaler) -> bool {
    if present.owner_references().iter().all(|owner| owner.controller != Some(true)) {
        let label = present.labels().get(names::SCALED_OBJECT_NAME_LABEL);
        return label.is_some_and(|label| label == label_value(&object.name_any()));
    }
    controller(present).is_some_and(|owner| Some(&owner.uid) == object.uid().as_ref())
}

/// The reference to the ScaledObject that controls an HPA.
pub fn controller(hpa: &HorizontalPodAutoscaler) -> Option<&OwnerReference> {
    hpa.owner_references().iter().find(|owner| owner.controller == Some(true) && owner.kind == "ScaledObject")
}

/// Whether Ebb has written an HPA, and nobody else has: another autoscaler's HPA has the same name and the same owner. The HPA
/// controller writes the status only.
pub fn is_written_by_ebb(present: &HorizontalPodAutoscaler) -> bool {
    let written = present.metadata.managed_fields.iter().flatten().filter(|fields| fields.subresource.is_none());
    let mut writers = written.map(|fields| fields.manager.as_deref()).peekable();
    writers.peek().is_some() && writers.all(|writer| writer == Some(FIELD_MANAGER))
}

/// Whether the ScaledObject asks for an HPA that belongs to something else (keda.sh/docs, "Transfer ownership of an existing
/// HPA").
pub fn may_take(object: &ScaledObject) -> bool {
    let transfer =
        object.annotations().get(names::TRANSFER_HPA_OWNERSHIP_ANNOTATION).is_some_and(|value| value == "true");
    let named = object.spec.hpa_config().and_then(|config| config.name());
    transfer && named.is_some()
}

/// The effect of a replacement.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Corrected {
    /// The fields that were corrected. None: they differed in the API server's own additions only.
    pub fields: Vec<Path>,
    /// The changes of other writers, with this correction.
    pub contest: Option<Box<Contest>>,
    /// The fields that are contested from now on, with their writers.
    pub contested: Vec<(Path, Option<String>)>,
}

/// The effect of a replacement of `present`, which the API server made `made`. `known` says that the same was written
/// before, so that each difference is another writer's doing.
pub fn corrected(
    present: &HorizontalPodAutoscaler,
    made: &HorizontalPodAutoscaler,
    contest: Option<Box<Contest>>,
    known: bool,
    now: DateTime<Utc>,
) -> Corrected {
    let (found, parts) = (replacement::parts(present), replacement::parts(made));
    let fields = contest::differences(&parts, &found);
    if fields.is_empty() || !known {
        return Corrected { fields, contest, contested: Vec::new() };
    }
    let mut contest = contest.unwrap_or_else(|| Box::new(Contest::new(parts.clone())));
    let managed = present.metadata.managed_fields.as_deref().unwrap_or_default();
    let named = |path: Path| {
        let writer = contest::writer(managed, &path).map(str::to_owned);
        (path, writer)
    };
    let mut contested: Vec<_> = contest.correct(&found, parts, now).into_iter().map(named).collect();
    // The API server's defaults beside a field have no writer.
    contested.sort_by_key(|(_, writer)| writer.is_none());
    Corrected { fields, contest: Some(contest), contested }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn an_hpa_is_ebbs_alone_unless_somebody_else_has_written_it() {
        let of = |fields: Value| {
            let hpa = json!({"metadata": {"managedFields": fields}, "spec": {"maxReplicas": 1, "scaleTargetRef": {"kind": "Deployment", "name": "app"}}});
            is_written_by_ebb(&serde_json::from_value(hpa).unwrap())
        };
        let ebb = json!({"manager": "ebb", "operation": "Update"});
        let status = json!({"manager": "kube-controller-manager", "operation": "Update", "subresource": "status"});
        let keda = json!({"manager": "keda", "operation": "Update"});
        assert!(of(json!([ebb])) && of(json!([ebb, status])));
        assert!(!of(json!([ebb, keda, status])) && !of(json!([keda])) && !of(json!([status])) && !of(json!([])));
    }

    fn at(minutes: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000, 0).unwrap() + TimeDelta::minutes(minutes)
    }

    fn object(annotations: &Value, name: Option<&str>) -> ScaledObject {
        serde_json::from_value(json!({
            "apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject",
            "metadata": {"name": "app", "namespace": "shop", "uid": "own", "annotations": annotations},
            "spec": {
                "scaleTargetRef": {"name": "app"}, "triggers": [],
                "advanced": {"horizontalPodAutoscalerConfig": {"name": name}},
            },
        }))
        .unwrap()
    }

    fn hpa(metadata: &Value, max: i32) -> HorizontalPodAutoscaler {
        let spec = json!({"maxReplicas": max, "scaleTargetRef": {"kind": "Deployment", "name": "app"}});
        serde_json::from_value(json!({"metadata": metadata, "spec": spec})).unwrap()
    }

    fn owned_by(uid: &str) -> Value {
        let owner = json!({"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "name": "app", "uid": uid, "controller": true});
        json!({"name": "own", "ownerReferences": [owner]})
    }

    #[test]
    fn an_hpa_is_made_kept_replaced_or_refused() {
        let transfer = json!({"scaledobject.keda.sh/transfer-hpa-ownership": "true"});
        let labelled = |name: &str| json!({"name": "own", "labels": {"scaledobject.keda.sh/name": name}});
        let (plain, named) = (object(&json!({}), None), object(&transfer, Some("own")));
        for (case, object, present, expected) in [
            ("there is none", &plain, None, "Create"),
            ("it is right", &plain, Some(hpa(&owned_by("own"), 5)), "Keep"),
            ("it differs", &plain, Some(hpa(&owned_by("own"), 6)), "Replace"),
            ("another ScaledObject's", &plain, Some(hpa(&owned_by("other"), 5)), "Refuse"),
            ("nobody's", &plain, Some(hpa(&json!({"name": "own"}), 5)), "Refuse"),
            ("a person's, to be taken over", &named, Some(hpa(&json!({"name": "own"}), 5)), "Replace"),
            ("another's, to be taken over", &named, Some(hpa(&owned_by("other"), 5)), "Replace"),
            ("a transfer without a name", &object(&transfer, None), Some(hpa(&owned_by("other"), 5)), "Refuse"),
            ("it lost its owner", &plain, Some(hpa(&labelled("app"), 5)), "Replace"),
            ("it lost its owner and was another's", &plain, Some(hpa(&labelled("other"), 5)), "Refuse"),
        ] {
            let write = Write::next(object, present.as_ref(), &hpa(&owned_by("own"), 5), None, at(0));
            assert!(format!("{write:?}").starts_with(expected), "{case}: {write:?}");
        }
    }

    #[test]
    fn the_controller_is_a_scaled_object_that_says_so() {
        let of = |owners: &[(&str, bool)]| {
            let owner = |(kind, controller): &(&str, bool)| json!({"apiVersion": "v1", "kind": kind, "name": "x", "uid": "x", "controller": controller});
            let owners: Vec<_> = owners.iter().map(owner).collect();
            controller(&hpa(&json!({"name": "own", "ownerReferences": owners}), 5)).is_some()
        };
        assert!(of(&[("App", false), ("ScaledObject", true)]));
        assert!(!of(&[("ScaledObject", false), ("App", true)]));
    }

    #[test]
    fn a_contested_field_is_left_alone_for_an_hour() {
        let (object, desired, other) = (object(&json!({}), None), hpa(&owned_by("own"), 5), hpa(&owned_by("own"), 9));
        let mut contest = None;
        for minute in 0..3 {
            let write = Write::next(&object, Some(&other), &desired, contest.as_deref(), at(minute));
            assert_eq!(write, Write::Replace(Box::new(desired.clone())), "minute {minute}");
            let corrected = corrected(&other, &desired, contest, true, at(minute));
            assert_eq!(corrected.contested.len(), usize::from(minute == 2), "minute {minute}");
            contest = corrected.contest;
        }
        let next = |minute| Write::next(&object, Some(&other), &desired, contest.as_deref(), at(minute));
        assert_eq!(next(3), Write::LeaveAlone(at(62)));
        assert!(matches!(next(62), Write::Replace(_)));
    }

    #[test]
    fn a_first_write_is_no_contest() {
        let effect = corrected(&hpa(&owned_by("own"), 9), &hpa(&owned_by("own"), 5), None, false, at(0));
        assert_eq!((effect.fields.len(), effect.contest), (1, None));
    }
}
