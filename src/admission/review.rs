//! The wire types of an admission review: the API server's request and the response (Kubernetes docs, "Dynamic
//! Admission Control").

use serde::Deserialize;
use serde_json::{Value, json};

use crate::review::Finding;

/// `admission.k8s.io/v1`, the only supported version.
pub(super) const VERSION: &str = "admission.k8s.io/v1";
/// The longest warning, in characters. The API server truncates all warnings of a review to 4,096 characters in total.
const LONGEST_WARNING: usize = 600;

/// An `AdmissionReview` with a request.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Review {
    pub(super) api_version: String,
    pub(super) request: Request,
}

/// The request of a review.
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
    /// Whether the user has changed anything that a review checks. The deletion of an object is never blocked.
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

    /// KEDA's name of the operation.
    pub(super) fn action(&self) -> &'static str {
        if self.operation == "UPDATE" { "update" } else { "create" }
    }
}

/// The response of a review.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Verdict {
    /// The reason if the object is refused.
    pub(super) refusal: Option<String>,
    pub(super) warnings: Vec<String>,
}

impl Verdict {
    /// The response for these findings.
    pub(super) fn of(findings: &[Finding], strict: bool) -> Self {
        let (refusals, warnings): (Vec<_>, Vec<_>) = findings.iter().partition(|finding| finding.refuses(strict));
        let refusals: Vec<_> = refusals.into_iter().map(told).collect();
        let refusal = (!refusals.is_empty()).then(|| refusals.join("; "));
        Self { refusal, warnings: warnings.into_iter().map(warning).collect() }
    }

    /// The response as an `AdmissionReview`.
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
    let hints = if finding.hints.is_empty() { String::new() } else { format!(" ({})", finding.hints.join("; ")) };
    format!("{finding}{}", hints.replace(char::is_control, " "))
}

fn warning(finding: &Finding) -> String {
    let text = told(finding);
    match text.char_indices().nth(LONGEST_WARNING) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
