//! Makes an HPA what its ScaledObject says.
//!
//! Each pass compares the observed HPA with the desired one, and concludes nothing from an earlier write. The API server
//! completes a write with its defaults and with the policies of the cluster. The result is the HPA that the watch has to show
//! from then on.

use chrono::{DateTime, TimeDelta, Utc};
use ebb_crds::{ScaledObject, names};
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use kube::api::PostParams;
use kube::{Api, Client, ResourceExt as _};

use super::apply::is_own;
use super::hpas::Hpas;
use crate::clock;
use crate::events::{Events, Reason};
use crate::key::Key;
use crate::plan::hpa::contest::{self, Contest};
use crate::plan::hpa::fingerprint::{self, Fingerprint};
use crate::plan::hpa::{FIELD_MANAGER, replacement};
use crate::plan::names::is_object_name;
use crate::poll::registry::{AppliedHpa, Object};

/// How often a write is tried that somebody else's write came before.
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
    pub(super) scaled_object: &'a ScaledObject,
    pub(super) object: &'a Object,
    pub(super) hpa: &'a HorizontalPodAutoscaler,
}

/// Makes the HPA what it should be, unless the watch shows that it is. Gives the time until which a difference is left
/// alone, if one is.
pub(super) async fn ensure(
    client: &Client,
    (hpas, events): (&Hpas, &Events),
    wanted: &Wanted<'_>,
) -> Result<Option<TimeDelta>, HpaError> {
    let Wanted { object, hpa, .. } = wanted;
    let (name, namespace) = (hpa.name_any(), &object.key.namespace);
    if !is_object_name(&name) {
        return Err(HpaError::Name(name));
    }
    let asked = fingerprint::wanted(hpa);
    let before = object.memory.lock().applied_hpa.clone().filter(|applied| applied.name == name);
    let before = before.filter(|applied| applied.wanted == asked);
    let now = clock::now();
    if let Some(applied) = &before
        && hpas.get(&Key::new(namespace, &name)).is_some_and(|seen| applied.made.holds_for(&seen.print))
        && applied.left_until.is_none_or(|until| now < until)
    {
        return Ok(applied.left_until.map(|until| until - now));
    }
    // A write whose answer is lost leaves nothing to rely on, but what others did before is still true.
    let unknown =
        before.clone().map(|applied| AppliedHpa { made: Fingerprint::default(), left_until: None, ..applied });
    object.memory.lock().applied_hpa = unknown;
    let api: Api<HorizontalPodAutoscaler> = Api::namespaced(client.clone(), namespace);
    let known = before.is_some();
    let contest = before.and_then(|applied| applied.contest);
    let outcome = bring_about(&api, wanted, contest, known, now).await?;
    if !outcome.contested.is_empty() {
        let note = contest::note(&name, &outcome.contested);
        tracing::warn!(scaled_object = %object.key, hpa = name, fields = outcome.contested.len(), "the HPA is contested");
        events.emit(&object.reference(), Reason::HpaContested, note);
    }
    let left_until = outcome.left_until;
    object.memory.lock().applied_hpa = Some(AppliedHpa {
        name,
        wanted: asked,
        made: Fingerprint::of(&outcome.hpa),
        left_until,
        contest: outcome.contest,
    });
    Ok(left_until.map(|until| until - now))
}

/// What there is in the end.
struct Outcome {
    hpa: HorizontalPodAutoscaler,
    left_until: Option<DateTime<Utc>>,
    contest: Option<Box<Contest>>,
    /// The fields that are contested from now on, with their writers.
    contested: Vec<(contest::Path, Option<String>)>,
}

impl Outcome {
    fn right(hpa: HorizontalPodAutoscaler, contest: Option<Box<Contest>>) -> Self {
        Self { hpa, left_until: None, contest, contested: Vec::new() }
    }
}

/// Reads the HPA and writes it where it differs. `known` says that the same was written before, so that a difference is
/// somebody else's doing.
async fn bring_about(
    api: &Api<HorizontalPodAutoscaler>,
    wanted: &Wanted<'_>,
    contest: Option<Box<Contest>>,
    known: bool,
    now: DateTime<Utc>,
) -> Result<Outcome, HpaError> {
    let (name, key) = (wanted.hpa.name_any(), &wanted.object.key);
    let params = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
    let contest = contest.filter(|contest| !contest.is_over(now));
    let mut attempts = ATTEMPTS;
    loop {
        attempts -= 1;
        let Some(present) = api.get_opt(&name).await? else {
            match api.create(&params, wanted.hpa).await {
                Err(kube::Error::Api(status)) if status.code == 409 && attempts > 0 => continue,
                Err(error) => return Err(error.into()),
                Ok(made) => {
                    tracing::info!(scaled_object = %key, hpa = name, "created the HPA");
                    return Ok(Outcome::right(made, contest));
                }
            }
        };
        if !is_own(wanted.scaled_object, &present) {
            if !may_take(wanted.scaled_object) {
                return Err(HpaError::Foreign(name));
            }
            tracing::info!(scaled_object = %key, hpa = name, "takes the HPA over");
        }
        let next = replacement::replacement(&present, wanted.hpa);
        if replacement::is_same(&present, &next) {
            return Ok(Outcome::right(present, contest));
        }
        let (found, wanted_parts) = (replacement::parts(&present), replacement::parts(&next));
        if let Some(until) = contest.as_ref().and_then(|contest| contest.is_left_alone(&found, &wanted_parts, now)) {
            return Ok(Outcome { left_until: Some(until), ..Outcome::right(present, contest) });
        }
        match api.replace(&name, &params, &next).await {
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) && attempts > 0 => {}
            Err(error) => return Err(error.into()),
            Ok(made) => return Ok(put_right(wanted, &present, made, contest, known, now)),
        }
    }
}

/// Notes what a write has put right.
fn put_right(
    wanted: &Wanted<'_>,
    present: &HorizontalPodAutoscaler,
    made: HorizontalPodAutoscaler,
    contest: Option<Box<Contest>>,
    known: bool,
    now: DateTime<Utc>,
) -> Outcome {
    let (found, parts) = (replacement::parts(present), replacement::parts(&made));
    let fields = contest::differences(&parts, &found);
    if fields.is_empty() {
        // What differs is what the API server adds.
        return Outcome::right(made, contest);
    }
    let paths: Vec<_> = fields.iter().map(|path| path.join(".")).collect();
    let (key, hpa) = (&wanted.object.key, wanted.hpa.name_any());
    tracing::info!(scaled_object = %key, hpa, fields = paths.join(" "), "updated the HPA");
    if !known {
        return Outcome::right(made, contest);
    }
    let mut contest = contest.unwrap_or_else(|| Box::new(Contest::new(parts.clone())));
    let managed = present.metadata.managed_fields.as_deref().unwrap_or_default();
    let named = |path: contest::Path| {
        let writer = contest::writer(managed, &path).map(str::to_owned);
        (path, writer)
    };
    let mut contested: Vec<_> = contest.correct(&found, parts, now).into_iter().map(named).collect();
    // The API server's defaults beside a field have no writer.
    contested.sort_by_key(|(_, writer)| writer.is_none());
    Outcome { contested, ..Outcome::right(made, Some(contest)) }
}

fn may_take(scaled_object: &ScaledObject) -> bool {
    let transfer =
        scaled_object.annotations().get(names::TRANSFER_HPA_OWNERSHIP_ANNOTATION).is_some_and(|value| value == "true");
    let named = scaled_object.spec.hpa_config().and_then(|config| config.name());
    transfer && named.is_some()
}
