//! Makes an HPA as its ScaledObject asks for it.
//!
//! Each pass compares the observed HPA with the desired one, and concludes nothing from an earlier write. The API
//! server completes a write with its defaults and with the policies of the cluster. From then on the watch must show
//! the completed HPA. [`ebb_plan::hpa::write`] has the decisions.

use chrono::{DateTime, TimeDelta, Utc};
use ebb_crds::ScaledObject;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use kube::api::PostParams;
use kube::{Api, Client, ResourceExt as _};

use super::hpas::Hpas;
use crate::clock;
use crate::kube_api::key::Key;
use crate::store::hpa_state::Applied;
use crate::store::record::Record;
use ebb_plan::hpa::FIELD_MANAGER;
use ebb_plan::hpa::contest::{self, Contest};
use ebb_plan::hpa::fingerprint::{self, Fingerprint};
use ebb_plan::hpa::write::{self, Corrected, Write};
use ebb_plan::names::is_object_name;

/// The most attempts of a write where another writer comes first.
const ATTEMPTS: u32 = 4;

/// Why an HPA could not be written.
#[derive(Debug, thiserror::Error)]
pub(super) enum HpaError {
    /// There is one of that name that is not this ScaledObject's.
    #[error(
        "HPA {0:?} exists and is not owned by this ScaledObject: delete it, give another name in advanced.horizontalPodAutoscalerConfig.name, or set the annotation scaledobject.keda.sh/transfer-hpa-ownership: \"true\" together with that name"
    )]
    Foreign(String),
    /// No object can have this name.
    #[error(
        "{0:?} is no name of an HPA: write letters, digits, '-' and '.' in advanced.horizontalPodAutoscalerConfig.name"
    )]
    Name(String),
    /// The API server did not answer, or refused.
    #[error("{0}")]
    Api(#[from] kube::Error),
}

/// One ScaledObject, and the HPA that it should have.
pub(super) struct Wanted<'a> {
    pub(super) object: &'a ScaledObject,
    pub(super) record: &'a Record,
    pub(super) hpa: &'a HorizontalPodAutoscaler,
}

/// The results of a pass's writes.
#[derive(Debug, Default)]
pub(super) struct Ensured {
    /// How long a difference of the HPA is left alone, if one is.
    pub(super) left_for: Option<TimeDelta>,
    /// The news about contested fields of the HPA.
    pub(super) contest: ContestNews,
    /// The finalizer was removed.
    pub(super) released: bool,
}

/// The news about contested fields of an HPA.
#[derive(Debug, Default)]
pub(super) enum ContestNews {
    /// Nothing.
    #[default]
    None,
    /// There is a contest: the event's text.
    Began(String),
    /// There is none, or no more.
    Over,
}

/// Makes the HPA as it should be, unless the watch shows that it is.
pub(super) async fn ensure(client: &Client, hpas: &Hpas, wanted: &Wanted<'_>) -> Result<Ensured, HpaError> {
    let Wanted { record, hpa, .. } = wanted;
    let (name, namespace) = (hpa.name_any(), &record.key.namespace);
    if !is_object_name(&name) {
        return Err(HpaError::Name(name));
    }
    let (digest, now) = (fingerprint::wanted(hpa), clock::now());
    let before = record.hpa.applied(&name, digest);
    let seen = hpas.get(&Key::new(namespace, &name));
    if let Some(applied) = &before
        && applied.is_in_place(seen.as_ref().map(|seen| &seen.print), now)
    {
        return Ok(Ensured { left_for: applied.left_for(now), ..Ensured::default() });
    }
    record.hpa.write_sent(before.clone());
    let api: Api<HorizontalPodAutoscaler> = Api::namespaced(client.clone(), namespace);
    let outcome = bring_about(&api, wanted, before, now).await?;
    let contest = match (&outcome.contest, &outcome.contested[..]) {
        (None, _) => ContestNews::Over,
        (Some(_), []) => ContestNews::None,
        (Some(_), contested) => {
            let fields = contested.len();
            tracing::warn!(scaled_object = %record.key, hpa = name, fields, "the HPA is contested");
            ContestNews::Began(contest::note(&name, contested))
        }
    };
    let applied = Applied {
        name,
        wanted: digest,
        made: Some(Fingerprint::of(&outcome.hpa)),
        left_until: outcome.left_until,
        contest: outcome.contest,
    };
    let left_for = applied.left_for(now);
    record.hpa.written(applied);
    Ok(Ensured { left_for, contest, released: false })
}

/// The HPA after the writes.
struct Outcome {
    hpa: HorizontalPodAutoscaler,
    left_until: Option<DateTime<Utc>>,
    contest: Option<Box<Contest>>,
    contested: Vec<(contest::Path, Option<String>)>,
}

/// Reads the HPA and writes it where it differs. `before` is the HPA as it was applied for the same specification.
async fn bring_about(
    api: &Api<HorizontalPodAutoscaler>,
    wanted: &Wanted<'_>,
    before: Option<Applied>,
    now: DateTime<Utc>,
) -> Result<Outcome, HpaError> {
    let (name, key) = (wanted.hpa.name_any(), &wanted.record.key);
    let params = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
    let known = before.is_some();
    let contest = before.and_then(|applied| applied.contest).filter(|contest| !contest.is_over(now));
    let outcome = |hpa, left_until, contest| Ok(Outcome { hpa, left_until, contest, contested: Vec::new() });
    let mut attempts = ATTEMPTS;
    loop {
        attempts -= 1;
        let present = api.get_opt(&name).await?;
        let write = Write::next(wanted.object, present.as_ref(), wanted.hpa, contest.as_deref(), now);
        match (write, present) {
            (Write::Refuse, _) => return Err(HpaError::Foreign(name)),
            (Write::Keep, Some(present)) => return outcome(present, None, contest),
            (Write::LeaveAlone(until), Some(present)) => return outcome(present, Some(until), contest),
            (Write::Replace(next), Some(present)) => match api.replace(&name, &params, &next).await {
                Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) && attempts > 0 => {}
                Err(error) => return Err(error.into()),
                Ok(made) => {
                    if !write::is_own(wanted.object, &present) {
                        tracing::info!(scaled_object = %key, hpa = name, "has taken the HPA over");
                    }
                    let Corrected { fields, contest, contested } =
                        write::corrected(&present, &made, contest, known, now);
                    if !fields.is_empty() {
                        let fields = fields.iter().map(|path| path.join(".")).collect::<Vec<_>>().join(" ");
                        tracing::info!(scaled_object = %key, hpa = name, fields, "updated the HPA");
                    }
                    return Ok(Outcome { hpa: made, left_until: None, contest, contested });
                }
            },
            (Write::Create, _) | (_, None) => match api.create(&params, wanted.hpa).await {
                Err(kube::Error::Api(status)) if status.code == 409 && attempts > 0 => {}
                Err(error) => return Err(error.into()),
                Ok(made) => {
                    tracing::info!(scaled_object = %key, hpa = name, "created the HPA");
                    return outcome(made, None, contest);
                }
            },
        }
    }
}
