//! What Ebb wrote, when, and which replica of it: from the API server's audit log.
//!
//! Each replica has a token of its own, whose id the log tells.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use chrono::{DateTime, Utc};
use serde_json::Value;

/// A write that the API server has accepted.
#[derive(Debug)]
pub(crate) struct Write {
    /// When it came in.
    pub(crate) received: DateTime<Utc>,
    /// When it was answered.
    pub(crate) answered: DateTime<Utc>,
    /// The token's id.
    pub(crate) who: String,
    /// `verb resource/subresource name`.
    pub(crate) what: String,
    /// The resource.
    pub(crate) resource: String,
    /// The subresource, or nothing.
    pub(crate) subresource: String,
    /// The namespace.
    pub(crate) namespace: String,
    /// The object.
    pub(crate) name: String,
    /// What was sent, of the few kinds of which the log tells it.
    pub(crate) body: Value,
}

/// All writes, in the order in which they came in.
pub(crate) fn writes(bed: &Path) -> Result<Vec<Write>> {
    let log = fs::read_to_string(bed.join("logs/audit.log")).context("the audit log")?;
    let mut writes: Vec<Write> = log.lines().filter_map(write).collect();
    writes.sort_by_key(|write| write.received);
    Ok(writes)
}

/// A line of the log: nothing if it is half written, or was refused.
fn write(line: &str) -> Option<Write> {
    let event: Value = serde_json::from_str(line).ok()?;
    if event["responseStatus"]["code"].as_u64().is_none_or(|code| code >= 300) {
        return None;
    }
    let time = |key: &str| event[key].as_str()?.parse::<DateTime<Utc>>().ok();
    let of = |key: &str| event["objectRef"][key].as_str().unwrap_or_default().to_owned();
    let credential = &event["user"]["extra"]["authentication.kubernetes.io/credential-id"][0];
    let [resource, subresource, name] = ["resource", "subresource", "name"].map(of);
    Some(Write {
        received: time("requestReceivedTimestamp")?,
        answered: time("stageTimestamp")?,
        who: credential.as_str()?.trim_start_matches("JTI=").to_owned(),
        what: format!("{} {resource}/{subresource} {name}", event["verb"].as_str().unwrap_or_default()),
        resource,
        subresource,
        namespace: of("namespace"),
        name,
        body: event["requestObject"].clone(),
    })
}

impl Write {
    /// The replicas that a `/scale` was set to.
    pub(crate) fn replicas(&self) -> Option<i64> {
        if self.subresource != "scale" {
            return None;
        }
        // Zero is left out of a whole object, not of a patch.
        Some(self.body["spec"]["replicas"].as_i64().unwrap_or(0))
    }

    /// Whoever holds the lease from then on, if this is a write of the lease: its identity, or nothing for nobody.
    pub(crate) fn holder(&self) -> Option<&str> {
        (self.resource == "leases").then(|| self.body["spec"]["holderIdentity"].as_str().unwrap_or_default())
    }

    /// Whether only whoever holds the lease may do it. The lease itself, the certificates, which all replicas keep, and
    /// questions about users are everybody's.
    pub(crate) fn is_the_holders(&self) -> bool {
        let everybodys = [
            "leases",
            "tokenreviews",
            "subjectaccessreviews",
            "secrets",
            "apiservices",
            "validatingwebhookconfigurations",
        ];
        !everybodys.contains(&self.resource.as_str())
    }
}
