//! The decisions of all ScaledObjects, for the API.

use std::sync::Arc;

use async_trait::async_trait;
use axum::body::Body;
use axum::response::Response;
use chrono::{DateTime, Utc};
use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use http::HeaderValue;
use tokio::sync::broadcast::error::RecvError;

use crate::clock;
use crate::kube_api::key::Key;
use crate::leader::leader_client::LeaderClient;
use crate::metrics_api::decisions::{DecisionSource, Item, ReadPoint, ReadRange, ReadTrigger, Readings, Snapshot};
use crate::store::record::Record;
use crate::store::registry::Registry;
use ebb_plan::trail::object::{self, TargetReference};
use ebb_plan::trail::{self, Entry, Point, Trail, TriggerInfo};

/// The decisions that this replica knows. A standby asks the leader for its decisions.
pub struct Decisions {
    registry: Arc<Registry>,
    leader: LeaderClient,
    /// The time at which this replica began to record.
    since: DateTime<Utc>,
}

impl Decisions {
    /// The decisions from now on.
    pub fn new(registry: Arc<Registry>, leader: LeaderClient) -> Self {
        Self { registry, leader, since: clock::now() }
    }
}

#[async_trait]
impl DecisionSource for Decisions {
    fn epoch(&self) -> Option<u32> {
        self.registry.decisions().epoch()
    }

    fn snapshot(&self, namespace: Option<&str>) -> Snapshot {
        // The number is read first: a decision that is made meanwhile has a greater one, and is left to the watch.
        let number = trail::last_number();
        let mut items = Vec::new();
        for record in self.registry.records(namespace) {
            let entries: Vec<Entry> =
                record.trail.read(|trail| trail.decisions().filter(|entry| entry.number <= number).cloned().collect());
            items.extend(entries.iter().map(|entry| item(&record.key, target(&record), entry)));
        }
        items.sort_by_key(|item| item.number);
        Snapshot { number, since: object::stamp(self.since), items }
    }

    fn follow(&self) -> BoxStream<'static, Option<Item>> {
        let (live, registry) = (self.registry.decisions().subscribe(), Arc::clone(&self.registry));
        stream::unfold((live, registry), |(mut live, registry)| async move {
            let item = match live.recv().await {
                Ok(published) => {
                    let target = registry.get(&published.key).and_then(|record| target(&record));
                    Some(item(&published.key, target, &published.entry))
                }
                Err(RecvError::Lagged(_)) => None,
                Err(RecvError::Closed) => return None,
            };
            Some((item, (live, registry)))
        })
        .boxed()
    }

    fn readings(&self, namespace: &str, scaled_object: &str) -> Option<Readings> {
        let record = self.registry.get(&Key::new(namespace, scaled_object))?;
        record.trail.read(|trail| readings(trail, self.since))
    }

    async fn ask_leader(&self, path_and_query: &str, accept: Option<HeaderValue>) -> Result<Response, String> {
        let answer = self.leader.get(path_and_query, accept).await?;
        Ok(answer.map(Body::new))
    }
}

fn item(key: &Key, target: Option<TargetReference>, entry: &Entry) -> Item {
    let decision = object::object(&entry.decision, &key.name, target);
    Item { number: entry.number, namespace: key.namespace.clone(), decision }
}

fn target(record: &Record) -> Option<TargetReference> {
    let serving = record.serving()?;
    Some(TargetReference { kind: serving.target.kind().to_owned(), name: serving.target.name.clone() })
}

/// The readings of a trail. None: there are none yet.
fn readings(trail: &Trail, since: DateTime<Utc>) -> Option<Readings> {
    let (triggers, points) = trail.readings();
    Some(Readings {
        since: object::stamp(since),
        thinned: trail.is_thinned(),
        triggers: triggers?.iter().map(read_trigger).collect(),
        points: points.map(read_point).collect(),
    })
}

fn read_trigger(info: &TriggerInfo) -> ReadTrigger {
    ReadTrigger {
        index: info.index,
        kind: info.kind.to_owned(),
        name: info.name.as_deref().map(str::to_owned),
        metric: info.metric.name.clone(),
        target: info.metric.target,
        activation: info.metric.activation,
    }
}

fn read_point(point: Point) -> ReadPoint {
    let time = DateTime::from_timestamp(i64::from(point.from), 0).unwrap_or_default();
    let range = |range: trail::Range| ReadRange { last: range.last, min: range.min, max: range.max };
    ReadPoint {
        time: object::stamp(time),
        seconds: point.to - point.from,
        values: point.values.into_iter().map(|value| value.map(range)).collect(),
        replicas: point.replicas,
        shadow: point.shadow,
    }
}
