//! What a page is sent while it is open: the overview's rows or one ScaledObject's detail, as server-sent events.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::response::sse;
use chrono::{DateTime, Utc};
use futures::channel::mpsc;
use futures::stream::{self, StreamExt as _};
use futures::{SinkExt as _, Stream};
use k8s_openapi::api::core::v1::Event as CoreEvent;
use kube::core::DynamicObject;
use kube::runtime::watcher::{self, Event};
use kube::{Api, Client, ResourceExt as _};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use super::detail::{Beside, Detail};
use super::model::{Cluster, Model, Sent};
use super::trail::{self, Trail};
use super::watch::{Shown, shown};
use crate::clock;
use crate::kube_api::key::Key;

/// Changes within this time go to the page together.
const TOGETHER: Duration = Duration::from_millis(200);
/// How often the time is sent. A page that hears nothing for three of them takes the connection for dead.
const TIME: Duration = Duration::from_secs(5);
/// How often the readings of an open ScaledObject are asked for.
const READINGS: Duration = Duration::from_secs(2);
/// How often the detail is sent at most.
const DETAIL: Duration = Duration::from_millis(400);
/// How many messages wait for a page that is slow to take them.
const WAITING: usize = 4;

/// What every page is sent first.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Hello {
    pub(super) version: &'static str,
    pub(super) context: String,
    pub(super) server: String,
    pub(super) namespaces: Vec<String>,
    pub(super) simulates: bool,
}

/// Where the pages' data comes from.
#[derive(Clone)]
pub(super) struct Source {
    pub(super) hello: Hello,
    pub(super) client: Client,
    pub(super) model: Arc<Model>,
}

/// The page has gone.
struct Gone;

type Message = Result<sse::Event, Infallible>;

/// The way to one page, with what it knows of the connections behind `ebb ui`.
struct Page {
    messages: mpsc::Sender<Message>,
    trail: Option<Trail>,
    cluster: Option<Cluster>,
}

impl Page {
    async fn send(&mut self, name: &str, data: &impl Serialize) -> Result<(), Gone> {
        let text = serde_json::to_string(data).map_err(|_| Gone)?;
        self.messages.send(Ok(sse::Event::default().event(name).data(text))).await.map_err(|_| Gone)
    }

    async fn send_connections(&mut self, model: &Model) -> Result<(), Gone> {
        let cluster = model.cluster();
        if self.cluster.as_ref() != Some(&cluster) {
            self.send("cluster", &cluster).await?;
            self.cluster = Some(cluster);
        }
        let trail = model.trail();
        if self.trail.as_ref() != Some(&trail) {
            self.send("trail", &trail).await?;
            self.trail = Some(trail);
        }
        Ok(())
    }
}

/// The messages for a page that shows the overview, or the ScaledObject `of`.
pub(super) fn open(source: Source, of: Option<Key>) -> impl Stream<Item = Message> {
    let (sender, receiver) = mpsc::channel(WAITING);
    let mut page = Page { messages: sender, trail: None, cluster: None };
    tokio::spawn(async move {
        let done = match of {
            None => overview(&source, &mut page).await,
            Some(key) => detail(&source, &mut page, &key).await,
        };
        // It ends when the page has gone, and with nothing else.
        done.unwrap_or(());
    });
    receiver
}

async fn overview(source: &Source, page: &mut Page) -> Result<(), Gone> {
    let (model, mut sent) = (&source.model, Sent::default());
    let mut changed = model.subscribe();
    let mut time = interval(TIME);
    page.send("hello", &source.hello).await?;
    loop {
        page.send_connections(model).await?;
        if model.is_listed() {
            let change = model.changes(&mut sent);
            if change.reset || !change.rows.is_empty() || !change.gone.is_empty() {
                page.send("rows", &change).await?;
            }
        }
        tokio::select! {
            done = changed.changed() => {
                if done.is_err() { return Ok(()) }
                sleep(TOGETHER).await;
                changed.mark_unchanged();
            }
            _ = time.tick() => page.send("time", &clock::now()).await?,
        }
    }
}

/// What the requests of one page have brought.
#[derive(Debug, Default)]
struct Gathered {
    events: HashMap<String, CoreEvent>,
    decisions: HashMap<String, Value>,
    readings: Option<Value>,
}

impl Gathered {
    fn take_event(&mut self, event: Event<CoreEvent>) {
        match event {
            Event::Apply(event) | Event::InitApply(event) => {
                self.events.insert(event.name_any(), event);
            }
            Event::Delete(event) => {
                self.events.remove(&event.name_any());
            }
            Event::Init | Event::InitDone => {}
        }
    }

    fn take_decision(&mut self, event: Event<DynamicObject>, name: &str) {
        match event {
            // Another leader may have another trail.
            Event::Init => self.decisions.clear(),
            Event::Apply(decision) | Event::InitApply(decision) => {
                if decision.data["scaledObject"] == *name {
                    self.decisions.insert(decision.name_any(), serde_json::to_value(decision).unwrap_or_default());
                }
            }
            Event::Delete(decision) => {
                self.decisions.remove(&decision.name_any());
            }
            Event::InitDone => {}
        }
    }

    fn beside(&self) -> Beside {
        Beside {
            events: self.events.values().cloned().collect(),
            decisions: self.decisions.values().cloned().collect(),
            readings: self.readings.clone(),
        }
    }
}

async fn detail(source: &Source, page: &mut Page, key: &Key) -> Result<(), Gone> {
    let Source { hello, client, model } = source;
    page.send("hello", hello).await?;
    let mut changed = model.subscribe();
    let mut events = events_of(client, model, key);
    let decisions = watcher::Config::default().labels(&trail::selector(&key.name));
    let mut decisions = shown(trail::api(client, Some(&key.namespace)), decisions);
    let mut gathered = Gathered::default();
    let (mut time, mut readings, mut push) = (interval(TIME), interval(READINGS), interval(DETAIL));
    push.set_missed_tick_behavior(MissedTickBehavior::Delay);
    readings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut seen, mut dirty) = (0, true);
    loop {
        tokio::select! {
            _ = push.tick() => {
                page.send_connections(model).await?;
                if std::mem::take(&mut dirty) && model.is_listed() {
                    page.send("detail", &current(model, key, &gathered, clock::now())).await?;
                } else if !model.is_listed() {
                    dirty = true;
                }
            }
            done = changed.changed() => {
                if done.is_err() { return Ok(()) }
                let now = model.revision(key);
                dirty |= std::mem::replace(&mut seen, now) != now;
            }
            Some(event) = events.next() => if let Ok(event) = event {
                gathered.take_event(event);
                dirty = true;
            },
            Some(event) = decisions.next() => if let Ok(event) = event {
                gathered.take_decision(event, &key.name);
                dirty = true;
            },
            _ = readings.tick() => {
                let fresh = trail::readings(client, key).await;
                dirty |= fresh != gathered.readings;
                gathered.readings = fresh;
            }
            _ = time.tick() => page.send("time", &clock::now()).await?,
        }
    }
}

/// The page of one ScaledObject. Null: there is none of that name.
fn current(model: &Model, key: &Key, gathered: &Gathered, now: DateTime<Utc>) -> Value {
    let Some((row, object, hpa)) = model.one(key) else { return Value::Null };
    let detail = Detail::new(row, object, hpa, gathered.beside(), now);
    serde_json::to_value(detail).unwrap_or_default()
}

/// The events of a ScaledObject, its HPA and its target.
fn events_of(client: &Client, model: &Model, key: &Key) -> Shown<CoreEvent> {
    let watches = names_of(model, key).into_iter().map(|name| {
        let config = watcher::Config::default().fields(&format!("involvedObject.name={name}"));
        shown(Api::<CoreEvent>::namespaced(client.clone(), &key.namespace), config)
    });
    stream::select_all(watches).boxed()
}

fn names_of(model: &Model, key: &Key) -> Vec<String> {
    let mut names = vec![key.name.clone()];
    if let Some((row, _, hpa)) = model.one(key) {
        names.extend(hpa.map(|hpa| hpa.name_any()));
        names.push(row.target.name);
    }
    names.sort();
    names.dedup();
    names
}

/// The detail of one ScaledObject, asked for once: for a report.
pub(super) async fn once(source: &Source, key: &Key) -> Value {
    let Source { client, model, .. } = source;
    let mut gathered = Gathered::default();
    for name in names_of(model, key) {
        let only = kube::api::ListParams::default().fields(&format!("involvedObject.name={name}"));
        let events = Api::<CoreEvent>::namespaced(client.clone(), &key.namespace).list(&only).await;
        events.into_iter().flatten().for_each(|event| gathered.take_event(Event::Apply(event)));
    }
    if model.trail() == Trail::ok() {
        let only = kube::api::ListParams::default().labels(&trail::selector(&key.name));
        let decisions = trail::api(client, Some(&key.namespace)).list(&only).await;
        decisions.into_iter().flatten().for_each(|one| gathered.take_decision(Event::Apply(one), &key.name));
        gathered.readings = trail::readings(client, key).await;
    }
    current(model, key, &gathered, clock::now())
}

/// Waits until the first lists are complete and the trail has answered, or until `limit` is over.
pub(super) async fn listed(model: &Model, limit: Duration) -> bool {
    let mut changed = model.subscribe();
    let end = Instant::now() + limit;
    while !model.is_listed() || model.trail() == Trail::waiting() {
        if tokio::time::timeout_at(end, changed.changed()).await.is_err() {
            break;
        }
    }
    model.is_listed()
}

/// The data of a report: all rows, and the details of these.
pub(super) fn report(source: &Source, details: &[Value]) -> Value {
    let rows = source.model.changes(&mut Sent::default()).rows;
    json!({
        "at": clock::now(), "hello": source.hello, "trail": source.model.trail(), "rows": rows, "details": details,
    })
}
