//! Kubernetes events about ScaledObjects, with KEDA's reasons (keda.sh/docs, "Kubernetes Events").
//!
//! Owns the queue between those who have something to say and the API server: nobody waits for an event, and when
//! the API server is away the oldest news is the first to be given up.

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Events that may wait for the API server.
const QUEUE: usize = 4096;
/// Events that are sent at the same time.
const AT_ONCE: usize = 4;

/// What an event is about, in KEDA's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// A ScaledObject is served.
    ScaledObjectReady,
    /// A ScaledObject cannot be served.
    ScaledObjectCheckFailed,
    /// A ScaledObject was deleted.
    ScaledObjectDeleted,
    /// A ScaledObject was paused.
    ScaledObjectPaused,
    /// A ScaledObject is no longer paused.
    ScaledObjectUnpaused,
    /// Polling has begun.
    ScalersStarted,
    /// Polling has ended.
    ScalersStopped,
    /// A trigger's parameters are wrong, or it cannot be read.
    ScalerFailed,
    /// The target was scaled from zero or idle.
    ScaleTargetActivated,
    /// The target was scaled to zero or idle.
    ScaleTargetDeactivated,
    /// The target could not be scaled from zero or idle.
    ScaleTargetActivationFailed,
    /// The target could not be scaled to zero or idle.
    ScaleTargetDeactivationFailed,
}

impl Reason {
    /// The reason as KEDA writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ScaledObjectReady => "ScaledObjectReady",
            Self::ScaledObjectCheckFailed => "ScaledObjectCheckFailed",
            Self::ScaledObjectDeleted => "ScaledObjectDeleted",
            Self::ScaledObjectPaused => "ScaledObjectPaused",
            Self::ScaledObjectUnpaused => "ScaledObjectUnpaused",
            Self::ScalersStarted => "KEDAScalersStarted",
            Self::ScalersStopped => "KEDAScalersStopped",
            Self::ScalerFailed => "KEDAScalerFailed",
            Self::ScaleTargetActivated => "KEDAScaleTargetActivated",
            Self::ScaleTargetDeactivated => "KEDAScaleTargetDeactivated",
            Self::ScaleTargetActivationFailed => "KEDAScaleTargetActivationFailed",
            Self::ScaleTargetDeactivationFailed => "KEDAScaleTargetDeactivationFailed",
        }
    }

    fn type_(self) -> EventType {
        match self {
            Self::ScaledObjectCheckFailed
            | Self::ScaledObjectDeleted
            | Self::ScalerFailed
            | Self::ScaleTargetActivationFailed
            | Self::ScaleTargetDeactivationFailed => EventType::Warning,
            _ => EventType::Normal,
        }
    }
}

/// Takes events and sends them in the background. Cloning shares the queue.
#[derive(Debug, Clone)]
pub struct Events {
    queue: mpsc::Sender<(ObjectReference, Reason, String)>,
}

impl Events {
    /// Starts the sender; it ends when all handles are gone or at `shutdown`, after what is queued.
    pub fn start(client: Client, shutdown: CancellationToken) -> Self {
        let (queue, waiting) = mpsc::channel(QUEUE);
        tokio::spawn(send(client, waiting, shutdown));
        Self { queue }
    }

    /// Says something about an object.
    pub fn emit(&self, about: &ObjectReference, reason: Reason, note: impl Into<String>) {
        if self.queue.try_send((about.clone(), reason, note.into())).is_err() {
            tracing::warn!(reason = reason.as_str(), "event dropped: too many are waiting for the API server");
        }
    }
}

async fn send(client: Client, waiting: mpsc::Receiver<(ObjectReference, Reason, String)>, shutdown: CancellationToken) {
    use futures::StreamExt as _;
    let recorder = Recorder::new(client, Reporter { controller: "keda-operator".into(), instance: None });
    let stream = futures::stream::unfold(waiting, |mut waiting| async {
        waiting.recv().await.map(|event| (event, waiting))
    });
    stream
        .take_until(shutdown.cancelled())
        .for_each_concurrent(AT_ONCE, |(about, reason, note)| {
            let recorder = &recorder;
            async move {
                let event = Event {
                    type_: reason.type_(),
                    reason: reason.as_str().into(),
                    note: Some(shortened(note)),
                    action: reason.as_str().into(),
                    secondary: None,
                };
                if let Err(error) = recorder.publish(&event, &about).await {
                    tracing::warn!(%error, reason = reason.as_str(), object = about.name, "cannot write an event");
                }
            }
        })
        .await;
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
    fn a_long_note_is_cut_between_characters() {
        let note = shortened("ü".repeat(1000));
        assert!(note.len() <= 1024 && note.ends_with("..."));
        assert_eq!(shortened("short".into()), "short");
    }
}
