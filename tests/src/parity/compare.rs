//! The differences between Ebb and KEDA, and whether they are deliberate (`docs/keda-differences.md`).

use std::collections::BTreeSet;
use std::fmt;

use anyhow::Result;
use serde_json::Value;

/// Why a difference is none to worry about.
const OWNERSHIP_MARKS: &str = "the marks of kubectl and GitOps tools are not copied to the HPA";
const VERSION_LABEL: &str = "the label does not change with each release";
const TIMES: &str = "conditions tell since when, and of which generation";
const PAUSED: &str = "the status of one that is paused from its first moment tells what is known of it";
const TEXTS: &str = "KEDA's text, and how to mend it";
const NOT_READ: &str = "triggers that cannot be read are not called inactive";
const NOT_READY: &str = "a ScaledObject is ready once its triggers can be read";
const NOT_IN_FORCE: &str = "the status names what is in force only";
const FAILURES: &str = "failures are counted up to one more than may be";
const REFUSAL: &str = "both refuse it, each with its own text";

/// Annotations and labels by which kubectl and GitOps tools mark what they own, or the beginnings of their names.
const MARKS: &[&str] = &[
    "kubectl.kubernetes.io/last-applied-configuration",
    "app.kubernetes.io/instance",
    "argocd.argoproj.io/",
    "kustomize.toolkit.fluxcd.io/",
    "helm.toolkit.fluxcd.io/",
    "meta.helm.sh/",
];

/// One place where Ebb's objects are not as KEDA's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Where.
    pub path: String,
    /// KEDA's value.
    pub keda: String,
    /// Ebb's value.
    pub ebb: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: KEDA has {}, Ebb has {}", self.path, self.keda, self.ebb)
    }
}

/// All places.
#[derive(Debug, Default)]
pub struct Differences {
    /// Those that are deliberate, and why.
    pub expected: Vec<(Difference, &'static str)>,
    /// The others.
    pub unexpected: Vec<Difference>,
    is_paused: bool,
    /// Ebb's Ready is not True.
    is_failing: bool,
}

impl Differences {
    fn add(&mut self, path: &str, keda: &Value, ebb: &Value) {
        let difference = Difference { path: path.to_owned(), keda: keda.to_string(), ebb: ebb.to_string() };
        let outline =
            ["authenticationsTypes", "originalReplicaCount", "scaleTargetGVKR", "scaleTargetKind", "triggersTypes"];
        let field = path.strip_prefix(".scaledObject.status.").unwrap_or_default();
        let paused = self.is_paused && keda.is_null() && outline.contains(&field);
        let by_state = self.is_failing.then(|| while_failing(path, keda, ebb)).flatten();
        match paused.then_some(PAUSED).or(by_state).or_else(|| reason(path, keda, ebb)) {
            Some(reason) => self.expected.push((difference, reason)),
            None => self.unexpected.push(difference),
        }
    }
}

fn reason(path: &str, keda: &Value, ebb: &Value) -> Option<&'static str> {
    let ends = |end: &str| path.ends_with(end);
    let is_mark = || {
        let name = path.split_once(".annotations.").or_else(|| path.split_once(".labels.")).map(|(_, name)| name);
        name.is_some_and(|name| MARKS.iter().any(|mark| name.starts_with(mark)))
    };
    if path.starts_with(".hpas[") && ebb.is_null() && is_mark() {
        return Some(OWNERSHIP_MARKS);
    }
    if path.starts_with(".scaledObject.status.health.") && ends(".numberOfFailures") && keda.as_u64() > ebb.as_u64() {
        return Some(FAILURES);
    }
    if ends(".labels.app.kubernetes.io/version") {
        return Some(VERSION_LABEL);
    }
    if (ends(".lastTransitionTime") || ends(".observedGeneration")) && keda.is_null() {
        return Some(TIMES);
    }
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let (keda, ebb) = (text(keda)?, text(ebb)?);
    (ends(".message") && has_text(&ebb, &keda)).then_some(TEXTS)
}

/// Whether Ebb's text has each line of KEDA's. Ebb has trigger and hint on the first line and further hints on the last
/// ones, and does not blame a missing address for its scheme as well.
fn has_text(ebb: &str, keda: &str) -> bool {
    const CONSEQUENCE: &str = "unknown host URL scheme: ``";
    let has = |line: &str| line == CONSEQUENCE || ebb.split('\n').any(|other| other.starts_with(line));
    keda.split('\n').all(has)
}

/// Differences that a ScaledObject may have that is not ready.
fn while_failing(path: &str, keda: &Value, ebb: &Value) -> Option<&'static str> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    if path == ".events" && ebb.is_null() && text(keda).contains(" ScaledObjectReady ") {
        return Some(NOT_READY);
    }
    if path.ends_with(".message")
        && text(keda).ends_with("because triggers are not active")
        && text(ebb).contains("cannot be read")
    {
        return Some(NOT_READ);
    }
    let names = ["externalMetricNames", "resourceMetricNames", "compositeScalerName", "health", "triggersActivity"];
    let field = path.strip_prefix(".scaledObject.status.").unwrap_or_default();
    (ebb.is_null() && names.contains(&field)).then_some(NOT_IN_FORCE)
}

/// Compares the answers to the manifest: each is the error, or nothing where it was taken.
pub(super) fn answers(keda: Option<&str>, ebb: Option<&str>) -> Differences {
    let mut differences = Differences::default();
    let shown =
        |error: Option<&str>| error.map_or("applied", |error| error.lines().next().unwrap_or_default()).to_owned();
    let difference = Difference { path: ".apply".to_owned(), keda: shown(keda), ebb: shown(ebb) };
    match (keda, ebb) {
        (None, None) => {}
        (Some(keda), Some(ebb)) if keda.trim() == ebb.trim() => {}
        (Some(_), Some(_)) => differences.expected.push((difference, REFUSAL)),
        _ => differences.unexpected.push(difference),
    }
    differences
}

/// Compares KEDA's result with Ebb's.
///
/// # Errors
/// One of them has not the form of an observation.
pub(super) fn compare(keda: &Value, ebb: &Value) -> Result<Differences> {
    let is_paused = keda["scaledObject"]["status"]["pausedReplicaCount"].is_number();
    let conditions = ebb["scaledObject"]["status"]["conditions"].as_array().into_iter().flatten();
    let is_failing = conditions.into_iter().any(|one| one["type"] == "Ready" && one["status"] != "True");
    let mut differences = Differences { is_paused, is_failing, ..Differences::default() };
    events(keda, ebb, &mut differences)?;
    for part in ["hpas", "replicas", "scaledObject"] {
        values(&format!(".{part}"), &keda[part], &ebb[part], &mut differences);
    }
    Ok(differences)
}

/// KEDA writes `Scaler <type> is built` for every trigger, but events with one reason that come at once are folded
/// into the last one, so which of them stay is chance. They are not compared.
fn is_chance([_, _, message]: &[String; 3]) -> bool {
    message.starts_with("Scaler ") && message.ends_with(" is built")
}

fn events(keda: &Value, ebb: &Value, differences: &mut Differences) -> Result<()> {
    let all = |observation: &Value| -> Result<BTreeSet<[String; 3]>> {
        let all: Vec<[String; 3]> = serde_json::from_value(observation["events"].clone())?;
        Ok(all.into_iter().filter(|event| !is_chance(event)).collect())
    };
    let (keda, mut ebb) = (all(keda)?, all(ebb)?);
    let shown = |[kind, reason, message]: &[String; 3]| Value::from(format!("{kind} {reason} {message}"));
    for event in &keda {
        // The same text first: another may begin with it.
        let same = ebb.get(event).or_else(|| {
            let fits = |other: &&[String; 3]| other[..2] == event[..2] && has_text(&other[2], &event[2]);
            ebb.iter().find(fits)
        });
        let Some(same) = same.cloned() else {
            differences.add(".events", &shown(event), &Value::Null);
            continue;
        };
        ebb.remove(&same);
        if same != *event {
            differences.add(".events.message", &Value::from(event[2].as_str()), &Value::from(same[2].as_str()));
        }
    }
    for event in &ebb {
        differences.add(".events", &Value::Null, &shown(event));
    }
    Ok(())
}

fn values(path: &str, keda: &Value, ebb: &Value, differences: &mut Differences) {
    // Of this run: that they are there is what counts.
    let of_this_run = ["uid", "lastActiveTime"].contains(&path.rsplit('.').next().unwrap_or_default());
    let empty = Value::Object(serde_json::Map::new());
    match (keda, ebb) {
        (Value::Object(left), Value::Object(right)) => {
            let keys: BTreeSet<&String> = left.keys().chain(right.keys()).collect();
            for key in keys {
                values(&format!("{path}.{key}"), &keda[key], &ebb[key], differences);
            }
        }
        (Value::Object(_), Value::Null) if path.ends_with(".annotations") => values(path, keda, &empty, differences),
        (Value::Array(left), Value::Array(right)) if left.len() == right.len() => {
            for (index, (keda, ebb)) in left.iter().zip(right).enumerate() {
                values(&format!("{path}[{index}]"), keda, ebb, differences);
            }
        }
        (Value::String(_), Value::String(_)) if of_this_run => {}
        _ if keda == ebb => {}
        _ => differences.add(path, keda, ebb),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn observation(message: &str, max: u32) -> Value {
        json!({
            "events": [["Warning", "KEDAScalerFailed", message], ["Normal", "KEDAScalersStarted", "Scaler cron is built"]],
            "hpas": [{"spec": {"maxReplicas": max}, "labels": {"app.kubernetes.io/version": max.to_string()}}],
            "replicas": 1,
            "scaledObject": {"status": {"conditions": [{"type": "Ready", "message": message}]}},
        })
    }

    #[test]
    fn a_refusal_is_a_result() {
        for (keda, ebb, counts) in [
            (None, None, (0, 0)),
            (Some("denied: two"), Some("denied: two\n"), (0, 0)),
            (Some("denied: two"), Some("denied: twice"), (1, 0)),
            (Some("denied"), None, (0, 1)),
            (None, Some("denied"), (0, 1)),
        ] {
            let found = answers(keda, ebb);
            assert_eq!((found.expected.len(), found.unexpected.len()), counts, "{found:?}");
        }
    }

    #[test]
    fn what_follows_from_a_rule_is_expected_in_any_case() {
        let with = |ready: &str, more: &Value| {
            let mut whole = observation("gone", 1);
            whole["scaledObject"]["status"]["conditions"] = json!([{"type": "Ready", "status": ready}, more]);
            whole
        };
        let active = |text: &str| json!({"type": "Active", "message": text});
        let keda = "Scaling is not performed because triggers are not active";
        let ebb = "Scaling is not performed because triggers cannot be read: the replica count stays";
        for (ready, unexpected) in [("False", 0), ("True", 1)] {
            let found = compare(&with(ready, &active(keda)), &with(ready, &active(ebb))).unwrap();
            assert_eq!(found.unexpected.len(), unexpected, "{ready}: {found:?}");
        }
        let mut marked = observation("gone", 1);
        marked["hpas"][0]["labels"]["app.kubernetes.io/instance"] = json!("shop");
        marked["hpas"][0]["annotations"] = json!({"argocd.argoproj.io/tracking-id": "x", "team": "a"});
        let found = compare(&marked, &observation("gone", 1)).unwrap();
        let paths: Vec<_> = found.unexpected.iter().map(|difference| difference.path.as_str()).collect();
        assert_eq!(paths, [".hpas[0].annotations.team"], "{found:?}");
    }

    #[test]
    fn what_is_deliberate_is_told_apart_from_what_is_not() {
        let same = compare(&observation("gone", 1), &observation("gone", 1)).unwrap();
        assert!(same.expected.is_empty() && same.unexpected.is_empty());

        let longer = compare(&observation("gone", 1), &observation("gone\nbring it back", 1)).unwrap();
        assert_eq!((longer.expected.len(), longer.unexpected.len()), (2, 0), "{longer:?}");

        let other = compare(&observation("gone", 1), &observation("lost", 2)).unwrap();
        let paths: Vec<_> = other.unexpected.iter().map(|difference| difference.path.as_str()).collect();
        assert_eq!(
            paths,
            [".events", ".events", ".hpas[0].spec.maxReplicas", ".scaledObject.status.conditions[0].message"]
        );
        assert_eq!(other.expected.len(), 1, "the label");

        let with_types = |paused: Value, types: Value| {
            let mut whole = observation("gone", 1);
            whole["scaledObject"]["status"]["pausedReplicaCount"] = paused;
            whole["scaledObject"]["status"]["triggersTypes"] = types;
            whole
        };
        for (paused, unexpected) in [(json!(3), 0), (Value::Null, 1)] {
            let found = compare(&with_types(paused.clone(), Value::Null), &with_types(paused, json!("cron"))).unwrap();
            assert_eq!(found.unexpected.len(), unexpected, "{found:?}");
        }
    }
}
