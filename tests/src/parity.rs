//! The same manifests for Ebb as for KEDA, and whether the results are the same.
//!
//! A folder of cases has `in/<case>.json`, a List of a Deployment and a ScaledObject in the namespace `parity`, and
//! `observed/<case>.json`, the objects there once KEDA had come to rest. A manifest that was refused with KEDA has a
//! line
//! `<case>: <error>` in `apply-errors.txt` instead; lines that begin with no case go on with the one before.

mod compare;
mod hour;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use chrono::Utc;
use futures::future::{join_all, try_join_all};
use http::Method;
use serde_json::{Value, json};

pub use compare::{Difference, Differences};

use crate::kafka::Kafka;
use crate::rabbit::Rabbit;
use crate::sandbox::{Event, Sandbox};
use crate::wait::{self, secs};

/// The namespace of the manifests.
pub const NAMESPACE: &str = "parity";

/// One manifest and KEDA's result for it.
pub struct Case {
    /// The file's name.
    pub name: String,
    scaled_object: String,
    items: Value,
    observed: Observed,
}

/// The result with KEDA.
enum Observed {
    /// The objects with KEDA.
    Objects(Value),
    /// The manifest was refused: the error.
    Refused(String),
}

/// How a case ended.
pub struct Verdict {
    /// The case's name.
    pub case: String,
    /// Where Ebb's objects are not as KEDA's.
    pub differences: Differences,
}

/// The cases of a folder, by their names.
///
/// # Errors
/// A file cannot be read, or a manifest has nothing to compare it with.
pub fn cases(folder: &Path) -> Result<Vec<Case>> {
    let inputs = folder.join("in");
    let files = fs::read_dir(&inputs).with_context(|| format!("no manifests in {}", inputs.display()))?;
    let mut names: Vec<String> =
        files.filter_map(|file| file.ok()?.file_name().to_str()?.strip_suffix(".json").map(str::to_owned)).collect();
    names.sort();
    ensure!(!names.is_empty(), "no manifests in {}", inputs.display());
    let errors = folder.join("apply-errors.txt");
    let errors = if errors.exists() { fs::read_to_string(&errors).context("apply-errors.txt")? } else { String::new() };
    let refused = refusals(&errors, &names);
    names.iter().map(|name| Case::read(folder, name.clone(), refused.get(name.as_str()))).collect()
}

/// The errors of each case in the text of `apply-errors.txt`.
fn refusals<'a>(text: &str, names: &'a [String]) -> BTreeMap<&'a str, String> {
    let mut refused: BTreeMap<&str, String> = BTreeMap::new();
    let mut case = None;
    for line in text.lines() {
        let begins = names.iter().filter_map(|name| {
            let rest = line.strip_prefix(name.as_str())?;
            let rest = rest.strip_prefix(".json").unwrap_or(rest);
            Some((name.as_str(), rest.strip_prefix([':', '\t', ' '])?.trim()))
        });
        let rest = match begins.max_by_key(|(name, _)| name.len()) {
            Some((name, rest)) => {
                case = Some(name);
                rest
            }
            None => line,
        };
        if let Some(case) = case {
            let error = refused.entry(case).or_default();
            error.push_str(rest);
            error.push('\n');
        }
    }
    refused
}

/// Gives all cases to Ebb, waits until each is as it should be or does not get any nearer, and compares.
///
/// # Errors
/// The servers do not follow a request. A difference is no error.
pub async fn run(user: &Sandbox, rabbit: &Rabbit, kafka: &Kafka, cases: &[Case]) -> Result<Vec<Verdict>> {
    let mut answers = Vec::new();
    for case in cases {
        case.prepare(rabbit, kafka).await.with_context(|| case.name.clone())?;
        let manifest = with_addresses(&case.items, rabbit, kafka);
        // Client-side, as when KEDA was watched: the annotation it leaves is part of the comparison.
        let applied = user.kubectl.output(&["apply", "-f", "-"], Some(&manifest.to_string())).await?;
        answers.push((!applied.ok).then_some(applied.stderr));
    }
    join_all(cases.iter().zip(&answers).map(|(case, answer)| case.verdict(user, answer.as_deref())))
        .await
        .into_iter()
        .collect()
}

impl Case {
    fn read(folder: &Path, name: String, refused: Option<&String>) -> Result<Self> {
        let json = |part: &str| -> Result<Value> {
            let path = folder.join(part).join(format!("{name}.json"));
            let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
            serde_json::from_str(&text).with_context(|| path.display().to_string())
        };
        let items = json("in")?;
        let observed = match refused {
            Some(error) => Observed::Refused(error.clone()),
            None => Observed::Objects(json("observed")?),
        };
        let objects = items["items"].as_array().with_context(|| format!("in/{name}.json is no List"))?;
        let object = objects.iter().find(|item| item["kind"] == "ScaledObject");
        let object = object.with_context(|| format!("in/{name}.json has no ScaledObject"))?;
        let scaled_object = object["metadata"]["name"].as_str().context("the ScaledObject has no name")?.to_owned();
        Ok(Self { name, scaled_object, items, observed })
    }

    /// The objects with KEDA; null if the manifest was refused.
    fn observed(&self) -> &Value {
        match &self.observed {
            Observed::Objects(objects) => objects,
            Observed::Refused(_) => &Value::Null,
        }
    }

    /// Compares the API server's answers, and the objects where both took the manifest.
    async fn verdict(&self, user: &Sandbox, answer: Option<&str>) -> Result<Verdict> {
        let refused = match &self.observed {
            Observed::Refused(error) => Some(error.as_str()),
            Observed::Objects(_) => None,
        };
        if refused.is_none() && answer.is_none() {
            return self.settle(user).await;
        }
        Ok(Verdict { case: self.name.clone(), differences: compare::answers(refused, answer) })
    }

    fn item(&self, kind: &str) -> &Value {
        let items = self.items["items"].as_array();
        items.and_then(|items| items.iter().find(|item| item["kind"] == kind)).unwrap_or(&Value::Null)
    }

    fn triggers(&self) -> impl Iterator<Item = &Value> {
        self.item("ScaledObject")["spec"]["triggers"].as_array().into_iter().flatten()
    }

    /// Makes the queues and topics that KEDA found: empty queues, and three partitions. Those were empty, and KEDA
    /// counts 1 for each without a commit; Ebb does so where there is a record.
    async fn prepare(&self, rabbit: &Rabbit, kafka: &Kafka) -> Result<()> {
        let conditions = self.observed()["scaledObject"]["status"]["conditions"].as_array();
        let ready = conditions.and_then(|all| all.iter().find(|condition| condition["type"] == "Ready"));
        if ready.is_none_or(|ready| ready["status"] != "True") {
            return Ok(());
        }
        let made = self.triggers().map(async |trigger| {
            let metadata = &trigger["metadata"];
            if let Some(queue) = metadata["queueName"].as_str().filter(|_| metadata["useRegex"] != "true") {
                rabbit.declare(queue).await?;
            }
            for topic in metadata["topic"].as_str().unwrap_or_default().split(',').filter(|topic| !topic.is_empty()) {
                if kafka.leaders(topic).await.is_err() {
                    kafka.create_topic(topic, 3).await?;
                    for partition in 0..3 {
                        kafka.produce_to(topic, partition, 1).await?;
                    }
                }
            }
            Ok::<_, anyhow::Error>(())
        });
        try_join_all(made).await.map(drop)
    }

    /// Waits until there is no difference that should not be, and gives the differences, also after a timeout.
    async fn settle(&self, user: &Sandbox) -> Result<Verdict> {
        let mut last = None;
        let outcome = wait::until(&self.name, secs(75), async || {
            let expected = hour::at(self, Utc::now()).await?;
            let differences = compare::compare(&expected, &self.seen(user).await?)?;
            let found = differences.unexpected.len();
            last = Some(differences);
            ensure!(found == 0, "{found} differences");
            Ok(())
        })
        .await;
        match last {
            Some(differences) => Ok(Verdict { case: self.name.clone(), differences }),
            None => Err(outcome.err().unwrap_or_else(|| anyhow::anyhow!("{} was not looked at", self.name))),
        }
    }

    /// The present objects, in the form of the files in `observed`.
    async fn seen(&self, user: &Sandbox) -> Result<Value> {
        let name = self.scaled_object.as_str();
        let object = user.get("ScaledObject", name).await?;
        let list = format!("/apis/autoscaling/v2/namespaces/{NAMESPACE}/horizontalpodautoscalers");
        let hpas = user.send(Method::GET, &list, None).await?;
        let owned = |hpa: &&Value| hpa["metadata"]["ownerReferences"][0]["name"] == name;
        let hpa = |hpa: &Value| {
            json!({
                "annotations": hpa["metadata"]["annotations"], "labels": hpa["metadata"]["labels"],
                "name": hpa["metadata"]["name"], "ownerReferences": hpa["metadata"]["ownerReferences"],
                "spec": hpa["spec"],
            })
        };
        let hpas: Vec<Value> = hpas["items"].as_array().context("no list")?.iter().filter(owned).map(hpa).collect();
        let events = user.events(name).await?;
        let events: Vec<[String; 3]> =
            events.into_iter().map(|Event { kind, reason, message }| [kind, reason, message]).collect();
        // Without a Deployment the target is missing, and what follows from that is the result.
        let replicas = match self.item("Deployment")["metadata"]["name"].as_str() {
            Some(deployment) => json!(user.replicas(deployment).await?),
            None => Value::Null,
        };
        Ok(json!({
            "events": events,
            "hpas": hpas,
            "replicas": replicas,
            "scaledObject": {
                "finalizers": object["metadata"]["finalizers"], "labels": object["metadata"]["labels"],
                "status": object["status"],
            },
        }))
    }
}

/// The manifest with the addresses of the brokers that are there.
fn with_addresses(manifest: &Value, rabbit: &Rabbit, kafka: &Kafka) -> Value {
    let moved = |text: &str| -> String {
        let vhost = |url: &str, base: &str| {
            let path = url.splitn(4, '/').nth(3).unwrap_or_default();
            format!("{}/{path}", base.trim_end_matches('/'))
        };
        if text.starts_with("amqp://") {
            vhost(text, &rabbit.url())
        } else if text.starts_with("http://") && text.contains('@') {
            vhost(text, &rabbit.http_url())
        } else {
            text.to_owned()
        }
    };
    match manifest {
        Value::String(text) => json!(moved(text)),
        Value::Array(items) => items.iter().map(|item| with_addresses(item, rabbit, kafka)).collect(),
        Value::Object(fields) => {
            let field = |(key, value): (&String, &Value)| {
                let value = if key == "bootstrapServers" {
                    json!(kafka.address())
                } else {
                    with_addresses(value, rabbit, kafka)
                };
                (key.clone(), value)
            };
            fields.iter().map(field).collect()
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::refusals;

    #[test]
    fn errors_belong_to_the_case_that_their_line_begins_with() {
        let names = ["two", "two-more", "fine"].map(str::to_owned);
        let text = "two: Error from server: denied\n  by the webhook\ntwo-more.json: Error: invalid\n";
        let found = refusals(text, &names);
        assert_eq!(found.len(), 2);
        assert_eq!(found["two"], "Error from server: denied\n  by the webhook\n");
        assert_eq!(found["two-more"], "Error: invalid\n");
        assert!(refusals("", &names).is_empty());
    }
}
