//! Kubernetes events about ScaledObjects and authentications, with KEDA's reasons (keda.sh/docs, "Kubernetes Events").
//!
//! Owns the queue between the parts that report events and the API server. Nobody waits for an event. While the API
//! server is away the queue waits for it; a new event is dropped when the queue is full.
//!
//! An event is about the past, so that it is sent after the end of this replica's leadership too: no other replica
//! knows of it. Each part decides by itself which events it reports.

use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::{Event, EventSource, ObjectReference};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client};
use parking_lot::Mutex;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::clock;
use crate::kube_api::errors;
use ebb_plan::events::Reason;
use ebb_plan::status;

/// Events that may wait for the API server: those of forty thousand ScaledObjects that begin together.
const QUEUE: usize = 131_072;
/// Events that are sent at the same time.
const AT_ONCE: usize = 8;
/// How long an event counts as the same when its text comes again.
const SAME_EVENT: Duration = Duration::from_mins(10);
/// How long Ebb tries to write an event without an answer: as long as the API server would keep the event.
const UNANSWERED: Duration = Duration::from_hours(1);
/// The same where the API server is not available for this request.
const UNAVAILABLE: Duration = Duration::from_mins(5);
/// The same where the API server could not process it, which says nothing about other events.
const HELD_UP: Duration = Duration::from_secs(2);
/// The first and the longest pause between two tries.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(8);
/// The interval at which old events are forgotten.
const PRUNED_EVERY: Duration = Duration::from_mins(1);
/// The most characters of an object's name in an event's name. With the rest, an event's name may have 253.
const LONGEST_NAME: usize = 230;
/// The source of the events: dashboards and alerts filter by KEDA's name.
const COMPONENT: &str = "keda-operator";

/// An event before it has a name and a count.
type News = (Arc<ObjectReference>, Reason, Cow<'static, str>);

/// Takes events and sends them in the background. Cloning shares the queue.
#[derive(Debug, Clone)]
pub struct Events {
    queue: mpsc::Sender<News>,
}

impl Events {
    /// Starts the sender; it ends when all handles are gone or at `shutdown`, after the queued events.
    pub fn start(client: Client, shutdown: CancellationToken) -> Self {
        let (queue, waiting) = mpsc::channel(QUEUE);
        tokio::spawn(send(client, waiting, shutdown));
        Self { queue }
    }

    /// Queues an event about an object.
    pub fn emit(&self, about: &Arc<ObjectReference>, reason: Reason, note: impl Into<Cow<'static, str>>) {
        if self.queue.try_send((Arc::clone(about), reason, note.into())).is_err() {
            tracing::warn!(reason = reason.as_str(), "event dropped: too many are waiting for the API server");
        }
    }
}

/// Sends the queued events. An event with the content of one of the last ten minutes raises that one's count, as the
/// events of Kubernetes' own controllers do.
async fn send(client: Client, waiting: mpsc::Receiver<News>, shutdown: CancellationToken) {
    let (sent, outage) = (Sent::default(), Outage::default());
    futures::stream::unfold(waiting, |mut waiting| async { waiting.recv().await.map(|event| (event, waiting)) })
        .take_until(shutdown.cancelled())
        .for_each_concurrent(AT_ONCE, |(about, reason, note)| {
            let (client, sent, outage) = (&client, &sent, &outage);
            async move {
                let event = sent.event(&about, reason, shortened(note.into_owned()));
                let api: Api<Event> = Api::namespaced(client.clone(), about.namespace.as_deref().unwrap_or("default"));
                deliver(&api, &event, outage).await;
            }
        })
        .await;
}

/// Writes an event, again where the answer does not show whether it was written. It has a name and a count of its own,
/// so that it is there once after any number of writes.
async fn deliver(api: &Api<Event>, event: &Event, outage: &Outage) {
    let begin = Instant::now();
    let mut pause = FIRST_PAUSE;
    loop {
        let Err(error) = write(api, event).await else {
            outage.ended();
            return;
        };
        if begin.elapsed() + pause > patience(&error) {
            let object = event.involved_object.name.as_deref();
            tracing::warn!(%error, reason = event.reason, object, "cannot write an event");
            return;
        }
        if !errors::is_unanswered(&error) {
            outage.began(&error);
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// How long Ebb tries to write an event that got this error.
fn patience(error: &kube::Error) -> Duration {
    match error {
        error if errors::is_unanswered(error) => UNANSWERED,
        kube::Error::Api(status) if status.code == 503 => UNAVAILABLE,
        // For instance a broken webhook for one namespace: the events of others do not wait for it.
        kube::Error::Api(status) if status.code >= 500 => HELD_UP,
        kube::Error::Api(_) => Duration::ZERO,
        _ => UNAVAILABLE,
    }
}

/// Whether the API server takes no events at present, so that the log has a line when that begins and when it ends.
#[derive(Default)]
struct Outage(AtomicBool);

impl Outage {
    fn began(&self, error: &kube::Error) {
        if !self.0.swap(true, Ordering::Relaxed) {
            tracing::warn!(%error, "cannot write events; Ebb tries each again for {} s", UNAVAILABLE.as_secs());
        }
    }

    fn ended(&self) {
        if self.0.swap(false, Ordering::Relaxed) {
            tracing::info!("events can be written again");
        }
    }
}

/// The events of the last minutes. A thousand objects that begin together have several thousand, so that only digests
/// of their texts are kept.
#[derive(Default)]
struct Sent {
    seed: RandomState,
    known: Mutex<HashMap<u64, Known>>,
    /// When they were last searched for old ones.
    pruned: Mutex<Option<Instant>>,
    /// How many there have been.
    serial: AtomicU64,
}

/// An event that was sent.
struct Known {
    serial: u64,
    /// How often it was sent.
    count: i32,
    last: Instant,
}

impl Sent {
    fn digest(&self, about: &ObjectReference, reason: Reason, note: &str) -> u64 {
        self.seed.hash_one((&about.uid, reason, note))
    }

    /// Notes that an event is sent: the number in its name, and its count. An event that was not sent for a while is a
    /// new one.
    fn note(&self, digest: u64) -> (u64, i32) {
        let mut known = self.known.lock();
        self.prune(&mut known);
        let new = || Known { serial: self.serial.fetch_add(1, Ordering::Relaxed), count: 0, last: Instant::now() };
        let known = known.entry(digest).or_insert_with(new);
        if known.last.elapsed() >= SAME_EVENT {
            *known = new();
        }
        known.count += 1;
        known.last = Instant::now();
        (known.serial, known.count)
    }

    fn prune(&self, known: &mut HashMap<u64, Known>) {
        let mut pruned = self.pruned.lock();
        if pruned.is_some_and(|pruned| pruned.elapsed() < PRUNED_EVERY) {
            return;
        }
        *pruned = Some(Instant::now());
        let before = known.len();
        known.retain(|_, known| known.last.elapsed() < SAME_EVENT);
        if known.len() < before / 2 {
            known.shrink_to_fit();
        }
    }

    /// Makes an event, with the name and the count of the same one before.
    fn event(&self, about: &ObjectReference, reason: Reason, note: String) -> Event {
        let now = status::time(clock::now());
        let digest = self.digest(about, reason, &note);
        let (serial, count) = self.note(digest);
        Event {
            metadata: ObjectMeta {
                name: Some(self.name(about, digest, serial)),
                namespace: Some(about.namespace.clone().unwrap_or_else(|| "default".to_owned())),
                ..ObjectMeta::default()
            },
            involved_object: about.clone(),
            type_: Some(reason.type_().to_owned()),
            reason: Some(reason.as_str().to_owned()),
            message: Some(note),
            count: Some(count),
            first_timestamp: Some(now.clone()),
            last_timestamp: Some(now),
            source: Some(EventSource { component: Some(COMPONENT.to_owned()), host: None }),
            reporting_component: Some(COMPONENT.to_owned()),
            ..Event::default()
        }
    }

    /// The event's name, by which it is found again: no other has it, in this process or another.
    fn name(&self, about: &ObjectReference, digest: u64, serial: u64) -> String {
        let object: String = about.name.as_deref().unwrap_or_default().chars().take(LONGEST_NAME).collect();
        format!("{}.{:016x}", object.trim_end_matches(['.', '-']), self.seed.hash_one((digest, serial)))
    }
}

/// Creates an event, or raises the count of one that is there.
async fn write(api: &Api<Event>, event: &Event) -> Result<(), kube::Error> {
    let name = event.metadata.name.as_deref().unwrap_or_default();
    let again = async || {
        let patch = Patch::Merge(json!({"count": event.count, "lastTimestamp": event.last_timestamp}));
        api.patch(name, &PatchParams::default(), &patch).await.map(drop)
    };
    if event.count > Some(1) {
        match again().await {
            // It was deleted, or has never been written.
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            other => return other,
        }
    }
    match api.create(&PostParams::default(), event).await {
        // The same was sent at the same time, or before an answer that was lost.
        Err(kube::Error::Api(status)) if status.code == 409 => again().await,
        other => other.map(drop),
    }
}

/// The API server takes notes of at most 1024 bytes.
fn shortened(mut note: String) -> String {
    if note.len() > 1024 {
        let end = (0..=1020).rev().find(|end| note.is_char_boundary(*end)).unwrap_or(0);
        note.truncate(end);
        note.push_str("...");
    }
    note
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_again_is_counted_under_its_name() {
        let sent = Sent::default();
        let about = |name: &str| ObjectReference {
            name: Some(name.to_owned()),
            uid: Some(name.to_owned()),
            ..ObjectReference::default()
        };
        let app = about("app");
        let tell = |note: &str| {
            let digest = sent.digest(&app, Reason::ScalerFailed, note);
            let (serial, count) = sent.note(digest);
            (sent.name(&app, digest, serial), count)
        };
        let (first, _) = tell("gone");
        assert!(first.starts_with("app."), "{first}");
        assert_eq!(tell("gone"), (first.clone(), 2));
        assert_ne!(tell("gone again").0, first);
        let long = sent.name(&about(&"a.".repeat(120)), 1, 1);
        assert!(long.len() < 253 && !long.contains(".."), "{long}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_not_sent_for_a_while_is_new_and_its_room_is_given_back() {
        let sent = Sent::default();
        for digest in 0..100 {
            assert_eq!(sent.note(digest).1, 1);
        }
        tokio::time::sleep(SAME_EVENT / 2).await;
        assert_eq!(sent.note(7).1, 2);
        tokio::time::sleep(SAME_EVENT.mul_f64(0.9)).await;
        let (serial, count) = sent.note(7);
        assert_eq!((serial, count), (7, 3), "its ten minutes begin anew each time");
        assert_eq!(sent.known.lock().len(), 1);
        tokio::time::sleep(SAME_EVENT).await;
        assert_eq!(sent.note(7).1, 1);
    }

    #[test]
    fn a_long_note_is_cut_between_characters() {
        let note = shortened("ü".repeat(1000));
        assert!(note.len() <= 1024 && note.ends_with("..."));
        assert_eq!(shortened("short".into()), "short");
    }
}
