//! The requests of Ebb to the API server, with their times and the replica of each: from the API server's audit log.
//!
//! Each replica has a token of its own, whose id is in the log.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::bed::Bed;

/// A request as it came in.
#[derive(Clone, Debug)]
pub struct Request {
    /// When it came in.
    pub received: DateTime<Utc>,
    /// When it was answered.
    pub answered: DateTime<Utc>,
    /// The status code of the answer, 0 if there is none.
    pub code: u16,
    /// Whether the answer goes on, as a watch's does: the log has another line for its end.
    pub open: bool,
    /// Whether it was done.
    pub accepted: bool,
    /// Whether it needed a right that was there, with every result.
    pub allowed: bool,
    /// The user.
    pub user: String,
    /// The id of the user's token.
    pub who: String,
    /// The verb.
    pub verb: String,
    /// The API group, empty for the core's.
    pub group: String,
    /// The resource.
    pub resource: String,
    /// The subresource, or nothing.
    pub subresource: String,
    /// The namespace.
    pub namespace: String,
    /// The object.
    pub name: String,
    /// The body of the request, for the few kinds that the log records it of.
    pub body: Value,
}

/// Where the log of a control plane is whose data are in this folder.
pub fn log(dir: &Path) -> PathBuf {
    dir.join("logs/audit.log")
}

/// All requests since the control plane was started whose data are in this folder, in the log's order.
pub fn requests(dir: &Path) -> Result<Vec<Request>> {
    let log = log(dir);
    let text = fs::read_to_string(&log).with_context(|| format!("the audit log {}", log.display()))?;
    Ok(text.lines().filter_map(request).collect())
}

/// All writes since the control plane was started, in the log's order.
pub fn writes(bed: &Bed) -> Result<Vec<Request>> {
    Ok(requests(&bed.dir)?.into_iter().filter(Request::is_write).collect())
}

/// A line of the log. The last may be half written.
fn request(line: &str) -> Option<Request> {
    let event: Value = serde_json::from_str(line).ok()?;
    let time = |key: &str| event[key].as_str()?.parse::<DateTime<Utc>>().ok();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let about = &event["objectRef"];
    let code = event["responseStatus"]["code"].as_u64().and_then(|code| u16::try_from(code).ok()).unwrap_or_default();
    let credential = text(&event["user"]["extra"]["authentication.kubernetes.io/credential-id"][0]);
    Some(Request {
        received: time("requestReceivedTimestamp")?,
        answered: time("stageTimestamp")?,
        code,
        open: event["stage"] == "ResponseStarted",
        accepted: (200..300).contains(&code),
        allowed: !matches!(code, 0 | 401 | 403),
        user: text(&event["user"]["username"]),
        who: credential.trim_start_matches("JTI=").to_owned(),
        verb: text(&event["verb"]),
        group: text(&about["apiGroup"]),
        resource: text(&about["resource"]),
        subresource: text(&about["subresource"]),
        namespace: text(&about["namespace"]),
        name: text(&about["name"]),
        body: event["requestObject"].clone(),
    })
}

impl Request {
    /// Whether it may change something.
    pub fn is_write(&self) -> bool {
        !matches!(self.verb.as_str(), "get" | "list" | "watch")
    }

    /// The request, in one line.
    pub fn display(&self) -> String {
        let Self { namespace, name, .. } = self;
        format!("{} {namespace}/{name}", self.what())
    }

    /// The verb and the kind of thing.
    pub fn what(&self) -> String {
        format!("{} {}", self.verb, self.path())
    }

    /// The resource with its subresource, as roles name them.
    pub fn path(&self) -> String {
        let Self { resource, subresource, .. } = self;
        if subresource.is_empty() { resource.clone() } else { format!("{resource}/{subresource}") }
    }

    /// Whether it asks something, by a create, and changes nothing.
    pub fn is_question(&self) -> bool {
        matches!(self.resource.as_str(), "subjectaccessreviews" | "tokenreviews")
    }

    /// The replicas that a `/scale` was set to.
    pub fn replicas(&self) -> Option<i64> {
        if self.subresource != "scale" {
            return None;
        }
        // Zero is left out of a whole object, not of a patch.
        Some(self.body["spec"]["replicas"].as_i64().unwrap_or(0))
    }

    /// The holder of the lease from then on, if this is a write of the lease: its identity, or nothing for nobody.
    pub fn holder(&self) -> Option<&str> {
        (self.resource == "leases").then(|| self.body["spec"]["holderIdentity"].as_str().unwrap_or_default())
    }

    /// Whether only the holder of the lease may do it. All replicas may write the lease itself and the certificates,
    /// and may ask questions.
    pub fn is_the_holders(&self) -> bool {
        let everybodys = ["leases", "secrets", "apiservices", "validatingwebhookconfigurations"];
        !self.is_question() && !everybodys.contains(&self.resource.as_str())
    }
}
