//! The API server's question and the answer to it (Kubernetes docs, "Dynamic Admission Control").

use serde::Deserialize;
use serde_json::{Value, json};

use crate::plan::review::{Finding, Severity};

/// `admission.k8s.io/v1`, the only version that is spoken.
pub(super) const VERSION: &str = "admission.k8s.io/v1";
/// How long a warning may be in characters; the API server cuts off what comes to more than 4,096 in all.
const LONGEST_WARNING: usize = 600;

/// An `AdmissionReview` with a question.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Review {
    pub(super) api_version: String,
    pub(super) request: Request,
}

/// The question.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Request {
    pub(super) uid: String,
    pub(super) operation: String,
    pub(super) namespace: String,
    pub(super) object: Value,
    pub(super) old_object: Value,
}

impl Request {
    /// Whether the user has changed anything that a review looks at. One that is being deleted is never kept from it.
    pub(super) fn is_news(&self) -> bool {
        let (new, old) = (&self.object, &self.old_object);
        let same = |path: &str| new.pointer(path) == old.pointer(path);
        match self.operation.as_str() {
            "CREATE" => true,
            "UPDATE" => {
                new.pointer("/metadata/deletionTimestamp").is_none_or(Value::is_null)
                    && !(same("/spec") && same("/metadata/annotations") && same("/metadata/labels"))
            }
            _ => false,
        }
    }

    /// KEDA's word for the operation.
    pub(super) fn action(&self) -> &'static str {
        if self.operation == "UPDATE" { "update" } else { "create" }
    }
}

/// The answer.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Verdict {
    /// Why it is refused, if it is.
    pub(super) refusal: Option<String>,
    pub(super) warnings: Vec<String>,
}

impl Verdict {
    /// What follows from `findings`.
    pub(super) fn of(findings: &[Finding], strict: bool) -> Self {
        let refuses = |finding: &&Finding| strict || finding.severity == Severity::Refusal;
        let refusals: Vec<_> = findings.iter().filter(refuses).map(told).collect();
        let warnings = findings.iter().filter(|finding| !refuses(finding)).map(warning);
        Self { refusal: (!refusals.is_empty()).then(|| refusals.join("; ")), warnings: warnings.collect() }
    }

    /// As an `AdmissionReview`.
    pub(super) fn answer(&self, uid: &str) -> Value {
        let mut response = json!({"uid": uid, "allowed": self.refusal.is_none()});
        if let Some(message) = &self.refusal {
            response["status"] = json!({"code": 403, "reason": "Forbidden", "message": message});
        }
        if !self.warnings.is_empty() {
            response["warnings"] = self.warnings.clone().into();
        }
        json!({"apiVersion": VERSION, "kind": "AdmissionReview", "response": response})
    }
}

fn told(finding: &Finding) -> String {
    let parts = [finding.path.as_str(), finding.text.as_str()];
    let text = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(": ");
    let cures = if finding.cures.is_empty() { String::new() } else { format!(" ({})", finding.cures.join("; ")) };
    format!("{text}{cures}").replace(char::is_control, " ")
}

fn warning(finding: &Finding) -> String {
    let text = told(finding);
    match text.char_indices().nth(LONGEST_WARNING) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
